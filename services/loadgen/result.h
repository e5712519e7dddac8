// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "services/loadgen/histogram.h"

namespace assay::loadgen {

// What became of one request that was sent.
enum class Outcome {
  kOk,                // answered with a status the class expects
  kUnexpectedStatus,  // answered, with another one
  kConnectError,      // no connection
  kReset,             // the connection broke before the whole answer had come
  kTimeout,           // no whole answer within the class's timeout
  kMalformed,         // an answer that is not HTTP, or is over the bounds
  kUnanswered,        // closed in order without a byte of answer, or still open when the plan ran out of time
};
inline constexpr size_t kOutcomes = 7;
const char* OutcomeName(Outcome outcome);

struct ClassResult {
  uint64_t scheduled = 0;
  uint64_t sent = 0;
  uint64_t dropped = 0;  // the pool of connections was at its bound
  std::array<uint64_t, kOutcomes> outcomes{};
  std::map<int, uint64_t> statuses;
  std::map<std::string, uint64_t> problems;  // why answers were malformed; constant phrases
  uint64_t early = 0;                        // whole answers that came before the request was sent entirely
  uint64_t stale = 0;                        // broke on a kept connection before a byte of answer
  uint64_t body_bytes = 0;
  Histogram response;    // completion − intended start; a timeout counts with the time it was given up
  Histogram service;     // completion − the instant the engine took it up
  Histogram send_delay;  // the engine's own: taken up − intended start

  uint64_t Count(Outcome outcome) const { return outcomes[static_cast<size_t>(outcome)]; }
  uint64_t Failed() const;  // everything sent but kOk
  void Merge(const ClassResult& other);
};

struct Second {
  uint32_t sent = 0;
  uint32_t ok = 0;
  uint32_t failed = 0;
  int64_t slowest_ns = 0;
};

struct PhaseResult {
  enum class State {
    kValid,
    kInvalid,  // the engine could not keep its schedule: percentiles are withheld
    kCut,      // the plan's wall time ended it
    kSkipped,
  };
  std::string name;
  State state = State::kValid;
  std::string reason;
  bool record = true;
  double rate_asked = 0;
  double rate_sent = 0;
  double seconds = 0;
  double cpu_seconds = 0;  // of the engine
  uint64_t connections_opened = 0;
  uint64_t connections_peak = 0;
  bool stopped_early = false;  // a search probe that could no longer pass
  std::map<uint32_t, ClassResult> classes;
  std::vector<Second> timeline;

  ClassResult Total() const;
};

struct InFlight {
  uint64_t in_flight = 0;
  uint64_t served = 0;
  uint64_t lost = 0;
};

// What an action did to the requests around it.
struct ActionResult {
  uint32_t action = 0;  // index into Plan::actions
  bool asked = false;
  int64_t asked_ns = 0;  // from the phase's first instant
  int64_t done_ns = -1;
  std::string error;  // why it could not be carried out
  // Sent less than a quarter of a second before it and not complete.
  InFlight just_sent;
  // Sent earlier and not complete: by class, and by how long the upload still needed.
  std::map<uint32_t, InFlight> by_class;
  std::array<InFlight, 6> by_remaining;
  int64_t last_served_ns = -1;  // after asking, of those in flight
  int64_t first_lost_ns = -1;
  // Intended after it.
  std::array<uint64_t, kOutcomes> after{};
  std::map<uint32_t, std::array<uint64_t, kOutcomes>> after_by_class;
  int64_t first_refused_ns = -1;
};
// Upper ends of ActionResult::by_remaining in seconds; the last has none.
inline constexpr std::array<double, 5> kRemainingSeconds = {0.2, 0.5, 1, 2, 5};

struct Probe {
  double rate = 0;
  bool passed = false;
  std::string reason;
  uint64_t sent = 0;
  uint64_t failed = 0;
  std::map<int, uint64_t> statuses;
  int64_t p50_ns = 0;
  int64_t p99_ns = 0;
};

struct Capacity {
  std::string phase;
  double rate = 0;  // 0: not even the lowest rate passed
  // What set the bound: "target", "generator" (at least `rate`), "ceiling" (Search::to), "floor", "budget".
  std::string limited_by;
  int64_t unloaded_p50_ns = 0;
  int64_t limit_p99_ns = 0;
  std::vector<Probe> probes;
};

struct Sample {
  std::string phase;
  uint32_t request_class = 0;
  int status = 0;
  std::string content_type;
  std::string body;
};

struct RunResult {
  std::vector<PhaseResult> phases;
  std::vector<Capacity> capacities;
  std::vector<ActionResult> actions;
  std::vector<Sample> samples;
};

}  // namespace assay::loadgen
