// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/result_writer.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "assay/v1/report.pb.h"
#include "services/common/base/status_macros.h"
#include "services/plugin_host/limits.h"

namespace assay::evaluator {
namespace {

constexpr uint64_t kMaxResultBytes = 64 << 20;
constexpr int kMaxFoldEvidence = 4;
// Enough that one flush of the disk serves several blobs.
constexpr size_t kWriters = 8;
// Load runs go into the report for charts; larger ones are read as evidence.
constexpr size_t kMaxInlineLoadRun = 512 << 10;

blob::Owner OwnerOf(const event::v1::Work& work) { return {work.tenant(), work.candidate_key()}; }

// Writes contents whose digests are known, those that are there already left as they are.
absl::Status WriteBlobs(blob::BlobStore& blobs, const blob::Owner& owner,
                        const std::vector<absl::string_view>& contents) {
  std::atomic<size_t> next{0};
  absl::Mutex mutex;
  absl::Status first;
  const auto write = [&] {
    for (size_t i = next++; i < contents.size(); i = next++) {
      if (blobs.Stat(owner, Digest::Of(contents[i])).ok()) continue;
      const absl::Status written = blob::Put(blobs, owner, contents[i]).status();
      absl::MutexLock lock(&mutex);
      if (first.ok()) first = written;
      if (!first.ok()) return;
    }
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < std::min(kWriters, contents.size()); ++i) helpers.emplace_back(write);
  write();
  for (std::thread& helper : helpers) helper.join();
  return first;
}

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
    if (record.info.kind() == v1::Evidence::LOAD_RUN && record.content.size() <= kMaxInlineLoadRun) {
      (*report.mutable_load_runs())[record.info.digest()] = record.content;
    }
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
  // All at once: what they name only has to be there before EvaluationFinished names the document.
  const std::string bytes = document.SerializeAsString();
  std::vector<absl::string_view> contents = {bytes};
  for (const plugin_host::EvidenceRecord& record : result.evidence) contents.push_back(record.content);
  for (const plugin_host::Artifact& artifact : result.artifacts) contents.push_back(artifact.content);
  std::sort(contents.begin(), contents.end());
  contents.erase(std::unique(contents.begin(), contents.end()), contents.end());
  ASSAY_RETURN_IF_ERROR(WriteBlobs(blobs, OwnerOf(work), contents));
  event::v1::EvaluationFinished finished = Fold(work, result);
  finished.set_result_digest(Digest::Of(bytes).ToString());
  return finished;
}

absl::StatusOr<plugin_host::PriorResult> ReadPriorResult(blob::BlobStore& blobs, const blob::Owner& owner,
                                                         const std::string& evaluator, const std::string& digest) {
  ASSAY_ASSIGN_OR_RETURN(const Digest name, Digest::Parse(digest));
  ASSAY_ASSIGN_OR_RETURN(const std::string bytes, blob::Get(blobs, owner, name, kMaxResultBytes));
  event::v1::ResultDocument document;
  v1::EvaluationReport report;
  if (!document.ParseFromString(bytes) || !report.ParseFromString(document.report())) {
    return absl::DataLossError(absl::StrCat("the result document of ", evaluator, " (", digest, ") cannot be read"));
  }
  plugin_host::PriorResult prior;
  prior.evaluator = evaluator;
  prior.claims.assign(report.claims().begin(), report.claims().end());
  for (const event::v1::NamedBlob& artifact : document.artifacts()) {
    ASSAY_ASSIGN_OR_RETURN(const Digest content_name, Digest::Parse(artifact.digest()));
    ASSAY_ASSIGN_OR_RETURN(std::string content, blob::Get(blobs, owner, content_name, plugin_host::kMaxArtifactBytes));
    prior.artifacts.push_back({artifact.name(), artifact.media_type(), std::move(content), artifact.digest()});
  }
  return prior;
}

}  // namespace assay::evaluator
