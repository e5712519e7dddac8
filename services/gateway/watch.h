// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "assay/v1/readiness_service.pb.h"
#include "assay/v1/submission_service.pb.h"
#include "services/common/rpc/authorization.h"
#include "services/common/rpc/server_stream.h"
#include "services/gateway/backend.h"

namespace assay::gateway {

// What watches share while all of them are looked at once.
struct WatchRound {
  // Shards that changed since the round before, or that have to be read to be sure.
  std::set<uint32_t> changed;
  // Shards that somebody asked in vain in this round: one watch waits for each, not all of them.
  std::set<uint32_t> unreachable;
};

// One stream of changes to one caller. One thread at a time.
class Watch {
 public:
  enum class State { kWaiting, kBlocked, kOver };

  virtual ~Watch() = default;
  // Sends what is new. kBlocked: the reader is slower than the news; nothing is lost, it is called again.
  virtual State Pump(WatchRound& round) = 0;
  // Ends the stream with `status`, whatever is left to say.
  virtual void Finish(const absl::Status& status) = 0;
};

// Feeds all watches from one thread, so that a slow or idle reader costs no thread. Thread-safe; everything passed in
// must outlive it.
class WatchHub {
 public:
  explicit WatchHub(const Backend& backend);
  ~WatchHub();

  void Add(std::unique_ptr<Watch> watch);
  // Ends the thread and every watch, later ones too, with UNAVAILABLE: the caller goes on elsewhere with its token.
  void Stop();

 private:
  void Run();
  // Waits for something to do and starts a round; none: the hub stops.
  std::optional<WatchRound> NextRound(bool blocked, std::vector<std::unique_ptr<Watch>>& watches);

  const Backend& backend_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Watch>> added_ ABSL_GUARDED_BY(mutex_);
  std::set<uint32_t> changed_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Of the thread: when every shard was last read without being told to.
  absl::Time swept_ = absl::InfinitePast();
  std::vector<std::shared_ptr<void>> subscriptions_;
  std::thread thread_;
};

// Every step of the submissions asked for, as far back as the history of changes reaches, then as they happen. A token
// older than the history goes on with the present state of each, as the change "history was cut". INVALID_ARGUMENT,
// NOT_FOUND (a candidate's id that does not exist), UNAVAILABLE.
absl::StatusOr<std::unique_ptr<Watch>> WatchSubmissions(
    const Backend& backend, const rpc::Identity& caller, const v1::WatchSubmissionsRequest& request,
    std::shared_ptr<rpc::ServerStream<v1::SubmissionUpdate>> stream);

// The present readiness, if there is one, then every new one.
absl::StatusOr<std::unique_ptr<Watch>> WatchReadiness(
    const Backend& backend, const rpc::Identity& caller, const v1::WatchReadinessRequest& request,
    std::shared_ptr<rpc::ServerStream<v1::WatchReadinessResponse>> stream);

}  // namespace assay::gateway
