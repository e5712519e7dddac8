// SPDX-License-Identifier: Apache-2.0
#include "plugins/rubric/judgement.h"

#include <utility>

#include "plugins/rubric/words.h"

namespace rubric {

using assay::sdk::Finding;
using assay::sdk::Ok;
using assay::sdk::Severity;
using assay::sdk::Status;

Status Report::Add(const Remark& remark) {
  if (++remarks_ > kMaxRemarks) return Ok();
  Finding finding;
  finding.check = remark.check;
  finding.severity = remark.severity;
  finding.criterion = remark.criterion;
  finding.path = document_.file();
  finding.line = document_.LineOf(remark.field);
  finding.end_line = finding.line;
  finding.message = Cut(remark.field + ": " + remark.message, 1900);
  finding.help = remark.help;
  finding.authorship = assay::sdk::Authorship::kCandidate;
  return evaluation_.AddFinding(finding);
}

Status Report::Add(const assay::sdk::Observation& observation) {
  if (observations_ == kMaxObservations) {
    ++left_out_;
    return Ok();
  }
  ++observations_;
  return evaluation_.Observe(observation);
}

Status Report::Finish() {
  if (left_out_ == 0) return Ok();
  Remark remark;
  remark.check = "R0";
  remark.severity = Severity::kWarning;
  remark.field = "items";
  remark.message =
      "the document speaks for more than 512 things; the last " + std::to_string(left_out_) + " are not counted";
  remark.help = "Hand in several documents, or name fewer behaviours for each item.";
  return Add(remark);
}

std::string RepeatedTexts::FirstPlaceOf(std::string_view text, const std::string& field) {
  const auto [at, added] = places_.emplace(Normalised(text), field);
  return added ? "" : at->second;
}

}  // namespace rubric
