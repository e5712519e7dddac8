// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "assay/shard/v1/shard.pb.h"

namespace assay::gateway {

// A page of a list that lies in several shards.
struct MergedPage {
  // In the order of the list: newest first, then by shard, then newest first by offset.
  std::vector<shard::v1::ListSubmissionsResponse::Entry> entries;
  // Where the next page goes on; none: this is the last.
  std::optional<shard::v1::ListPosition> next;
};

// Merges one answer of each shard into a page of at most `page_size`. What lies beyond the place where a shard has only
// looked so far waits for the next page, so that no entry of that shard is passed over. Pure.
MergedPage MergePages(std::vector<shard::v1::ListSubmissionsResponse> answers, size_t page_size);

}  // namespace assay::gateway
