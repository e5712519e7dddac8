// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/stoppable_launcher.h"

#include <utility>

#include "services/common/base/status_macros.h"

namespace assay::evaluator {

// Passes everything on, and is known to its launcher while it lives.
class StoppableLauncher::Tracked final : public sandbox::Process {
 public:
  Tracked(StoppableLauncher& owner, std::unique_ptr<sandbox::Process> process)
      : owner_(owner), process_(std::move(process)) {
    absl::MutexLock lock(&owner_.mutex_);
    owner_.running_.insert(process_.get());
    if (owner_.stopped_) process_->Kill();
  }
  ~Tracked() override {
    absl::MutexLock lock(&owner_.mutex_);
    owner_.running_.erase(process_.get());
  }

  uint64_t id() const override { return process_->id(); }
  int pid() const override { return process_->pid(); }
  absl::Status Signal(int signal, int inner_pid) override { return process_->Signal(signal, inner_pid); }
  void Kill() override { process_->Kill(); }
  std::vector<std::string> left_out() const override { return process_->left_out(); }
  absl::StatusOr<sandbox::ExitInfo> Wait(absl::Duration timeout) override { return process_->Wait(timeout); }

 private:
  StoppableLauncher& owner_;
  const std::unique_ptr<sandbox::Process> process_;
};

absl::StatusOr<std::unique_ptr<sandbox::Process>> StoppableLauncher::Launch(const sandbox::LaunchSpec& spec) {
  if (stopped()) return absl::CancelledError("the evaluation ends");
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<sandbox::Process> process, launcher_.Launch(spec));
  return std::unique_ptr<sandbox::Process>(std::make_unique<Tracked>(*this, std::move(process)));
}

void StoppableLauncher::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  for (sandbox::Process* process : running_) process->Kill();
}

bool StoppableLauncher::stopped() const {
  absl::MutexLock lock(&mutex_);
  return stopped_;
}

}  // namespace assay::evaluator
