// SPDX-License-Identifier: Apache-2.0
//
// The load plans of the scenarios, as the JSON documents of services/loadgen/README.md. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "plugins/load_test/facts.h"
#include "plugins/load_test/judge.h"

namespace assay::load_test {

struct Profile {
  bool quick = false;
  uint32_t ready_seconds() const { return quick ? 15 : 30; }
};

// A path under load and the status it answered without load.
struct Steady {
  std::string path;
  int status = 200;
};
// A path that reads the body before it answers.
struct BodyPath {
  std::string method = "POST", path;
};

// Phase "ready": one GET for each path, in this order; classes carry the paths' places "0", "1", ….
std::string ReadyPlan(uint32_t port, const std::vector<std::string>& paths);
// Phase "gets" with classes "0", "1", … and phase "bodies" likewise: slow uploads that show who reads a body first.
std::string ProbePlan(uint32_t port, const std::vector<std::string>& paths,
                      const std::vector<std::pair<std::string, std::string>>& bodies);
// Phase "storm", then "after" with sound requests to `sound`. Every writing route gets one bad body before any but the
// first gets a second, as far as the profile's bound goes: 33 bodies quick, 160 full.
struct BadInput {
  std::string plan;
  size_t routes = 0, all_routes = 0;  // writing routes that get bad bodies, and all there are
};
BadInput BadInputPlan(uint32_t port, const Facts& facts, const std::string& sound, const Profile& profile);
// Phase "bodies", each body once; beside them class "cheap" asks for `cheap`.
std::string BodiesPlan(uint32_t port, const BodyPath& path, const std::string& cheap);
// Phases "warm-up", "capacity", "0.5C", "0.8C", "1C" (full only), "1.2C".
std::string StepsPlan(uint32_t port, const std::vector<Steady>& steady, const Profile& profile);
// Phase "drain" with the signal, and what stands beside it: the classes kNewConnections and kReadiness (unless
// `readiness` is empty), each request on a connection of its own. Without a path that reads bodies (`body` empty)
// requests whose head comes slowly are what is under way.
struct Drain {
  std::string plan;
  UnderWay under_way;
};
Drain DrainPlan(uint32_t port, const Steady& steady, const BodyPath& body, const std::string& readiness,
                double capacity, bool to_listener, const Profile& profile);

// A gzip stream of `bytes` times the letter x, about a thousandth of its size.
std::string GzipOfRepeats(uint32_t bytes);
std::string Base64(const std::string& bytes);

}  // namespace assay::load_test
