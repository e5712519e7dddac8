// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/config/v1/aggregator.pb.h"
#include "services/common/runtime/program.h"

namespace assay::aggregator {

// assay-aggregator: the shards of an installation over a journal in Kafka, as owner of some and standby of the others,
// behind the shard service. The only file that builds those. Thread-safe.
class Process final : public runtime::RunningService {
 public:
  // Waits a while for brokers, opens the shards and serves; ready once every shard follows the journal closely. It gives up
  // when no broker has answered for a minute.
  // INVALID_ARGUMENT and FAILED_PRECONDITION name the option, topic, folder or shard and what it needs.
  static absl::StatusOr<std::unique_ptr<Process>> Create(const config::v1::Aggregator& config, runtime::GiveUp give_up);
  // Calls Stop() with no grace.
  ~Process() override;

  // Where it serves, as one JSON line: {"grpc":…,"http":…}; what is off is "".
  std::string Addresses() const override;

  // Says that it leaves, so that others claim its shards at once; no new calls, those that run get `grace` to end; then
  // nothing is applied or dispatched any more. Called once.
  void Stop(absl::Duration grace) override;

 private:
  struct Parts;
  explicit Process(std::unique_ptr<Parts> parts);
  const std::unique_ptr<Parts> parts_;
};

}  // namespace assay::aggregator
