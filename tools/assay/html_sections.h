// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "assay/v1/report.pb.h"

namespace assay::cli {

// Parts of the page, each a pure function of the report; empty when there is nothing to show.

std::string AreasHtml(const v1::Readiness& readiness);
std::string GatesHtml(const v1::Readiness& readiness);
std::string ContradictionsHtml(const v1::Readiness& readiness);
std::string NextEvidenceHtml(const v1::Readiness& readiness);

std::string TriedHtml(const v1::EvaluationReport& report);
std::string PeopleHtml(const v1::EvaluationReport& report);
std::string RunsHtml(const v1::EvaluationReport& report);
std::string FindingsHtml(const v1::EvaluationReport& report);
std::string QuestionsHtml(const v1::EvaluationReport& report);
// For the candidate: how what was found could be mended.
std::string TipsHtml(const v1::EvaluationReport& report);
std::string RoutesHtml(const v1::EvaluationReport& report);
std::string ObservationsHtml(const v1::EvaluationReport& report);
std::string LimitsHtml(const v1::EvaluationReport& report);
std::string ProvenanceHtml(const v1::EvaluationReport& report);

}  // namespace assay::cli
