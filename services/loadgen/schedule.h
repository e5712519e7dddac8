// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "services/loadgen/plan.h"

namespace assay::loadgen {

// When one request is meant to start, from the phase's first instant, and which class it is of.
struct Arrival {
  int64_t at_ns;
  uint32_t request_class;
};

// The whole arrival plan of a phase, made before the first request is sent: the same arguments give the same plan.
// Uniform arrivals lie 1/rate apart; Poisson ones have exponential gaps drawn from the phase's seed. Classes follow
// their weights evenly (no class waits long for its turn). At most kMaxArrivals.
std::vector<Arrival> BuildSchedule(const Phase& phase, double rate, absl::Duration duration);

}  // namespace assay::loadgen
