// SPDX-License-Identifier: Apache-2.0
//
// What README.md shows is what today's code does: `tools/sample-report` renews it.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "assay/v1/report.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/shell_quote.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/base/testing/wording.h"
#include "tools/assay/sample_report.h"

namespace assay {
namespace {

constexpr char kFolder[] = "tests/testdata/sample_report/";
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
    lines.insert(absl::StrCat("submission ", submission.origin(), " ", submission.digest(),
                              submission.quick() ? " in the quick profile" : ""));
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

// Every string of a message; enum values are none.
void CollectTexts(const google::protobuf::Message& message, std::vector<std::string>& texts) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    const bool is_text = field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING;
    const bool is_message = field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE;
    for (int i = 0; field->is_repeated() && i < reflection.FieldSize(message, field); ++i) {
      if (is_text) texts.push_back(reflection.GetRepeatedString(message, field, i));
      if (is_message) CollectTexts(reflection.GetRepeatedMessage(message, field, i), texts);
    }
    if (field->is_repeated()) continue;
    if (is_text) texts.push_back(reflection.GetString(message, field));
    if (is_message) CollectTexts(reflection.GetMessage(message, field), texts);
  }
}

TEST(SampleReport, SpeaksOfNobodysWorkInAccusingWords) {
  std::vector<std::string> texts;
  CollectTexts(Parsed(Committed("report.json")), texts);
  ASSERT_GT(texts.size(), 1000u);
  texts.push_back(Committed("report.html"));
  texts.push_back(Committed("terminal.svg"));
  for (const std::string& text : texts) EXPECT_EQ(testing::AccusingWordIn(text), "") << text.substr(0, 500);
}

TEST(SampleReport, PageAndPictureAreWhatTheCodeRendersFromTheRun) {
  const absl::StatusOr<cli::SampleReport> sample = cli::RenderSample(Committed("report.json"));
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_TRUE(sample->page == Committed("report.html")) << "stale; renew it with tools/sample-report --render";
  EXPECT_TRUE(sample->picture == Committed("terminal.svg")) << "stale; renew it with tools/sample-report --render";
}

TEST(SampleReport, WhatDependsOnNoRunIsWhatTheCodeFindsToday) {
  testing::TempDir folder;
  // What tools/run evaluates and shows.
  std::string command =
      absl::StrCat("exec ", ShellQuote(absl::StrCat(std::getenv("ASSAY_BUILD_DIR"), "/bin/assay")), " evaluate");
  for (absl::string_view argument :
       absl::StrSplit(*ReadFile("tools/sample-arguments.txt", kMost), '\n', absl::SkipEmpty())) {
    absl::StrAppend(&command, " ", ShellQuote(std::string(argument)));
  }
  absl::StrAppend(&command, " --skip load_test --json --data ", ShellQuote(folder / "data"), " >",
                  ShellQuote(folder / "now.json"), " </dev/null");
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_THAT(Unchanging(Parsed(*ReadFile(folder / "now.json", kMost))),
              ::testing::ContainerEq(Unchanging(Parsed(Committed("report.json")))))
      << "stale; renew it with tools/sample-report";
}

}  // namespace
}  // namespace assay
