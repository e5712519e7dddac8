// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/config/v1/quota.pb.h"
#include "assay/event/v1/event.pb.h"
#include "services/aggregator/rows.h"

namespace assay::aggregator {

// What each tenant may have in each shard. Tenants not named have no limits and weight 1.
using Quotas = std::map<std::string, event::v1::QuotaChanged>;

// INVALID_ARGUMENT names the entry: no tenant, one that is named twice, or one with "/" or control characters.
absl::StatusOr<Quotas> QuotasOf(const google::protobuf::RepeatedPtrField<config::v1::Quota>& configured);

// The facts that bring a shard's quotas to what is wanted, by tenant: QuotaChanged with the tenant set and nothing else
// of the envelope. None when they are. The owner journals them once its claim is applied. Reads one row for each tenant
// the shard knows. Pure.
absl::StatusOr<std::vector<event::v1::Envelope>> MissingQuotas(const Quotas& wanted, const RowReader& rows);

}  // namespace assay::aggregator
