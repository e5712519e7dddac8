// SPDX-License-Identifier: Apache-2.0
// The plugin as it is shipped, in the host as it is shipped: the fake host is kept honest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/plugin_host/evaluation_runner.h"
#include "services/plugin_host/plugin_directory.h"
#include "services/plugin_host/testing/plain_launcher.h"
#include "services/readiness/framework.h"

namespace rubric {
namespace {

using assay::plugin_host::EvaluationOutcome;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string Built(const std::string& name) { return absl::StrCat(getenv("ASSAY_BUILD_DIR"), "/", name); }

EvaluationOutcome RunInHost(const std::string& submission_json) {
  assay::plugin_host::PlainLauncher launcher;
  assay::plugin_host::HostOptions options;
  options.executable = Built("bin/assay-plugin-host");
  assay::plugin_host::HostPool pool(launcher, {options});
  assay::plugin_host::EvaluationRunner runner(pool);
  const auto package = assay::plugin_host::PluginPackage::Load(Built("plugins/rubric.json"));
  EXPECT_THAT(package, assay::testing::IsOk());
  std::string framework;
  EXPECT_TRUE(google::protobuf::util::MessageToJsonString(assay::readiness::Catalog::BuiltIn().frameworks()[0]->proto(),
                                                          &framework)
                  .ok());
  assay::plugin_host::EvaluationRequest request;
  request.package = *package;
  request.evaluator = "rubric";
  request.evaluation_id = "e1";
  request.time_limit = absl::Seconds(60);
  request.documents = {{"submission.json", "application/json", submission_json},
                       {"framework.json", "application/json", framework}};
  request.document_evidence = assay::v1::Evidence::RATING;
  assay::plugin_host::ProgressCallback progress;
  assay::plugin_host::Cancellation cancellation;
  return runner.Run(
      request, [] { return std::make_unique<assay::plugin_host::NoPlatformCalls>("none here"); }, progress,
      cancellation);
}

TEST(RubricInTheHost, GivesRatingsTheirQuotesAndFindingsTheirLines) {
  const EvaluationOutcome outcome = RunInHost(
      "{\"kind\":\"scorecard\",\"rater\":{\"id\":\"r\",\"role\":\"interviewer\"},\n\"ratings\":[\n"
      "{\"competency\":\"3.1\",\"rating\":3,\"evidence\":\"Put a limit of 800 in front of checkout\"},\n"
      "{\"competency\":\"3.2\",\"rating\":2,\"evidence\":\"good\"}],\n"
      "\"source\":{\"file\":\"card.yaml\",\"entries\":[{\"field\":\"ratings[1].evidence\",\"line\":9}]}}");
  ASSERT_EQ(outcome.outcome, assay::event::v1::EvaluationFinished::SUCCEEDED) << outcome.reason;
  ASSERT_THAT(outcome.result.observations, SizeIs(2));
  EXPECT_EQ(outcome.result.observations[0].criterion(), "rating/3.1");
  EXPECT_EQ(outcome.result.observations[0].authorship(), assay::v1::CANDIDATE);
  ASSERT_THAT(outcome.result.observations[0].evidence(), SizeIs(1));
  EXPECT_NE(outcome.result.observations[0].evidence(0), outcome.result.observations[1].evidence(0));
  ASSERT_THAT(outcome.result.findings, SizeIs(1));
  EXPECT_EQ(outcome.result.findings[0].file(), "card.yaml");
  EXPECT_EQ(outcome.result.findings[0].line(), 9u);
}

TEST(RubricInTheHost, CallsAnUnknownDocumentTheSubmissionsFault) {
  const EvaluationOutcome outcome = RunInHost("{\"kind\":\"poem\"}");
  EXPECT_EQ(outcome.outcome, assay::event::v1::EvaluationFinished::SUBMISSION_FAULT);
  EXPECT_THAT(outcome.reason, HasSubstr("poem"));
}

}  // namespace
}  // namespace rubric
