// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/common/log/kafka_connection.h"
#include "services/common/log/kafka_topics.h"

namespace assay::log {

// Whom the brokers take each service for, e.g. "User:CN=gateway" by its certificate, or "User:gateway" with SCRAM.
// Empty: the service gets no rights.
struct KafkaPrincipals {
  std::string gateway;
  std::string aggregator;
  std::string evaluator;
};

// One thing that one principal may do.
struct KafkaRight {
  enum class Resource { kTopic, kGroup };
  enum class Operation { kRead, kWrite, kDescribe, kDescribeConfigs };

  std::string principal;
  Resource resource = Resource::kTopic;
  std::string name;
  Operation operation = Operation::kRead;
};

// The least that each service needs: gateways write the journal and read who is there; evaluators take work, and write
// the journal and that they are there; aggregators do everything else. Nobody may create, change or delete a topic.
std::vector<KafkaRight> LeastRights(const KafkaTopicLayout& layout, const KafkaPrincipals& principals);

// Lets the cluster's authorizer know; rights that are there stay. `connection` must be allowed to alter rights.
// PERMISSION_DENIED; FAILED_PRECONDITION: the cluster has no authorizer; UNAVAILABLE.
absl::Status Allow(const KafkaConnection& connection, const std::vector<KafkaRight>& rights,
                   absl::Duration timeout = absl::Seconds(10));

}  // namespace assay::log
