// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/explanation.h"

#include <map>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace assay::cli {
namespace {

using EvidenceByDigest = std::map<std::string, const v1::Evidence*>;

std::string InWords(v1::Observation::State state) {
  switch (state) {
    case v1::Observation::OBSERVED:
      return "observed";
    case v1::Observation::NOT_OBSERVABLE:
      return "not observable here";
    case v1::Observation::NOT_ASKED:
      return "not asked for";
    default:
      return "not observed yet";
  }
}

std::string EvidenceLine(const std::string& digest, const EvidenceByDigest& evidence) {
  const auto found = evidence.find(digest);
  if (found == evidence.end()) return absl::StrCat("          ", digest, "\n");
  const v1::Evidence& item = *found->second;
  std::string what;
  if (!item.file().empty()) {
    what = Printable(item.file());
    if (item.line() > 0) absl::StrAppend(&what, ":", item.line());
    if (item.end_line() > item.line()) absl::StrAppend(&what, "-", item.end_line());
  }
  if (!item.title().empty()) absl::StrAppend(&what, what.empty() ? "" : "  ", Printable(item.title()));
  if (!item.quote().empty()) {
    absl::StrAppend(&what, what.empty() ? "" : "  ", item.rater().empty() ? "" : Printable(item.rater()),
                    item.rater().empty() ? "" : ": ", "\"", Printable(item.quote()), "\"");
  }
  return absl::StrCat("          ", what.empty() ? v1::Evidence::Kind_Name(item.kind()) : what, "\n          ",
                      "evidence ", digest, "\n");
}

std::string ObservationLines(const v1::Observation& observation, const EvidenceByDigest& evidence) {
  std::string out = absl::StrCat("        ", observation.criterion(), "  ");
  if (observation.state() == v1::Observation::OBSERVED) {
    absl::StrAppendFormat(&out, "%.2f +- %.2f by %s", observation.value(), observation.standard_error(),
                          absl::AsciiStrToLower(v1::Observation::Method_Name(observation.method())));
    if (observation.authorship() == v1::GIVEN) absl::StrAppend(&out, ", given to the candidate: weighs nothing");
  } else {
    absl::StrAppend(&out, InWords(observation.state()));
  }
  absl::StrAppend(&out, "\n");
  if (!observation.rationale().empty()) absl::StrAppend(&out, "          ", Printable(observation.rationale()), "\n");
  for (const std::string& digest : observation.evidence()) absl::StrAppend(&out, EvidenceLine(digest, evidence));
  return out;
}

std::string ClaimLines(const v1::Claim& claim, const EvidenceByDigest& evidence) {
  std::string verdict = "not tried";
  if (claim.verdict() == v1::Claim::CONFIRMED) verdict = "the run showed the same";
  if (claim.verdict() == v1::Claim::REFUTED) verdict = "the run showed otherwise";
  if (claim.verdict() == v1::Claim::INCONCLUSIVE) verdict = "the run was not conclusive";
  std::string out = absl::StrCat("  The code suggests: ", Printable(claim.statement()), "  ", Printable(claim.file()),
                                 claim.line() > 0 ? absl::StrCat(":", claim.line()) : "", "\n    ", verdict,
                                 claim.reason().empty() ? "" : ": ", Printable(claim.reason()), "\n");
  for (const std::string& digest : claim.evidence()) absl::StrAppend(&out, EvidenceLine(digest, evidence));
  return out;
}

}  // namespace

std::string RenderExplanation(const v1::ExplainReadinessResponse& response, const TerminalStyle& style) {
  (void)style;
  EvidenceByDigest evidence;
  for (const auto& item : response.evidence()) evidence[item.digest()] = &item;
  std::map<std::string, std::vector<const v1::Observation*>> by_behaviour;
  std::vector<const v1::Observation*> unmapped;
  for (const auto& observation : response.observations()) {
    for (const std::string& behaviour : observation.behaviours()) by_behaviour[behaviour].push_back(&observation);
    if (observation.behaviours().empty()) unmapped.push_back(&observation);
  }
  std::string out;
  for (const auto& area : response.readiness().areas()) {
    absl::StrAppendFormat(&out, "%s %s  %.1f (%.1f..%.1f)\n", area.id(), Printable(area.name()), area.score(),
                          area.interval().low(), area.interval().high());
    for (const auto& competency : area.competencies()) {
      absl::StrAppendFormat(&out, "  %s %s  %.1f (%.1f..%.1f)\n", competency.id(), Printable(competency.name()),
                            competency.score(), competency.interval().low(), competency.interval().high());
      for (const auto& behaviour : competency.behaviours()) {
        absl::StrAppendFormat(&out, "    %s %s: %s\n", behaviour.id(), Printable(behaviour.text()),
                              behaviour.state() == v1::Observation::OBSERVED
                                  ? absl::StrFormat("%.1f (%.1f..%.1f)", behaviour.score(), behaviour.interval().low(),
                                                    behaviour.interval().high())
                                  : InWords(behaviour.state()));
        for (const v1::Observation* observation : by_behaviour[behaviour.id()]) {
          absl::StrAppend(&out, ObservationLines(*observation, evidence));
        }
      }
    }
  }
  if (!unmapped.empty()) {
    absl::StrAppend(&out, "Seen, and not part of this framework\n");
    for (const v1::Observation* observation : unmapped) absl::StrAppend(&out, ObservationLines(*observation, evidence));
  }
  if (response.claims_size() > 0) absl::StrAppend(&out, "\nWhat was tried\n");
  for (const auto& claim : response.claims()) absl::StrAppend(&out, ClaimLines(claim, evidence));
  if (response.findings_size() > 0) absl::StrAppend(&out, "\nPlaces worth a look\n");
  for (const auto& finding : response.findings()) {
    absl::StrAppendFormat(&out, "  %s  %s:%d  %s\n", finding.check(), Printable(finding.file()), finding.line(),
                          Printable(finding.message()));
    if (!finding.question().empty()) absl::StrAppend(&out, "      ask: ", Printable(finding.question()), "\n");
  }
  return out;
}

}  // namespace assay::cli
