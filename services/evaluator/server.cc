// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/server.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/build_id.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"
#include "services/evaluator/evaluation_journal.h"
#include "services/evaluator/machine_lease.h"
#include "services/evaluator/sandbox_platform.h"
#include "services/evaluator/submission_inputs.h"
#include "services/evaluator/work_intake.h"
#include "services/evaluator/work_runner.h"
#include "services/plugin_host/plugin_directory.h"
#include "services/plugin_host/pool.h"

namespace assay::evaluator {
namespace {

constexpr absl::Duration kPollWait = absl::Milliseconds(200);
constexpr absl::Duration kRetryWait = absl::Milliseconds(200);
// While one plugin of the fast lane runs, this many evaluations less one read inputs or make results durable, which
// takes as long as a small evaluation itself.
constexpr int kFastWorkersPerSlot = 4;

// The threads around the step machine: one polls each lane and never runs work, workers take it through.
class RunningServer final : public Server {
 public:
  RunningServer(Options options, Dependencies dependencies, plugin_host::PluginDirectory directory,
                plugin_host::PoolOptions pool_options, archive::DecodeOptions decode_options,
                const std::string& executable_folder)
      : options_(std::move(options)),
        dependencies_(dependencies),
        directory_(std::move(directory)),
        pool_(dependencies.launcher, std::move(pool_options)),
        runner_(pool_),
        journal_(dependencies.journal, dependencies.clock, options_.instance),
        inputs_(dependencies.blobs, dependencies.frameworks, dependencies.launcher, std::move(decode_options),
                options_.pack_cache_bytes),
        slots_({{"fast", options_.fast_slots}, {"slow", options_.slow_slots}}),
        load_lease_(options_.cache_folder + "/load.lock"),
        own_platform_(dependencies.platform == nullptr ? OwnPlatform(executable_folder) : nullptr),
        work_runner_({journal_, inputs_, dependencies.blobs, dependencies.clock, directory_, runner_, slots_, load_lease_,
                      own_platform_ == nullptr ? *dependencies.platform : *own_platform_},
                     options_.progress_interval, options_.result_cache_entries),
        intake_({{"fast", options_.fast_slots * kFastWorkersPerSlot}, {"slow", options_.slow_slots}}) {
    for (const auto& package : directory_.packages()) {
      plugins_.push_back({package->digest.ToString(), package->manifest});
      for (const auto& evaluator : package->manifest.evaluators()) pool_.Warm(package, evaluator.id());
    }
  }

  ~RunningServer() override { Stop(absl::ZeroDuration()); }

  absl::Status Start() {
    for (const char* name : {"fast", "slow"}) {
      if (SlotsOf(name) <= 0) continue;
      Lane& lane = lanes_[name];
      lane.name = name;
      lane.capacity = SlotsOf(name) * (lane.name == "fast" ? kFastWorkersPerSlot : 1);
      ASSAY_ASSIGN_OR_RETURN(lane.consumer, dependencies_.work.Consume(name, options_.instance));
    }
    for (auto& [name, lane] : lanes_) {
      pollers_.emplace_back([this, &lane = lane] { Poll(lane); });
      for (int i = 0; i < lane.capacity; ++i) workers_.emplace_back([this, &lane = lane] { Work(lane); });
    }
    return absl::OkStatus();
  }

  const std::vector<OfferedPlugin>& plugins() const override { return plugins_; }

  Stats stats() override {
    Stats stats;
    stats.ready_processes = pool_.idle();
    absl::MutexLock lock(&mutex_);
    for (const auto& [name, lane] : lanes_) {
      const int slots = SlotsOf(name);
      stats.lanes[name] = {slots, slots - slots_.free(name), lane.capacity, lane.capacity - intake_.FreeSlots(name),
                           lane.taken};
    }
    stats.outcomes = outcomes_;
    return stats;
  }

  absl::StatusOr<Digest> ContentDigest(const blob::Owner& owner, const Digest& archive, absl::Time deadline) override {
    ASSAY_ASSIGN_OR_RETURN(const auto decoded,
                           inputs_.Decode(owner, archive, deadline - dependencies_.clock.TimeNow()));
    return decoded->pack.content_digest();
  }

  void Cancel(const event::v1::Cancellation& cancellation) override {
    absl::MutexLock lock(&mutex_);
    intake_.Cancel(cancellation);
    for (const auto& job : jobs_) {
      if (IsCancelledBy(job->work, cancellation)) job->cancellation.Cancel();
    }
  }

  void Stop(absl::Duration grace) override {
    {
      absl::MutexLock lock(&mutex_);
      if (stopped_) return;
      stopped_ = true;
      polling_ = false;
    }
    for (std::thread& thread : pollers_) thread.join();
    {
      absl::MutexLock lock(&mutex_);
      const auto is_idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return jobs_.empty(); };
      mutex_.AwaitWithTimeout(absl::Condition(&is_idle), grace);
      abandon_ = true;
      for (const auto& job : jobs_) job->cancellation.Cancel();
    }
    for (std::thread& thread : workers_) thread.join();
  }

 private:
  int SlotsOf(const std::string& lane) const { return lane == "fast" ? options_.fast_slots : options_.slow_slots; }

  std::unique_ptr<PlatformSource> OwnPlatform(const std::string& executable_folder) {
    const absl::Status can_run = dependencies_.launcher.CanRunUntrusted();
    if (!can_run.ok()) return MakeNoPlatform(std::string(can_run.message()));
    return MakeSandboxPlatform(dependencies_.launcher, options_.cache_folder + "/workspaces",
                               executable_folder + "/assay-loadgen");
  }

  struct Job {
    log::WorkItem item;
    event::v1::Work work;
    plugin_host::Cancellation cancellation;
  };
  struct Lane {
    std::string name;
    std::unique_ptr<log::WorkConsumer> consumer;
    // Workers, each with one piece of work.
    int capacity = 0;
    // Under mutex_.
    uint64_t taken = 0;
    // Waiting for a worker, under mutex_; in it because it was offered, so never more than the consumer's window.
    std::deque<Job*> waiting;
  };

  bool polling() {
    absl::MutexLock lock(&mutex_);
    return polling_;
  }

  void Poll(Lane& lane) {
    while (polling()) {
      const int free = WaitForSlot(lane);
      if (free == 0) continue;
      auto items = lane.consumer->Take(static_cast<size_t>(free), kPollWait);
      if (!items.ok()) {
        LogWarning("work cannot be taken", {{"lane", lane.name}, {"why", std::string(items.status().message())}});
        Pause();
        continue;
      }
      for (log::WorkItem& item : *items) Offer(lane, std::move(item));
    }
  }

  // Free slots of the lane, waiting a little for the first; 0: none yet.
  int WaitForSlot(const Lane& lane) {
    absl::MutexLock lock(&mutex_);
    const auto ready = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !polling_ || intake_.FreeSlots(lane.name) > 0;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&ready), kPollWait);
    return polling_ ? intake_.FreeSlots(lane.name) : 0;
  }

  // Waits between attempts at something that fails, unless the server stops.
  void Pause() {
    absl::MutexLock lock(&mutex_);
    const auto stopped = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return abandon_ || !polling_; };
    mutex_.AwaitWithTimeout(absl::Condition(&stopped), kRetryWait);
  }

  void Offer(Lane& lane, log::WorkItem item) {
    auto job = std::make_unique<Job>();
    job->item = std::move(item);
    if (!job->work.ParseFromString(job->item.value)) {
      LogError("work that cannot be read is dropped",
               {{"lane", lane.name}, {"offset", absl::StrCat(job->item.offset)}});
      lane.consumer->Done(job->item);
      return;
    }
    absl::MutexLock lock(&mutex_);
    ++lane.taken;
    switch (intake_.Offer(lane.name, job->work, dependencies_.clock.TimeNow())) {
      case WorkIntake::Decision::kDuplicate:
      case WorkIntake::Decision::kExpired:
        lane.consumer->Done(job->item);
        return;
      case WorkIntake::Decision::kCancelled:
        job->cancellation.Cancel();
        break;
      case WorkIntake::Decision::kStart:
        break;
    }
    lane.waiting.push_back(job.get());
    jobs_.push_back(std::move(job));
  }

  // One worker of a lane.
  void Work(Lane& lane) {
    for (;;) {
      Job* job = nullptr;
      {
        absl::MutexLock lock(&mutex_);
        const auto ready = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return abandon_ || !lane.waiting.empty(); };
        mutex_.Await(absl::Condition(&ready));
        if (lane.waiting.empty()) return;
        job = lane.waiting.front();
        lane.waiting.pop_front();
      }
      const absl::Status status = Run(job->work, job->cancellation);
      if (status.ok()) {
        lane.consumer->Done(job->item);
      } else {
        LogWarning("an attempt left no record",
                   {{"evaluation", job->work.evaluation_id()}, {"why", std::string(status.message())}});
      }
      absl::MutexLock lock(&mutex_);
      intake_.Ended(lane.name, job->work);
      jobs_.erase(std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& other) { return other.get() == job; }));
    }
  }

  bool abandoned() {
    absl::MutexLock lock(&mutex_);
    return abandon_;
  }

  // Repeats an append until it is durable; the server's end gives up, and the work is given out again.
  absl::Status Persist(const std::function<absl::Status()>& append) {
    for (;;) {
      const absl::Status status = append();
      if (!absl::IsUnavailable(status) && !absl::IsResourceExhausted(status)) return status;
      if (abandoned()) return absl::CancelledError("the server stops");
      Pause();
    }
  }

  // OK: EvaluationFinished is durable.
  absl::Status Run(const event::v1::Work& work, const plugin_host::Cancellation& cancellation) {
    // A slow attempt that dies with this process must be known to have begun; a fast one is simply run again.
    ASSAY_RETURN_IF_ERROR(Persist([&] { return journal_.Started(work, work.lane() == "slow"); }));
    event::v1::EvaluationFinished finished = work_runner_.Run(work, cancellation);
    if (finished.outcome() == event::v1::EvaluationFinished::CANCELLED && abandoned()) {
      return absl::CancelledError("the server stops");
    }
    absl::Status status = Persist([&] { return journal_.Finished(work, finished); });
    if (absl::IsInvalidArgument(status)) {
      finished.Clear();
      finished.set_outcome(event::v1::EvaluationFinished::PLUGIN_INVALID_RESULT);
      finished.set_reason(std::string(status.message()));
      status = Persist([&] { return journal_.Finished(work, finished); });
    }
    if (status.ok()) Count(finished.outcome());
    return status;
  }

  void Count(event::v1::EvaluationFinished::Outcome outcome) {
    absl::MutexLock lock(&mutex_);
    ++outcomes_[event::v1::EvaluationFinished::Outcome_Name(outcome)];
  }

  const Options options_;
  const Dependencies dependencies_;
  const plugin_host::PluginDirectory directory_;
  std::vector<OfferedPlugin> plugins_;
  plugin_host::HostPool pool_;
  plugin_host::EvaluationRunner runner_;
  EvaluationJournal journal_;
  InputLoader inputs_;
  RunSlots slots_;
  MachineLease load_lease_;
  const std::unique_ptr<PlatformSource> own_platform_;
  WorkRunner work_runner_;

  absl::Mutex mutex_;
  WorkIntake intake_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Job>> jobs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, uint64_t> outcomes_ ABSL_GUARDED_BY(mutex_);
  bool polling_ ABSL_GUARDED_BY(mutex_) = true;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  // Running evaluations are to end without a record.
  bool abandon_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, Lane> lanes_;  // constant once started
  std::vector<std::thread> pollers_;
  std::vector<std::thread> workers_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Create(Options options, Dependencies dependencies) {
  std::string folder = options.executable_folder;
  if (folder.empty()) {
    ASSAY_ASSIGN_OR_RETURN(folder, ExecutableDirectory());
  }
  // A confined process sees absolute paths only.
  folder = std::filesystem::absolute(folder).lexically_normal();
  options.cache_folder = std::filesystem::absolute(options.cache_folder).lexically_normal();
  for (const char* name : {"assay-plugin-host", "assay-unpack", "assay-loadgen"}) {
    ASSAY_RETURN_IF_ERROR(CheckSameBuild(absl::StrCat(folder, "/", name)));
  }
  ASSAY_RETURN_IF_ERROR(MakeDirectories(options.cache_folder));
  plugin_host::PoolOptions pool;
  pool.host.executable = folder + "/assay-plugin-host";
  archive::DecodeOptions decode;
  decode.executable_folder = folder;
  ASSAY_ASSIGN_OR_RETURN(plugin_host::PluginDirectory directory,
                         plugin_host::PluginDirectory::Load(options.plugin_folder, dependencies.launcher, pool.host));
  for (const std::string& refusal : directory.refusals()) LogError("plugin refused", {{"why", refusal}});
  auto server = std::make_unique<RunningServer>(std::move(options), dependencies, std::move(directory), std::move(pool),
                                                std::move(decode), folder);
  ASSAY_RETURN_IF_ERROR(server->Start());
  return server;
}

}  // namespace assay::evaluator
