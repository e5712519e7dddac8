// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace assay::loadgen {

// One kind of request. What goes over the wire is `head` then `body`, byte for byte.
struct RequestClass {
  std::string name;
  std::string head;
  std::string body;
  bool is_head = false;  // HEAD: the answer has no body
  // The body is sent in equal pieces over this time; zero sends it at once.
  absl::Duration upload = absl::ZeroDuration();
  // 0: as fast as it comes.
  uint64_t read_bytes_per_second = 0;
  // false: each request opens a connection of its own, whatever its phase says.
  bool keep_alive = true;
  absl::Duration timeout = absl::Seconds(5);
  // Inclusive ranges of statuses that count as right; empty: everything below 500.
  std::vector<std::pair<int, int>> expect;

  bool Expects(int status) const;
};

// A rate in requests per second, or a share of the capacity an earlier phase measured.
struct Rate {
  double value = 0;
  bool of_capacity = false;
};

// Looks for the largest rate the target sustains: p99 at most max(10 × unloaded p50, 100 ms), errors below 0.1 %.
struct Search {
  double from = 0;
  double to = 0;
  absl::Duration probe;
  // Ends when the bracket is this narrow: 0.1 means within 10 %.
  double precision = 0;
  absl::Duration budget;
  double unloaded_rate = 0;
};

struct Phase {
  std::string name;
  bool is_search = false;
  Search search;
  absl::Duration duration;
  Rate rate;
  enum class Arrivals { kUniform, kPoisson } arrivals = Arrivals::kUniform;
  uint64_t seed = 1;
  // Opened before the phase begins; more are opened as needed, up to Limits::connections.
  uint32_t connections = 0;
  bool keep_alive = true;
  // False: a warm-up, whose percentiles are not reported.
  bool record = true;
  // (index into Plan::classes, weight).
  std::vector<std::pair<uint32_t, uint32_t>> mix;
};

struct Action {
  uint32_t phase = 0;  // index into Plan::phases
  absl::Duration at;   // from the phase's first instant
  int signal = 0;
  std::string signal_name;
  bool to_listener = true;
};

struct Limits {
  uint32_t connections = 2048;
  uint64_t header_bytes = 64 << 10;
  uint64_t body_bytes = 32 << 20;
  // A phase counts only while p99 of the engine's own delay is at most the larger of the two: a time, and a share of
  // the p99 measured.
  absl::Duration send_delay = absl::Milliseconds(5);
  double send_delay_share = 0.1;
  absl::Duration wall = absl::Minutes(5);
  uint64_t result_bytes = 2 << 20;
};

struct Plan {
  std::string address = "127.0.0.1";  // IPv4 or IPv6, in digits
  uint16_t port = 0;
  std::vector<RequestClass> classes;
  std::vector<Phase> phases;
  std::vector<Action> actions;
  Limits limits;
  // Bodies kept of the first answers with each status of each class, and how much of each.
  uint32_t samples_per_status = 2;
  uint32_t sample_bytes = 1024;
};

inline constexpr size_t kMaxPlanBytes = 4 << 20;
inline constexpr uint64_t kMaxArrivals = 2'000'000;

// Reads and checks a plan. INVALID_ARGUMENT names the field ("phases[1].rate"), what was found and what is allowed.
absl::StatusOr<Plan> ParsePlan(absl::string_view json);

}  // namespace assay::loadgen
