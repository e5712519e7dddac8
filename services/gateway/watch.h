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

// One stream of changes to one caller. Pump() is called by one thread at a time.
class Watch {
 public:
  enum class State { kWaiting, kBlocked, kOver };

  virtual ~Watch() = default;
  // Sends what is new. kBlocked: the reader is slower than the news; nothing is lost, it is called again.
  virtual State Pump() = 0;
};

// Feeds all watches from one thread, so that a slow or idle reader costs no thread. Thread-safe; everything passed in
// must outlive it.
class WatchHub {
 public:
  explicit WatchHub(const Backend& backend);
  ~WatchHub();

  void Add(std::unique_ptr<Watch> watch);
  // Ends the thread and lets go of every watch. Called once.
  void Stop();

 private:
  void Run();

  const Backend& backend_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Watch>> added_ ABSL_GUARDED_BY(mutex_);
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<void>> subscriptions_;
  std::thread thread_;
};

// Every step of the submissions asked for, as far back as the history of changes reaches, then as they happen.
// INVALID_ARGUMENT, NOT_FOUND (a candidate's id that does not exist), UNAVAILABLE.
absl::StatusOr<std::unique_ptr<Watch>> WatchSubmissions(
    const Backend& backend, const rpc::Identity& caller, const v1::WatchSubmissionsRequest& request,
    std::shared_ptr<rpc::ServerStream<v1::SubmissionUpdate>> stream);

// The present readiness, if there is one, then every new one.
absl::StatusOr<std::unique_ptr<Watch>> WatchReadiness(
    const Backend& backend, const rpc::Identity& caller, const v1::WatchReadinessRequest& request,
    std::shared_ptr<rpc::ServerStream<v1::WatchReadinessResponse>> stream);

}  // namespace assay::gateway
