// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/shard_rpc.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/aggregator/shard.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/status.h"
#include "services/common/rpc/unary.h"

namespace assay::aggregator {
namespace {

// A call waits no longer than this for what it asks to be applied, whatever its deadline is.
constexpr absl::Duration kLongestWait = absl::Seconds(5);
constexpr absl::Duration kRetryDelay = absl::Milliseconds(500);
// A watcher that has not taken the last word needs no second one.
constexpr size_t kWatchBuffer = 2;
constexpr char kStaleKey[] = "assay-stale";
constexpr char kLagKey[] = "assay-lag";

std::string MethodName(const char* method) { return absl::StrCat("/assay.shard.v1.ShardService/", method); }

}  // namespace

rpc::MethodRules ShardMethodRules() {
  rpc::MethodRules rules;
  for (const char* method :
       {"FindRequest", "GetSubmission", "ListSubmissions", "GetAssessment", "ListAssessments", "GetReadiness", "GetReport",
        "FindEvidence", "ListDecisions", "ReadChanges", "GetNextChange", "WatchShard", "GetReplicas"}) {
    rules[MethodName(method)] = rpc::Role::kReader;
  }
  return rules;
}

ShardRpc::~ShardRpc() { EndWatches(); }

absl::Status ShardRpc::NotOwner(uint32_t shard) const {
  const std::string owner = server_.OwnerOf(shard);
  std::map<std::string, std::string> metadata;
  if (!owner.empty() && owner != options_.instance) metadata["address"] = options_.address_of(owner);
  return rpc::WithReason(absl::FailedPreconditionError(absl::StrCat("shard ", shard, " is not owned by ",
                                                                    options_.instance)),
                         "NOT_OWNER", metadata);
}

absl::StatusOr<const ShardReads*> ShardRpc::FindReads(const shard::v1::Scope& scope, absl::Time deadline) const {
  const uint32_t shard = scope.shard();
  if (shard >= server_.shards()) return absl::InvalidArgumentError(absl::StrCat("scope.shard: there is no ", shard));
  absl::StatusOr<const ShardReads*> reads;
  if (scope.consistency() == v1::STRONG) {
    reads = server_.ReadStrongly(shard, deadline);
    if (absl::IsFailedPrecondition(reads.status())) return NotOwner(shard);
  } else {
    if (scope.consistency() != v1::STALE_OK && !server_.Owns(shard)) return NotOwner(shard);
    reads = server_.Read(shard, scope.wait_for_offset(), deadline);
  }
  if (absl::IsUnavailable(reads.status())) return rpc::WithRetryDelay(reads.status(), kRetryDelay);
  return reads;
}

template <typename Request, typename Response, typename Read>
grpc::ServerUnaryReactor* ShardRpc::Answer(const char* method, Context* context, const Request* request,
                                           Response* response, Read read) {
  return rpc::Unary(environment_, MethodName(method), context, request, response,
                    [this, context, read](const rpc::Call& call, const Request& asked) -> absl::StatusOr<Response> {
                      const absl::Time deadline = std::min(call.deadline, clock_.TimeNow() + kLongestWait);
                      ASSAY_ASSIGN_OR_RETURN(const ShardReads* reads, FindReads(asked.scope(), deadline));
                      const uint32_t shard = asked.scope().shard();
                      if (!server_.Owns(shard)) {
                        context->AddInitialMetadata(kStaleKey, "1");
                        context->AddInitialMetadata(kLagKey, absl::StrCat(server_.LagOf(shard)));
                      }
                      return read(*reads, asked);
                    });
}

grpc::ServerUnaryReactor* ShardRpc::FindRequest(Context* context, const shard::v1::FindRequestRequest* request,
                                                shard::v1::FindRequestResponse* response) {
  return Answer("FindRequest", context, request, response,
                [](const ShardReads& reads, const auto& asked) { return reads.FindRequest(asked); });
}

grpc::ServerUnaryReactor* ShardRpc::GetSubmission(Context* context, const shard::v1::GetSubmissionRequest* request,
                                                  shard::v1::GetSubmissionResponse* response) {
  return Answer("GetSubmission", context, request, response,
                [](const ShardReads& reads, const auto& asked) { return reads.GetSubmission(asked); });
}

grpc::ServerUnaryReactor* ShardRpc::ListSubmissions(Context* context, const shard::v1::ListSubmissionsRequest* request,
                                                    shard::v1::ListSubmissionsResponse* response) {
  return Answer("ListSubmissions", context, request, response,
                [](const ShardReads& reads, const auto& asked) { return reads.ListSubmissions(asked); });
}

grpc::ServerUnaryReactor* ShardRpc::GetAssessment(Context* context, const shard::v1::GetAssessmentRequest* request,
                                                  shard::v1::AssessmentEntry* response) {
  return Answer("GetAssessment", context, request, response,
                [](const ShardReads& reads, const auto& asked) { return reads.GetAssessment(asked); });
}

grpc::ServerUnaryReactor* ShardRpc::ListAssessments(Context* context, const shard::v1::ListAssessmentsRequest* request,
                                                    shard::v1::ListAssessmentsResponse* response) {
  return Answer("ListAssessments", context, request, response,
                [](const ShardReads& reads, const auto& asked) { return reads.ListAssessments(asked); });
}

grpc::ServerUnaryReactor* ShardRpc::GetReadiness(Context* context, const shard::v1::GetReadinessRequest* request,
                                                 shard::v1::GetReadinessResponse* response) {
  return Answer("GetReadiness", context, request, response,
                [](const ShardReads& reads, const auto& asked) -> absl::StatusOr<shard::v1::GetReadinessResponse> {
                  shard::v1::GetReadinessResponse answer;
                  ASSAY_ASSIGN_OR_RETURN(*answer.mutable_record(), reads.GetReadiness(asked));
                  return answer;
                });
}

grpc::ServerUnaryReactor* ShardRpc::GetReport(Context* context, const shard::v1::GetReportRequest* request,
                                              v1::EvaluationReport* response) {
  return Answer("GetReport", context, request, response,
                [](const ShardReads& reads, const auto& asked) { return reads.GetReport(asked); });
}

grpc::ServerUnaryReactor* ShardRpc::FindEvidence(Context* context, const shard::v1::FindEvidenceRequest* request,
                                                 shard::v1::FindEvidenceResponse* response) {
  return Answer("FindEvidence", context, request, response,
                [](const ShardReads& reads, const auto& asked) { return reads.FindEvidence(asked); });
}

grpc::ServerUnaryReactor* ShardRpc::ListDecisions(Context* context, const shard::v1::ListDecisionsRequest* request,
                                                  shard::v1::ListDecisionsResponse* response) {
  return Answer("ListDecisions", context, request, response,
                [](const ShardReads& reads, const auto& asked) { return reads.ListDecisions(asked); });
}

grpc::ServerUnaryReactor* ShardRpc::ReadChanges(Context* context, const shard::v1::ReadChangesRequest* request,
                                                shard::v1::ReadChangesResponse* response) {
  return Answer("ReadChanges", context, request, response,
                [](const ShardReads& reads, const auto& asked) { return reads.ReadChanges(asked); });
}

grpc::ServerUnaryReactor* ShardRpc::GetNextChange(Context* context, const shard::v1::GetNextChangeRequest* request,
                                                  shard::v1::GetNextChangeResponse* response) {
  return Answer("GetNextChange", context, request, response,
                [](const ShardReads& reads, const auto&) -> absl::StatusOr<shard::v1::GetNextChangeResponse> {
                  shard::v1::GetNextChangeResponse answer;
                  ASSAY_ASSIGN_OR_RETURN(const uint64_t next, reads.NextChange());
                  answer.set_next(next);
                  answer.set_oldest(next - std::min(next, kChangeHistory));
                  return answer;
                });
}

ShardRpc::Reactor<shard::v1::WatchShardResponse>* ShardRpc::WatchShard(Context* context,
                                                                       const shard::v1::WatchShardRequest* request) {
  return rpc::ServerStreaming<shard::v1::WatchShardRequest, shard::v1::WatchShardResponse>(
      environment_, MethodName("WatchShard"), context, request,
      [this](const rpc::Call&, const shard::v1::WatchShardRequest& asked, std::shared_ptr<WatchStream> stream) {
        StartWatch(asked.shard(), std::move(stream));
      },
      kWatchBuffer);
}

void ShardRpc::StartWatch(uint32_t shard, std::shared_ptr<WatchStream> stream) {
  Sweep();
  if (shard >= server_.shards()) {
    stream->Finish(absl::InvalidArgumentError(absl::StrCat("shard: there is no ", shard)));
    return;
  }
  const auto tell = [this, shard, stream] {
    if (!server_.Owns(shard)) {
      stream->Finish(NotOwner(shard));
      return;
    }
    // A reader that has not taken the last one looks at everything that is new when it does.
    static_cast<void>(stream->TryWrite({}));
  };
  Watch watch{stream, server_.Subscribe(shard, tell)};
  tell();
  absl::MutexLock lock(&mutex_);
  if (are_watches_over_) stream->Finish(absl::UnavailableError("the server is stopping"));
  watches_.push_back(std::move(watch));
}

void ShardRpc::Sweep() {
  // Let go of without the lock: a subscription waits for the listener that may be running.
  std::list<Watch> over;
  absl::MutexLock lock(&mutex_);
  for (auto it = watches_.begin(); it != watches_.end();) {
    const auto next = std::next(it);
    if (it->stream->IsOver()) over.splice(over.end(), watches_, it);
    it = next;
  }
}

void ShardRpc::EndWatches() {
  std::list<Watch> over;
  {
    absl::MutexLock lock(&mutex_);
    are_watches_over_ = true;
    over.swap(watches_);
  }
  for (const Watch& watch : over) watch.stream->Finish(absl::UnavailableError("the server is stopping"));
}

grpc::ServerUnaryReactor* ShardRpc::GetReplicas(Context* context, const shard::v1::GetReplicasRequest* request,
                                                shard::v1::GetReplicasResponse* response) {
  return rpc::Unary(environment_, MethodName("GetReplicas"), context, request, response,
                    [this](const rpc::Call&,
                           const shard::v1::GetReplicasRequest&) -> absl::StatusOr<shard::v1::GetReplicasResponse> {
                      shard::v1::GetReplicasResponse answer;
                      answer.set_instance(options_.instance);
                      for (event::v1::ShardReplica& state : server_.Replicas()) {
                        shard::v1::GetReplicasResponse::Replica& replica = *answer.add_replicas();
                        const absl::StatusOr<Server::HashedState> hashed = server_.HashState(state.shard());
                        replica.mutable_state()->Swap(&state);
                        if (!hashed.ok()) continue;
                        replica.set_state_hash(hashed->hash);
                        replica.mutable_state()->set_applied_offset(hashed->applied);
                      }
                      return answer;
                    });
}

}  // namespace assay::aggregator
