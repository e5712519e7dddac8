// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <set>
#include <string>

#include "services/aggregator/server.h"
#include "services/common/runtime/metrics.h"

namespace assay::aggregator {

// Shows where submissions stand, for each shard and for the first twenty tenants that are seen; the others together are
// tenant "other". Not thread-safe; both must outlive it.
class AccountingMetrics {
 public:
  AccountingMetrics(const Server& server, runtime::Metrics& metrics) : server_(server), metrics_(metrics) {}

  // Reads one row for each shard and each tenant shown.
  void Update();

 private:
  void UpdateTenants();

  const Server& server_;
  runtime::Metrics& metrics_;
  std::set<std::string> tenants_;
};

}  // namespace assay::aggregator
