// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/kafka_configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "services/common/base/file.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"

namespace assay::log {
namespace {

using ::assay::testing::StatusIs;
using ::testing::HasSubstr;

config::v1::Kafka Minimal() {
  config::v1::Kafka config;
  config.set_bootstrap_servers("broker-1:9092");
  return config;
}

TEST(KafkaConfigurationTest, FillsInWhatIsNotSaid) {
  config::v1::Kafka config = Minimal();
  config.set_topic_prefix("prod.");
  ASSAY_ASSERT_OK_AND_ASSIGN(const KafkaConfiguration kafka, KafkaConfiguration::Create(config, "aggregator-a1"));
  EXPECT_EQ(kafka.connection().client_id, "assay-aggregator-a1");
  EXPECT_EQ(kafka.journal().topic.name, "prod.assay.journal.v1");
  EXPECT_EQ(kafka.journal().topic.partitions, 24);
  EXPECT_EQ(kafka.journal().topic.replication, 3);
  EXPECT_TRUE(kafka.journal().topic.has_identity);
  EXPECT_EQ(kafka.owners().topic.partitions, 1);
  EXPECT_TRUE(kafka.readiness().topic.compacted);
  ASSERT_EQ(kafka.work_queue().lanes.size(), 2u);
  EXPECT_EQ(kafka.work_queue().lanes[1].name, "slow");
  EXPECT_EQ(kafka.work_queue().lanes[1].topic.partitions, 48);
}

TEST(KafkaConfigurationTest, RefusesWithTheNameOfTheField) {
  const auto refusal = [](auto change) {
    config::v1::Kafka config = Minimal();
    change(config);
    const absl::Status status = KafkaConfiguration::Create(config, "x").status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    return std::string(status.message());
  };
  EXPECT_THAT(refusal([](auto& config) { config.clear_bootstrap_servers(); }), HasSubstr("kafka.bootstrap_servers"));
  EXPECT_THAT(refusal([](auto& config) { config.set_shards(5000); }), HasSubstr("kafka.shards: 5000"));
  EXPECT_THAT(refusal([](auto& config) { config.set_shards(4'000'000'000); }), HasSubstr("kafka.shards"));
  EXPECT_THAT(refusal([](auto& config) { config.set_replication(10); }), HasSubstr("kafka.replication"));
  EXPECT_THAT(refusal([](auto& config) { config.set_topic_prefix("a b"); }), HasSubstr("kafka.topic_prefix"));
  EXPECT_THAT(refusal([](auto& config) { config.set_tls_key_file("key.pem"); }), HasSubstr("tls_certificate_file"));
  EXPECT_THAT(refusal([](auto& config) { config.set_sasl_username("u"); }), HasSubstr("sasl_password_file"));
  EXPECT_THAT(refusal([](auto& config) {
                config.set_sasl_username("u");
                config.set_sasl_password_file("p");
              }),
              HasSubstr("kafka.tls_ca_file"));
}

TEST(KafkaConfigurationTest, TakesAPasswordThatOnlyItsOwnerMayRead) {
  const assay::testing::TempDir dir;
  const std::string path = dir.path() + "/password";
  ASSAY_ASSERT_OK(WriteFileAtomically(path, "secret\n"));
  config::v1::Kafka config = Minimal();
  config.set_tls_ca_file("ca.pem");
  config.set_sasl_username("assay");
  config.set_sasl_password_file(path);
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  EXPECT_THAT(KafkaConfiguration::Create(config, "x").status(), StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  ASSAY_ASSERT_OK_AND_ASSIGN(const KafkaConfiguration kafka, KafkaConfiguration::Create(config, "x"));
  EXPECT_EQ(kafka.connection().sasl_password, "secret");
}

TEST(KafkaConfigurationTest, AnInstanceIsAShortPlainName) {
  ASSAY_EXPECT_OK(CheckInstanceName("aggregator-1"));
  for (const std::string& wrong : {std::string(), std::string("A1"), std::string("a/b"), std::string(65, 'a')}) {
    EXPECT_THAT(CheckInstanceName(wrong), StatusIs(absl::StatusCode::kInvalidArgument)) << wrong;
  }
}

}  // namespace
}  // namespace assay::log
