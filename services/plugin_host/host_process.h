// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/plugin/v1/frame.pb.h"
#include "services/common/base/unique_fd.h"
#include "services/plugin_host/frame_codec.h"
#include "services/plugin_host/plugin_package.h"
#include "services/sandbox/launcher.h"

namespace assay::plugin_host {

using SteadyClock = std::chrono::steady_clock;

struct HostOptions {
  // assay-plugin-host; empty: beside this executable.
  std::string executable;
  // From launch until Hello, and from Configure until Ready.
  absl::Duration start_timeout = absl::Seconds(20);
  absl::Duration heartbeat = absl::Seconds(1);
};

// Why a plugin process could not be brought to Ready, or ended.
struct HostEnd {
  enum class Kind {
    kPlatform,  // launch, digest, descriptors
    kCrashed,   // signal, exit without being asked, refusal by the plugin
    kHung,
    kProtocol,  // bytes that are no frames, a closed connection
    kOutOfMemory,
  };
  Kind kind = Kind::kPlatform;
  std::string reason;
};

// One running assay-plugin-host with its plugin. Keeps the last 256 KiB the plugin wrote to its output and error
// streams. Not thread-safe; destroying it kills the whole process tree.
class HostProcess {
 public:
  // Launches, reads Hello and answers Welcome. `end` says why on failure.
  static std::unique_ptr<HostProcess> Start(sandbox::Launcher& launcher, std::shared_ptr<const PluginPackage> package,
                                            const HostOptions& options, HostEnd* end);
  ~HostProcess();

  // Makes the evaluator's instance; once.
  bool Configure(const std::string& evaluator, const std::string& config_json, HostEnd* end);

  // Sends a frame with descriptors beside it. Fails when the process is gone.
  absl::Status Send(plugin::v1::Frame frame, const std::vector<int>& descriptors = {});
  // The next frame; none when `until` came, or `wake` (-1: nothing) became readable, first. UNAVAILABLE: the connection
  // was closed. INVALID_ARGUMENT: a protocol fault.
  absl::StatusOr<std::optional<plugin::v1::Frame>> Next(SteadyClock::time_point until, int wake = -1);

  // Whether an idle process still speaks; takes its heartbeats.
  bool IsAlive();

  void Signal(int number);
  void Kill();
  // Waits for the process to be gone, killing it if it is not after `patience`, and explains the end.
  HostEnd Explain(absl::Duration patience);

  const plugin::v1::Hello& hello() const { return hello_; }
  const std::shared_ptr<const PluginPackage>& shared_package() const { return package_; }
  const std::string& evaluator() const { return evaluator_; }
  // Name of the plugin's last call into the host.
  std::string breadcrumb() const;
  // The last 256 KiB of what it wrote.
  std::string output() const { return output_; }
  // Measured by the launcher; after Explain.
  const sandbox::ExitInfo& exit() const { return exit_; }
  // Evaluations it has served.
  int served = 0;

 private:
  HostProcess(std::shared_ptr<const PluginPackage> package, const HostOptions& options)
      : package_(std::move(package)), options_(options) {}
  absl::Status Launch(sandbox::Launcher& launcher);
  bool Shake(HostEnd* end);
  // The frame that is awaited while starting; false and `end` on anything else.
  bool Await(plugin::v1::Frame::BodyCase body, plugin::v1::Frame& frame, HostEnd* end);
  void DrainOutput();

  const std::shared_ptr<const PluginPackage> package_;
  const HostOptions options_;
  std::string evaluator_;
  UniqueFd socket_;
  UniqueFd output_pipe_;
  const char* page_ = nullptr;
  FrameEncoder encoder_{kMaxFrameToHost};
  FrameDecoder decoder_{kMaxFrameFromHost};
  std::string output_;
  plugin::v1::Hello hello_;
  sandbox::ExitInfo exit_;
  std::unique_ptr<sandbox::Process> process_;
};

}  // namespace assay::plugin_host
