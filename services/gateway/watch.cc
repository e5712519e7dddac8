// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/watch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/answers.h"
#include "services/gateway/tokens.h"
#include "services/gateway/validation.h"

namespace assay::gateway {
namespace {

constexpr absl::Duration kBlockedWait = absl::Milliseconds(20);
constexpr absl::Duration kIdleWait = absl::Seconds(1);
constexpr uint32_t kPage = 100;

bool IsTerminal(v1::Submission::State state) {
  return state == v1::Submission::COMPLETED || state == v1::Submission::COMPLETED_PARTIAL ||
         state == v1::Submission::FAILED || state == v1::Submission::CANCELLED ||
         state == v1::Submission::REJECTED_QUOTA || state == v1::Submission::EXPIRED ||
         state == v1::Submission::ERASED;
}

// Follows the changes of some shards; Response is what the stream carries.
template <typename Response>
class ChangeWatch : public Watch {
 public:
  using Stream = rpc::ServerStream<Response>;

  ChangeWatch(const Backend& backend, Subject subject, std::string query, std::vector<ResumePosition> positions,
              std::shared_ptr<Stream> stream)
      : backend_(backend),
        subject_(std::move(subject)),
        query_(std::move(query)),
        positions_(std::move(positions)),
        stream_(std::move(stream)) {}

  State Pump() override {
    for (;;) {
      if (stream_->IsOver()) return State::kOver;
      while (!pending_.empty()) {
        if (!stream_->TryWrite(pending_.front())) return stream_->IsOver() ? State::kOver : State::kBlocked;
        pending_.pop_front();
      }
      const absl::StatusOr<bool> more = ReadMore();
      if (!more.ok()) {
        stream_->Finish(more.status());
        return State::kOver;
      }
      if (*more) continue;
      if (!IsComplete()) return State::kWaiting;
      stream_->Finish(absl::OkStatus());
      return State::kOver;
    }
  }

 protected:
  virtual bool wants_readiness() const = 0;
  // What the stream says of a change; none: not asked for.
  virtual std::optional<Response> Translate(shard::v1::ReadChangesResponse::Change change) = 0;
  // Nothing more will come, or nobody asked for it.
  virtual bool IsComplete() const = 0;

  void Send(Response response) {
    response.set_resume_token(EncodeResumeToken(*subject_.names, query_, positions_));
    pending_.push_back(std::move(response));
  }

 private:
  // Reads a page of changes of each shard; whether there were any.
  absl::StatusOr<bool> ReadMore() {
    bool any = false;
    for (ResumePosition& position : positions_) {
      shard::v1::ReadChangesRequest request;
      *request.mutable_scope() = subject_.scope;
      request.mutable_scope()->set_wait_for_offset(-1);
      request.set_from(position.next);
      request.set_limit(kPage);
      request.set_readiness(wants_readiness());
      absl::StatusOr<shard::v1::ReadChangesResponse> page =
          backend_.shards.ReadChanges(position.shard, request, backend_.clock.TimeNow() + kReadWait);
      if (absl::IsOutOfRange(page.status())) {
        // Fallen behind the history: go on with what is left of it.
        ASSAY_ASSIGN_OR_RETURN(const uint64_t end, backend_.shards.NextChange(position.shard));
        position.next = end - std::min(end, backend_.shards.change_history());
        any = true;
        continue;
      }
      if (!page.ok()) return page.status();
      any |= page->next() != position.next;
      for (auto& change : *page->mutable_changes()) {
        position.next = change.sequence() + 1;
        std::optional<Response> response = Translate(std::move(change));
        if (response) Send(*std::move(response));
      }
      position.next = page->next();
    }
    return any;
  }

  const Backend& backend_;
  const Subject subject_;
  const std::string query_;
  std::vector<ResumePosition> positions_;
  const std::shared_ptr<Stream> stream_;
  std::deque<Response> pending_;
};

class SubmissionWatch final : public ChangeWatch<v1::SubmissionUpdate> {
 public:
  SubmissionWatch(const Backend& backend, Subject subject, std::string query, std::vector<ResumePosition> positions,
                  std::shared_ptr<Stream> stream, const v1::WatchSubmissionsRequest& request)
      : ChangeWatch(backend, std::move(subject), std::move(query), std::move(positions), std::move(stream)),
        ids_(request.ids().begin(), request.ids().end()),
        follow_(request.follow()) {}

  // A submission as it is, for one whose steps may lie before the history.
  void Show(v1::Submission submission, bool send) {
    terminal_[submission.id()] = IsTerminal(submission.state());
    if (!send) return;
    v1::SubmissionUpdate update;
    *update.mutable_time() = submission.accept_time();
    *update.mutable_submission() = std::move(submission);
    Send(std::move(update));
  }

 protected:
  bool wants_readiness() const override { return false; }

  std::optional<v1::SubmissionUpdate> Translate(shard::v1::ReadChangesResponse::Change change) override {
    if (!ids_.empty() && ids_.count(change.submission().id()) == 0) return std::nullopt;
    terminal_[change.submission().id()] = IsTerminal(change.submission().state());
    v1::SubmissionUpdate update;
    *update.mutable_submission() = std::move(*change.mutable_submission());
    *update.mutable_time() = change.time();
    update.set_change(change.change());
    return update;
  }

  bool IsComplete() const override {
    if (follow_) return false;
    return std::all_of(terminal_.begin(), terminal_.end(), [](const auto& entry) { return entry.second; });
  }

 private:
  const std::set<std::string> ids_;
  const bool follow_;
  // Submission → whether its last known state is an end.
  std::map<std::string, bool> terminal_;
};

class ReadinessWatch final : public ChangeWatch<v1::WatchReadinessResponse> {
 public:
  using ChangeWatch::ChangeWatch;

  void Show(v1::ReadinessRecord record) {
    last_ = {record.epoch(), record.version()};
    v1::WatchReadinessResponse response;
    *response.mutable_record() = std::move(record);
    Send(std::move(response));
  }

 protected:
  bool wants_readiness() const override { return true; }

  std::optional<v1::WatchReadinessResponse> Translate(shard::v1::ReadChangesResponse::Change change) override {
    const std::pair<uint64_t, uint64_t> version(change.readiness().epoch(), change.readiness().version());
    if (version <= last_) return std::nullopt;
    last_ = version;
    v1::WatchReadinessResponse response;
    *response.mutable_record() = std::move(*change.mutable_readiness());
    return response;
  }

  bool IsComplete() const override { return false; }

 private:
  std::pair<uint64_t, uint64_t> last_{0, 0};
};

// Where to begin on each shard: what the token says, or as far back as the history goes, or now.
absl::StatusOr<std::vector<ResumePosition>> StartPositions(const Backend& backend, const Subject& subject,
                                                           const std::string& query, const std::string& resume_token,
                                                           bool with_history) {
  if (!resume_token.empty()) return DecodeResumeToken(*subject.names, query, resume_token);
  std::vector<ResumePosition> positions;
  const uint32_t first = subject.candidate_key.empty() ? 0 : subject.shard;
  const uint32_t last = subject.candidate_key.empty() ? backend.shards.count() - 1 : subject.shard;
  for (uint32_t shard = first; shard <= last; ++shard) {
    ASSAY_ASSIGN_OR_RETURN(const uint64_t end, backend.shards.NextChange(shard));
    positions.push_back({shard, with_history ? end - std::min(end, backend.shards.change_history()) : end});
  }
  return positions;
}

}  // namespace

WatchHub::WatchHub(const Backend& backend) : backend_(backend) {
  for (uint32_t shard = 0; shard < backend.shards.count(); ++shard) {
    subscriptions_.push_back(backend.shards.Subscribe(shard, [this] {
      absl::MutexLock lock(&mutex_);
      woken_ = true;
    }));
  }
  thread_ = std::thread([this] { Run(); });
}

WatchHub::~WatchHub() { Stop(); }

void WatchHub::Add(std::unique_ptr<Watch> watch) {
  absl::MutexLock lock(&mutex_);
  added_.push_back(std::move(watch));
  woken_ = true;
}

void WatchHub::Stop() {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
  subscriptions_.clear();
  absl::MutexLock lock(&mutex_);
  added_.clear();
}

void WatchHub::Run() {
  std::vector<std::unique_ptr<Watch>> watches;
  bool blocked = false;
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      const auto ready = [this] {
        mutex_.AssertHeld();
        return woken_ || stopping_;
      };
      backend_.clock.AwaitWithDeadline(&mutex_, absl::Condition(&ready),
                                       backend_.clock.TimeNow() + (blocked ? kBlockedWait : kIdleWait));
      if (stopping_) return;
      woken_ = false;
      for (auto& watch : added_) watches.push_back(std::move(watch));
      added_.clear();
    }
    blocked = false;
    std::erase_if(watches, [&](const std::unique_ptr<Watch>& watch) {
      const Watch::State state = watch->Pump();
      blocked |= state == Watch::State::kBlocked;
      return state == Watch::State::kOver;
    });
  }
}

absl::StatusOr<std::unique_ptr<Watch>> WatchSubmissions(const Backend& backend, const rpc::Identity& caller,
                                                        const v1::WatchSubmissionsRequest& request,
                                                        std::shared_ptr<rpc::ServerStream<v1::SubmissionUpdate>> stream) {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  ASSAY_ASSIGN_OR_RETURN(Subject subject, SubjectOf(backend, caller.tenant, request.candidate(), ""));
  const uint32_t home = subject.shard;
  ASSAY_RETURN_IF_ERROR(WaitForToken(backend, request.read_token(), subject));
  const std::string query = absl::StrCat("watch/", subject.candidate_key, "/", absl::StrJoin(request.ids(), ","));
  // Waits for what the token proves before it looks where the history ends.
  std::vector<v1::Submission> named;
  const absl::Time deadline = backend.clock.TimeNow() + kReadWait;
  for (const std::string& id : request.ids()) {
    shard::v1::GetSubmissionRequest get;
    *get.mutable_scope() = subject.scope;
    get.set_id(id);
    absl::StatusOr<shard::v1::GetSubmissionResponse> found = absl::NotFoundError("");
    const bool anywhere = subject.candidate_key.empty();
    for (uint32_t shard = anywhere ? 0 : home; !found.ok() && shard < backend.shards.count(); ++shard) {
      if (anywhere && shard != subject.shard) get.mutable_scope()->set_wait_for_offset(-1);
      found = backend.shards.GetSubmission(shard, get, deadline);
      if (!found.ok() && (!absl::IsNotFound(found.status()) || !anywhere)) return found.status();
    }
    if (!found.ok()) return absl::NotFoundError(absl::StrCat("submission ", id, " not found"));
    named.push_back(std::move(*found->mutable_submission()));
  }
  if (named.empty() && subject.scope.wait_for_offset() >= 0) {
    shard::v1::ListSubmissionsRequest list;
    *list.mutable_scope() = subject.scope;
    list.set_limit(1);
    ASSAY_RETURN_IF_ERROR(backend.shards.ListSubmissions(subject.shard, list, deadline).status());
  }
  subject.shard = home;
  ASSAY_ASSIGN_OR_RETURN(std::vector<ResumePosition> positions,
                         StartPositions(backend, subject, query, request.resume_token(), /*with_history=*/true));
  // A history that has begun to forget may no longer hold the first steps.
  const bool is_cut = std::any_of(positions.begin(), positions.end(),
                                  [](const ResumePosition& position) { return position.next > 0; });
  auto watch = std::make_unique<SubmissionWatch>(backend, std::move(subject), query, std::move(positions),
                                                 std::move(stream), request);
  for (v1::Submission& submission : named) {
    watch->Show(std::move(submission), /*send=*/is_cut && request.resume_token().empty());
  }
  return watch;
}

absl::StatusOr<std::unique_ptr<Watch>> WatchReadiness(
    const Backend& backend, const rpc::Identity& caller, const v1::WatchReadinessRequest& request,
    std::shared_ptr<rpc::ServerStream<v1::WatchReadinessResponse>> stream) {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  const std::string assessment = request.assessment().empty() ? kDefaultAssessment : request.assessment();
  ASSAY_ASSIGN_OR_RETURN(Subject subject, SubjectOf(backend, caller.tenant, request.candidate(), assessment));
  const std::string query = absl::StrCat("readiness/", subject.candidate_key, "/", subject.scope.assessment_key());
  ASSAY_ASSIGN_OR_RETURN(std::vector<ResumePosition> positions,
                         StartPositions(backend, subject, query, request.resume_token(), /*with_history=*/false));
  shard::v1::GetReadinessRequest get;
  *get.mutable_scope() = subject.scope;
  absl::StatusOr<std::string> present =
      backend.shards.GetReadiness(subject.shard, get, backend.clock.TimeNow() + kReadWait);
  if (!present.ok() && !absl::IsNotFound(present.status())) return present.status();
  auto watch = std::make_unique<ReadinessWatch>(backend, std::move(subject), query, std::move(positions),
                                                std::move(stream));
  if (!present.ok() || !request.resume_token().empty()) return watch;
  v1::ReadinessRecord record;
  if (!record.ParseFromString(*present) ||
      !record.MergeFromString(ReadinessNames(request.candidate(), assessment))) {
    return absl::DataLossError("the stored readiness cannot be read");
  }
  watch->Show(std::move(record));
  return watch;
}

}  // namespace assay::gateway
