// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/log.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "services/common/base/digest.h"

namespace assay::log {

Delivery AppendAndWait(Log& log, int32_t partition, absl::string_view key, absl::string_view value) {
  // Shared, because the callback may still be inside Notify() when the waiting thread goes on.
  struct Wait {
    Delivery delivery;
    absl::Notification done;
  };
  const auto wait = std::make_shared<Wait>();
  log.Append(partition, key, value, [wait](const Delivery& delivery) {
    wait->delivery = delivery;
    wait->done.Notify();
  });
  wait->done.WaitForNotification();
  return wait->delivery;
}

int32_t PartitionOf(absl::string_view tenant, absl::string_view candidate_key, int32_t partitions) {
  const Digest digest = Digest::Of(absl::StrCat(tenant, absl::string_view("\0", 1), candidate_key));
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(digest.bytes()[i]);
  return static_cast<int32_t>(value % static_cast<uint64_t>(partitions));
}

}  // namespace assay::log
