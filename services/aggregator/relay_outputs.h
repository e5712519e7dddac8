// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "assay/event/v1/event.pb.h"
#include "assay/event/v1/readiness_published.pb.h"
#include "assay/event/v1/work.pb.h"
#include "assay/storage/v1/shard_state.pb.h"

namespace assay::aggregator {

// Find out where the partition ends: the report's offset.
struct AskEnd {};
// Journal it; the report's offset is its place.
struct AppendEvent {
  event::v1::Envelope envelope;
};
struct PutWork {
  event::v1::Work work;
};
// Do what a message of the outbox says that is no work.
struct CarryOut {
  storage::v1::OutboxRow row;
};
// Append it to the topic of published readiness.
struct PublishReadiness {
  event::v1::ReadinessPublished published;
};
using RelayAction = std::variant<AskEnd, AppendEvent, PutWork, CarryOut, PublishReadiness>;

struct RelayOutput {
  uint64_t id = 0;
  RelayAction action;
};

// What became of an output. UNAVAILABLE: it may or may not have happened.
struct RelayReport {
  uint64_t id = 0;
  absl::Status status;
  int64_t offset = -1;
};

// Collects what a step wants done, and remembers who waits for which report. A report that stays away counts as
// UNAVAILABLE after kReportPatience. Not thread-safe.
class RelayOutputs {
 public:
  // Longer than a log takes to give an append up.
  static constexpr absl::Duration kReportPatience = absl::Seconds(45);
  using OnReport = std::function<void(const absl::Status& status, int64_t offset)>;

  // `writer` stamps what is journaled; `nonce` makes its event ids unlike those of any other process.
  RelayOutputs(std::string writer, std::string nonce);

  // At the begin of a step; `epoch` stamps what is journaled in it.
  void Begin(absl::Time now, uint64_t epoch);
  void Send(RelayAction action, OnReport on_report);
  // The envelope's ids, times and writer are filled in; an event id that is set stays.
  void Journal(event::v1::Envelope envelope, OnReport on_report);
  // 26 characters, never the same again.
  std::string NewEventId();

  void Report(const RelayReport& report);
  // Tells whoever waited too long.
  void Expire();
  // Nobody waits for anything any more: later reports are ignored.
  void Forget() { waiting_.clear(); }
  // When Expire() has something to do.
  absl::Time NextExpiry() const;
  std::vector<RelayOutput> Take();

 private:
  struct Waiting {
    absl::Time deadline;
    OnReport on_report;
  };

  const std::string writer_;
  const std::string nonce_;
  absl::Time now_;
  uint64_t epoch_ = 0;
  uint64_t next_id_ = 1;
  uint64_t next_event_ = 1;
  // By id, and so by deadline.
  std::map<uint64_t, Waiting> waiting_;
  std::vector<RelayOutput> outputs_;
};

}  // namespace assay::aggregator
