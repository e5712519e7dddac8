// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "assay/plugin/v1/frame.pb.h"
#include "services/common/base/unique_fd.h"
#include "services/plugin_host/frame_codec.h"

namespace assay::plugin_host {

// A frame for the eval thread, with the descriptors that came beside it.
struct Arrived {
  plugin::v1::Frame frame;
  std::vector<UniqueFd> descriptors;
};

// The host's side of the socket pair. One thread of its own reads frames and sends heartbeats; what is for the eval
// thread waits in a queue. When the other side is gone, or the descriptor was closed, the process ends at once: there
// is nobody left to work for. Thread-safe.
class Connection {
 public:
  // Exit code that tells the evaluator that the connection broke on this side.
  static constexpr int kLostConnection = 70;

  explicit Connection(int fd) : fd_(fd) {}
  ~Connection() = delete;  // lives as long as the process

  // Starts reading. Called once, after Hello was sent.
  void Start();
  // Sends now, or with the next frame that is sent now: results are many and small.
  void Send(plugin::v1::Frame& frame, bool now = true);
  // A number no earlier call of this connection had.
  uint64_t NextRequest() { return next_request_.fetch_add(1); }
  // Sends `call` and waits for its reply; none once the evaluation was cancelled for good by the process's end.
  plugin::v1::Reply Call(plugin::v1::Frame& frame);
  // The next Configure, Evaluate or Drain.
  Arrived Next();

  // Whether Cancel came. It is never taken back: a process that was cancelled is not used again.
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  void ReadLoop();
  bool Receive();
  void Dispatch(plugin::v1::Frame frame);
  void SendLocked(plugin::v1::Frame& frame, bool now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(send_mutex_);

  const int fd_;
  std::atomic<uint64_t> next_request_{1};
  std::atomic<bool> cancelled_{false};
  std::atomic<int64_t> heartbeat_milliseconds_{1000};

  absl::Mutex send_mutex_;
  FrameEncoder encoder_ ABSL_GUARDED_BY(send_mutex_){kMaxFrameFromHost};
  std::string unsent_ ABSL_GUARDED_BY(send_mutex_);

  // Of the reading thread alone.
  FrameDecoder decoder_{kMaxFrameToHost};
  std::vector<UniqueFd> descriptors_;
  std::thread reader_;

  absl::Mutex mutex_;
  std::deque<Arrived> arrived_ ABSL_GUARDED_BY(mutex_);
  uint64_t awaited_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<plugin::v1::Reply> reply_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::plugin_host
