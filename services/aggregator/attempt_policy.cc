// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/attempt_policy.h"

#include <algorithm>

#include "services/aggregator/proto_time.h"

namespace assay::aggregator {
namespace {

using Next = AttemptDecision::Next;
using v1::Evaluation;

absl::Duration Exponential(absl::Duration first, uint32_t failures, absl::Duration most) {
  absl::Duration wait = first;
  for (uint32_t i = 1; i < failures && wait < most; ++i) wait *= 2;
  return std::min(wait, most);
}

AttemptDecision DecidePlatform(absl::Time now, storage::v1::EvaluationRow& row) {
  row.set_platform_faults(row.platform_faults() + 1);
  if (row.platform_faults() == 1) *row.mutable_first_platform_fault() = ToProtoTime(now);
  if (now - FromProtoTime(row.first_platform_fault()) >= kPlatformFaultLimit) {
    return {Next::kPark, absl::ZeroDuration(), Evaluation::PLATFORM};
  }
  return {Next::kRetry, Exponential(absl::Seconds(1), row.platform_faults(), absl::Minutes(1)), Evaluation::PLATFORM};
}

}  // namespace

AttemptDecision Decide(AttemptFault fault, absl::Time now, storage::v1::EvaluationRow& row) {
  if (fault == AttemptFault::kPlatform) return DecidePlatform(now, row);
  row.set_attempts_consumed(row.attempts_consumed() + 1);
  switch (fault) {
    case AttemptFault::kSubmission:
      row.set_submission_faults(row.submission_faults() + 1);
      return {Next::kFail, absl::ZeroDuration(), Evaluation::SUBMISSION};
    case AttemptFault::kTransient:
      row.set_transient_faults(row.transient_faults() + 1);
      return {row.transient_faults() < 3 ? Next::kRetry : Next::kPark,
              Exponential(absl::Seconds(1), row.transient_faults(), absl::Minutes(1)), Evaluation::PLUGIN};
    case AttemptFault::kPluginFailure:
      row.set_plugin_faults(row.plugin_faults() + 1);
      return {row.plugin_faults() < 2 ? Next::kRetry : Next::kPark, absl::ZeroDuration(), Evaluation::PLUGIN};
    case AttemptFault::kPluginVerdict:
    case AttemptFault::kPlatform:
      break;
  }
  row.set_plugin_faults(row.plugin_faults() + 1);
  return {Next::kPark, absl::ZeroDuration(), Evaluation::PLUGIN};
}

AttemptFault FaultOf(event::v1::EvaluationFinished::Outcome outcome) {
  using event::v1::EvaluationFinished;
  switch (outcome) {
    case EvaluationFinished::SUBMISSION_FAULT:
      return AttemptFault::kSubmission;
    case EvaluationFinished::TRANSIENT:
      return AttemptFault::kTransient;
    case EvaluationFinished::PLUGIN_CRASHED:
    case EvaluationFinished::PLUGIN_HUNG:
    case EvaluationFinished::PLUGIN_PROTOCOL_FAULT:
      return AttemptFault::kPluginFailure;
    case EvaluationFinished::PLUGIN_INVALID_RESULT:
    case EvaluationFinished::PLUGIN_OUT_OF_MEMORY:
      return AttemptFault::kPluginVerdict;
    default:
      // A worker that stopped before it was done (CANCELLED without a cancel), and what a newer worker may say.
      return AttemptFault::kPlatform;
  }
}

AttemptTimes TimesOf(absl::string_view lane) {
  AttemptTimes times;
  times.deadline = lane == "fast" ? absl::Minutes(10) : absl::Minutes(45);
  return times;
}

}  // namespace assay::aggregator
