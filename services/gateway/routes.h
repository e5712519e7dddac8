// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "assay/v1/consistency.pb.h"
#include "services/membership/announcements.h"

namespace assay::gateway {

// One aggregator as a place to read a shard from.
struct Replica {
  // host:port of its shard service.
  std::string address;
  uint64_t epoch = 0;
  int64_t applied_offset = -1;
  // Records journaled and not applied there, as it announced last.
  uint64_t lag_records = 0;
  // Owners: work that waits for room in the queue, over all lanes.
  uint64_t waiting_work = 0;
};

struct Route {
  // None: nobody present says that it owns the shard.
  std::optional<Replica> owner;
  // The one that lags least first.
  std::vector<Replica> standbys;
};

// Where each of `shards` shards can be read, by what aggregators announced. Of several that say they own one, the claim
// of the highest epoch is in force. A replica that stopped following the journal is a standby at best. Pure.
std::vector<Route> RoutesOf(const std::map<std::string, membership::Heard>& aggregators,
                            const std::function<bool(const membership::Heard&)>& is_present, uint32_t shards);

// Whom to ask for one answer, in order: the owner, whom a wrong owner names in its place (once), and, unless the
// reading must be STRONG, the standbys. One thread.
class ReadPlan {
 public:
  struct Target {
    std::string address;
    bool is_owner = false;
    // As announced; of standbys.
    uint64_t lag_records = 0;
  };

  ReadPlan(const Route& route, v1::Consistency consistency);

  // None: nobody is left.
  std::optional<Target> Next();
  // Until when the target just given may take, so that there is time for the next one.
  absl::Time PatienceFor(absl::Time now, absl::Time deadline) const;
  // The target just given says that `address` owns the shard; empty: it does not know who does.
  void Redirect(const std::string& address);

 private:
  std::deque<Target> targets_;
  std::string asked_;
  bool was_redirected_ = false;
};

}  // namespace assay::gateway
