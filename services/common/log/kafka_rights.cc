// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/kafka_rights.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/log/kafka_client.h"
#include "services/common/log/kafka_work_queue.h"

namespace assay::log {
namespace {

using Operation = KafkaRight::Operation;
using Resource = KafkaRight::Resource;
using Binding = kafka::Owned<rd_kafka_AclBinding_t, rd_kafka_AclBinding_destroy>;
using AdminOptions = kafka::Owned<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>;

// The rights of one principal, as they are added.
class Rights {
 public:
  Rights(std::string principal, std::vector<KafkaRight>& all) : principal_(std::move(principal)), all_(all) {}

  // Of a topic: whoever uses it first looks at how it is set up.
  void Topic(const std::string& name, const std::vector<Operation>& operations) {
    for (const Operation operation : operations) Add(Resource::kTopic, name, operation);
    Add(Resource::kTopic, name, Operation::kDescribeConfigs);
  }
  void Group(const std::string& name, Operation operation) { Add(Resource::kGroup, name, operation); }

 private:
  void Add(Resource resource, const std::string& name, Operation operation) {
    if (!principal_.empty()) all_.push_back({principal_, resource, name, operation});
  }

  const std::string principal_;
  std::vector<KafkaRight>& all_;
};

rd_kafka_AclOperation_t ToKafka(Operation operation) {
  switch (operation) {
    case Operation::kRead:
      return RD_KAFKA_ACL_OPERATION_READ;
    case Operation::kWrite:
      return RD_KAFKA_ACL_OPERATION_WRITE;
    case Operation::kDescribe:
      return RD_KAFKA_ACL_OPERATION_DESCRIBE;
    case Operation::kDescribeConfigs:
      return RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS;
  }
  return RD_KAFKA_ACL_OPERATION_UNKNOWN;
}

absl::StatusOr<Binding> ToBinding(const KafkaRight& right) {
  char reason[256];
  Binding binding(
      rd_kafka_AclBinding_new(right.resource == Resource::kTopic ? RD_KAFKA_RESOURCE_TOPIC : RD_KAFKA_RESOURCE_GROUP,
                              right.name.c_str(), RD_KAFKA_RESOURCE_PATTERN_LITERAL, right.principal.c_str(), "*",
                              ToKafka(right.operation), RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, reason, sizeof(reason)));
  if (binding == nullptr)
    return absl::InvalidArgumentError(absl::StrCat("kafka: right of ", right.principal, ": ", reason));
  return binding;
}

absl::Status FirstFailure(const rd_kafka_event_t* event, const std::vector<KafkaRight>& rights) {
  size_t count = 0;
  const rd_kafka_acl_result_t** results =
      rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(const_cast<rd_kafka_event_t*>(event)), &count);
  if (count != rights.size())
    return absl::InternalError(absl::StrCat("kafka: ", count, " answers for ", rights.size(), " rights"));
  for (size_t i = 0; i < count; ++i) {
    const rd_kafka_error_t* error = rd_kafka_acl_result_error(results[i]);
    if (error == nullptr) continue;
    const std::string what = absl::StrCat("right of ", rights[i].principal, " on ", rights[i].name);
    if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_SECURITY_DISABLED) {
      return absl::FailedPreconditionError(
          absl::StrCat("kafka: ", what, ": the cluster has no authorizer; set authorizer.class.name on its nodes"));
    }
    return kafka::ErrorStatus(rd_kafka_error_code(error), what);
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<KafkaRight> LeastRights(const KafkaTopicLayout& layout, const KafkaPrincipals& principals) {
  std::vector<KafkaRight> all;
  Rights gateway(principals.gateway, all);
  gateway.Topic(layout.journal(), {Operation::kWrite});
  gateway.Topic(layout.owners(), {Operation::kRead});

  Rights aggregator(principals.aggregator, all);
  for (const std::string& topic : {layout.journal(), layout.owners(), layout.readiness()}) {
    aggregator.Topic(topic, {Operation::kRead, Operation::kWrite});
  }

  Rights evaluator(principals.evaluator, all);
  evaluator.Topic(layout.journal(), {Operation::kWrite});
  evaluator.Topic(layout.owners(), {Operation::kRead, Operation::kWrite});

  for (const char* lane : {"fast", "slow"}) {
    aggregator.Topic(layout.work(lane), {Operation::kWrite});
    aggregator.Group(KafkaWorkQueue::GroupOf(layout.work(lane)), Operation::kDescribe);
    evaluator.Topic(layout.work(lane), {Operation::kRead});
    evaluator.Group(KafkaWorkQueue::GroupOf(layout.work(lane)), Operation::kRead);
  }
  return all;
}

absl::Status Allow(const KafkaConnection& connection, const std::vector<KafkaRight>& rights, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  ASSAY_ASSIGN_OR_RETURN(const kafka::Client client, kafka::Settings(connection).MakeClient(RD_KAFKA_PRODUCER));
  ASSAY_RETURN_IF_ERROR(kafka::CheckClusterId(client.get(), connection, deadline).status());
  std::vector<Binding> bindings;
  std::vector<rd_kafka_AclBinding_t*> pointers;
  for (const KafkaRight& right : rights) {
    ASSAY_ASSIGN_OR_RETURN(Binding binding, ToBinding(right));
    pointers.push_back(binding.get());
    bindings.push_back(std::move(binding));
  }
  const AdminOptions options(rd_kafka_AdminOptions_new(client.get(), RD_KAFKA_ADMIN_OP_CREATEACLS));
  char reason[64];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), kafka::Milliseconds(deadline), reason, sizeof(reason));
  const kafka::Queue queue(rd_kafka_queue_new(client.get()));
  rd_kafka_CreateAcls(client.get(), pointers.data(), pointers.size(), options.get(), queue.get());
  const kafka::Event event(rd_kafka_queue_poll(queue.get(), kafka::Milliseconds(deadline + absl::Seconds(1))));
  if (event == nullptr) return absl::UnavailableError("kafka: rights: no answer in time");
  ASSAY_RETURN_IF_ERROR(kafka::ErrorStatus(rd_kafka_event_error(event.get()), "rights"));
  return FirstFailure(event.get(), rights);
}

}  // namespace assay::log
