// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/config/v1/evaluator.pb.h"
#include "services/common/runtime/program.h"
#include "services/sandbox/launcher.h"

namespace assay::evaluator {

// An evaluator that is a process of its own: server.h over Kafka and a folder of blobs that all services share. It
// announces itself every second, ends what others announce as cancelled, and gives up when no broker has answered for a
// minute. It holds no key of any tenant: work carries the permit for its result. Thread-safe.
class Process final : public runtime::RunningService {
 public:
  // Waits for brokers that do not answer yet. Errors name the field, file or topic and what is allowed.
  static absl::StatusOr<std::unique_ptr<Process>> Create(const config::v1::Evaluator& config,
                                                         std::unique_ptr<sandbox::Launcher> launcher,
                                                         runtime::GiveUp give_up);
  // Calls Stop() with no grace.
  ~Process() override;

  // {"http":"host:port"}, or "" when it is off.
  std::string Addresses() const override;

  // Says that it leaves, takes no more work, lets running evaluations end for `grace`; the queue gives what is left to
  // the next process of the same name, or to others.
  void Stop(absl::Duration grace) override;

 private:
  struct Parts;
  explicit Process(std::unique_ptr<Parts> parts);
  const std::unique_ptr<Parts> parts_;
};

}  // namespace assay::evaluator
