// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <utility>

#include "absl/time/time.h"
#include "services/common/base/clock.h"

namespace assay::simulation {

// All chance of one run. The same seed gives the same numbers on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  // 0 to limit - 1.
  int64_t Below(int64_t limit) { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(limit)); }
  bool Chance(int of_thousand) { return Below(1000) < of_thousand; }
  absl::Duration Between(absl::Duration low, absl::Duration high) {
    return low + absl::Microseconds(Below(absl::ToInt64Microseconds(high - low) + 1));
  }
  // [0, 1), never the same twice in a run.
  double Unique() { return static_cast<double>(++unique_) / (1 << 20); }

 private:
  std::mt19937_64 engine_;
  int64_t unique_ = 0;
};

// Simulated time and what is going to happen. Everything runs on the caller's thread, one action after another; equal
// times in the order they were asked for.
class World {
 public:
  explicit World(uint64_t seed) : random(seed) {}

  absl::Time now() const { return now_; }
  void After(absl::Duration delay, std::function<void()> action);
  // Runs the next action if it is due before `end`, else moves time there; whether there was one.
  bool RunOne(absl::Time end);
  void RunUntil(absl::Time end);

  Random random;
  // Off: nothing fails any more.
  bool faults = true;

 private:
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(24 * 365 * 55);
  uint64_t next_ = 0;
  std::map<std::pair<absl::Time, uint64_t>, std::function<void()>> actions_;
};

// The clock of one process, which may be wrong. Waiting lets the world go on.
class WorldClock final : public Clock {
 public:
  explicit WorldClock(World& world) : world_(world) {}

  absl::Time TimeNow() override { return world_.now() + skew; }
  bool AwaitWithDeadline(absl::Mutex* mutex, const absl::Condition& condition, absl::Time deadline) override;

  absl::Duration skew;

 private:
  World& world_;
};

}  // namespace assay::simulation
