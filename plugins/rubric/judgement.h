// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "assay/plugin.hpp"
#include "plugins/rubric/document.h"
#include "plugins/rubric/rubric_framework.h"

namespace rubric {

// One place of a document and what a reader should know about it.
struct Remark {
  std::string check;
  assay::sdk::Severity severity = assay::sdk::Severity::kNote;
  std::string criterion;
  std::string field;  // "ratings[2].evidence"
  std::string message;
  std::string help;
};

// What one judge reports, with the bounds of the host kept: beyond them the rest is counted and named once.
class Report {
 public:
  Report(assay::sdk::Evaluation& evaluation, const Document& document) : evaluation_(evaluation), document_(document) {}

  assay::sdk::Status Add(const Remark& remark);
  assay::sdk::Status Add(const assay::sdk::Observation& observation);
  // Says what did not fit. Call once, at the end.
  assay::sdk::Status Finish();

  assay::sdk::Evaluation& evaluation() { return evaluation_; }
  const Document& document() const { return document_; }

 private:
  static constexpr size_t kMaxObservations = 512;
  static constexpr size_t kMaxRemarks = 1000;

  assay::sdk::Evaluation& evaluation_;
  const Document& document_;
  size_t observations_ = 0;
  size_t remarks_ = 0;
  size_t left_out_ = 0;
};

// Remembers texts and says where an equal one stood before; empty: nowhere.
class RepeatedTexts {
 public:
  std::string FirstPlaceOf(std::string_view text, const std::string& field);

 private:
  std::map<std::string, std::string> places_;
};

// Judges of each kind of document. What they need of form was checked when the document was accepted; what is missing
// all the same is reported and left out.
assay::sdk::Status JudgeScorecard(const RubricFramework& framework, Report& report);
assay::sdk::Status JudgePortfolio(const RubricFramework& framework, Report& report);
assay::sdk::Status JudgeOutcome(Report& report);
assay::sdk::Status JudgeDecision(Report& report);

}  // namespace rubric
