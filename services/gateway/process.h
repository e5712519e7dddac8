// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/config/v1/gateway.pb.h"
#include "services/common/runtime/program.h"
#include "services/sandbox/launcher.h"

namespace assay::gateway {

// assay-gateway: the door over a journal in Kafka, shards of other processes and folders that all services share. The
// only file that builds those. Thread-safe.
class Process final : public runtime::RunningService {
 public:
  // Waits a while for brokers, then serves; ready once the journal takes records and an aggregator is there. `launcher`
  // opens archives. `give_up` is called once the journal is another one than it was, or no broker has answered for a
  // minute. INVALID_ARGUMENT and FAILED_PRECONDITION name the option, topic or folder and what it needs.
  static absl::StatusOr<std::unique_ptr<Process>> Create(const config::v1::Gateway& config,
                                                         std::unique_ptr<sandbox::Launcher> launcher,
                                                         runtime::GiveUp give_up);
  // Calls Stop() with no grace.
  ~Process() override;

  // {"grpc":…,"http":…}; what is off is "".
  std::string Addresses() const override;

  // Not ready, no new calls; those that run get `grace` to end, and what they journaled is delivered.
  void Stop(absl::Duration grace) override;

 private:
  struct Parts;
  explicit Process(std::unique_ptr<Parts> parts);
  const std::unique_ptr<Parts> parts_;
};

}  // namespace assay::gateway
