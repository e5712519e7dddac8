// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/server_metrics.h"

#include <utility>

namespace assay::evaluator {

void ServerMetrics::Raise(const std::string& name, const std::string& help, const runtime::Metrics::Labels& labels,
                          uint64_t total) {
  uint64_t& shown = shown_[{name, labels}];
  metrics_.AddCounter(name, help, labels).Increment(static_cast<double>(total - std::exchange(shown, total)));
}

void ServerMetrics::Show(const Stats& stats) {
  for (const auto& [name, lane] : stats.lanes) {
    const runtime::Metrics::Labels labels = {{"lane", name}};
    metrics_.AddGauge("assay_evaluator_slots", "Plugins that may run at once", labels).Set(lane.slots);
    metrics_.AddGauge("assay_evaluator_plugins_running", "Plugins that run", labels).Set(lane.running);
    metrics_.AddGauge("assay_evaluator_work_capacity", "Work that is taken at once", labels).Set(lane.capacity);
    metrics_.AddGauge("assay_evaluator_work_in_flight", "Work taken and not ended", labels).Set(lane.in_flight);
    Raise("assay_evaluator_work_taken_total", "Work taken from the queue", labels, lane.taken);
  }
  for (const auto& [outcome, count] : stats.outcomes) {
    Raise("assay_evaluator_attempts_total", "Attempts whose end was journaled", {{"outcome", outcome}}, count);
  }
  metrics_.AddGauge("assay_evaluator_plugin_processes_ready", "Plugin processes that wait for an evaluation")
      .Set(static_cast<double>(stats.ready_processes));
}

void ServerMetrics::Show(const log::KafkaLog::Stats& journal) {
  metrics_.AddGauge("assay_evaluator_journal_queued_records", "Records given to the journal and not delivered")
      .Set(static_cast<double>(journal.queued_records));
  metrics_.AddGauge("assay_evaluator_journal_oldest_queued_seconds", "How long the oldest of them waits")
      .Set(absl::ToDoubleSeconds(journal.oldest_queued));
  metrics_.AddGauge("assay_evaluator_journal_silence_seconds", "Since when no broker has answered")
      .Set(absl::ToDoubleSeconds(journal.silence));
  Raise("assay_evaluator_journal_delivered_total", "Records delivered", {}, journal.delivered);
  Raise("assay_evaluator_journal_unknown_total", "Records that may be there or not", {}, journal.unknown);
}

}  // namespace assay::evaluator
