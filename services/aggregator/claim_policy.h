// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace assay::aggregator {

// What an aggregator has heard of another.
struct Presence {
  // Since it was heard of last; since this process started, if never.
  absl::Duration silence;
  // It said that it stops, or asks to be passed over.
  bool is_leaving = false;
};

struct ClaimQuestion {
  uint32_t shard = 0;
  std::string self;
  // All aggregators, in the order that all of them agree on. Empty: this one alone.
  std::vector<std::string> aggregators;
  // Instance that holds the claim in force; empty: nobody ever did. It may be `self`, under a claim of an earlier process.
  std::string owner;
  // By instance; one that is not named was never heard of.
  std::map<std::string, Presence, std::less<>> heard;
  // Since this process started.
  absl::Duration running;
  // How long an owner may be silent.
  absl::Duration owner_silence = absl::Seconds(10);
};

// Whether to claim a shard that this process does not own. The one the shard prefers claims it from anybody; the others
// claim it from an owner that leaves or was silent for `owner_silence` times their place behind the preferred one, so
// that one claim is likely to be alone. Whether a claim holds is decided in the journal; this is about liveness. Pure.
bool MayClaim(const ClaimQuestion& question);

// Number of the aggregator that `shard` prefers.
size_t PreferredAggregator(uint32_t shard, size_t aggregators);

}  // namespace assay::aggregator
