// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/report.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "assay/event/v1/work.pb.h"
#include "services/aggregator/evidence_words.h"

namespace assay::aggregator {
namespace {

using v1::EvaluationReport;

constexpr uint64_t kMaxLoadRunBytes = 1 << 20;
// The gateway accepts no larger document.
constexpr uint64_t kMaxDocumentBytes = 4 << 20;
// Everything a report holds stays below the largest message that is sent.
constexpr size_t kMaxAttachedBytes = 24 << 20;

template <typename Message, typename Less>
void SortBy(google::protobuf::RepeatedPtrField<Message>* field, Less less) {
  std::stable_sort(field->pointer_begin(), field->pointer_end(),
                   [&](const Message* a, const Message* b) { return less(*a, *b); });
}

// What the fold counted, for when the document with the words cannot be read.
EvaluationReport BareReport(const storage::v1::ResultRow& result) {
  EvaluationReport report;
  for (const event::v1::FoldObservation& counted : result.observations()) {
    v1::Observation& observation = *report.add_observations();
    observation.set_criterion(counted.criterion());
    observation.set_state(counted.state());
    observation.set_authorship(counted.authorship());
    observation.set_value(counted.value());
    observation.set_standard_error(counted.standard_error());
    observation.set_method(counted.method());
    observation.set_rationale("the words of this result cannot be read at the moment");
    for (const std::string& evidence : counted.evidence()) {
      const absl::StatusOr<Digest> digest = Digest::FromBytes(evidence);
      if (digest.ok()) observation.add_evidence(digest->ToString());
    }
  }
  for (const event::v1::FoldClaim& counted : result.claims()) {
    v1::Claim& claim = *report.add_claims();
    claim.set_id(counted.claim());
    claim.set_verdict(counted.verdict());
    claim.set_authorship(counted.authorship());
  }
  return report;
}

void Append(EvaluationReport part, EvaluationReport& report, std::vector<v1::Claim>& claims) {
  for (auto& observation : *part.mutable_observations()) *report.add_observations() = std::move(observation);
  for (auto& finding : *part.mutable_findings()) *report.add_findings() = std::move(finding);
  for (auto& route : *part.mutable_routes()) *report.add_routes() = std::move(route);
  for (auto& evidence : *part.mutable_evidence()) *report.add_evidence() = std::move(evidence);
  for (auto& limit : *part.mutable_platform_limits()) *report.add_platform_limits() = std::move(limit);
  for (auto& claim : *part.mutable_claims()) claims.push_back(std::move(claim));
}

void FillBehaviours(const ReportInputs& inputs, const Domain& domain, EvaluationReport& report) {
  std::map<std::string, std::vector<std::string>> known;
  const auto behaviours_of = [&](const std::string& criterion) -> const std::vector<std::string>& {
    const auto [place, is_new] = known.try_emplace(criterion);
    if (is_new) place->second = domain.BehavioursOf(inputs.framework_digest, criterion);
    return place->second;
  };
  for (v1::Observation& observation : *report.mutable_observations()) {
    const auto& behaviours = behaviours_of(observation.criterion());
    *observation.mutable_behaviours() = {behaviours.begin(), behaviours.end()};
  }
  for (v1::Finding& finding : *report.mutable_findings()) {
    if (finding.criterion().empty() || !finding.behaviours().empty()) continue;
    const auto& behaviours = behaviours_of(finding.criterion());
    *finding.mutable_behaviours() = {behaviours.begin(), behaviours.end()};
  }
}

void SortParts(EvaluationReport& report) {
  SortBy(report.mutable_observations(),
         [](const v1::Observation& a, const v1::Observation& b) { return a.criterion() < b.criterion(); });
  SortBy(report.mutable_findings(), [](const v1::Finding& a, const v1::Finding& b) {
    return std::tuple(-a.severity(), std::string_view(a.file()), a.line(), std::string_view(a.check())) <
           std::tuple(-b.severity(), std::string_view(b.file()), b.line(), std::string_view(b.check()));
  });
  // One entry for each digest.
  std::map<std::string, v1::Evidence> evidence;
  for (v1::Evidence& entry : *report.mutable_evidence()) evidence.try_emplace(entry.digest(), std::move(entry));
  report.clear_evidence();
  for (auto& [digest, entry] : evidence) *report.add_evidence() = std::move(entry);
}

void AttachRuns(const blob::RecordedBytes& recorded, EvaluationReport& report) {
  size_t attached = 0;
  for (const v1::Evidence& evidence : report.evidence()) {
    if (evidence.kind() != v1::Evidence::LOAD_RUN) continue;
    absl::StatusOr<std::string> run = recorded.Get(evidence.digest(), kMaxLoadRunBytes);
    if (!run.ok() || attached + run->size() > kMaxAttachedBytes) continue;
    attached += run->size();
    (*report.mutable_load_runs())[evidence.digest()] = *std::move(run);
  }
}

// The lines of the document as its author wrote it; null: it cannot be read.
std::shared_ptr<const DocumentLines> ReadLines(const storage::v1::SubmissionRow& row, const blob::Owner& owner,
                                               blob::BlobStore& blobs) {
  const absl::StatusOr<Digest> digest = Digest::Parse(row.accepted().blob_digest());
  if (!digest.ok()) return nullptr;
  const absl::StatusOr<std::string> json = blob::Get(blobs, owner, *digest, kMaxDocumentBytes);
  if (!json.ok()) return nullptr;
  return std::make_shared<DocumentLines>(LinesOfDocument(row.accepted().kind(), *json));
}

// A scorecard's source is "rater/occasion".
void NoteOrigins(const v1::Submission& submission, const EvaluationReport& part,
                 std::shared_ptr<const DocumentLines> lines, std::map<std::string, EvidenceOrigin>& origins) {
  EvidenceOrigin origin;
  origin.document = submission.origin();
  origin.lines = std::move(lines);
  if (submission.kind() == v1::Submission::SCORECARD) {
    origin.rater = submission.source().substr(0, submission.source().find('/'));
  }
  for (const v1::Evidence& evidence : part.evidence()) origins.try_emplace(evidence.digest(), origin);
}

// Whether others wrote it about the candidate: its name may be that of a rater, and what is remarked on in it is for
// the one who wrote it.
bool WrittenByOthers(v1::Submission::Kind kind) {
  return kind == v1::Submission::SCORECARD || kind == v1::Submission::OUTCOME || kind == v1::Submission::DECISION;
}

void HideRaters(EvaluationReport& report) {
  for (v1::Submission& submission : *report.mutable_submissions()) {
    if (!WrittenByOthers(submission.kind())) continue;
    submission.clear_source();
    submission.clear_origin();
  }
  std::set<std::string_view> ratings;
  for (v1::Evidence& evidence : *report.mutable_evidence()) {
    if (evidence.kind() != v1::Evidence::RATING) continue;
    evidence.clear_rater();
    evidence.clear_title();
    evidence.clear_file();
    evidence.clear_line();
    evidence.clear_end_line();
    ratings.insert(evidence.digest());
  }
  for (v1::Contradiction& contradiction : *report.mutable_readiness()->mutable_contradictions()) {
    for (v1::Contradiction::Statement& statement : *contradiction.mutable_statements()) {
      if (ratings.count(statement.evidence()) == 0) continue;
      statement.clear_file();
      statement.clear_line();
      statement.clear_evidence();
    }
  }
}

void FitForCandidate(EvaluationReport& report) {
  HideRaters(report);
  // What an interviewer is going to ask stays with the interviewer.
  for (v1::Finding& finding : *report.mutable_findings()) {
    finding.clear_question();
    finding.clear_good_answer();
  }
  for (v1::Contradiction& contradiction : *report.mutable_readiness()->mutable_contradictions()) {
    contradiction.clear_question();
  }
  for (v1::AreaReadiness& area : *report.mutable_readiness()->mutable_areas()) {
    for (v1::CompetencyReadiness& competency : *area.mutable_competencies()) {
      competency.clear_machine_information();
      competency.clear_human_information();
    }
  }
}

}  // namespace

absl::StatusOr<Result> ReadResult(absl::string_view result_digest, const blob::Owner& owner, blob::BlobStore& blobs) {
  ASSAY_ASSIGN_OR_RETURN(const Digest digest, Digest::Parse(result_digest));
  Result result;
  ASSAY_ASSIGN_OR_RETURN(result.document, blob::GetResult(blobs, owner, digest));
  if (result.report.ParseFromString(result.document.report())) return result;
  return absl::DataLossError(absl::StrCat("the report in result document ", result_digest, " cannot be read"));
}

std::vector<v1::Claim> MergeClaims(const std::vector<v1::Claim>& claims) {
  std::map<std::string, v1::Claim> merged;
  for (const v1::Claim& claim : claims) {
    const auto [place, is_new] = merged.try_emplace(claim.id(), claim);
    if (is_new) continue;
    v1::Claim& known = place->second;
    if (known.statement().empty()) known.set_statement(claim.statement());
    if (known.file().empty()) {
      known.set_file(claim.file());
      known.set_line(claim.line());
    }
    // A verdict of a run takes the place of "untested"; two verdicts of runs cannot both stand, the graver one does.
    const auto weight = [](v1::Claim::Verdict verdict) {
      return verdict == v1::Claim::REFUTED ? 3 : verdict == v1::Claim::CONFIRMED ? 2
                                             : verdict == v1::Claim::INCONCLUSIVE ? 1
                                                                                  : 0;
    };
    // Why something was not tested is worth telling as well.
    const bool only_says_why = weight(claim.verdict()) == weight(known.verdict()) && known.reason().empty();
    if (only_says_why) known.set_reason(claim.reason());
    if (weight(claim.verdict()) > weight(known.verdict())) {
      known.set_verdict(claim.verdict());
      known.set_reason(claim.reason());
    }
    for (const std::string& evidence : claim.evidence()) {
      const auto& listed = known.evidence();
      if (std::find(listed.begin(), listed.end(), evidence) == listed.end()) known.add_evidence(evidence);
    }
  }
  std::vector<v1::Claim> result;
  for (auto& [id, claim] : merged) {
    if (claim.verdict() == v1::Claim::VERDICT_UNSPECIFIED) claim.set_verdict(v1::Claim::UNTESTED);
    result.push_back(std::move(claim));
  }
  return result;
}

namespace {

// Puts one report together. Used once.
class ReportBuilder {
 public:
  ReportBuilder(const ReportInputs& inputs, bool for_candidate, blob::BlobStore& blobs)
      : inputs_(inputs), for_candidate_(for_candidate), blobs_(blobs), recorded_(blobs, inputs.owner) {}

  EvaluationReport Build(bool full, const Domain& domain) {
    report_.set_candidate(inputs_.candidate);
    report_.set_assessment(inputs_.assessment);
    report_.set_framework(inputs_.framework);
    *report_.mutable_readiness() = inputs_.readiness;
    for (const CountedEvaluation& counted : inputs_.evidence.evaluations) AddCounted(counted);
    for (const v1::Submission& submission : inputs_.submissions) AddSubmission(submission);
    for (v1::Claim& claim : MergeClaims(claims_)) *report_.add_claims() = std::move(claim);
    FillBehaviours(inputs_, domain, report_);
    SortParts(report_);
    QuoteEvidence(recorded_, origins_, report_);
    PlaceContradictions(report_);
    if (full) {
      AttachRuns(recorded_, report_);
      AddExcerpts(recorded_, report_);
    }
    if (for_candidate_) FitForCandidate(report_);
    return std::move(report_);
  }

 private:
  absl::StatusOr<EvaluationReport> ReadPart(absl::string_view result_digest, v1::Submission::Kind kind,
                                            const std::string& submission) {
    ASSAY_ASSIGN_OR_RETURN(Result result, ReadResult(result_digest, inputs_.owner, blobs_));
    recorded_.Take(result.document);
    if (for_candidate_ && WrittenByOthers(kind)) result.report.clear_findings();
    for (v1::Finding& finding : *result.report.mutable_findings()) finding.set_submission(submission);
    return std::move(result.report);
  }

  void AddCounted(const CountedEvaluation& counted) {
    const event::v1::SubmissionAccepted& accepted = counted.submission.accepted();
    absl::StatusOr<EvaluationReport> part =
        ReadPart(counted.evaluation.result_digest(), accepted.kind(), accepted.submission_id());
    if (!part.ok()) {
      Append(BareReport(counted.result), report_, claims_);
      return;
    }
    for (const v1::Submission& submission : inputs_.submissions) {
      if (submission.id() != accepted.submission_id()) continue;
      const bool is_document = accepted.kind() != v1::Submission::REPOSITORY;
      NoteOrigins(submission, *part, is_document ? ReadLines(counted.submission, inputs_.owner, blobs_) : nullptr,
                  origins_);
    }
    Append(*std::move(part), report_, claims_);
  }

  void AddSubmission(const v1::Submission& submission) {
    *report_.add_submissions() = submission;
    if (!submission.superseded_by().empty() || submission.withdrawn()) return;
    for (const v1::Evaluation& evaluation : submission.evaluations()) {
      *report_.add_evaluations() = evaluation;
      // A submission that cannot be evaluated may still have findings that say why.
      if (evaluation.state() != v1::Evaluation::FAILED || evaluation.result_digest().empty()) continue;
      absl::StatusOr<EvaluationReport> part = ReadPart(evaluation.result_digest(), submission.kind(), submission.id());
      if (!part.ok()) continue;
      part->clear_observations();
      part->clear_claims();
      Append(*std::move(part), report_, claims_);
    }
  }

  const ReportInputs& inputs_;
  const bool for_candidate_;
  blob::BlobStore& blobs_;
  blob::RecordedBytes recorded_;
  std::map<std::string, EvidenceOrigin> origins_;
  std::vector<v1::Claim> claims_;
  EvaluationReport report_;
};

}  // namespace

EvaluationReport BuildReport(const ReportInputs& inputs, bool for_candidate, bool full, blob::BlobStore& blobs,
                             const Domain& domain) {
  return ReportBuilder(inputs, for_candidate, blobs).Build(full, domain);
}

}  // namespace assay::aggregator
