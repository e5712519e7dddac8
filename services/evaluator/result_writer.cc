// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/result_writer.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "assay/v1/report.pb.h"
#include "services/common/base/status_macros.h"
#include "services/common/blob/result_document.h"
#include "services/plugin_host/limits.h"

namespace assay::evaluator {
namespace {

constexpr int kMaxFoldEvidence = 4;
std::string RawDigest(const std::string& text) {
  const absl::StatusOr<Digest> digest = Digest::Parse(text);
  return digest.ok() ? std::string(digest->bytes()) : "";
}

template <typename From, typename To>
void CopyEvidence(const From& from, To& to) {
  for (int i = 0; i < std::min(from.evidence_size(), kMaxFoldEvidence); ++i)
    to.add_evidence(RawDigest(from.evidence(i)));
}

event::v1::EvaluationFinished Fold(const event::v1::Work& work, const plugin_host::EvaluationResult& result) {
  event::v1::EvaluationFinished finished;
  finished.set_outcome(event::v1::EvaluationFinished::SUCCEEDED);
  for (const v1::Observation& observation : result.observations) {
    event::v1::FoldObservation& out = *finished.add_observations();
    out.set_criterion(observation.criterion());
    out.set_state(observation.state());
    out.set_authorship(observation.authorship());
    out.set_value(observation.value());
    out.set_standard_error(observation.standard_error());
    out.set_method(observation.method());
    out.set_unscored(observation.unscored());
    CopyEvidence(observation, out);
    if (observation.method() != v1::Observation::HUMAN) continue;
    out.set_rater_key(work.rater_key());
    out.set_rater_role(work.rater_role());
    out.set_occasion_key(work.source_key());
  }
  for (const v1::Claim& claim : result.claims) {
    event::v1::FoldClaim& out = *finished.add_claims();
    out.set_claim(claim.id());
    out.set_verdict(claim.verdict());
    out.set_criterion(claim.criterion());
    out.set_authorship(claim.authorship());
    CopyEvidence(claim, out);
  }
  return finished;
}

// The route table, if the evaluator left one that can be read; a malformed one stays an artifact.
void AddRoutes(const plugin_host::EvaluationResult& result, v1::EvaluationReport& report) {
  for (const plugin_host::Artifact& artifact : result.artifacts) {
    if (artifact.name != "routes.json") continue;
    v1::EvaluationReport parsed;
    google::protobuf::util::JsonParseOptions options;
    options.ignore_unknown_fields = true;
    const std::string wrapped = absl::StrCat("{\"routes\":", artifact.content, "}");
    if (google::protobuf::util::JsonStringToMessage(wrapped, &parsed, options).ok())
      report.mutable_routes()->Swap(parsed.mutable_routes());
  }
}

v1::EvaluationReport Report(const plugin_host::EvaluationResult& result, const std::vector<std::string>& remarks) {
  v1::EvaluationReport report;
  for (const v1::Observation& observation : result.observations) *report.add_observations() = observation;
  for (const v1::Claim& claim : result.claims) *report.add_claims() = claim;
  for (const std::string& remark : remarks) {
    v1::Finding& note = *report.add_findings();
    note.set_check("archive");
    note.set_severity(v1::Finding::NOTE);
    note.set_message(remark);
  }
  for (const v1::Finding& finding : result.findings) *report.add_findings() = finding;
  AddRoutes(result, report);
  for (const plugin_host::EvidenceRecord& record : result.evidence) {
    *report.add_evidence() = record.info;
  }
  return report;
}

}  // namespace

absl::StatusOr<event::v1::EvaluationFinished> WriteResult(blob::BlobStore& blobs, const event::v1::Work& work,
                                                          const plugin_host::EvaluationResult& result,
                                                          const std::vector<std::string>& remarks) {
  event::v1::ResultDocument document;
  document.set_evaluator(work.evaluator());
  document.set_plugin_digest(work.plugin_digest());
  document.set_report(Report(result, remarks).SerializeAsString());
  for (const plugin_host::Artifact& artifact : result.artifacts) {
    event::v1::NamedBlob& out = *document.add_artifacts();
    out.set_name(artifact.name);
    out.set_digest(artifact.digest);
    out.set_media_type(artifact.media_type);
    out.set_size(artifact.content.size());
  }
  std::vector<absl::string_view> contents;
  for (const plugin_host::EvidenceRecord& record : result.evidence) contents.push_back(record.content);
  for (const plugin_host::Artifact& artifact : result.artifacts) contents.push_back(artifact.content);
  const blob::Owner owner{work.tenant(), work.candidate_key()};
  ASSAY_ASSIGN_OR_RETURN(const Digest digest, blob::PutResult(blobs, owner, std::move(document), std::move(contents)));
  event::v1::EvaluationFinished finished = Fold(work, result);
  finished.set_result_digest(digest.ToString());
  return finished;
}

absl::StatusOr<plugin_host::PriorResult> ReadPriorResult(blob::BlobStore& blobs, const blob::Owner& owner,
                                                         const std::string& evaluator, const std::string& digest) {
  ASSAY_ASSIGN_OR_RETURN(const Digest name, Digest::Parse(digest));
  ASSAY_ASSIGN_OR_RETURN(event::v1::ResultDocument document, blob::GetResult(blobs, owner, name));
  v1::EvaluationReport report;
  if (!report.ParseFromString(document.report())) {
    return absl::DataLossError(absl::StrCat("the result document of ", evaluator, " (", digest, ") cannot be read"));
  }
  plugin_host::PriorResult prior;
  prior.evaluator = evaluator;
  prior.claims.assign(report.claims().begin(), report.claims().end());
  blob::RecordedBytes recorded(blobs, owner);
  recorded.Take(document);
  for (const event::v1::NamedBlob& artifact : document.artifacts()) {
    ASSAY_ASSIGN_OR_RETURN(std::string content, recorded.Get(artifact.digest(), plugin_host::kMaxArtifactBytes));
    prior.artifacts.push_back({artifact.name(), artifact.media_type(), std::move(content), artifact.digest()});
  }
  return prior;
}

}  // namespace assay::evaluator
