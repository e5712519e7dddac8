// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/journal.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/digest.h"
#include "services/common/base/logging.h"

namespace assay::gateway {
namespace {

constexpr absl::Duration kLongestWait = absl::Seconds(30);
// An answer that the caller no longer waits for tells nobody that the outcome is unknown.
constexpr absl::Duration kAnswerTime = absl::Milliseconds(100);
// What event.proto promises to whoever reads the journal.
constexpr size_t kMaxRecordBytes = 64 << 10;

// Shared with the callbacks, which may come after the caller has given up.
struct Deliveries {
  explicit Deliveries(size_t count) : results(count), missing(count) {}
  absl::Mutex mutex;
  std::vector<std::optional<log::Delivery>> results ABSL_GUARDED_BY(mutex);
  size_t missing ABSL_GUARDED_BY(mutex);
};

absl::Status ForClient(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return absl::UnavailableError(
          absl::StrCat("the outcome is unknown (", status.message(), "); retry with the same request_id"));
    case absl::StatusCode::kFailedPrecondition:
      return absl::UnavailableError(absl::StrCat("the journal takes no records (", status.message(),
                                                 "); nothing was accepted; retry with the same request_id"));
    default:
      return status;
  }
}

}  // namespace

uint32_t Journal::ShardOf(absl::string_view tenant, absl::string_view candidate_key) const {
  return static_cast<uint32_t>(log::PartitionOf(tenant, candidate_key, log_.partitions()));
}

int64_t Journal::LastOffset(uint32_t shard) const {
  absl::MutexLock lock(&mutex_);
  return last_offsets_.at(shard);
}

absl::StatusOr<ReadToken> Journal::Write(event::v1::Envelope envelope, absl::Time deadline) {
  std::vector<event::v1::Envelope> one;
  one.push_back(std::move(envelope));
  return std::move(WriteAll(std::move(one), deadline).front());
}

std::vector<absl::StatusOr<ReadToken>> Journal::WriteAll(std::vector<event::v1::Envelope> envelopes,
                                                         absl::Time deadline) {
  auto deliveries = std::make_shared<Deliveries>(envelopes.size());
  const absl::Time now = clock_.TimeNow();
  for (size_t i = 0; i < envelopes.size(); ++i) {
    event::v1::Envelope& envelope = envelopes[i];
    envelope.set_schema(1);
    *envelope.mutable_event_time() =
        google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(now));
    envelope.set_writer(instance_);
    if (envelope.trace_id().empty()) envelope.set_trace_id(absl::BytesToHexString(RandomBytes(16)));
    std::string record = envelope.SerializeAsString();
    if (record.size() > kMaxRecordBytes) {
      absl::MutexLock lock(&deliveries->mutex);
      deliveries->results[i] = log::Delivery{
          absl::InvalidArgumentError(absl::StrCat("the request: what has to be journaled of it is ", record.size(),
                                                  " bytes; allowed: ", kMaxRecordBytes, "; nothing was accepted"))};
      --deliveries->missing;
      continue;
    }
    const int32_t partition = static_cast<int32_t>(ShardOf(envelope.tenant(), envelope.candidate_key()));
    log_.Append(partition, absl::StrCat(envelope.tenant(), "/", envelope.candidate_key()), std::move(record),
                [deliveries, i](const log::Delivery& delivery) {
                  absl::MutexLock lock(&deliveries->mutex);
                  deliveries->results[i] = delivery;
                  --deliveries->missing;
                });
  }
  absl::MutexLock lock(&deliveries->mutex);
  const auto all = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return deliveries->missing == 0; };
  clock_.AwaitWithDeadline(&deliveries->mutex, absl::Condition(&all), std::min(deadline - kAnswerTime, now + kLongestWait));
  std::vector<absl::StatusOr<ReadToken>> results;
  for (size_t i = 0; i < envelopes.size(); ++i) {
    const std::optional<log::Delivery>& delivery = deliveries->results[i];
    if (!delivery) {
      results.push_back(ForClient(absl::UnavailableError("no delivery report in time")));
    } else if (!delivery->status.ok()) {
      results.push_back(ForClient(delivery->status));
    } else {
      LogInfo("journaled", {{"event_id", envelopes[i].event_id()}, {"trace", envelopes[i].trace_id()}});
      const ReadToken token{ShardOf(envelopes[i].tenant(), envelopes[i].candidate_key()), delivery->offset};
      results.push_back(token);
      absl::MutexLock last_lock(&mutex_);
      last_offsets_[token.shard] = std::max(last_offsets_[token.shard], token.offset);
    }
  }
  return results;
}

}  // namespace assay::gateway
