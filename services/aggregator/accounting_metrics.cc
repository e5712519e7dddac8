// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/accounting_metrics.h"

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"

namespace assay::aggregator {
namespace {

constexpr size_t kTenantsShown = 20;
constexpr char kName[] = "assay_aggregator_accounting";
constexpr char kHelp[] = "Submissions by where they stand; accepted = published + failed + in_flight";
constexpr char kTenantName[] = "assay_aggregator_tenant_accounting";
constexpr char kTenantHelp[] = "The same for each tenant over the shards here";

void Set(runtime::Metrics& metrics, const std::string& name, const std::string& help, const std::string& label,
         const std::string& value, const storage::v1::Accounting& accounting) {
  const auto set = [&](const char* state, uint64_t count) {
    metrics.AddGauge(name, help, {{label, value}, {"state", state}}).Set(static_cast<double>(count));
  };
  set("accepted", accounting.accepted());
  set("published", accounting.published());
  set("failed", accounting.failed());
  set("in_flight", accounting.in_flight());
}

void Add(const storage::v1::Accounting& from, storage::v1::Accounting& to) {
  to.set_accepted(to.accepted() + from.accepted());
  to.set_published(to.published() + from.published());
  to.set_failed(to.failed() + from.failed());
  to.set_in_flight(to.in_flight() + from.in_flight());
}

uint64_t Less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

// Rows that are read one after the other need not be of one moment.
void Subtract(const storage::v1::Accounting& from, storage::v1::Accounting& to) {
  to.set_accepted(Less(to.accepted(), from.accepted()));
  to.set_published(Less(to.published(), from.published()));
  to.set_failed(Less(to.failed(), from.failed()));
  to.set_in_flight(Less(to.in_flight(), from.in_flight()));
}

}  // namespace

void AccountingMetrics::Update() {
  uint64_t broken = 0, findings = 0;
  for (uint32_t shard = 0; shard < server_.shards(); ++shard) {
    const absl::StatusOr<Server::Accounts> accounts = server_.AccountsOf(shard);
    if (!accounts.ok()) continue;
    Set(metrics_, kName, kHelp, "shard", absl::StrCat(shard), accounts->accounting);
    broken += accounts->holds ? 0 : 1;
    findings += accounts->sweep ? accounts->sweep->report.findings : 0;
  }
  metrics_.AddGauge("assay_aggregator_accounting_broken", "Shards whose accounts do not add up; 0 always")
      .Set(static_cast<double>(broken));
  metrics_
      .AddGauge("assay_aggregator_sweep_findings",
                "Places the last sweeps found that do not fit together, such as lost work; 0 always")
      .Set(static_cast<double>(findings));
  UpdateTenants();
}

void AccountingMetrics::UpdateTenants() {
  for (uint32_t shard = 0; shard < server_.shards() && tenants_.size() < kTenantsShown; ++shard) {
    const auto page = server_.rows(shard).Scan(kTenantTable, "", "", kTenantsShown);
    if (!page.ok()) continue;
    for (const store::Row& row : *page) {
      if (tenants_.size() < kTenantsShown) tenants_.insert(row.key);
    }
  }
  storage::v1::Accounting other;
  for (uint32_t shard = 0; shard < server_.shards(); ++shard) {
    const absl::StatusOr<storage::v1::ShardMeta> meta = server_.Meta(shard);
    if (meta.ok()) Add(meta->accounting(), other);
  }
  for (const std::string& tenant : tenants_) {
    storage::v1::Accounting sum;
    for (uint32_t shard = 0; shard < server_.shards(); ++shard) {
      const auto row = server_.rows(shard).Find<storage::v1::TenantRow>(kTenantTable, tenant);
      if (row.ok() && *row) Add((*row)->accounting(), sum);
    }
    Set(metrics_, kTenantName, kTenantHelp, "tenant", tenant, sum);
    Subtract(sum, other);
  }
  if (tenants_.size() == kTenantsShown) Set(metrics_, kTenantName, kTenantHelp, "tenant", "other", other);
}

}  // namespace assay::aggregator
