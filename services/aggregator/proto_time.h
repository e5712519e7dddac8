// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include "absl/time/time.h"

namespace assay::aggregator {

// Microseconds are the finest time this service keeps, so that a time that went through a key comes back the same.
inline google::protobuf::Timestamp ToProtoTime(absl::Time time) {
  const int64_t micros = absl::ToUnixMicros(time);
  google::protobuf::Timestamp proto;
  proto.set_seconds(micros / 1'000'000);
  proto.set_nanos(static_cast<int32_t>(micros % 1'000'000) * 1000);
  return proto;
}

inline absl::Time FromProtoTime(const google::protobuf::Timestamp& proto) {
  return absl::FromUnixMicros(proto.seconds() * 1'000'000 + proto.nanos() / 1000);
}

}  // namespace assay::aggregator
