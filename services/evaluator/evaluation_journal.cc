// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/evaluation_journal.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/digest.h"
#include "services/common/base/status_macros.h"

namespace assay::evaluator {
namespace {

constexpr size_t kMaxFinishedBytes = 60 << 10;
constexpr size_t kMaxReasonBytes = 2000;
constexpr size_t kEventIdBytes = 16;

std::string Key(const event::v1::Work& work) { return absl::StrCat(work.tenant(), "/", work.candidate_key()); }

template <typename Rows>
void KeepEvidence(Rows& rows, int count) {
  for (auto& row : rows) {
    if (row.evidence_size() > count) row.mutable_evidence()->DeleteSubrange(count, row.evidence_size() - count);
  }
}

}  // namespace

event::v1::Envelope EvaluationJournal::Envelope(const event::v1::Work& work) {
  event::v1::Envelope envelope;
  envelope.set_schema(1);
  envelope.set_event_id(Base32(RandomBytes(kEventIdBytes)));
  envelope.set_tenant(work.tenant());
  envelope.set_candidate_key(work.candidate_key());
  envelope.set_assessment_key(work.assessment_key());
  const absl::Time now = clock_.TimeNow();
  const int64_t seconds = absl::ToUnixSeconds(now);
  envelope.mutable_event_time()->set_seconds(seconds);
  envelope.mutable_event_time()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(now - absl::FromUnixSeconds(seconds))));
  envelope.set_writer(writer_);
  return envelope;
}

absl::Status EvaluationJournal::AppendAndWait(const event::v1::Work& work, const event::v1::Envelope& envelope) {
  const int32_t partition = log::PartitionOf(work.tenant(), work.candidate_key(), journal_.partitions());
  return log::AppendAndWait(journal_, partition, Key(work), envelope.SerializeAsString()).status;
}

absl::Status EvaluationJournal::Started(const event::v1::Work& work, bool wait) {
  event::v1::Envelope envelope = Envelope(work);
  event::v1::AttemptStarted& started = *envelope.mutable_attempt_started();
  started.set_submission_id(work.submission_id());
  started.set_evaluation_id(work.evaluation_id());
  started.set_attempt(work.attempt());
  started.set_capability(work.capability());
  if (wait) return AppendAndWait(work, envelope);
  const int32_t partition = log::PartitionOf(work.tenant(), work.candidate_key(), journal_.partitions());
  journal_.Append(partition, Key(work), envelope.SerializeAsString(), [](const log::Delivery&) {});
  return absl::OkStatus();
}

void EvaluationJournal::Progress(const event::v1::Work& work, const std::string& phase, uint64_t done, uint64_t total) {
  event::v1::Envelope envelope = Envelope(work);
  event::v1::AttemptProgress& progress = *envelope.mutable_attempt_progress();
  progress.set_submission_id(work.submission_id());
  progress.set_evaluation_id(work.evaluation_id());
  progress.set_attempt(work.attempt());
  progress.set_phase(phase);
  progress.set_done(done);
  progress.set_total(total);
  progress.set_capability(work.capability());
  const int32_t partition = log::PartitionOf(work.tenant(), work.candidate_key(), journal_.partitions());
  journal_.Append(partition, Key(work), envelope.SerializeAsString(), [](const log::Delivery&) {});
}

absl::Status EvaluationJournal::Finished(const event::v1::Work& work, event::v1::EvaluationFinished finished) {
  finished.set_submission_id(work.submission_id());
  finished.set_evaluation_id(work.evaluation_id());
  finished.set_attempt(work.attempt());
  finished.set_plugin_digest(work.plugin_digest());
  finished.set_capability(work.capability());
  if (finished.reason().size() > kMaxReasonBytes) finished.mutable_reason()->resize(kMaxReasonBytes);
  for (int kept = 4; kept >= 0 && finished.ByteSizeLong() > kMaxFinishedBytes; --kept) {
    KeepEvidence(*finished.mutable_observations(), kept);
    KeepEvidence(*finished.mutable_claims(), kept);
  }
  if (finished.ByteSizeLong() > kMaxFinishedBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the result of evaluation ", work.evaluation_id(), " takes ",
                                                   finished.ByteSizeLong(), " bytes in the journal; at most ",
                                                   kMaxFinishedBytes));
  }
  event::v1::Envelope envelope = Envelope(work);
  *envelope.mutable_evaluation_finished() = std::move(finished);
  return AppendAndWait(work, envelope);
}

}  // namespace assay::evaluator
