// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::load_test {

// What the plugin reads of a load result (its format: services/loadgen/README.md). Milliseconds and counts.
struct Counts {
  std::string name;
  uint64_t sent = 0, dropped = 0;
  uint64_t ok = 0, unexpected = 0, connect_error = 0, reset = 0, timeout = 0, malformed = 0, unanswered = 0;
  uint64_t early = 0, stale = 0;
  std::map<int, uint64_t> statuses;
  bool measured = false;  // whether the percentiles below may be used
  double p50_ms = 0, p99_ms = 0;

  uint64_t answered() const { return ok + unexpected; }
  uint64_t failed() const { return connect_error + reset + timeout + malformed + unanswered; }
  uint64_t status_count(int low, int high) const;
  // The most frequent status; 0 when nothing was answered.
  int main_status() const;
};

struct PhaseReport {
  std::string name, state, reason;
  double rate_asked = 0, rate_sent = 0;
  Counts total;
  std::vector<Counts> classes;

  bool valid() const { return state == "valid"; }
  const Counts* Class(std::string_view name) const;
};

struct CapacityReport {
  double rate = 0, unloaded_p50_ms = 0, limit_p99_ms = 0;
  std::string limited_by;
  uint64_t limited_answers = 0;  // 429 over all probes
};

struct InFlightReport {
  uint64_t in_flight = 0, served = 0, lost = 0;
};

// Of requests of one class that came after an action.
struct AfterReport {
  uint64_t served = 0;   // answered below 500
  uint64_t failing = 0;  // answered otherwise
  uint64_t refused = 0;  // no connection
  uint64_t lost = 0;     // taken and never answered
};

struct ActionReport {
  bool asked = false, done = false;
  std::string error;
  InFlightReport all;
  // (upper end in seconds, 0 for none; counts), ascending.
  std::vector<std::pair<double, InFlightReport>> by_remaining;
  double asked_at_seconds = -1;
  double last_served_seconds = -1;
  std::map<std::string, AfterReport> after;  // by class
};

struct SampleReport {
  std::string phase, name, content_type, body;
  int status = 0;
};

struct LoadReport {
  std::vector<PhaseReport> phases;
  std::vector<CapacityReport> capacity;
  std::vector<ActionReport> actions;
  std::vector<SampleReport> samples;

  const PhaseReport* Phase(std::string_view name) const;
};

// Nothing when the text is not a load result.
std::optional<LoadReport> ReadLoadResult(std::string_view json);

}  // namespace assay::load_test
