// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/claim_policy.h"

#include <algorithm>

namespace assay::aggregator {
namespace {

// Place of `self` behind the aggregator that the shard prefers, which is 0. One that the order does not name comes last.
size_t PlaceOf(const ClaimQuestion& question) {
  const size_t count = question.aggregators.size();
  if (count == 0) return 0;
  const size_t preferred = PreferredAggregator(question.shard, count);
  for (size_t place = 0; place < count; ++place) {
    if (question.aggregators[(preferred + place) % count] == question.self) return place;
  }
  return count;
}

Presence Of(const ClaimQuestion& question, absl::string_view instance) {
  const auto heard = question.heard.find(instance);
  return heard == question.heard.end() ? Presence{question.running, false} : heard->second;
}

// Nobody who comes before `place` is there.
bool AreEarlierAbsent(const ClaimQuestion& question, size_t place) {
  const size_t count = question.aggregators.size();
  const size_t preferred = PreferredAggregator(question.shard, count);
  for (size_t earlier = 0; earlier < std::min(place, count); ++earlier) {
    const Presence presence = Of(question, question.aggregators[(preferred + earlier) % count]);
    if (!presence.is_leaving && presence.silence < question.owner_silence) return false;
  }
  return true;
}

}  // namespace

size_t PreferredAggregator(uint32_t shard, size_t aggregators) { return aggregators == 0 ? 0 : shard % aggregators; }

bool MayClaim(const ClaimQuestion& question) {
  const size_t place = PlaceOf(question);
  if (place == 0) return true;
  // Under this name nobody but this process is left.
  if (question.owner == question.self && AreEarlierAbsent(question, place)) return true;
  const Presence owner = question.owner == question.self ? Presence{question.running, false}
                                                          : Of(question, question.owner);
  const size_t turns = owner.is_leaving ? place - 1 : place;
  return owner.silence >= question.owner_silence * static_cast<int64_t>(turns);
}

}  // namespace assay::aggregator
