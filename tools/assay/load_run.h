// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace assay::cli {

// How long answers took, from the intended start of each request; milliseconds.
struct Latencies {
  double count = 0;
  double p50 = 0, p90 = 0, p99 = 0, max = 0;
  // Lowest value of each bucket and how many fell into it, ascending.
  std::vector<std::pair<double, double>> buckets;

  // The counts in `bars` columns that are evenly wide on a logarithmic axis from `low` to `high`.
  std::vector<double> Columns(size_t bars) const;
  double low() const { return buckets.empty() ? 0 : buckets.front().first; }
  double high() const { return buckets.empty() ? 0 : buckets.back().first; }
};

struct LoadPhase {
  std::string name;
  std::string state;   // valid, invalid, cut, skipped
  std::string reason;  // why it is not valid
  bool recorded = false;
  double rate_asked = 0, sent = 0, ok = 0;
  // Without buckets when nothing was recorded.
  Latencies response;
  bool has_response = false;
};

struct LoadSecond {
  double sent = 0, ok = 0, failed = 0, slowest_ms = 0;
};

// What became of the requests in flight at a signal, by how much longer each would have needed.
struct SignalGroup {
  std::string signal;
  double up_to_seconds = 0;  // 0: longer than all others
  double in_flight = 0, served = 0, lost = 0;
};

// One run of the load engine (services/loadgen/README.md), as far as a page or a terminal shows it. At most 64 phases
// and 600 seconds of it; what has another shape than expected is left out.
struct LoadRun {
  std::vector<LoadPhase> phases;
  std::vector<LoadSecond> seconds;
  // First second of each phase in `seconds`, and its name.
  std::vector<std::pair<size_t, std::string>> marks;
  std::vector<SignalGroup> signals;
  // Requests a second that the service bears; 0: not searched, or none.
  double capacity = 0;

  bool empty() const { return phases.empty() && signals.empty(); }
};

// "0.23 ms", "73 ms", "5.0 s".
std::string InTimeUnits(double milliseconds);

// An empty run when `json` is none.
LoadRun ParseLoadRun(const std::string& json);

}  // namespace assay::cli
