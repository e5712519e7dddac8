// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/relay_outputs.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/aggregator/proto_time.h"
#include "services/common/base/digest.h"

namespace assay::aggregator {

RelayOutputs::RelayOutputs(std::string writer, std::string nonce)
    : writer_(std::move(writer)), nonce_(std::move(nonce)) {}

void RelayOutputs::Begin(absl::Time now, uint64_t epoch) {
  now_ = now;
  epoch_ = epoch;
}

void RelayOutputs::Send(RelayAction action, OnReport on_report) {
  const uint64_t id = next_id_++;
  waiting_[id] = {now_ + kReportPatience, std::move(on_report)};
  outputs_.push_back({id, std::move(action)});
}

void RelayOutputs::Journal(event::v1::Envelope envelope, OnReport on_report) {
  envelope.set_schema(1);
  if (envelope.event_id().empty()) envelope.set_event_id(NewEventId());
  *envelope.mutable_event_time() = ToProtoTime(now_);
  envelope.set_writer(writer_);
  envelope.set_writer_epoch(epoch_);
  Send(AppendEvent{std::move(envelope)}, std::move(on_report));
}

std::string RelayOutputs::NewEventId() {
  return Base32(Digest::Of(absl::StrCat(nonce_, "/", next_event_++)).bytes()).substr(0, 26);
}

void RelayOutputs::Report(const RelayReport& report) {
  const auto waiting = waiting_.find(report.id);
  if (waiting == waiting_.end()) return;
  const OnReport on_report = std::move(waiting->second.on_report);
  waiting_.erase(waiting);
  on_report(report.status, report.offset);
}

void RelayOutputs::Expire() {
  while (!waiting_.empty() && waiting_.begin()->second.deadline <= now_) {
    Report({waiting_.begin()->first, absl::UnavailableError("no report came"), -1});
  }
}

absl::Time RelayOutputs::NextExpiry() const {
  return waiting_.empty() ? absl::InfiniteFuture() : waiting_.begin()->second.deadline;
}

std::vector<RelayOutput> RelayOutputs::Take() { return std::exchange(outputs_, {}); }

}  // namespace assay::aggregator
