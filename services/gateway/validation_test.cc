// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "services/common/base/testing/status_matchers.h"

namespace assay::gateway {
namespace {

using assay::testing::IsOk;
using assay::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

const readiness::CompiledFramework& Framework() { return *readiness::Catalog::BuiltIn().frameworks()[0]; }

v1::CreateSubmissionRequest Portfolio() {
  v1::CreateSubmissionRequest request;
  request.set_request_id("r-1");
  request.mutable_submission()->set_candidate("c-1");
  v1::Portfolio& portfolio = *request.mutable_submission()->mutable_portfolio();
  portfolio.set_kind("portfolio");
  portfolio.set_candidate("c-1");
  v1::Portfolio::Item& item = *portfolio.add_items();
  item.set_type("migration");
  item.set_title("Node 16 to 20");
  item.set_summary("Fourteen services, one a week.");
  item.mutable_period()->set_from("2025-02-01");
  item.mutable_period()->set_to("2025-05-30");
  return request;
}

v1::NewSubmission Repository() {
  v1::NewSubmission submission;
  submission.set_candidate("c-1");
  submission.mutable_repository()->set_artifact_digest("sha256:" + std::string(64, 'a'));
  return submission;
}

::testing::Matcher<absl::Status> Refuses(const std::string& field) {
  return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(field));
}

TEST(Validation, OnlyAnEvaluatorOfTheFrameworkThatTakesTheKindCanBeAskedFor) {
  v1::NewSubmission submission = Repository();
  submission.add_only_evaluators("load_test");
  EXPECT_THAT(ValidateContent(submission, Framework()), IsOk());
  submission.set_only_evaluators(0, "load_tset");
  EXPECT_THAT(ValidateContent(submission, Framework()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("submission.only_evaluators[0]"), HasSubstr("load_test"))));
  submission.set_only_evaluators(0, "rubric");
  EXPECT_THAT(ValidateContent(submission, Framework()), Refuses("none of which takes a REPOSITORY"));
  submission.add_only_evaluators("code_analysis");
  EXPECT_THAT(ValidateContent(submission, Framework()), IsOk()) << "one list serves several kinds of submissions";
}

TEST(Validation, AnUnknownEvaluatorCannotBeLeftOut) {
  v1::NewSubmission submission = Repository();
  submission.add_skip_evaluators("rubric");
  EXPECT_THAT(ValidateContent(submission, Framework()), IsOk()) << "it is known, and would not run anyway";
  submission.set_skip_evaluators(0, "typo");
  EXPECT_THAT(ValidateContent(submission, Framework()), Refuses("submission.skip_evaluators[0]"));
}

TEST(Validation, ASourceIsForWhatNamesNone) {
  v1::CreateSubmissionRequest request = Portfolio();
  request.mutable_submission()->set_source("talks");
  EXPECT_THAT(Validate(request), IsOk());
  request.mutable_submission()->set_source(std::string(129, 's'));
  EXPECT_THAT(Validate(request), Refuses("submission.source"));
  request.mutable_submission()->mutable_scorecard()->mutable_rater()->set_id("r-7");
  request.mutable_submission()->set_source("talks");
  EXPECT_THAT(Validate(request), Refuses("submission.source"));
}

TEST(Validation, ASourceMapIsBounded) {
  v1::CreateSubmissionRequest request = Portfolio();
  v1::SourceMap& source = *request.mutable_submission()->mutable_portfolio()->mutable_source();
  for (int i = 0; i < 4096; ++i) source.add_entries()->set_field("items[0].title");
  EXPECT_THAT(Validate(request), IsOk());
  source.add_entries()->set_field("items[0].title");
  EXPECT_THAT(Validate(request), Refuses("submission.portfolio.source.entries"));
  source.clear_entries();
  source.add_entries()->set_field(std::string(257, 'f'));
  EXPECT_THAT(Validate(request), Refuses("submission.portfolio.source.entries[0].field"));
  source.clear_entries();
  source.set_file(std::string(4097, 'f'));
  EXPECT_THAT(Validate(request), Refuses("submission.portfolio.source.file"));
}

}  // namespace
}  // namespace assay::gateway
