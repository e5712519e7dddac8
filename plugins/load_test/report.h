// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "assay/plugin.hpp"
#include "plugins/load_test/judge.h"

namespace assay::load_test {

// Gathers what the scenarios found and hands it to the platform once, at the end: one observation for each criterion,
// one experiment for each claim of the code, findings at the place of the claim they belong to.
class Report {
 public:
  explicit Report(const Facts& facts) : facts_(facts) {}

  // `evidence`: the runs the judgement rests on.
  void Add(const Judgement& judgement, const std::vector<sdk::Evidence>& evidence);
  // Criteria that have no value yet. Whatever was said of a criterion first stays, unless it was only "not settled".
  void NotObservable(const std::string& criterion, const std::string& why);
  void NotObservedYet(const std::string& criterion, const std::string& why);
  // For everything that is still open.
  void RestNotObservable(const std::string& why);
  void RestNotObservedYet(const std::string& why);

  // `entry`: the file findings without a claim point at; empty for none.
  sdk::Status Emit(sdk::Evaluation& evaluation, const std::string& entry) const;

  // Every criterion of the manifest.
  static const std::vector<std::string>& Criteria();

 private:
  struct Seen {
    sdk::State state;
    double value;
    std::string text;
    std::vector<sdk::Evidence> evidence;
  };
  struct Claimed {
    Tested tested;
    std::vector<sdk::Evidence> evidence;
  };
  struct Placed {
    Remark remark;
    sdk::Evidence evidence;
  };

  void Set(const std::string& criterion, Seen seen);
  sdk::Status EmitExperiments(sdk::Evaluation& evaluation) const;
  sdk::Status EmitFindings(sdk::Evaluation& evaluation, const std::string& entry) const;

  const Facts& facts_;
  std::map<std::string, Seen> seen_;
  std::map<std::string, Claimed> claimed_;
  std::vector<Placed> remarks_;
};

}  // namespace assay::load_test
