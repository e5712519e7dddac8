// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/routes.h"

#include <algorithm>
#include <utility>

namespace assay::gateway {
namespace {

// What the owner may take of the time that is left while a standby could answer as well.
constexpr double kOwnersShare = 0.6;

void AddReplica(const std::string& address, const event::v1::ShardReplica& state, Route& route) {
  Replica replica{.address = address,
                  .epoch = state.epoch(),
                  .applied_offset = state.applied_offset(),
                  .lag_records = state.lag_records()};
  for (const auto& [lane, count] : state.waiting_work()) replica.waiting_work += count;
  const bool owns = state.is_owner() && state.stopped().empty();
  if (owns && (!route.owner || route.owner->epoch < replica.epoch)) {
    std::optional<Replica> former = std::exchange(route.owner, std::move(replica));
    if (former) route.standbys.push_back(*std::move(former));
  } else {
    route.standbys.push_back(std::move(replica));
  }
}

}  // namespace

std::vector<Route> RoutesOf(const std::map<std::string, membership::Heard>& aggregators,
                            const std::function<bool(const membership::Heard&)>& is_present, uint32_t shards) {
  std::vector<Route> routes(shards);
  for (const auto& [instance, heard] : aggregators) {
    if (!is_present(heard)) continue;
    const event::v1::Aggregator& aggregator = heard.announcement.aggregator();
    for (const event::v1::ShardReplica& state : aggregator.replicas()) {
      if (state.shard() < shards) AddReplica(aggregator.address(), state, routes[state.shard()]);
    }
  }
  for (Route& route : routes) {
    std::stable_sort(route.standbys.begin(), route.standbys.end(),
                     [](const Replica& a, const Replica& b) { return a.lag_records < b.lag_records; });
  }
  return routes;
}

ReadPlan::ReadPlan(const Route& route, v1::Consistency consistency) {
  if (route.owner) targets_.push_back({route.owner->address, /*is_owner=*/true});
  if (consistency == v1::STRONG) return;
  for (const Replica& standby : route.standbys) {
    targets_.push_back({standby.address, /*is_owner=*/false, standby.lag_records});
  }
}

std::optional<ReadPlan::Target> ReadPlan::Next() {
  if (targets_.empty()) return std::nullopt;
  Target next = std::move(targets_.front());
  targets_.pop_front();
  asked_ = next.address;
  return next;
}

absl::Time ReadPlan::PatienceFor(absl::Time now, absl::Time deadline) const {
  if (targets_.empty() || deadline == absl::InfiniteFuture() || now >= deadline) return deadline;
  return now + (deadline - now) * kOwnersShare;
}

void ReadPlan::Redirect(const std::string& address) {
  if (was_redirected_ || address.empty() || address == asked_) return;
  was_redirected_ = true;
  std::erase_if(targets_, [&](const Target& target) { return target.address == address; });
  targets_.push_front({address, /*is_owner=*/true});
}

}  // namespace assay::gateway
