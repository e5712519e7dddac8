// SPDX-License-Identifier: Apache-2.0
// Small hand-made fold inputs for tests, here and in services that fold.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/readiness/readiness.h"

namespace assay::readiness::testing {

inline std::string DigestBytes(const std::string& text) { return std::string(Digest::Of(text).bytes()); }

inline event::v1::FoldObservation Code(const std::string& criterion, double value, double standard_error = 0.15,
                                       v1::Observation::Method method = v1::Observation::CODE) {
  event::v1::FoldObservation o;
  o.set_criterion(criterion);
  o.set_state(v1::Observation::OBSERVED);
  o.set_authorship(v1::CANDIDATE);
  o.set_value(value);
  o.set_standard_error(standard_error);
  o.set_method(method);
  o.add_evidence(DigestBytes(criterion));
  return o;
}

inline event::v1::FoldObservation Run(const std::string& criterion, double value) {
  return Code(criterion, value, 0.05, v1::Observation::EXPERIMENT);
}

inline event::v1::FoldObservation Unseen(const std::string& criterion, v1::Observation::State state) {
  event::v1::FoldObservation o;
  o.set_criterion(criterion);
  o.set_state(state);
  return o;
}

inline event::v1::FoldObservation Human(const std::string& criterion, double value, const std::string& rater,
                                        const std::string& role = "interviewer",
                                        const std::string& occasion = "first") {
  event::v1::FoldObservation o = Code(criterion, value, 0.125, v1::Observation::HUMAN);
  o.set_rater_key(rater);
  o.set_rater_role(role);
  o.set_occasion_key(absl::StrCat(rater, "/", occasion));
  return o;
}

// A rating of 0..4.
inline event::v1::FoldObservation Rating(const std::string& competency, double rating, const std::string& rater,
                                         const std::string& role = "interviewer") {
  return Human(absl::StrCat("rating/", competency), rating / 4, rater, role);
}

inline event::v1::FoldObservation Present(const std::string& behaviour, const std::string& rater,
                                          const std::string& role = "interviewer") {
  return Human(absl::StrCat("behaviour/", behaviour), 0.85, rater, role);
}

inline event::v1::FoldObservation Item(const std::string& type, double value) {
  return Code(absl::StrCat("portfolio/", type), value, 0.2, v1::Observation::DOCUMENT);
}

inline event::v1::FoldClaim Claimed(const std::string& criterion, v1::Claim::Verdict verdict) {
  event::v1::FoldClaim claim;
  claim.set_claim(criterion);
  claim.set_criterion(criterion);
  claim.set_verdict(verdict);
  claim.add_evidence(DigestBytes(absl::StrCat("run of ", criterion)));
  return claim;
}

inline CountedSubmission Submission(std::string id, v1::Submission::Kind kind,
                                    std::vector<event::v1::FoldObservation> observations,
                                    std::vector<event::v1::FoldClaim> claims = {}) {
  return {std::move(id), kind, std::move(observations), std::move(claims)};
}

// A repository in which every check of code and run finds `value`.
inline CountedSubmission Repository(const CompiledFramework& framework, double value) {
  CountedSubmission submission = Submission("repository", v1::Submission::REPOSITORY, {});
  for (const v1::CriterionMapping& mapping : framework.proto().criteria()) {
    if (mapping.method() == v1::Observation::EXPERIMENT) {
      submission.observations.push_back(Run(mapping.criterion(), value));
    } else if (mapping.method() != v1::Observation::HUMAN && mapping.criterion().find("portfolio/") != 0) {
      submission.observations.push_back(Code(mapping.criterion(), value, 0.15, mapping.method()));
    }
  }
  return submission;
}

// One rater who rates every competency and marks what the gates ask for.
inline CountedSubmission Scorecard(const CompiledFramework& framework, const std::string& rater, double rating,
                                   const std::string& role = "interviewer") {
  CountedSubmission submission = Submission(absl::StrCat("scorecard ", rater), v1::Submission::SCORECARD, {});
  for (const v1::Area& area : framework.proto().areas()) {
    for (const v1::Competency& competency : area.competencies()) {
      submission.observations.push_back(Rating(competency.id(), rating, rater, role));
    }
  }
  for (const char* behaviour : {"6.2.3", "6.3.6"}) {
    submission.observations.push_back(Human(absl::StrCat("behaviour/", behaviour), rating / 4, rater, role));
  }
  return submission;
}

}  // namespace assay::readiness::testing
