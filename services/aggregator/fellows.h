// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "services/common/base/clock.h"
#include "services/membership/announcements.h"

namespace assay::aggregator {

// What the announcements of the other aggregators mean for this one. Thread-safe; everything passed in must outlive it.
class Fellows {
 public:
  struct Options {
    std::string instance;
    // All aggregators, in the order that all of them agree on. Empty: this one alone.
    std::vector<std::string> aggregators;
    absl::Duration owner_silence = absl::Seconds(10);
  };

  Fellows(Options options, const membership::Announcements& announcements, Clock& clock);

  // See claim_policy.h.
  bool MayClaim(uint32_t shard, const storage::v1::ShardMeta& meta) const;
  // Whether every other aggregator that is present knows the rules of that version and all of these frameworks.
  bool Know(uint32_t state_version, const std::vector<std::string>& frameworks) const;
  // Evaluations of the lane that all evaluators that are present run at once.
  size_t SlotsOf(absl::string_view lane) const;
  // host:port of the shard service of an aggregator that is present; empty: not known.
  std::string AddressOf(const std::string& instance) const;

 private:
  const Options options_;
  const membership::Announcements& announcements_;
  Clock& clock_;
  const absl::Time started_;
};

}  // namespace assay::aggregator
