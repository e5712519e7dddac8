// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/watch.h"

#include <algorithm>
#include <iterator>
#include <numeric>
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
// How long the thread of all watches waits for one answer.
constexpr absl::Duration kPumpWait = absl::Seconds(1);
// How long a shard may be out of reach before its watches end.
constexpr absl::Duration kPatience = absl::Seconds(30);
// How often every shard is read although nobody said that it changed: news of changes may be lost on their way.
constexpr absl::Duration kSweep = absl::Seconds(10);
// A watch of everything ends when these, the newest, have ended.
constexpr uint32_t kSeed = 500;
constexpr char kCut[] = "history was cut";

bool IsTerminal(v1::Submission::State state) {
  return state == v1::Submission::COMPLETED || state == v1::Submission::COMPLETED_PARTIAL ||
         state == v1::Submission::FAILED || state == v1::Submission::CANCELLED ||
         state == v1::Submission::REJECTED_QUOTA || state == v1::Submission::EXPIRED ||
         state == v1::Submission::ERASED;
}

std::vector<uint32_t> ShardsOf(const Backend& backend, const Subject& subject) {
  if (!subject.candidate_key.empty()) return {subject.shard};
  std::vector<uint32_t> all(backend.shards.count());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// The newest submissions of the subject in a shard, at most kSeed of them.
absl::StatusOr<std::vector<v1::Submission>> NewestOf(const Backend& backend, const Subject& subject, uint32_t shard,
                                                     const ShardCall& call) {
  shard::v1::ListSubmissionsRequest list;
  *list.mutable_scope() = subject.scope;
  list.mutable_scope()->set_wait_for_offset(shard == subject.shard ? subject.scope.wait_for_offset() : -1);
  list.set_limit(kSeed);
  ASSAY_ASSIGN_OR_RETURN(shard::v1::ListSubmissionsResponse page, backend.shards.ListSubmissions(shard, list, call));
  std::vector<v1::Submission> newest;
  for (auto& entry : *page.mutable_entries()) newest.push_back(std::move(*entry.mutable_submission()));
  return newest;
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
        stream_(std::move(stream)) {
    for (const ResumePosition& position : positions_) behind_.insert(position.shard);
  }

  State Pump(WatchRound& round) override {
    for (const ResumePosition& position : positions_) {
      if (round.changed.count(position.shard) > 0) behind_.insert(position.shard);
    }
    for (;;) {
      if (stream_->IsOver()) return State::kOver;
      while (!pending_.empty()) {
        if (!stream_->TryWrite(pending_.front())) return stream_->IsOver() ? State::kOver : State::kBlocked;
        pending_.pop_front();
      }
      const absl::StatusOr<bool> more = ReadMore(round);
      if (!more.ok()) {
        stream_->Finish(more.status());
        return State::kOver;
      }
      if (*more) continue;
      if (!behind_.empty() || !IsComplete()) return State::kWaiting;
      stream_->Finish(absl::OkStatus());
      return State::kOver;
    }
  }

  void Finish(const absl::Status& status) override { stream_->Finish(status); }

 protected:
  virtual bool wants_readiness() const = 0;
  // What the stream says of a change; none: not asked for.
  virtual std::optional<Response> Translate(shard::v1::ReadChangesResponse::Change change) = 0;
  // Sends what is there now of the shard, in place of steps that are forgotten.
  virtual absl::Status SendPresent(uint32_t shard) = 0;
  // Nothing more will come, or nobody asked for it.
  virtual bool IsComplete() const = 0;

  void Send(Response response) {
    response.set_resume_token(EncodeResumeToken(*subject_.names, query_, positions_));
    pending_.push_back(std::move(response));
  }
  ShardCall NewCall() const { return backend_.clock.TimeNow() + kPumpWait; }

  const Backend& backend_;
  const Subject subject_;

 private:
  // Reads a page of changes of each shard that may have some; whether there were any.
  absl::StatusOr<bool> ReadMore(WatchRound& round) {
    bool any = false;
    for (ResumePosition& position : positions_) {
      if (behind_.count(position.shard) == 0 || round.unreachable.count(position.shard) > 0) continue;
      const absl::StatusOr<bool> more = ReadPage(position);
      if (absl::IsUnavailable(more.status())) {
        // The shard may be moving.
        round.unreachable.insert(position.shard);
        failing_since_ = std::min(failing_since_, backend_.clock.TimeNow());
        if (backend_.clock.TimeNow() - failing_since_ > kPatience) return more.status();
        continue;
      }
      ASSAY_RETURN_IF_ERROR(more.status());
      failing_since_ = absl::InfiniteFuture();
      if (!*more) behind_.erase(position.shard);
      any |= *more;
    }
    return any;
  }

  absl::StatusOr<bool> ReadPage(ResumePosition& position) {
    shard::v1::ReadChangesRequest request;
    *request.mutable_scope() = subject_.scope;
    request.mutable_scope()->set_wait_for_offset(-1);
    request.set_from(position.next);
    request.set_limit(kPage);
    request.set_readiness(wants_readiness());
    absl::StatusOr<shard::v1::ReadChangesResponse> page =
        backend_.shards.ReadChanges(position.shard, request, NewCall());
    if (absl::IsOutOfRange(page.status())) return SkipToPresent(position);
    if (!page.ok()) return page.status();
    const bool any = page->next() != position.next;
    for (auto& change : *page->mutable_changes()) {
      position.next = change.sequence() + 1;
      std::optional<Response> response = Translate(std::move(change));
      if (response) Send(*std::move(response));
    }
    position.next = page->next();
    return any;
  }

  // Steps were forgotten before they were read: how things are now stands for all of them.
  absl::StatusOr<bool> SkipToPresent(ResumePosition& position) {
    ASSAY_ASSIGN_OR_RETURN(const ChangeRange range, backend_.shards.GetChangeRange(position.shard, NewCall()));
    const uint64_t before = std::exchange(position.next, range.next);
    const absl::Status sent = SendPresent(position.shard);
    if (!sent.ok()) {
      position.next = before;
      return sent;
    }
    return true;
  }

  const std::string query_;
  std::vector<ResumePosition> positions_;
  // Shards of which there may be more to read.
  std::set<uint32_t> behind_;
  absl::Time failing_since_ = absl::InfiniteFuture();
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

  // What is known of a submission's end before its steps are read.
  void Note(const v1::Submission& submission) { terminal_[submission.id()] = IsTerminal(submission.state()); }

  // A submission as it is, for one whose steps may lie before the history.
  void Show(v1::Submission submission, absl::string_view change) {
    Note(submission);
    v1::SubmissionUpdate update;
    *update.mutable_time() = submission.accept_time();
    *update.mutable_submission() = std::move(submission);
    update.set_change(std::string(change));
    Send(std::move(update));
  }

 protected:
  bool wants_readiness() const override { return false; }

  std::optional<v1::SubmissionUpdate> Translate(shard::v1::ReadChangesResponse::Change change) override {
    if (!ids_.empty() && ids_.count(change.submission().id()) == 0) return std::nullopt;
    Note(change.submission());
    v1::SubmissionUpdate update;
    *update.mutable_submission() = std::move(*change.mutable_submission());
    *update.mutable_time() = change.time();
    update.set_change(change.change());
    return update;
  }

  absl::Status SendPresent(uint32_t shard) override {
    if (ids_.empty()) {
      ASSAY_ASSIGN_OR_RETURN(std::vector<v1::Submission> newest, NewestOf(backend_, subject_, shard, NewCall()));
      for (v1::Submission& submission : newest) Show(std::move(submission), kCut);
      return absl::OkStatus();
    }
    for (const std::string& id : ids_) {
      shard::v1::GetSubmissionRequest get;
      *get.mutable_scope() = subject_.scope;
      get.mutable_scope()->set_wait_for_offset(-1);
      get.set_id(id);
      absl::StatusOr<shard::v1::GetSubmissionResponse> found = backend_.shards.GetSubmission(shard, get, NewCall());
      // Without a candidate an id may be in any shard.
      if (absl::IsNotFound(found.status())) continue;
      if (!found.ok()) return found.status();
      Show(std::move(*found->mutable_submission()), kCut);
    }
    return absl::OkStatus();
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
  ReadinessWatch(const Backend& backend, Subject subject, std::string query, std::vector<ResumePosition> positions,
                 std::shared_ptr<Stream> stream, std::string names)
      : ChangeWatch(backend, std::move(subject), std::move(query), std::move(positions), std::move(stream)),
        names_(std::move(names)) {}

  // Sends the readiness as it is, if there is one that was not sent.
  absl::Status SendPresent(uint32_t shard) override {
    shard::v1::GetReadinessRequest get;
    *get.mutable_scope() = subject_.scope;
    const absl::StatusOr<std::string> present = backend_.shards.GetReadiness(shard, get, NewCall());
    if (absl::IsNotFound(present.status())) return absl::OkStatus();
    ASSAY_RETURN_IF_ERROR(present.status());
    v1::WatchReadinessResponse response;
    if (!response.mutable_record()->ParseFromString(*present) || !response.mutable_record()->MergeFromString(names_)) {
      return absl::DataLossError("the stored readiness cannot be read");
    }
    if (IsNew(response.record())) Send(std::move(response));
    return absl::OkStatus();
  }

 protected:
  bool wants_readiness() const override { return true; }

  std::optional<v1::WatchReadinessResponse> Translate(shard::v1::ReadChangesResponse::Change change) override {
    if (change.change() == "erased") {
      v1::WatchReadinessResponse gone;
      gone.set_erased(true);
      return gone;
    }
    if (!IsNew(change.readiness())) return std::nullopt;
    v1::WatchReadinessResponse response;
    *response.mutable_record() = std::move(*change.mutable_readiness());
    return response;
  }

  bool IsComplete() const override { return false; }

 private:
  bool IsNew(const v1::ReadinessRecord& record) {
    const std::pair<uint64_t, uint64_t> version(record.epoch(), record.version());
    if (version <= last_) return false;
    last_ = version;
    return true;
  }

  // Candidate and assessment as the caller names them, in wire form.
  const std::string names_;
  std::pair<uint64_t, uint64_t> last_{0, 0};
};

// Where to begin on each shard: what the token says, or as far back as the history goes, or now.
absl::StatusOr<std::vector<ResumePosition>> StartPositions(const Backend& backend, const Subject& subject,
                                                           const std::string& query, const std::string& resume_token,
                                                           bool with_history) {
  if (!resume_token.empty()) return DecodeResumeToken(*subject.names, query, resume_token);
  std::vector<ResumePosition> positions;
  for (const uint32_t shard : ShardsOf(backend, subject)) {
    ASSAY_ASSIGN_OR_RETURN(const ChangeRange range,
                           backend.shards.GetChangeRange(shard, backend.clock.TimeNow() + kReadWait));
    positions.push_back({shard, with_history ? range.oldest : range.next});
  }
  return positions;
}

// The submissions named, which must exist. Waits for what the read token proves.
absl::StatusOr<std::vector<v1::Submission>> FindNamed(const Backend& backend,
                                                      const v1::WatchSubmissionsRequest& request,
                                                      const Subject& subject, uint32_t home, const ShardCall& call) {
  const bool anywhere = subject.candidate_key.empty();
  std::vector<v1::Submission> named;
  for (const std::string& id : request.ids()) {
    shard::v1::GetSubmissionRequest get;
    *get.mutable_scope() = subject.scope;
    get.set_id(id);
    absl::StatusOr<shard::v1::GetSubmissionResponse> found = absl::NotFoundError("");
    for (uint32_t shard = anywhere ? 0 : home; !found.ok() && shard < backend.shards.count(); ++shard) {
      get.mutable_scope()->set_wait_for_offset(anywhere && shard != subject.shard ? -1
                                                                                  : subject.scope.wait_for_offset());
      found = backend.shards.GetSubmission(shard, get, call);
      if (!found.ok() && (!absl::IsNotFound(found.status()) || !anywhere)) return found.status();
    }
    if (!found.ok()) return absl::NotFoundError(absl::StrCat("submission ", id, " not found"));
    named.push_back(std::move(*found->mutable_submission()));
  }
  return named;
}

absl::Status Stopping() {
  return absl::UnavailableError("the server is stopping; watch again with the last resume_token");
}

}  // namespace

WatchHub::WatchHub(const Backend& backend) : backend_(backend) {
  for (uint32_t shard = 0; shard < backend.shards.count(); ++shard) {
    subscriptions_.push_back(backend.shards.Subscribe(shard, [this, shard] {
      absl::MutexLock lock(&mutex_);
      changed_.insert(shard);
    }));
  }
  thread_ = std::thread([this] { Run(); });
}

WatchHub::~WatchHub() { Stop(); }

void WatchHub::Add(std::unique_ptr<Watch> watch) {
  {
    absl::MutexLock lock(&mutex_);
    if (!stopping_) {
      added_.push_back(std::move(watch));
      return;
    }
  }
  watch->Finish(Stopping());
}

void WatchHub::Stop() {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
  subscriptions_.clear();
}

std::optional<WatchRound> WatchHub::NextRound(bool blocked, std::vector<std::unique_ptr<Watch>>& watches) {
  absl::MutexLock lock(&mutex_);
  const auto ready = [this] {
    mutex_.AssertHeld();
    return !changed_.empty() || !added_.empty() || stopping_;
  };
  backend_.clock.AwaitWithDeadline(&mutex_, absl::Condition(&ready),
                                   backend_.clock.TimeNow() + (blocked ? kBlockedWait : kIdleWait));
  for (auto& watch : added_) watches.push_back(std::move(watch));
  added_.clear();
  if (stopping_) return std::nullopt;
  WatchRound round;
  round.changed.swap(changed_);
  if (backend_.clock.TimeNow() - swept_ >= kSweep) {
    swept_ = backend_.clock.TimeNow();
    for (uint32_t shard = 0; shard < backend_.shards.count(); ++shard) round.changed.insert(shard);
  }
  return round;
}

void WatchHub::Run() {
  std::vector<std::unique_ptr<Watch>> watches;
  bool blocked = false;
  while (std::optional<WatchRound> round = NextRound(blocked, watches)) {
    blocked = false;
    std::erase_if(watches, [&](const std::unique_ptr<Watch>& watch) {
      const Watch::State state = watch->Pump(*round);
      blocked |= state == Watch::State::kBlocked;
      return state == Watch::State::kOver;
    });
  }
  for (const auto& watch : watches) watch->Finish(Stopping());
}

absl::StatusOr<std::unique_ptr<Watch>> WatchSubmissions(const Backend& backend, const rpc::Identity& caller,
                                                        const v1::WatchSubmissionsRequest& request,
                                                        std::shared_ptr<rpc::ServerStream<v1::SubmissionUpdate>> stream) {
  ASSAY_RETURN_IF_ERROR(Validate(request));
  ASSAY_ASSIGN_OR_RETURN(Subject subject, SubjectOf(backend, caller.tenant, request.candidate(), ""));
  const uint32_t home = subject.shard;
  ASSAY_RETURN_IF_ERROR(WaitForToken(backend, request.read_token(), subject));
  const std::string query = absl::StrCat("watch/", subject.candidate_key, "/", absl::StrJoin(request.ids(), ","));
  const ShardCall call = backend.clock.TimeNow() + kReadWait;
  // Waits for what the token proves before it looks where the history ends.
  ASSAY_ASSIGN_OR_RETURN(std::vector<v1::Submission> known, FindNamed(backend, request, subject, home, call));
  if (request.ids().empty()) {
    // The end of a submission may lie before the steps that are read.
    for (const uint32_t shard : ShardsOf(backend, subject)) {
      ASSAY_ASSIGN_OR_RETURN(std::vector<v1::Submission> newest, NewestOf(backend, subject, shard, call));
      std::move(newest.begin(), newest.end(), std::back_inserter(known));
    }
  }
  subject.shard = home;
  ASSAY_ASSIGN_OR_RETURN(std::vector<ResumePosition> positions,
                         StartPositions(backend, subject, query, request.resume_token(), /*with_history=*/true));
  // A history that has begun to forget may no longer hold the first steps.
  const bool is_cut = std::any_of(positions.begin(), positions.end(),
                                  [](const ResumePosition& position) { return position.next > 0; });
  const bool shows = is_cut && request.resume_token().empty() && !request.ids().empty();
  auto watch = std::make_unique<SubmissionWatch>(backend, std::move(subject), query, std::move(positions),
                                                 std::move(stream), request);
  for (v1::Submission& submission : known) {
    shows ? watch->Show(std::move(submission), "") : watch->Note(submission);
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
  const uint32_t shard = subject.shard;
  auto watch = std::make_unique<ReadinessWatch>(backend, std::move(subject), query, std::move(positions),
                                                std::move(stream), ReadinessNames(request.candidate(), assessment));
  if (request.resume_token().empty()) ASSAY_RETURN_IF_ERROR(watch->SendPresent(shard));
  return watch;
}

}  // namespace assay::gateway
