// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "services/common/log/log.h"
#include "tests/simulation/world.h"

namespace assay::simulation {

// One partition as brokers show it to clients in trouble: appends are late, refused, doubled, there although nobody
// said so, or not there although nobody said so. What was acknowledged stays. Appends of one client keep their order,
// but for those whose outcome is unknown.
class ModelLog {
 public:
  explicit ModelLog(World& world) : world_(world) {}

  // `done` comes later, once. `is_reachable`: whether the client's network is up at the moment.
  void Append(const std::string& client, bool is_reachable, absl::string_view key, absl::string_view value,
              log::DeliveryCallback done);
  const std::vector<log::Record>& records() const { return records_; }
  log::Offset end() const { return static_cast<log::Offset>(records_.size()); }

 private:
  log::Offset Store(const std::string& key, const std::string& value);

  World& world_;
  std::vector<log::Record> records_;
  // By client, when its last append arrived.
  std::map<std::string, absl::Time> arrivals_;
};

// The model as a Log of one partition, for a client that only appends.
class ClientLog final : public log::Log {
 public:
  ClientLog(ModelLog& model, std::string client, const bool& is_reachable)
      : model_(model), client_(std::move(client)), is_reachable_(is_reachable) {}

  int32_t partitions() const override { return 1; }
  std::string identity() const override { return "model"; }
  void Append(int32_t, absl::string_view key, absl::string_view value, log::DeliveryCallback done) override {
    model_.Append(client_, is_reachable_, key, value, std::move(done));
  }
  absl::StatusOr<std::unique_ptr<log::Reader>> OpenReader(int32_t, log::Offset) override {
    return absl::UnimplementedError("this client only appends");
  }
  absl::StatusOr<log::Offset> StartOffset(int32_t) override { return 0; }
  absl::StatusOr<log::Offset> EndOffset(int32_t) override { return model_.end(); }
  void Close() override {}

 private:
  ModelLog& model_;
  const std::string client_;
  const bool& is_reachable_;
};

}  // namespace assay::simulation
