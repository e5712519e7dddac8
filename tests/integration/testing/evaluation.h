// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace assay::testing {

// What `assay evaluate --json` reported; the shapes of interfaces.md. What is not in it is null, or empty.
struct Evaluation {
  int exit_code = -1;
  nlohmann::json report;
  std::string errors;  // what it said on standard error

  nlohmann::json Observation(const std::string& criterion) const {
    return Find("observations", "criterion", criterion);
  }
  nlohmann::json Finding(const std::string& check) const { return Find("findings", "check", check); }
  nlohmann::json Claim(const std::string& id) const { return Find("claims", "id", id); }
  // The evaluation by this evaluator.
  nlohmann::json By(const std::string& evaluator) const { return Find("evaluations", "evaluator", evaluator); }
  std::string Text(const std::string& criterion) const { return Observation(criterion).value("rationale", ""); }
  bool Observed(const std::string& criterion) const { return Observation(criterion).value("state", "") == "OBSERVED"; }

 private:
  nlohmann::json Find(const char* list, const char* key, const std::string& value) const;
};

// Files below `folder`, which is made.
void WriteFiles(const std::string& folder, const std::vector<std::pair<std::string, std::string>>& files);

// `assay evaluate --json` of `path` with its data in `data`, as a person runs it; blocks until it has ended.
Evaluation Evaluate(const std::string& path, const std::string& data, const std::string& options);

}  // namespace assay::testing
