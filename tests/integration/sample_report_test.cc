// SPDX-License-Identifier: Apache-2.0
//
// What README.md shows is what today's code does: `tools/sample-report` renews it.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "assay/v1/report.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/shell_quote.h"
#include "services/common/base/testing/temp_dir.h"
#include "tools/assay/sample_report.h"

namespace assay {
namespace {

constexpr char kFolder[] = "tests/testdata/sample_report/";
constexpr char kSample[] = "tests/testdata/sample_candidate/";
constexpr size_t kMost = 64 << 20;

std::string Committed(const std::string& name) {
  const absl::StatusOr<std::string> content = ReadFile(absl::StrCat(kFolder, name), kMost);
  EXPECT_TRUE(content.ok()) << content.status();
  return content.value_or("");
}

v1::EvaluationReport Parsed(const std::string& json) {
  v1::EvaluationReport report;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &report).ok()) << json.substr(0, 200);
  return report;
}

bool OfARun(const std::string& criterion) { return absl::StartsWith(criterion, "run."); }

// What a report says that depends on no run, one line each.
std::set<std::string> Unchanging(const v1::EvaluationReport& report) {
  std::set<std::string> lines = {absl::StrCat("framework ", report.readiness().provenance().framework_digest())};
  for (const auto& submission : report.submissions())
    lines.insert(absl::StrCat("submission ", submission.origin(), " ", submission.digest()));
  for (const auto& route : report.routes()) {
    lines.insert(absl::StrCat("route ", route.method(), " ", route.path(), " ", route.file(), ":", route.line()));
  }
  for (const auto& finding : report.findings()) {
    if (OfARun(finding.criterion())) continue;
    lines.insert(
        absl::StrCat("finding ", finding.check(), " ", finding.file(), ":", finding.line(), " ", finding.message()));
  }
  for (const auto& observation : report.observations()) {
    if (observation.method() == v1::Observation::EXPERIMENT || OfARun(observation.criterion())) continue;
    lines.insert(absl::StrCat("observation ", observation.criterion(), " ", observation.state(), " ",
                              observation.value(), " ", observation.rationale()));
  }
  for (const auto& claim : report.claims()) {
    if (!claim.file().empty())
      lines.insert(absl::StrCat("claim ", claim.id(), " ", claim.file(), ":", claim.line(), " ", claim.statement()));
  }
  return lines;
}

TEST(SampleReport, PageAndPictureAreWhatTheCodeRendersFromTheRun) {
  const absl::StatusOr<cli::SampleReport> sample = cli::RenderSample(Committed("report.json"));
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_TRUE(sample->page == Committed("report.html")) << "stale; renew it with tools/sample-report --render";
  EXPECT_TRUE(sample->picture == Committed("terminal.svg")) << "stale; renew it with tools/sample-report --render";
}

TEST(SampleReport, WhatDependsOnNoRunIsWhatTheCodeFindsToday) {
  testing::TempDir folder;
  const std::string command =
      absl::StrCat("exec ", ShellQuote(absl::StrCat(std::getenv("ASSAY_BUILD_DIR"), "/bin/assay")), " evaluate ",
                   kSample, "repository ", kSample, "scorecard-system-design.yaml ", kSample,
                   "scorecard-incident-review.yaml ", kSample, "portfolio.yaml --skip load_test --json --data ",
                   ShellQuote(folder / "data"), " >", ShellQuote(folder / "now.json"), " </dev/null");
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_THAT(Unchanging(Parsed(*ReadFile(folder / "now.json", kMost))),
              ::testing::ContainerEq(Unchanging(Parsed(Committed("report.json")))))
      << "stale; renew it with tools/sample-report";
}

}  // namespace
}  // namespace assay
