// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "tests/simulation/installation.h"

namespace assay::simulation {

// What an installation at rest broke of its promises, each in a sentence; none: it kept them.
//
//   acknowledged   what a client was told is accepted stands in the journal where it was told, and in the state
//   driven on      every evaluation has ended or is visibly parked
//   once           a submission journaled twice is one; the first valid result of an evaluation is the one that counts,
//                  and forged ones never do
//   the same       both replicas, and a replay of the journal in other groups, are equal byte for byte
//   fenced         what an owner of an older claim journaled changes nothing; a claim that expected another wins nothing
//   published      a reader that drops what is older has of each readiness the one of the state, whoever wrote last
//   accounted      accepted = published + failed + in flight
std::vector<std::string> Check(const Installation& installation);

}  // namespace assay::simulation
