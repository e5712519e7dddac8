// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "plugins/load_test/facts.h"
#include "plugins/load_test/start_command.h"

namespace assay::load_test {

using Environment = std::vector<std::pair<std::string, std::string>>;

// What the server is started with: production, a port, a home, a value for each variable the code or .env.example names
// (its own default, else one of the kind its name suggests: secrets long enough, addresses that lead nowhere), then what
// the command and .assay.yaml set. `seed` makes secrets differ between evaluations and equal within one.
Environment MakeEnvironment(const Facts& facts, const Candidate& candidate, std::string_view node, uint32_t port, uint64_t seed);

// The variables that look required and have no default.
std::vector<std::string> RequiredVariables(const Facts& facts);
// `environment` without them.
Environment Without(Environment environment, const std::vector<std::string>& names);
Environment With(Environment environment, std::string name, std::string value);

// "NAME=value" each.
std::vector<std::string> Lines(const Environment& environment);

}  // namespace assay::load_test
