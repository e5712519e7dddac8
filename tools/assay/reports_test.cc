// SPDX-License-Identifier: Apache-2.0
// What people read: terminal answer, page, SARIF and explanation, all as pure functions of a report.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/assay/explanation.h"
#include "tools/assay/html_report.h"
#include "tools/assay/sarif.h"
#include "tools/assay/terminal_report.h"

namespace assay::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

v1::Claim MakeClaim(const std::string& statement, v1::Claim::Verdict verdict, const std::string& reason) {
  v1::Claim claim;
  claim.set_id(statement);
  claim.set_statement(statement);
  claim.set_file("src/server.js");
  claim.set_line(31);
  claim.set_verdict(verdict);
  claim.set_reason(reason);
  return claim;
}

v1::EvaluationReport SampleReport() {
  v1::EvaluationReport report;
  report.set_candidate("c-1");
  report.set_assessment("main");
  report.set_framework("senior-express-engineer@1");
  *report.add_claims() = MakeClaim("answers every failed request", v1::Claim::CONFIRMED, "0 of 900 were left open");
  *report.add_claims() = MakeClaim("drains requests in flight on SIGTERM", v1::Claim::REFUTED, "14 of 40 in flight were lost");
  v1::Finding* finding = report.add_findings();
  finding->set_check("E8");
  finding->set_severity(v1::Finding::ERROR);
  finding->set_authorship(v1::CANDIDATE);
  finding->set_message("the grace is shorter than requests can take");
  finding->set_file("src/ser ver.js");
  finding->set_line(44);
  finding->set_question("What happens to a two-second upload?");
  v1::Readiness* readiness = report.mutable_readiness();
  readiness->set_status(v1::Readiness::NOT_ENOUGH_EVIDENCE);
  readiness->set_coverage(0.31);
  readiness->add_undecided_because("a second interviewer for ownership");
  readiness->add_undecided_because("something else");
  v1::AreaReadiness* area = readiness->add_areas();
  area->set_id("3");
  area->set_name("Scalability");
  area->set_score(2.8);
  area->set_coverage(0.4);
  area->mutable_interval()->set_low(2.1);
  area->mutable_interval()->set_high(3.4);
  return report;
}

TerminalStyle Plain() { return {.colour = false, .unicode = false, .width = 100}; }

TEST(TerminalReport, LeadsWithWhatTheRunShowedOtherwise) {
  const std::string text = RenderReport(SampleReport(), {}, Plain());
  EXPECT_LT(text.find("drains requests"), text.find("answers every failed request"));
  EXPECT_LT(text.find("drains requests"), text.find("Status"));
  EXPECT_THAT(text, AllOf(HasSubstr("src/server.js:31"), HasSubstr("14 of 40 in flight were lost")));
}

TEST(TerminalReport, SaysWhatIsMissingInOneLine) {
  const std::string text = RenderReport(SampleReport(), {}, Plain());
  EXPECT_THAT(text, HasSubstr("Missing: a second interviewer for ownership"));
  EXPECT_THAT(text, Not(HasSubstr("something else")));
}

TEST(TerminalReport, ShowsAtMostFiveThingsThatWereTried) {
  v1::EvaluationReport report = SampleReport();
  for (int i = 0; i < 20; ++i) *report.add_claims() = MakeClaim(absl::StrCat("claim ", i), v1::Claim::CONFIRMED, "yes");
  const std::string text = RenderReport(report, {}, Plain());
  size_t shown = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) shown += absl::StrContains(line, "The code suggests");
  EXPECT_EQ(shown, 5u);
}

TEST(TerminalReport, FitsAScreen) {
  v1::EvaluationReport report = SampleReport();
  for (int i = 1; i < 8; ++i) *report.mutable_readiness()->add_areas() = report.readiness().areas(0);
  for (absl::string_view line : absl::StrSplit(RenderReport(report, {"assay readiness explain c-1 3.1"}, Plain()), '\n')) {
    EXPECT_LE(line.size(), 100u) << line;
  }
}

TEST(TerminalReport, PutsNoControlCharacterOfASubmissionOnTheTerminal) {
  v1::EvaluationReport report = SampleReport();
  report.set_candidate("c\x1b[2J\x07\xC2\x9Bx");
  report.mutable_claims(1)->set_reason("lost\x1b]0;title\x07\r\n");
  const std::string text = RenderReport(report, {}, Plain());
  for (unsigned char c : text) EXPECT_TRUE(c >= 0x20 || c == '\n') << static_cast<int>(c);
  EXPECT_THAT(text, HasSubstr("\\x1b[2J"));
}

TEST(TerminalReport, InAsciiUsesNothingElse) {
  for (unsigned char c : RenderReport(SampleReport(), {}, Plain())) EXPECT_LT(c, 0x80);
}

TEST(TerminalReport, ReadinessAloneShowsGatesAndAreas) {
  v1::ReadinessRecord record;
  record.set_candidate("c-1");
  *record.mutable_readiness() = SampleReport().readiness();
  EXPECT_THAT(RenderReadiness(record, Plain()), AllOf(HasSubstr("NOT ENOUGH EVIDENCE"), HasSubstr("3 Scalability")));
}

TEST(HtmlReport, EscapesEverythingASubmissionCanName) {
  v1::EvaluationReport report = SampleReport();
  const std::string attack = "<script>alert(1)</script>\"'&";
  report.set_candidate(attack);
  report.mutable_claims(0)->set_statement(attack);
  report.mutable_findings(0)->set_message(attack);
  report.mutable_findings(0)->set_file(attack);
  report.mutable_findings(0)->set_excerpt(attack);
  report.add_routes()->set_path(attack);
  report.add_observations()->set_rationale(attack);
  v1::Evidence* evidence = report.add_evidence();
  evidence->set_digest("sha256:00");
  evidence->set_title(attack);
  report.mutable_claims(0)->add_evidence("sha256:00");
  (*report.mutable_load_runs())["sha256:00"] = "{\"phases\":[{\"name\":\"<script>\",\"timeline\":[[1,1,0,2.5]],\"total\":{\"sent\":1}}]}";
  const std::string html = RenderHtml(report);
  EXPECT_THAT(html, Not(HasSubstr("<script>")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
}

TEST(HtmlReport, LoadsNothingFromElsewhere) {
  const std::string html = RenderHtml(SampleReport());
  for (const char* reference : {"http://", "https://", "src=", "@import", "url("}) EXPECT_THAT(html, Not(HasSubstr(reference)));
}

TEST(HtmlReport, AsksWhatAnInterviewerCanAskAboutALine) {
  EXPECT_THAT(RenderHtml(SampleReport()), HasSubstr("What happens to a two-second upload?"));
}

TEST(HtmlReport, SurvivesLoadRunsThatAreNotWhatTheySeem) {
  for (const char* json : {"", "[]", "{", "{\"phases\": 3}", "{\"phases\":[1,[],{\"timeline\":{}}]}",
                           "{\"phases\":[{\"timeline\":[[],[1],[\"a\",{},null,-1]],\"total\":{\"response\":{\"buckets\":[5,\"x\"]}}}]}",
                           "{\"actions\":[{\"by_remaining\":[1]}]}"}) {
    v1::EvaluationReport report = SampleReport();
    (*report.mutable_load_runs())["short"] = json;
    EXPECT_THAT(RenderHtml(report), HasSubstr("</html>")) << json;
  }
}

TEST(Sarif, NamesFileLineAndRule) {
  const auto log = nlohmann::json::parse(RenderSarif(SampleReport()));
  EXPECT_EQ(log["version"], "2.1.0");
  const auto& result = log["runs"][0]["results"][0];
  EXPECT_EQ(result["ruleId"], "E8");
  EXPECT_EQ(result["level"], "error");
  const auto& location = result["locations"][0]["physicalLocation"];
  EXPECT_EQ(location["artifactLocation"]["uri"], "src/ser%20ver.js");
  EXPECT_EQ(location["region"]["startLine"], 44);
}

TEST(Sarif, LeavesOutWhatTheCandidateWasGiven) {
  v1::EvaluationReport report = SampleReport();
  report.mutable_findings(0)->set_authorship(v1::GIVEN);
  EXPECT_TRUE(nlohmann::json::parse(RenderSarif(report))["runs"][0]["results"].empty());
}

TEST(Explanation, ReachesTheLineTheMeasurementAndTheQuote) {
  v1::ExplainReadinessResponse response;
  *response.mutable_readiness() = SampleReport().readiness();
  auto* behaviour = response.mutable_readiness()->mutable_areas(0)->add_competencies()->add_behaviours();
  behaviour->set_id("3.1.1");
  behaviour->set_state(v1::Observation::OBSERVED);
  auto* observation = response.add_observations();
  observation->set_criterion("shutdown.drains");
  observation->set_state(v1::Observation::OBSERVED);
  observation->add_behaviours("3.1.1");
  observation->add_evidence("sha256:line");
  observation->add_evidence("sha256:quote");
  auto* line = response.add_evidence();
  line->set_digest("sha256:line");
  line->set_file("src/server.js");
  line->set_line(31);
  auto* quote = response.add_evidence();
  quote->set_digest("sha256:quote");
  quote->set_quote("Asked for the arrival rate");
  quote->set_rater("r-7");
  EXPECT_THAT(RenderExplanation(response, Plain()),
              AllOf(HasSubstr("src/server.js:31"), HasSubstr("r-7: \"Asked for the arrival rate\""),
                    HasSubstr("evidence sha256:line")));
}

// The words interfaces.md keeps out of what is said about somebody's work.
TEST(Wording, NoAccusingWordReachesAReader) {
  v1::ExplainReadinessResponse response;
  *response.add_claims() = SampleReport().claims(1);
  const std::string all = absl::AsciiStrToLower(absl::StrCat(RenderReport(SampleReport(), {}, Plain()), RenderHtml(SampleReport()),
                                                             RenderExplanation(response, Plain())));
  for (const char* word : {"refuted", "lied", "hostile", "boilerplate", "theatre", "fake", "junk"}) {
    EXPECT_THAT(all, Not(HasSubstr(word)));
  }
}

}  // namespace
}  // namespace assay::cli
