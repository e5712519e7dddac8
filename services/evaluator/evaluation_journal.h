// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "absl/status/status.h"
#include "assay/event/v1/event.pb.h"
#include "assay/event/v1/work.pb.h"
#include "services/common/base/clock.h"
#include "services/common/log/log.h"

namespace assay::evaluator {

// Writes the facts about one attempt into its candidate's partition. Thread-safe.
class EvaluationJournal {
 public:
  // `writer` names this instance. `journal` and `clock` must outlive it.
  EvaluationJournal(log::Log& journal, Clock& clock, std::string writer)
      : journal_(journal), clock_(clock), writer_(std::move(writer)) {}

  // With `wait`, returns only when it is durable.
  absl::Status Started(const event::v1::Work& work, bool wait);
  // Does not wait; a lost heartbeat is followed by the next.
  void Progress(const event::v1::Work& work, const std::string& phase, uint64_t done, uint64_t total);
  // Waits until it is durable. Fills ids, attempt, plugin digest and capability from the work; cuts evidence where the
  // record would be over 60 KiB (the result document has all of it). INVALID_ARGUMENT: too large even so. Other errors
  // are the log's; appending again is safe.
  absl::Status Finished(const event::v1::Work& work, event::v1::EvaluationFinished finished);

 private:
  event::v1::Envelope Envelope(const event::v1::Work& work);
  absl::Status AppendAndWait(const event::v1::Work& work, const event::v1::Envelope& envelope);

  log::Log& journal_;
  Clock& clock_;
  const std::string writer_;
};

}  // namespace assay::evaluator
