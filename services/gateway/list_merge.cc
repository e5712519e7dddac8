// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/list_merge.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace assay::gateway {
namespace {

// As StartAfter in the aggregator reads a position.
bool ComesBefore(const shard::v1::ListPosition& a, const shard::v1::ListPosition& b) {
  return std::tuple(-a.time_micros(), a.shard(), -a.offset()) < std::tuple(-b.time_micros(), b.shard(), -b.offset());
}

}  // namespace

MergedPage MergePages(std::vector<shard::v1::ListSubmissionsResponse> answers, size_t page_size) {
  MergedPage page;
  for (shard::v1::ListSubmissionsResponse& answer : answers) {
    if (answer.more() && (!page.next || ComesBefore(answer.next(), *page.next))) page.next = answer.next();
    for (auto& entry : *answer.mutable_entries()) page.entries.push_back(std::move(entry));
  }
  std::sort(page.entries.begin(), page.entries.end(),
            [](const auto& a, const auto& b) { return ComesBefore(a.position(), b.position()); });
  if (page.next) {
    const auto beyond = std::find_if(page.entries.begin(), page.entries.end(),
                                     [&](const auto& entry) { return ComesBefore(*page.next, entry.position()); });
    page.entries.erase(beyond, page.entries.end());
  }
  if (page.entries.size() > page_size) {
    page.entries.resize(page_size);
    page.next = page.entries.back().position();
  }
  return page;
}

}  // namespace assay::gateway
