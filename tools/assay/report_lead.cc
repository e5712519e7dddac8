// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/report_lead.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace assay::cli {
namespace {

using EvidenceByDigest = std::map<std::string, const v1::Evidence*>;

EvidenceByDigest IndexOf(const v1::EvaluationReport& report) {
  EvidenceByDigest evidence;
  for (const auto& item : report.evidence()) evidence[item.digest()] = &item;
  return evidence;
}

// The recorded line at a place; empty where no evidence begins there.
std::string LineAt(const EvidenceByDigest& evidence, const std::string& file, uint32_t line) {
  for (const auto& [digest, item] : evidence) {
    if (item->kind() == v1::Evidence::SPAN && item->line() == line && line > 0 && item->file() == file) {
      return FirstLine(item->quote());
    }
  }
  return "";
}

int Rank(v1::Claim::Verdict verdict) {
  switch (verdict) {
    case v1::Claim::REFUTED:
      return 0;
    case v1::Claim::CONFIRMED:
      return 1;
    case v1::Claim::INCONCLUSIVE:
      return 2;
    default:
      return 3;
  }
}

LeadEntry::Kind KindOf(v1::Claim::Verdict verdict) {
  return verdict == v1::Claim::REFUTED     ? LeadEntry::Kind::kOtherwise
         : verdict == v1::Claim::CONFIRMED ? LeadEntry::Kind::kSame
                                           : LeadEntry::Kind::kOpen;
}

std::vector<const v1::Claim*> Tried(const v1::EvaluationReport& report) {
  std::vector<const v1::Claim*> claims;
  for (const auto& claim : report.claims()) {
    if (Rank(claim.verdict()) < 3) claims.push_back(&claim);
  }
  std::stable_sort(claims.begin(), claims.end(),
                   [](const v1::Claim* a, const v1::Claim* b) { return Rank(a->verdict()) < Rank(b->verdict()); });
  return claims;
}

bool SaysTheSame(const v1::Finding& finding, const std::vector<const v1::Claim*>& claims) {
  return std::any_of(claims.begin(), claims.end(), [&](const v1::Claim* claim) {
    const bool same_place =
        !claim->file().empty() && claim->file() == finding.file() && claim->line() == finding.line();
    const bool same_words = !claim->reason().empty() && absl::StrContains(finding.message(), claim->reason());
    return same_words || (same_place && claim->verdict() == v1::Claim::REFUTED);
  });
}

// The gravest first; nothing that was given, and no remark about how the submission was packed.
std::vector<const v1::Finding*> WorthALook(const v1::EvaluationReport& report,
                                           const std::vector<const v1::Claim*>& claims) {
  std::vector<const v1::Finding*> findings;
  for (const auto& finding : report.findings()) {
    if (finding.authorship() == v1::GIVEN || finding.severity() < v1::Finding::WARNING) continue;
    if (!SaysTheSame(finding, claims)) findings.push_back(&finding);
  }
  std::stable_sort(findings.begin(), findings.end(),
                   [](const v1::Finding* a, const v1::Finding* b) { return a->severity() > b->severity(); });
  return findings;
}

void AddPersonsWords(const v1::EvaluationReport& report, const EvidenceByDigest& evidence, v1::Evidence::Kind kind,
                     size_t most, Lead& lead) {
  std::vector<const v1::Observation*> observations;
  for (const auto& observation : report.observations()) {
    if (observation.state() == v1::Observation::OBSERVED) observations.push_back(&observation);
  }
  // The clearest words first, whichever way they point.
  std::stable_sort(observations.begin(), observations.end(), [](const v1::Observation* a, const v1::Observation* b) {
    return std::abs(a->value() - 0.5) > std::abs(b->value() - 0.5);
  });
  std::set<std::string> shown;
  for (const v1::Observation* observation : observations) {
    for (const std::string& digest : observation->evidence()) {
      const auto found = evidence.find(digest);
      if (lead.entries.size() >= most) return;
      if (found == evidence.end() || found->second->kind() != kind || !shown.insert(digest).second) continue;
      LeadEntry entry;
      entry.outcome = found->second->quote();
      if (kind == v1::Evidence::RATING) {
        entry.kind = LeadEntry::Kind::kPersonSaw;
        const std::string about(
            absl::StripPrefix(absl::StripPrefix(observation->criterion(), "rating/"), "behaviour/"));
        entry.statement =
            absl::StartsWith(observation->criterion(), "rating/")
                ? absl::StrFormat("%s rated %.2g of 4", about, 4 * observation->value())
                : absl::StrCat(about, observation->value() >= 0.5 ? " marked as present" : " marked as missing");
        if (!found->second->rater().empty()) absl::StrAppend(&entry.statement, " by ", found->second->rater());
      } else {
        entry.kind = LeadEntry::Kind::kHandedIn;
        entry.statement = found->second->title();
      }
      if (kind == v1::Evidence::RATING) {
        entry.file = found->second->file();
        entry.line = found->second->line();
      }
      lead.entries.push_back(std::move(entry));
    }
  }
}

bool HasRepository(const v1::EvaluationReport& report) {
  const auto& submissions = report.submissions();
  return std::any_of(submissions.begin(), submissions.end(), [](const v1::Submission& submission) {
    return submission.kind() == v1::Submission::REPOSITORY && submission.superseded_by().empty() &&
           !submission.withdrawn();
  });
}

void AddLimit(std::vector<Limit>& limits, std::string what, std::string mend) {
  what = std::string(absl::StripSuffix(what, "."));
  for (Limit& known : limits) {
    if (known.what == what || absl::StrContains(known.what, what)) return;
    if (absl::StrContains(what, known.what)) {
      known.what = std::move(what);
      if (known.mend.empty()) known.mend = std::move(mend);
      return;
    }
  }
  limits.push_back({std::move(what), std::move(mend)});
}

// What the machine lacks, one line for what is mended in the same way; what goes wrong alike is said once.
std::vector<Limit> LacksOfTheMachine(const v1::EvaluationReport& report) {
  std::vector<std::pair<std::string, std::map<std::string, std::vector<std::string>>>> by_mend;
  for (const auto& limit : report.platform_limits()) {
    auto place =
        std::find_if(by_mend.begin(), by_mend.end(), [&](const auto& known) { return known.first == limit.mend(); });
    if (place == by_mend.end()) place = by_mend.insert(by_mend.end(), {limit.mend(), {}});
    std::vector<std::string>& ids = place->second[std::string(absl::StripSuffix(limit.what(), "."))];
    if (std::find(ids.begin(), ids.end(), limit.id()) == ids.end()) ids.push_back(limit.id());
  }
  std::vector<Limit> limits;
  for (const auto& [mend, whats] : by_mend) {
    std::vector<std::string> parts;
    for (const auto& [what, ids] : whats) parts.push_back(absl::StrCat(absl::StrJoin(ids, ", "), ": ", what));
    limits.push_back({absl::StrJoin(parts, "; "), mend});
  }
  return limits;
}

// What a reason says before it goes on to name layers of the sandbox and how to mend them: those stand in lines of
// their own.
std::string WithoutLayers(const v1::EvaluationReport& report, absl::string_view reason) {
  absl::ConsumePrefix(&reason, "not observable here: ");
  if (report.platform_limits().empty()) return std::string(reason);
  reason = reason.substr(0, reason.find(". To mend it:"));
  const size_t layer = reason.find(" is absent (");
  if (layer != absl::string_view::npos) reason = reason.substr(0, reason.rfind(": ", layer));
  return std::string(reason);
}

// "the load test" in place of its many criteria.
std::string CriteriaInWords(const std::vector<std::string>& criteria) {
  const bool all_runs = std::all_of(criteria.begin(), criteria.end(),
                                    [](const std::string& one) { return absl::StartsWith(one, "run."); });
  return all_runs && criteria.size() > 2 ? "everything that needs a run" : absl::StrJoin(criteria, ", ");
}

}  // namespace

std::string PlaceOf(const std::string& file, uint32_t line) {
  return file.empty() || line == 0 ? file : absl::StrCat(file, ":", line);
}

std::string PlaceInWords(const v1::Evidence& evidence) {
  const std::string place = PlaceOf(evidence.file(), evidence.line());
  if (place.empty() || evidence.title() == evidence.file()) return place.empty() ? evidence.title() : place;
  return evidence.title().empty() ? place : absl::StrCat(evidence.title(), ", ", place);
}

std::string WhyUnseen(const v1::BehaviourReadiness& behaviour) {
  switch (behaviour.state()) {
    case v1::Observation::OBSERVED:
      return "";
    case v1::Observation::NOT_OBSERVABLE:
      return "not observable here";
    case v1::Observation::NOT_ASKED:
      return "not asked for";
    default:
      return behaviour.needs_person() ? "needs a person" : "not observed yet";
  }
}

std::string FirstLine(const std::string& text) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const absl::string_view content = absl::StripAsciiWhitespace(line);
    if (!content.empty()) return std::string(content);
  }
  return "";
}

bool WithoutBase(const v1::EvaluationReport& report) {
  for (const auto& observation : report.observations()) {
    if (observation.authorship() == v1::GIVEN || observation.authorship() == v1::SHARED) return false;
  }
  for (const auto& finding : report.findings()) {
    if (finding.authorship() == v1::GIVEN || finding.authorship() == v1::SHARED) return false;
  }
  return HasRepository(report);
}

Lead WhatStandsFirst(const v1::EvaluationReport& report, size_t most) {
  const EvidenceByDigest evidence = IndexOf(report);
  const std::vector<const v1::Claim*> claims = Tried(report);
  Lead lead;
  lead.title = claims.empty() ? "What stands out in the code" : "What was tried, and what happened";
  for (const v1::Claim* claim : claims) {
    if (lead.entries.size() >= most) return lead;
    LeadEntry entry;
    entry.kind = KindOf(claim->verdict());
    entry.statement = claim->statement();
    entry.outcome = claim->reason();
    entry.file = claim->file();
    entry.line = claim->line();
    entry.quote = LineAt(evidence, claim->file(), claim->line());
    lead.entries.push_back(std::move(entry));
  }
  for (const v1::Finding* finding : WorthALook(report, claims)) {
    if (lead.entries.size() >= most) return lead;
    LeadEntry entry;
    entry.statement = finding->message();
    entry.file = finding->file();
    entry.line = finding->line();
    entry.quote = LineAt(evidence, finding->file(), finding->line());
    lead.entries.push_back(std::move(entry));
  }
  if (!lead.entries.empty()) return lead;
  lead.title = "What people saw";
  AddPersonsWords(report, evidence, v1::Evidence::RATING, most, lead);
  if (!lead.entries.empty()) return lead;
  lead.title = "What was handed in";
  AddPersonsWords(report, evidence, v1::Evidence::PORTFOLIO_ITEM, most, lead);
  return lead;
}

std::string ServiceInWords(const v1::EvaluationReport& report) {
  if (!HasRepository(report)) return "";
  std::vector<std::string> parts;
  if (report.routes_size() > 0)
    parts.push_back(absl::StrCat(report.routes_size(), report.routes_size() == 1 ? " route" : " routes"));
  for (const char* criterion : {"run.starts", "run.latency_under_load"}) {
    for (const auto& observation : report.observations()) {
      if (observation.criterion() != criterion || observation.rationale().empty()) continue;
      if (observation.state() == v1::Observation::OBSERVED) parts.push_back(observation.rationale());
    }
  }
  return absl::StrJoin(parts, "; ");
}

std::vector<Limit> NotObservableHere(const v1::EvaluationReport& report) {
  std::vector<Limit> limits;
  // Criteria for which the platform was the reason, the same reason once.
  std::map<std::string, std::vector<std::string>> reasons;
  for (const auto& observation : report.observations()) {
    if (observation.state() == v1::Observation::NOT_OBSERVABLE) {
      reasons[WithoutLayers(report, observation.rationale())].push_back(observation.criterion());
    }
  }
  for (const auto& [reason, criteria] : reasons) {
    AddLimit(limits, absl::StrCat(CriteriaInWords(criteria), reason.empty() ? "" : ": ", reason), "");
  }
  for (Limit& limit : LacksOfTheMachine(report)) limits.push_back(std::move(limit));
  for (const auto& evaluation : report.evaluations()) {
    if (evaluation.state() == v1::Evaluation::SUCCEEDED || evaluation.fault_domain() != v1::Evaluation::PLATFORM)
      continue;
    const std::string reason = WithoutLayers(report, evaluation.reason());
    const bool known = std::any_of(limits.begin(), limits.end(),
                                   [&](const Limit& limit) { return absl::StrContains(limit.what, reason); });
    if (!known) AddLimit(limits, absl::StrCat(evaluation.evaluator(), ": ", reason), "");
  }
  return limits;
}

std::vector<Limit> WithoutResult(const v1::EvaluationReport& report) {
  std::vector<Limit> limits;
  for (const auto& evaluation : report.evaluations()) {
    if (evaluation.state() == v1::Evaluation::SUCCEEDED || evaluation.fault_domain() == v1::Evaluation::PLATFORM)
      continue;
    AddLimit(limits,
             absl::StrCat(
                 evaluation.evaluator(), ": ",
                 evaluation.reason().empty() ? v1::Evaluation::State_Name(evaluation.state()) : evaluation.reason()),
             "");
  }
  return limits;
}

}  // namespace assay::cli
