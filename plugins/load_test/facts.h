// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "assay/json.hpp"

namespace assay::load_test {

// Something the code says about the submission (a claim of code_analysis).
struct Claim {
  std::string id, statement, path;
  uint32_t line = 0;
};

struct Variable {
  std::string name;
  bool required = false;
  std::optional<std::string> fallback;  // what the code or .env.example uses
};

struct Route {
  std::string method, path, file;
  uint32_t line = 0;
  bool exact = true;
};

struct Entry {
  std::string file, source;
  std::vector<std::string> arguments;
};

// All that is known of the server before it runs.
struct Facts {
  std::vector<Claim> claims;
  std::vector<Variable> variables;
  std::vector<Route> routes;
  std::vector<Entry> entries;  // as code_analysis resolved them
  std::vector<std::string> health_paths;
  std::vector<uint32_t> node_majors;
  std::string build_script;
  std::string port_variable;
  uint32_t default_port = 0;
  sdk::Json package;     // package.json; null when there is none
  sdk::Json assay_yaml;  // the submission's own .assay.yaml
  sdk::Json task;
  std::string readme;

  const Claim* FindClaim(std::string_view id) const;
};

// Reads server.json and routes.json of code_analysis into `facts`. What has another shape than expected is passed over.
void ReadServerJson(std::string_view text, Facts& facts);
void ReadRoutesJson(std::string_view text, Facts& facts);
// NAME=value lines of a .env.example; values become fallbacks of variables that have none.
void ReadEnvExample(std::string_view text, Facts& facts);

// Paths that load may be sent to, best first: GET routes without parameters and without a word that promises a side
// effect. A task's or .assay.yaml's own routes come first.
std::vector<std::string> LoadPaths(const Facts& facts, size_t limit);
// Paths that take bodies, for bad input, slow uploads and large bodies: routes for POST, PUT and PATCH, parameters
// filled in, but those whose path promises to end the server.
std::vector<std::pair<std::string, std::string>> BodyRoutes(const Facts& facts, size_t limit);
// GET routes with parameters, filled with ids that do not exist: every route with one such id before any with a second.
std::vector<std::string> LookupPaths(const Facts& facts, size_t limit);

// A route's path with each parameter replaced by `value`.
std::string FillParameters(std::string_view path, std::string_view value);

}  // namespace assay::load_test
