// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/model_log.h"

#include <algorithm>
#include <utility>

namespace assay::simulation {
namespace {

// How long a producer tries.
constexpr absl::Duration kDeliveryTimeout = absl::Seconds(30);

}  // namespace

log::Offset ModelLog::Store(const std::string& key, const std::string& value) {
  log::Record record;
  record.offset = end();
  record.key = key;
  record.value = value;
  records_.push_back(std::move(record));
  return end() - 1;
}

void ModelLog::Append(const std::string& client, bool is_reachable, absl::string_view key, absl::string_view value,
                      log::DeliveryCallback done) {
  Random& random = world_.random;
  const auto answer = [this, done = std::move(done)](absl::Duration after, absl::Status status, log::Offset offset) {
    world_.After(after, [done, status = std::move(status), offset] { done({status, offset}); });
  };
  const int64_t fate = world_.faults ? random.Below(1000) : 999;
  if (!is_reachable || fate < 15) {
    const bool is_known = random.Chance(500);
    answer(is_known ? absl::Milliseconds(5) : kDeliveryTimeout,
           is_known ? absl::ResourceExhaustedError("the queue is full") : absl::UnavailableError("no report in time"),
           -1);
    return;
  }
  absl::Duration delay = random.Between(absl::Microseconds(300), absl::Milliseconds(8));
  if (world_.faults && random.Chance(20)) delay += random.Between(absl::ZeroDuration(), absl::Seconds(25));
  const std::string stored_key(key), stored_value(value);
  if (fate < 35) {
    // Nobody will say so, and later ones may come first.
    answer(kDeliveryTimeout, absl::UnavailableError("no report in time"), -1);
    world_.After(delay + random.Between(absl::ZeroDuration(), absl::Seconds(60)),
                 [this, stored_key, stored_value] { Store(stored_key, stored_value); });
    return;
  }
  absl::Time& last = arrivals_[client];
  last = std::max(last, world_.now() + delay);
  const bool is_doubled = fate < 60;
  world_.After(last - world_.now(), [this, answer, is_doubled, stored_key, stored_value] {
    const log::Offset offset = Store(stored_key, stored_value);
    if (is_doubled) Store(stored_key, stored_value);
    answer(world_.random.Between(absl::Microseconds(200), absl::Milliseconds(4)), absl::OkStatus(), offset);
  });
}

}  // namespace assay::simulation
