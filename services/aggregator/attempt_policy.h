// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "absl/time/time.h"
#include "assay/event/v1/event.pb.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "assay/v1/evaluation.pb.h"

namespace assay::aggregator {

// Why an attempt came to nothing.
enum class AttemptFault {
  // The submission cannot be evaluated, says the plugin, and said again in a fresh process: an answer.
  kSubmission,
  // The plugin asked for another try: three in all.
  kTransient,
  // Crashed, hung, or spoke out of turn: one more try.
  kPluginFailure,
  // An invalid result or too much memory: the same again would end the same.
  kPluginVerdict,
  // Ours: the attempt does not count, but the trouble may last an hour at most.
  kPlatform,
};

// What follows, and who is at fault if nothing does.
struct AttemptDecision {
  enum class Next { kRetry, kFail, kPark } next;
  absl::Duration back_off;
  v1::Evaluation::FaultDomain fault_domain;
};

// Times that bound one attempt.
struct AttemptTimes {
  // From dispatch to the first sign of a worker: a long queue is no fault.
  absl::Duration pickup = absl::Hours(12);
  absl::Duration heartbeat = absl::Seconds(60);
  absl::Duration deadline;
};

inline constexpr absl::Duration kPlatformFaultLimit = absl::Hours(1);
// Work of an attempt may be taken up again after a restart of its worker; this often.
inline constexpr uint32_t kMaxStarts = 16;

// Counts the fault in `row` and says what follows; `now` is the time of the event. Pure.
AttemptDecision Decide(AttemptFault fault, absl::Time now, storage::v1::EvaluationRow& row);

AttemptFault FaultOf(event::v1::EvaluationFinished::Outcome outcome);

AttemptTimes TimesOf(absl::string_view lane);

}  // namespace assay::aggregator
