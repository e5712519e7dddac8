// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "assay/plugin.hpp"

namespace rubric {

// What the rubric needs of a framework, read from "framework.json".
class RubricFramework {
 public:
  struct Competency {
    std::string name;
    std::vector<std::string> anchors;  // level texts
  };
  struct Behaviour {
    std::string text;
    std::string competency;
  };
  struct Mark {
    double value = 0.5;
    double standard_error = 0.5;
  };

  // The platform's fault, not the submission's, when it is missing or cannot be read.
  static assay::sdk::Result<RubricFramework> Read(assay::sdk::Evaluation& evaluation);

  // Null when there is none of that id.
  const Competency* FindCompetency(std::string_view id) const;
  const Behaviour* FindBehaviour(std::string_view id) const;
  const Mark* FindMark(std::string_view observed) const;
  // Variance of one rating on 0..4 squared.
  double rating_variance() const { return rating_variance_; }

 private:
  std::map<std::string, Competency, std::less<>> competencies_;
  std::map<std::string, Behaviour, std::less<>> behaviours_;
  std::map<std::string, Mark, std::less<>> marks_;
  double rating_variance_ = 0.25;
};

}  // namespace rubric
