// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/v1/report.pb.h"
#include "services/aggregator/counted_evidence.h"
#include "services/common/blob/result_document.h"

namespace assay::aggregator {

struct ReportInputs {
  std::string candidate;
  std::string assessment;
  std::string framework;
  std::string framework_digest;
  blob::Owner owner;
  std::vector<v1::Submission> submissions;
  CountedEvidence evidence;
  v1::Readiness readiness;
};

// Everything about one assessment: what counts, joined with the result documents it was taken from. A document that
// cannot be read leaves its values without words; it never fails the report.
v1::EvaluationReport BuildReport(const ReportInputs& inputs, bool for_candidate, bool full, blob::BlobStore& blobs,
                                 const Domain& domain);

// A result document, and the part of a report that stands in it.
struct Result {
  event::v1::ResultDocument document;
  v1::EvaluationReport report;
};
absl::StatusOr<Result> ReadResult(absl::string_view result_digest, const blob::Owner& owner, blob::BlobStore& blobs);

// Joins the statements of code and the verdicts of experiments by claim id: one claim each, in order of id.
std::vector<v1::Claim> MergeClaims(const std::vector<v1::Claim>& claims);

}  // namespace assay::aggregator
