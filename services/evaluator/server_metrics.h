// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "services/common/log/kafka_log.h"
#include "services/common/runtime/metrics.h"
#include "services/evaluator/server.h"

namespace assay::evaluator {

// What an evaluator shows of itself under /metrics. One thread; `metrics` must outlive it.
class ServerMetrics {
 public:
  explicit ServerMetrics(runtime::Metrics& metrics) : metrics_(metrics) {}

  void Show(const Stats& stats);
  void Show(const log::KafkaLog::Stats& journal);

 private:
  // Raises a counter to `total`.
  void Raise(const std::string& name, const std::string& help, const runtime::Metrics::Labels& labels, uint64_t total);

  runtime::Metrics& metrics_;
  // What each counter was raised to.
  std::map<std::pair<std::string, runtime::Metrics::Labels>, uint64_t> shown_;
};

}  // namespace assay::evaluator
