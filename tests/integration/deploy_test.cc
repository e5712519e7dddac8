// SPDX-License-Identifier: Apache-2.0
// What lies under deploy/ is what the programs take.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "assay/config/v1/aggregator.pb.h"
#include "assay/config/v1/evaluator.pb.h"
#include "assay/config/v1/gateway.pb.h"
#include "assay/config/v1/standalone.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/log/kafka_configuration.h"
#include "services/common/runtime/configuration.h"

namespace assay {
namespace {

// The settings of each program that a file starts: what follows "…/bin/<program>" in lines like `- --set=path=value`.
std::multimap<std::string, std::vector<std::string>> SettingsIn(const std::string& file) {
  std::multimap<std::string, std::vector<std::string>> settings;
  std::vector<std::string>* current = nullptr;
  std::ifstream input(file);
  for (std::string line; std::getline(input, line);) {
    if (const size_t at = line.find("/usr/lib/assay/bin/"); at != std::string::npos) {
      const size_t begin = at + std::string("/usr/lib/assay/bin/").size();
      current = &settings.emplace(line.substr(begin, line.find_first_of("], ", begin) - begin), 0)->second;
    }
    const size_t at = line.find("--set=");
    if (at == std::string::npos || current == nullptr) continue;
    current->push_back(std::string(absl::StripSuffix(line.substr(at + std::string("--set=").size()), "\"")));
  }
  return settings;
}

template <typename Config>
Config Load(const std::string& name) {
  Config config;
  ASSAY_EXPECT_OK(runtime::LoadConfiguration("deploy/config/" + name, {}, &config));
  return config;
}

template <typename Config>
void ExpectAService(const Config& config) {
  ASSAY_EXPECT_OK(log::CheckInstanceName(config.instance()));
  ASSAY_EXPECT_OK(log::KafkaConfiguration::Create(config.kafka(), config.instance()));
  EXPECT_NE(config.http_listen(), "");
  EXPECT_NE(config.blob_directory(), "");
}

TEST(DeployedConfiguration, IsWhatEachProgramTakes) {
  EXPECT_NE(Load<config::v1::Standalone>("standalone.yaml").data_directory(), "");
  ExpectAService(Load<config::v1::Evaluator>("evaluator.yaml"));
  const auto gateway = Load<config::v1::Gateway>("gateway.yaml");
  const auto aggregator = Load<config::v1::Aggregator>("aggregator.yaml");
  ExpectAService(gateway);
  ExpectAService(aggregator);
  EXPECT_EQ(gateway.blob_directory(), aggregator.blob_directory());
  EXPECT_EQ(gateway.keys_directory(), aggregator.keys_directory());
  EXPECT_THAT(aggregator.aggregators(), ::testing::Contains(aggregator.instance()));
}

TEST(DeployedConfiguration, IsWhatContainersAreGiven) {
  for (const char* file : {"deploy/compose/compose.yaml", "deploy/kubernetes/assay.yaml"}) {
    const auto settings = SettingsIn(file);
    EXPECT_EQ(settings.count("assay-gateway"), 1u) << file;
    EXPECT_GE(settings.count("assay-aggregator"), 1u) << file;
    EXPECT_EQ(settings.count("assay-evaluator"), 1u) << file;
    for (const auto& [program, set] : settings) {
      if (program == "assay-topics") continue;
      config::v1::Gateway gateway;
      config::v1::Aggregator aggregator;
      config::v1::Evaluator evaluator;
      google::protobuf::Message* config = &evaluator;
      if (program == "assay-gateway") config = &gateway;
      if (program == "assay-aggregator") config = &aggregator;
      ASSAY_EXPECT_OK(runtime::LoadConfiguration("", set, config)) << file << ": " << program;
      EXPECT_GT(set.size(), 3u) << file << ": " << program;
    }
  }
}

TEST(DeployedUnits, StartAProgramWithTheFileThatIsThere) {
  for (const char* name : {"standalone", "gateway", "aggregator", "evaluator"}) {
    const absl::StatusOr<std::string> unit = ReadFile(absl::StrCat("deploy/systemd/assay-", name, ".service"));
    ASSAY_ASSERT_OK(unit);
    EXPECT_THAT(*unit, ::testing::HasSubstr(absl::StrCat("ExecStart=/usr/lib/assay/bin/assay-", name,
                                                         " --config /etc/assay/", name, ".yaml\n")));
  }
}

}  // namespace
}  // namespace assay
