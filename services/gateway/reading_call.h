// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "absl/strings/str_cat.h"
#include "services/common/rpc/call.h"
#include "services/gateway/shards.h"

namespace assay::gateway {

// What `answer(const ShardCall&)` returns; when a standby was asked, the caller is told so in the metadata: see
// consistency.proto.
template <typename Answer>
auto Reading(const rpc::Call& call, rpc::ResponseMetadata& metadata, Answer answer) {
  Staleness staleness;
  auto result = answer(ShardCall(call.deadline, &staleness));
  if (staleness.is_stale) {
    metadata["assay-stale"] = "1";
    metadata["assay-lag"] = absl::StrCat(staleness.lag_records);
  }
  return result;
}

}  // namespace assay::gateway
