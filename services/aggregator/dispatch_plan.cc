// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/dispatch_plan.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "services/aggregator/keys.h"
#include "services/common/base/status_macros.h"

namespace assay::aggregator {
namespace {

// Tenants without work whose place is remembered, so that the rows they had are not passed over again.
constexpr size_t kRememberedTenants = 10'000;

// The first key after all work of the tenant.
std::string AfterTenant(absl::string_view lane, absl::string_view tenant) {
  std::string key = WorkPrefix(lane, tenant);
  ++key.back();
  return key;
}

}  // namespace

absl::Status DispatchPlan::Restart(const RowReader& rows) {
  queues_.clear();
  waiting_.clear();
  noticed_.clear();
  outstanding_ = 0;
  turn_.clear();
  turn_left_ = 0;
  std::string from;
  for (;;) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<store::Row> first, rows.Scan(kOutboxTable, WorkPrefix(lane_), from, 1));
    if (first.empty()) return absl::OkStatus();
    const std::string tenant(WorkTenant(first.front().key));
    queues_[tenant].next = OutboxNumber(first.front().key);
    waiting_.insert(tenant);
    from = AfterTenant(lane_, tenant);
  }
}

void DispatchPlan::Notice(absl::string_view tenant) {
  const std::string name(tenant);
  queues_.try_emplace(name);
  waiting_.insert(name);
  noticed_.insert(name);
}

absl::StatusOr<std::vector<DispatchPlan::Item>> DispatchPlan::Next(const RowReader& rows, size_t credit, size_t limit) {
  for (const std::string& tenant : std::exchange(noticed_, {})) {
    ASSAY_RETURN_IF_ERROR(Settle(rows, tenant, queues_[tenant]));
  }
  std::vector<Item> items;
  while (outstanding_ < credit && items.size() < limit && !waiting_.empty()) {
    auto next = waiting_.lower_bound(turn_);
    if (next == waiting_.end()) next = waiting_.begin();
    const std::string tenant = *next;
    if (tenant != turn_ || turn_left_ == 0) {
      turn_ = tenant;
      ASSAY_ASSIGN_OR_RETURN(turn_left_, WeightOf(rows, tenant));
    }
    const size_t wanted = std::min({turn_left_, credit - outstanding_, limit - items.size()});
    ASSAY_ASSIGN_OR_RETURN(const size_t taken, Take(rows, tenant, wanted, items));
    turn_left_ -= taken;
    if (taken < wanted) {
      waiting_.erase(tenant);
      turn_left_ = 0;
      ForgetIfIdle(tenant);
    }
    if (turn_left_ == 0) turn_ = tenant + '\0';
  }
  return items;
}

absl::StatusOr<size_t> DispatchPlan::Take(const RowReader& rows, const std::string& tenant, size_t limit,
                                          std::vector<Item>& items) {
  Queue& queue = queues_[tenant];
  // Rows that were put back lie before others that are outstanding.
  const size_t passed =
      static_cast<size_t>(std::distance(queue.outstanding.lower_bound(queue.next), queue.outstanding.end()));
  ASSAY_ASSIGN_OR_RETURN(
      const std::vector<store::Row> page,
      rows.Scan(kOutboxTable, WorkPrefix(lane_, tenant), WorkKey(lane_, tenant, queue.next), limit + passed));
  size_t taken = 0;
  for (const store::Row& stored : page) {
    const uint64_t place = OutboxNumber(stored.key);
    if (taken == limit) break;
    queue.next = place + 1;
    if (queue.outstanding.count(place) > 0) continue;
    storage::v1::OutboxRow row;
    if (!row.ParseFromString(stored.value) || !row.has_work()) {
      return absl::DataLossError(absl::StrCat("outbox row ", stored.key, " cannot be read"));
    }
    items.push_back({tenant, place, std::move(*row.mutable_work())});
    queue.outstanding.insert(place);
    ++outstanding_;
    ++taken;
  }
  return taken;
}

absl::Status DispatchPlan::Settle(const RowReader& rows, const std::string& tenant, Queue& queue) {
  for (auto place = queue.outstanding.begin(); place != queue.outstanding.end();) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> row,
                           rows.Get(kOutboxTable, WorkKey(lane_, tenant, *place)));
    if (row) {
      ++place;
      continue;
    }
    place = queue.outstanding.erase(place);
    --outstanding_;
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> DispatchPlan::WeightOf(const RowReader& rows, const std::string& tenant) const {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<storage::v1::TenantRow> row,
                         rows.Find<storage::v1::TenantRow>(kTenantTable, tenant));
  return row ? std::max<size_t>(row->quota().weight(), 1) : 1;
}

void DispatchPlan::PutBack(const Item& item) {
  Queue& queue = queues_[item.tenant];
  outstanding_ -= queue.outstanding.erase(item.place);
  queue.next = std::min(queue.next, item.place);
  waiting_.insert(item.tenant);
}

void DispatchPlan::ForgetIfIdle(const std::string& tenant) {
  const auto queue = queues_.find(tenant);
  if (queues_.size() > kRememberedTenants && queue->second.outstanding.empty()) queues_.erase(queue);
}

}  // namespace assay::aggregator
