// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/queue_position.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "services/aggregator/keys.h"
#include "services/common/base/status_macros.h"

namespace assay::aggregator {
namespace {

using storage::v1::EvaluationRow;
using storage::v1::LaneState;
using storage::v1::TenantLane;
using storage::v1::TenantRow;

constexpr size_t kOwnRows = 1000;
constexpr size_t kTenants = 1000;

struct Waiting {
  std::string lane;
  uint64_t place = 0;
};

uint64_t WeightOf(const TenantRow& tenant) { return std::max<uint64_t>(tenant.quota().weight(), 1); }

TenantLane LaneOf(const TenantRow& tenant, const std::string& lane) {
  const auto found = tenant.lanes().find(lane);
  return found == tenant.lanes().end() ? TenantLane() : found->second;
}

uint64_t Less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

// Evaluations that wait, each in its lane.
absl::StatusOr<std::vector<Waiting>> WaitingOf(const RowReader& rows, const storage::v1::SubmissionRow& submission) {
  std::vector<Waiting> waiting;
  for (const std::string& id : submission.evaluation_ids()) {
    ASSAY_ASSIGN_OR_RETURN(
        const std::optional<EvaluationRow> row,
        rows.Find<EvaluationRow>(kEvaluationTable, Key(submission.tenant(), submission.candidate_key(),
                                                       submission.accepted().submission_id(), id)));
    if (row && row->state() == v1::Evaluation::DISPATCHED && row->outbox_sequence() != 0) {
      waiting.push_back({row->lane(), row->outbox_sequence()});
    }
  }
  return waiting;
}

// Work of the same tenant that is before this one; the last of many is counted by its place.
absl::StatusOr<uint64_t> OwnAhead(const RowReader& rows, const std::string& tenant, const Waiting& waiting,
                                  const TenantLane& queue) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<store::Row> page,
                         rows.Scan(kOutboxTable, WorkPrefix(waiting.lane, tenant), "", kOwnRows));
  uint64_t ahead = 0;
  for (const store::Row& row : page) {
    if (OutboxNumber(row.key) >= waiting.place) return ahead;
    ++ahead;
  }
  if (page.empty()) return ahead;
  const uint64_t between = Less(waiting.place, OutboxNumber(page.back().key) + 1);
  return ahead + std::min(between, Less(queue.rows(), ahead + 1));
}

// Work of other tenants that has its turn within so many rounds.
absl::StatusOr<uint64_t> OthersAhead(const RowReader& rows, const std::string& tenant, const std::string& lane,
                                     uint64_t rounds, uint64_t all_rows, uint64_t all_tenants) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<store::Row> page, rows.Scan(kTenantTable, "", "", kTenants));
  uint64_t ahead = 0;
  for (const store::Row& stored : page) {
    TenantRow other;
    if (stored.key == tenant || !other.ParseFromString(stored.value)) continue;
    const uint64_t queued = LaneOf(other, lane).rows();
    if (queued == 0) continue;
    ahead += std::min(queued, rounds * WeightOf(other));
    all_rows = Less(all_rows, queued);
    all_tenants = Less(all_tenants, 1);
  }
  if (page.size() < kTenants || all_tenants == 0) return ahead;
  // Tenants beyond these: as many rows each as they have on average.
  const uint64_t average = (all_rows + all_tenants - 1) / all_tenants;
  return ahead + all_tenants * std::min(average, rounds);
}

}  // namespace

absl::Status AddQueuePosition(const RowReader& rows, const storage::v1::SubmissionRow& submission,
                              v1::Submission& view) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<Waiting> waiting, WaitingOf(rows, submission));
  if (waiting.empty()) return absl::OkStatus();
  ASSAY_ASSIGN_OR_RETURN(const std::optional<storage::v1::ShardMeta> meta,
                         rows.Find<storage::v1::ShardMeta>(kMetaTable, kMetaKey));
  ASSAY_ASSIGN_OR_RETURN(const std::optional<TenantRow> tenant,
                         rows.Find<TenantRow>(kTenantTable, submission.tenant()));
  if (!meta || !tenant) return absl::OkStatus();
  uint64_t first = std::numeric_limits<uint64_t>::max();
  LaneState first_lane;
  for (const Waiting& evaluation : waiting) {
    const auto found = meta->lanes().find(evaluation.lane);
    if (found == meta->lanes().end()) continue;
    const LaneState& lane = found->second;
    const TenantLane queue = LaneOf(*tenant, evaluation.lane);
    ASSAY_ASSIGN_OR_RETURN(const uint64_t own, OwnAhead(rows, submission.tenant(), evaluation, queue));
    const uint64_t all_rows = Less(lane.waiting() + lane.running(), queue.rows());
    ASSAY_ASSIGN_OR_RETURN(const uint64_t others,
                           OthersAhead(rows, submission.tenant(), evaluation.lane, own / WeightOf(*tenant) + 1,
                                       all_rows, Less(lane.tenants(), 1)));
    // What runs has its outbox row still, and is ahead of nobody.
    const uint64_t position =
        std::clamp<uint64_t>(Less(own + others, lane.running()) + 1, 1, std::max<uint64_t>(lane.waiting(), 1));
    if (position >= first) continue;
    first = position;
    first_lane = lane;
  }
  if (first_lane.waiting() == 0) return absl::OkStatus();
  view.set_queue_position(static_cast<uint32_t>(std::min<uint64_t>(first, std::numeric_limits<uint32_t>::max())));
  if (first_lane.recent_interval_micros() > 0) {
    *view.mutable_expected_wait() = google::protobuf::util::TimeUtil::MicrosecondsToDuration(
        static_cast<int64_t>(first * first_lane.recent_interval_micros()));
  }
  return absl::OkStatus();
}

}  // namespace assay::aggregator
