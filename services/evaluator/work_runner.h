// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "assay/event/v1/work.pb.h"
#include "services/evaluator/evaluation_journal.h"
#include "services/evaluator/lru_cache.h"
#include "services/evaluator/machine_lease.h"
#include "services/evaluator/run_slots.h"
#include "services/evaluator/submission_inputs.h"
#include "services/plugin_host/evaluation_runner.h"
#include "services/plugin_host/plugin_directory.h"

namespace assay::evaluator {

// Runs one piece of work, between AttemptStarted and EvaluationFinished: inputs, cache, lease, plugin, stored result.
// Reports progress to the journal. Blocks; thread-safe.
class WorkRunner {
 public:
  struct Parts {
    EvaluationJournal& journal;
    InputLoader& inputs;
    blob::BlobStore& blobs;
    Clock& clock;
    const plugin_host::PluginDirectory& plugins;
    plugin_host::EvaluationRunner& runner;
    RunSlots& slots;
    MachineLease& load_lease;
    PlatformSource& platform;
  };
  WorkRunner(Parts parts, absl::Duration progress_interval, size_t result_cache_entries)
      : parts_(parts), progress_interval_(progress_interval), results_(result_cache_entries, 64 << 20) {}

  // Ends as the attempt did; ids are for the journal to fill in.
  event::v1::EvaluationFinished Run(const event::v1::Work& work, const plugin_host::Cancellation& cancellation);

 private:
  class ProgressGate;
  event::v1::EvaluationFinished Evaluate(const event::v1::Work& work, const plugin_host::Cancellation& cancellation);
  event::v1::EvaluationFinished RunPlugin(const event::v1::Work& work,
                                          const std::shared_ptr<const plugin_host::PluginPackage>& package,
                                          const SubmissionInputs& inputs, ProgressGate& gate,
                                          const plugin_host::Cancellation& cancellation);
  event::v1::EvaluationFinished Store(const event::v1::Work& work, const plugin_host::EvaluationResult& result,
                                      const SubmissionInputs& inputs, bool pure);

  const Parts parts_;
  const absl::Duration progress_interval_;
  LruCache<plugin_host::EvaluationResult> results_;
};

}  // namespace assay::evaluator
