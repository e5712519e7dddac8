// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "assay/v1/framework.pb.h"
#include "assay/v1/readiness.pb.h"

namespace assay::aggregator {

// One evaluation that counts: the newest that succeeded of its evaluator, on a submission that speaks.
struct CountedEvaluation {
  storage::v1::SubmissionRow submission;
  storage::v1::EvaluationRow evaluation;
  storage::v1::ResultRow result;
};

// Everything that counts for one assessment, sorted by (kind, source key, evaluator).
struct CountedEvidence {
  std::string profile;
  // Of the task document that speaks; empty: all.
  std::vector<std::string> asked_behaviours;
  std::vector<CountedEvaluation> evaluations;
};

// What a shard asks of the domain: immutable, thread-safe, and the same answer for the same question for ever.
class Domain {
 public:
  virtual ~Domain() = default;
  // Null: no such framework is published here.
  virtual const v1::Framework* FindFramework(absl::string_view digest) const = 0;
  virtual v1::Readiness Fold(const v1::Framework& framework, absl::string_view framework_digest,
                             const CountedEvidence& evidence) const = 0;
  // The behaviours a criterion speaks for; none: unmapped.
  virtual std::vector<std::string> BehavioursOf(absl::string_view framework_digest,
                                                absl::string_view criterion) const = 0;
};

}  // namespace assay::aggregator
