// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/quotas.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "services/aggregator/keys.h"
#include "services/common/base/status_macros.h"

namespace assay::aggregator {
namespace {

using event::v1::QuotaChanged;

bool IsSame(const QuotaChanged& a, const QuotaChanged& b) {
  return a.submissions_in_flight() == b.submissions_in_flight() && a.submissions_per_day() == b.submissions_per_day() &&
         std::max(a.weight(), 1u) == std::max(b.weight(), 1u);
}

bool IsTenant(absl::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return c != '/' && !absl::ascii_iscntrl(static_cast<unsigned char>(c));
  });
}

}  // namespace

absl::StatusOr<Quotas> QuotasOf(const google::protobuf::RepeatedPtrField<config::v1::Quota>& configured) {
  Quotas quotas;
  for (int i = 0; i < configured.size(); ++i) {
    const config::v1::Quota& entry = configured[i];
    if (!IsTenant(entry.tenant())) {
      return absl::InvalidArgumentError(
          absl::StrCat("quotas[", i, "].tenant: \"", entry.tenant(),
                       "\" is no tenant; a name without \"/\" and control characters is"));
    }
    QuotaChanged quota;
    quota.set_submissions_in_flight(entry.submissions_in_flight());
    quota.set_submissions_per_day(entry.submissions_per_day());
    quota.set_weight(entry.weight());
    if (!quotas.emplace(entry.tenant(), std::move(quota)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("quotas[", i, "].tenant: \"", entry.tenant(), "\" is named twice"));
    }
  }
  return quotas;
}

absl::StatusOr<std::vector<event::v1::Envelope>> MissingQuotas(const Quotas& wanted, const RowReader& rows) {
  // Those that are in force and not wanted go back to none.
  Quotas missing = wanted;
  std::string from;
  for (;;) {
    constexpr size_t kPage = 256;
    ASSAY_ASSIGN_OR_RETURN(const std::vector<store::Row> page, rows.Scan(kTenantTable, "", from, kPage));
    for (const store::Row& stored : page) {
      storage::v1::TenantRow row;
      if (!row.ParseFromString(stored.value)) {
        return absl::DataLossError(absl::StrCat("table tenant: row ", stored.key, " cannot be read"));
      }
      const auto quota = missing.try_emplace(stored.key).first;
      if (IsSame(quota->second, row.quota())) missing.erase(quota);
    }
    if (page.size() < kPage) break;
    from = page.back().key + '\0';
  }
  std::vector<event::v1::Envelope> facts;
  for (const auto& [tenant, quota] : missing) {
    event::v1::Envelope& envelope = facts.emplace_back();
    envelope.set_tenant(tenant);
    *envelope.mutable_quota_changed() = quota;
  }
  return facts;
}

}  // namespace assay::aggregator
