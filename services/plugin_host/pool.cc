// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/pool.h"

#include "absl/algorithm/container.h"

namespace assay::plugin_host {
namespace {

constexpr size_t kMaxWanted = 64;

bool IsReusable(const PluginPackage& package, const std::string& evaluator) {
  const auto* declared = package.Find(evaluator);
  return declared != nullptr && absl::c_linear_search(declared->flags(), "reusable");
}

}  // namespace

HostPool::HostPool(sandbox::Launcher& launcher, PoolOptions options)
    : launcher_(launcher), options_(std::move(options)), warmer_([this] { WarmLoop(); }) {}

HostPool::~HostPool() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  warmer_.join();
}

std::unique_ptr<HostProcess> HostPool::StartOne(const std::shared_ptr<const PluginPackage>& package,
                                                const std::string& evaluator, HostEnd* end) {
  std::unique_ptr<HostProcess> host = HostProcess::Start(launcher_, package, options_.host, end);
  if (host == nullptr || !host->Configure(evaluator, "{}", end)) return nullptr;
  return host;
}

std::unique_ptr<HostProcess> HostPool::Acquire(const std::shared_ptr<const PluginPackage>& package,
                                               const std::string& evaluator, bool fresh, HostEnd* end) {
  {
    absl::MutexLock lock(&mutex_);
    auto& idle = idle_[{package->digest, evaluator}];
    for (auto host = idle.begin(); host != idle.end();) {
      if (fresh && (*host)->served > 0) {
        ++host;
        continue;
      }
      std::unique_ptr<HostProcess> taken = std::move(*host);
      host = idle.erase(host);
      --idle_count_;
      if (taken->IsAlive()) return taken;
    }
  }
  return StartOne(package, evaluator, end);
}

void HostPool::Release(std::unique_ptr<HostProcess> host, bool clean) {
  const std::shared_ptr<const PluginPackage> package = host->shared_package();
  const std::string evaluator = host->evaluator();
  ++host->served;
  if (clean && IsReusable(*package, evaluator) && host->served < options_.max_evaluations) {
    absl::MutexLock lock(&mutex_);
    const Key key = {package->digest, evaluator};
    if (HasRoom(key)) {
      idle_[key].push_back(std::move(host));
      ++idle_count_;
      return;
    }
  }
  host.reset();
  Warm(package, evaluator);
}

bool HostPool::HasRoom(const Key& key) {
  return !stopping_ && idle_[key].size() < options_.warm_per_evaluator && idle_count_ < options_.warm_total;
}

void HostPool::Warm(const std::shared_ptr<const PluginPackage>& package, const std::string& evaluator) {
  absl::MutexLock lock(&mutex_);
  if (wanted_.size() < kMaxWanted && HasRoom({package->digest, evaluator})) wanted_.push_back({package, evaluator});
}

void HostPool::WarmLoop() {
  for (;;) {
    Wanted next;
    {
      absl::MutexLock lock(&mutex_);
      const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !wanted_.empty(); };
      mutex_.Await(absl::Condition(&has_work));
      if (stopping_) return;
      next = std::move(wanted_.front());
      wanted_.pop_front();
      if (!HasRoom({next.package->digest, next.evaluator})) continue;
    }
    HostEnd end;
    std::unique_ptr<HostProcess> host = StartOne(next.package, next.evaluator, &end);
    // A start that fails is explained to whoever asks next.
    if (host == nullptr) continue;
    absl::MutexLock lock(&mutex_);
    const Key key = {next.package->digest, next.evaluator};
    if (!HasRoom(key)) continue;
    idle_[key].push_back(std::move(host));
    ++idle_count_;
  }
}

size_t HostPool::idle() {
  absl::MutexLock lock(&mutex_);
  return idle_count_;
}

}  // namespace assay::plugin_host
