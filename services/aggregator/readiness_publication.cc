// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/readiness_publication.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/shard.h"

namespace assay::aggregator {
namespace {

constexpr size_t kPage = 128;
// Assessments to be published again; more make everything be published.
constexpr size_t kMaxDue = 10'000;
constexpr absl::Duration kRetryWait = absl::Seconds(1);
// What is journaled too late is published once more after a change of owner, no more.
constexpr absl::Duration kCheckpointInterval = absl::Seconds(1);

}  // namespace

absl::StatusOr<absl::Time> ReadinessPublication::Step(absl::Time now, const storage::v1::ShardMeta& meta,
                                                      const RowReader& rows, RelayOutputs& outputs) {
  now_ = now;
  if (now < not_before_) return not_before_;
  if (due_.empty() && sent_.empty()) {
    Checkpoint(now, outputs);
    ASSAY_RETURN_IF_ERROR(Collect(meta, rows));
  }
  while (!due_.empty() && sent_.size() < kPage) {
    const std::string key = *due_.begin();
    due_.erase(due_.begin());
    ASSAY_RETURN_IF_ERROR(Publish(key, meta.epoch(), rows, outputs));
  }
  // Their reports lead on.
  if (!sent_.empty()) return absl::InfiniteFuture();
  if (is_everything_ || next_change_ < meta.next_change_sequence()) return now;
  return checkpointed_ < next_change_ ? std::max(next_checkpoint_, now) : absl::InfiniteFuture();
}

absl::Status ReadinessPublication::Collect(const storage::v1::ShardMeta& meta, const RowReader& rows) {
  if (!has_begun_) {
    has_begun_ = true;
    next_change_ = checkpointed_ = meta.published_changes();
  }
  if (!is_everything_ && next_change_ + kChangeHistory < meta.next_change_sequence()) {
    is_everything_ = true;
    from_.clear();
    next_change_ = meta.next_change_sequence();
  }
  return is_everything_ ? CollectEverything(rows) : CollectChanges(meta, rows);
}

absl::Status ReadinessPublication::CollectChanges(const storage::v1::ShardMeta& meta, const RowReader& rows) {
  if (next_change_ >= meta.next_change_sequence()) return absl::OkStatus();
  ASSAY_ASSIGN_OR_RETURN(const std::vector<store::Row> page, rows.Scan(kChangeTable, "", Hex16(next_change_), kPage));
  for (const store::Row& stored : page) {
    storage::v1::ChangeRow change;
    if (!change.ParseFromString(stored.value)) {
      return absl::DataLossError(absl::StrCat("change ", stored.key, " cannot be read"));
    }
    next_change_ = ParseHex16(stored.key) + 1;
    // An erasure takes the readiness with it.
    if (!change.submission_id().empty() && change.change() != "erased") continue;
    due_.insert(Key(change.tenant(), change.candidate_key(), change.assessment_key()));
  }
  // What an erasure took out of the feed is not waited for.
  if (page.size() < kPage) next_change_ = std::max(next_change_, meta.next_change_sequence());
  return absl::OkStatus();
}

absl::Status ReadinessPublication::CollectEverything(const RowReader& rows) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<store::Row> page, rows.Scan(kReadinessTable, "", from_, kPage));
  for (const store::Row& stored : page) {
    due_.insert(stored.key);
    from_ = stored.key + '\0';
  }
  is_everything_ = page.size() == kPage;
  return absl::OkStatus();
}

absl::Status ReadinessPublication::Publish(const std::string& key, uint64_t epoch, const RowReader& rows,
                                           RelayOutputs& outputs) {
  const std::vector<std::string> parts = absl::StrSplit(key, '/');
  if (parts.size() != 3) return absl::DataLossError(absl::StrCat("readiness ", key, " is not of an assessment"));
  ASSAY_ASSIGN_OR_RETURN(std::optional<storage::v1::ReadinessRowBytes> row,
                         rows.Find<storage::v1::ReadinessRowBytes>(kReadinessTable, key));
  event::v1::ReadinessPublished published;
  published.set_tenant(parts[0]);
  published.set_candidate_key(parts[1]);
  published.set_assessment_key(parts[2]);
  published.set_shard(shard_);
  published.set_writer_epoch(epoch);
  if (row) published.set_record(std::move(*row->mutable_record()));
  sent_.insert(key);
  outputs.Send(PublishReadiness{std::move(published)}, [this, key](const absl::Status& status, int64_t) {
    sent_.erase(key);
    if (status.ok()) return;
    due_.insert(key);
    not_before_ = now_ + kRetryWait;
  });
  return absl::OkStatus();
}

void ReadinessPublication::Checkpoint(absl::Time now, RelayOutputs& outputs) {
  if (is_everything_ || next_change_ <= checkpointed_ || now < next_checkpoint_) return;
  next_checkpoint_ = now + kCheckpointInterval;
  event::v1::Envelope envelope;
  // Nothing of the outbox.
  envelope.mutable_relay_checkpoint()->set_sequence(0);
  envelope.mutable_relay_checkpoint()->set_published_changes(next_change_);
  outputs.Journal(std::move(envelope), [this, published = next_change_](const absl::Status& status, int64_t) {
    if (status.ok()) checkpointed_ = std::max(checkpointed_, published);
  });
}

void ReadinessPublication::Republish(const std::string& key) {
  if (due_.size() < kMaxDue) {
    due_.insert(key);
    return;
  }
  is_everything_ = true;
  from_.clear();
}

}  // namespace assay::aggregator
