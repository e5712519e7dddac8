// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/blob_sweep.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "assay/v1/report.pb.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/proto_time.h"
#include "services/common/base/logging.h"
#include "services/common/blob/result_document.h"
#include "services/common/log/log.h"

namespace assay::aggregator {
namespace {

// Candidates looked at in one step: some milliseconds.
constexpr size_t kOwnersPerStep = 32;
// More wait for the next round.
constexpr size_t kMaxAgain = 10'000;

void AddText(const std::string& digest, std::set<Digest>& digests) {
  const absl::StatusOr<Digest> parsed = Digest::Parse(digest);
  if (parsed.ok()) digests.insert(*parsed);
}

// What else a result names: pieces that were too large for its document.
absl::Status AddContents(blob::BlobStore& blobs, const blob::Owner& owner, const Digest& result,
                         std::set<Digest>& digests) {
  const absl::StatusOr<event::v1::ResultDocument> document = blob::GetResult(blobs, owner, result);
  if (absl::IsNotFound(document.status())) return absl::OkStatus();
  ASSAY_RETURN_IF_ERROR(document.status());
  v1::EvaluationReport report;
  if (!report.ParseFromString(document->report())) {
    return absl::DataLossError(absl::StrCat("result ", result.ToString(), " cannot be read"));
  }
  for (const auto& artifact : document->artifacts()) AddText(artifact.digest(), digests);
  for (const auto& evidence : report.evidence()) AddText(evidence.digest(), digests);
  return absl::OkStatus();
}

// Calls `read` with each row of the candidate.
template <typename Row, typename Read>
absl::Status ReadAll(const RowReader& rows, absl::string_view table, const std::string& prefix, Read read) {
  std::string from;
  for (;;) {
    constexpr size_t kPage = 256;
    ASSAY_ASSIGN_OR_RETURN(const std::vector<store::Row> page, rows.Scan(table, prefix, from, kPage));
    for (const store::Row& stored : page) {
      Row row;
      if (!row.ParseFromString(stored.value)) {
        return absl::DataLossError(absl::StrCat("table ", table, ": row ", stored.key, " cannot be read"));
      }
      read(row);
    }
    if (page.size() < kPage) return absl::OkStatus();
    from = page.back().key + '\0';
  }
}

}  // namespace

absl::StatusOr<BlobSweep::References> BlobSweep::ReferencesOf(const blob::Owner& owner) const {
  const std::string prefix = Key(owner.tenant, owner.candidate_key) + "/";
  References found;
  ASSAY_RETURN_IF_ERROR(
      ReadAll<storage::v1::SubmissionRow>(rows_, kSubmissionTable, prefix, [&](const storage::v1::SubmissionRow& row) {
        AddText(row.accepted().blob_digest(), found.inputs);
        AddText(row.accepted().base_blob_digest(), found.inputs);
        AddText(row.accepted().task_blob_digest(), found.inputs);
      }));
  ASSAY_RETURN_IF_ERROR(ReadAll<storage::v1::AssessmentRow>(
      rows_, kAssessmentTable, prefix,
      [&](const storage::v1::AssessmentRow& row) { AddText(row.task_blob_digest(), found.inputs); }));
  ASSAY_RETURN_IF_ERROR(ReadAll<storage::v1::EvaluationRow>(
      rows_, kEvaluationTable, prefix,
      [&](const storage::v1::EvaluationRow& row) { AddText(row.result_digest(), found.results); }));
  return found;
}

absl::Status BlobSweep::SweepOwner(const blob::Owner& owner, absl::Time now, absl::Duration keep_for) const {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<blob::BlobInfo> blobs, blobs_.List(owner));
  const bool any_old = std::any_of(blobs.begin(), blobs.end(),
                                   [&](const blob::BlobInfo& blob) { return blob.modify_time < now - keep_for; });
  if (!any_old) return absl::OkStatus();
  ASSAY_ASSIGN_OR_RETURN(References named, ReferencesOf(owner));
  std::set<Digest> referenced = std::move(named.inputs);
  for (const Digest& result : named.results) ASSAY_RETURN_IF_ERROR(AddContents(blobs_, owner, result, referenced));
  referenced.merge(named.results);
  ASSAY_ASSIGN_OR_RETURN(
      const blob::SweepReport report,
      blob::Sweep(blobs_, owner, now, keep_for, [&](const Digest& digest) { return referenced.count(digest) > 0; }));
  if (report.blobs > 0) {
    LogInfo("blobs swept", {{"shard", absl::StrCat(options_.partition)},
                            {"blobs", absl::StrCat(report.blobs)},
                            {"bytes", absl::StrCat(report.bytes)}});
  }
  return absl::OkStatus();
}

absl::Status BlobSweep::Erase(const storage::v1::OutboxRow::EraseBlobs& erase, absl::Time now) {
  const blob::Owner owner{erase.tenant(), erase.candidate_key()};
  const absl::Time before = FromProtoTime(erase.before());
  if (again_.size() < kMaxAgain) again_[{owner.tenant, owner.candidate_key}] = now + 2 * kAttemptsEnd;
  ASSAY_ASSIGN_OR_RETURN(const References named, ReferencesOf(owner));
  ASSAY_ASSIGN_OR_RETURN(const std::vector<blob::BlobInfo> blobs, blobs_.List(owner));
  for (const blob::BlobInfo& info : blobs) {
    // What was uploaded before and handed in after the erasure belongs to the candidate's new life; the results of that
    // are newer.
    if (named.inputs.count(info.digest) > 0) continue;
    const absl::Status deleted = blobs_.DeleteIfOlder(owner, info.digest, before);
    if (!absl::IsNotFound(deleted) && !absl::IsFailedPrecondition(deleted)) ASSAY_RETURN_IF_ERROR(deleted);
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Time> BlobSweep::Step(absl::Time now) {
  for (auto it = again_.begin(); it != again_.end();) {
    const auto [key, due] = *it;
    if (due > now) {
      ++it;
      continue;
    }
    it = again_.erase(it);
    ASSAY_RETURN_IF_ERROR(SweepOwner({key.first, key.second}, now, kAttemptsEnd));
  }
  if (now >= next_round_) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<blob::Owner> page, blobs_.Owners(after_, kOwnersPerStep));
    for (const blob::Owner& owner : page) {
      after_ = owner;
      if (log::PartitionOf(owner.tenant, owner.candidate_key, options_.partitions) != options_.partition) continue;
      ASSAY_RETURN_IF_ERROR(SweepOwner(owner, now, kKeep));
    }
    if (page.size() == kOwnersPerStep) return now;
    after_ = {};
    next_round_ = now + kRound;
  }
  absl::Time next = next_round_;
  for (const auto& [key, due] : again_) next = std::min(next, due);
  return next;
}

}  // namespace assay::aggregator
