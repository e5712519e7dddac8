// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/remote_shards.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/status.h"

namespace assay::gateway {
namespace {

using Stub = shard::v1::ShardService::Stub;

// How old what is known of the routes may be; announcements come every second.
constexpr absl::Duration kRouteAge = absl::Milliseconds(200);
constexpr absl::Duration kRetryAfter = absl::Seconds(1);
constexpr char kNotOwner[] = "NOT_OWNER";
constexpr char kStaleKey[] = "assay-stale";
constexpr char kLagKey[] = "assay-lag";

// Whether somebody else may know better.
bool CanAskAnother(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || rpc::ReasonOf(status) == kNotOwner;
}

absl::Status Unreachable(uint32_t shard, const absl::Status& last) {
  const std::string why = last.ok() ? "nobody owns it at the moment" : std::string(last.message());
  return rpc::WithRetryDelay(absl::UnavailableError(absl::StrCat("shard ", shard, ": ", why)), kRetryAfter);
}

absl::string_view MetadataOf(const grpc::ClientContext& context, const char* key) {
  for (const auto* metadata : {&context.GetServerTrailingMetadata(), &context.GetServerInitialMetadata()}) {
    if (const auto found = metadata->find(key); found != metadata->end()) {
      return {found->second.data(), found->second.size()};
    }
  }
  return {};
}

// An answer is as stale as the most stale of what it is made of.
void NoteStaleness(const grpc::ClientContext& context, const ReadPlan::Target& target, Staleness& staleness) {
  if (target.is_owner && MetadataOf(context, kStaleKey).empty()) return;
  uint64_t lag = 0;
  if (!absl::SimpleAtoi(MetadataOf(context, kLagKey), &lag)) lag = target.lag_records;
  staleness.is_stale = true;
  staleness.lag_records = std::max(staleness.lag_records, lag);
}

}  // namespace

RemoteShards::RemoteShards(uint32_t shards, rpc::ChannelOptions tls, membership::Announcements& announcements,
                           Clock& clock)
    : count_(shards), announcements_(announcements), clock_(clock), peers_(std::move(tls)), routes_(shards) {
  followers_ = std::make_unique<ShardFollowers>(
      shards, peers_,
      [this](uint32_t shard) {
        const Route route = RouteOf(shard);
        return route.owner ? route.owner->address : std::string();
      },
      clock);
}

RemoteShards::~RemoteShards() = default;

void RemoteShards::Refresh() const {
  const absl::Time now = clock_.TimeNow();
  if (now - refreshed_ < kRouteAge) return;
  refreshed_ = now;
  routes_ = RoutesOf(
      announcements_.aggregators(), [this](const membership::Heard& heard) { return announcements_.IsPresent(heard); },
      count_);
}

Route RemoteShards::RouteOf(uint32_t shard) const {
  absl::MutexLock lock(&mutex_);
  Refresh();
  return routes_.at(shard);
}

ShardPressure RemoteShards::PressureOf(uint32_t shard) const {
  const Route route = RouteOf(shard);
  if (!route.owner) return {};
  return {route.owner->applied_offset, route.owner->lag_records, route.owner->waiting_work};
}

absl::Status RemoteShards::health() const {
  ASSAY_RETURN_IF_ERROR(announcements_.health());
  absl::MutexLock lock(&mutex_);
  Refresh();
  const bool anybody = std::any_of(routes_.begin(), routes_.end(),
                                   [](const Route& route) { return route.owner || !route.standbys.empty(); });
  return anybody ? absl::OkStatus() : absl::UnavailableError("no aggregator is present");
}

template <typename Response, typename Request>
absl::StatusOr<Response> RemoteShards::AskOne(const ReadPlan::Target& target, const Request& request,
                                              absl::Time deadline, Staleness* staleness,
                                              Method<Request, Response> method) {
  ASSAY_ASSIGN_OR_RETURN(const std::shared_ptr<Stub> stub, peers_.Find(target.address));
  grpc::ClientContext context;
  rpc::PrepareContext(context, deadline, /*token=*/"");
  Response response;
  ASSAY_RETURN_IF_ERROR(rpc::FromGrpcStatus((stub.get()->*method)(&context, request, &response)));
  if (staleness != nullptr) NoteStaleness(context, target, *staleness);
  return response;
}

template <typename Response, typename Request>
absl::StatusOr<Response> RemoteShards::Ask(uint32_t shard, const Request& request, const ShardCall& call,
                                           Method<Request, Response> method) {
  if (shard >= count_) return absl::InvalidArgumentError(absl::StrCat("there is no shard ", shard));
  const v1::Consistency consistency = request.scope().consistency();
  Request sent = request;
  sent.mutable_scope()->set_shard(shard);
  ReadPlan plan(RouteOf(shard), consistency);
  absl::Status last;
  while (const std::optional<ReadPlan::Target> target = plan.Next()) {
    const absl::Time now = clock_.TimeNow();
    if (now >= call.deadline) break;
    // A standby answers what it has once the token is applied, and is told so.
    sent.mutable_scope()->set_consistency(target->is_owner ? consistency : v1::STALE_OK);
    absl::StatusOr<Response> answer =
        AskOne(*target, sent, plan.PatienceFor(now, call.deadline), call.staleness, method);
    if (answer.ok() || !CanAskAnother(answer.status())) return answer;
    last = answer.status();
    if (rpc::ReasonOf(last) == kNotOwner) plan.Redirect(rpc::ReasonMetadataOf(last, "address"));
  }
  return Unreachable(shard, last);
}

absl::StatusOr<shard::v1::FindRequestResponse> RemoteShards::FindRequest(uint32_t shard,
                                                                         const shard::v1::FindRequestRequest& request,
                                                                         const ShardCall& call) {
  return Ask<shard::v1::FindRequestResponse>(shard, request, call, &Stub::FindRequest);
}

absl::StatusOr<shard::v1::GetSubmissionResponse> RemoteShards::GetSubmission(
    uint32_t shard, const shard::v1::GetSubmissionRequest& request, const ShardCall& call) {
  return Ask<shard::v1::GetSubmissionResponse>(shard, request, call, &Stub::GetSubmission);
}

absl::StatusOr<shard::v1::ListSubmissionsResponse> RemoteShards::ListSubmissions(
    uint32_t shard, const shard::v1::ListSubmissionsRequest& request, const ShardCall& call) {
  return Ask<shard::v1::ListSubmissionsResponse>(shard, request, call, &Stub::ListSubmissions);
}

absl::StatusOr<shard::v1::AssessmentEntry> RemoteShards::GetAssessment(uint32_t shard,
                                                                       const shard::v1::GetAssessmentRequest& request,
                                                                       const ShardCall& call) {
  return Ask<shard::v1::AssessmentEntry>(shard, request, call, &Stub::GetAssessment);
}

absl::StatusOr<shard::v1::ListAssessmentsResponse> RemoteShards::ListAssessments(
    uint32_t shard, const shard::v1::ListAssessmentsRequest& request, const ShardCall& call) {
  return Ask<shard::v1::ListAssessmentsResponse>(shard, request, call, &Stub::ListAssessments);
}

absl::StatusOr<std::string> RemoteShards::GetReadiness(uint32_t shard, const shard::v1::GetReadinessRequest& request,
                                                       const ShardCall& call) {
  ASSAY_ASSIGN_OR_RETURN(shard::v1::GetReadinessResponse answer,
                         Ask<shard::v1::GetReadinessResponse>(shard, request, call, &Stub::GetReadiness));
  return std::move(*answer.mutable_record());
}

absl::StatusOr<v1::EvaluationReport> RemoteShards::GetReport(uint32_t shard, const shard::v1::GetReportRequest& request,
                                                             const ShardCall& call) {
  return Ask<v1::EvaluationReport>(shard, request, call, &Stub::GetReport);
}

absl::StatusOr<shard::v1::FindEvidenceResponse> RemoteShards::FindEvidence(
    uint32_t shard, const shard::v1::FindEvidenceRequest& request, const ShardCall& call) {
  return Ask<shard::v1::FindEvidenceResponse>(shard, request, call, &Stub::FindEvidence);
}

absl::StatusOr<shard::v1::ListDecisionsResponse> RemoteShards::ListDecisions(
    uint32_t shard, const shard::v1::ListDecisionsRequest& request, const ShardCall& call) {
  return Ask<shard::v1::ListDecisionsResponse>(shard, request, call, &Stub::ListDecisions);
}

absl::StatusOr<shard::v1::ReadChangesResponse> RemoteShards::ReadChanges(uint32_t shard,
                                                                         const shard::v1::ReadChangesRequest& request,
                                                                         const ShardCall& call) {
  return Ask<shard::v1::ReadChangesResponse>(shard, request, call, &Stub::ReadChanges);
}

absl::StatusOr<ChangeRange> RemoteShards::GetChangeRange(uint32_t shard, const ShardCall& call) {
  shard::v1::GetNextChangeRequest request;
  request.mutable_scope()->set_wait_for_offset(-1);
  ASSAY_ASSIGN_OR_RETURN(const shard::v1::GetNextChangeResponse answer,
                         Ask<shard::v1::GetNextChangeResponse>(shard, request, call, &Stub::GetNextChange));
  return ChangeRange{answer.oldest(), answer.next()};
}

std::shared_ptr<void> RemoteShards::Subscribe(uint32_t shard, std::function<void()> listener) {
  return followers_->Subscribe(shard, std::move(listener));
}

}  // namespace assay::gateway
