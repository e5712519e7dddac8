// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/fellows.h"

#include <algorithm>
#include <map>
#include <utility>

#include "services/aggregator/claim_policy.h"

namespace assay::aggregator {

Fellows::Fellows(Options options, const membership::Announcements& announcements, Clock& clock)
    : options_(std::move(options)), announcements_(announcements), clock_(clock), started_(clock.TimeNow()) {}

bool Fellows::MayClaim(uint32_t shard, const storage::v1::ShardMeta& meta) const {
  const absl::Time now = clock_.TimeNow();
  ClaimQuestion question;
  question.shard = shard;
  question.self = options_.instance;
  question.aggregators = options_.aggregators;
  question.owner = meta.owner();
  question.running = now - started_;
  question.owner_silence = options_.owner_silence;
  for (const auto& [instance, heard] : announcements_.aggregators()) {
    question.heard[instance] = {now - heard.received, heard.announcement.aggregator().is_leaving()};
  }
  return aggregator::MayClaim(question);
}

bool Fellows::Know(uint32_t state_version, const std::vector<std::string>& frameworks) const {
  for (const auto& [instance, heard] : announcements_.aggregators()) {
    if (instance == options_.instance || !announcements_.IsPresent(heard)) continue;
    const event::v1::Aggregator& fellow = heard.announcement.aggregator();
    if (fellow.state_version() < state_version) return false;
    for (const std::string& framework : frameworks) {
      const auto& known = fellow.frameworks();
      if (std::find(known.begin(), known.end(), framework) == known.end()) return false;
    }
  }
  return true;
}

size_t Fellows::SlotsOf(absl::string_view lane) const {
  size_t slots = 0;
  for (const auto& [instance, heard] : announcements_.evaluators()) {
    if (!announcements_.IsPresent(heard)) continue;
    const auto& offered = heard.announcement.evaluator().slots();
    const auto found = offered.find(std::string(lane));
    if (found != offered.end()) slots += found->second;
  }
  return slots;
}

std::string Fellows::AddressOf(const std::string& instance) const {
  const std::map<std::string, membership::Heard> aggregators = announcements_.aggregators();
  const auto found = aggregators.find(instance);
  if (found == aggregators.end() || !announcements_.IsPresent(found->second)) return "";
  return found->second.announcement.aggregator().address();
}

}  // namespace assay::aggregator
