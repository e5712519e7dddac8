// SPDX-License-Identifier: Apache-2.0
// What people read: terminal answer, page, SARIF and explanation, all as pure functions of a report.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/testing/wording.h"
#include "tools/assay/explanation.h"
#include "tools/assay/framework_text.h"
#include "tools/assay/html_report.h"
#include "tools/assay/load_run.h"
#include "tools/assay/report_lead.h"
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
  *report.add_claims() =
      MakeClaim("drains requests in flight on SIGTERM", v1::Claim::REFUTED, "14 of 40 in flight were lost");
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
  EXPECT_THAT(text, HasSubstr("NOT ENOUGH EVIDENCE  a second interviewer for ownership (and 1 more)"));
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
  for (absl::string_view line :
       absl::StrSplit(RenderReport(report, {"assay readiness explain c-1 3.1"}, Plain()), '\n')) {
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

TEST(TerminalReport, NoLineIsWiderThanTheTerminal) {
  v1::EvaluationReport report = SampleReport();
  for (int i = 0; i < 3; ++i) {
    v1::GateReadiness* gate = report.mutable_readiness()->add_gates();
    gate->set_id("connections");
    gate->set_state(v1::GateReadiness::UNDECIDED);
    gate->set_needs(
        "ratings by 1 more interviewer; more evidence on 6.2.3 (Query optimization and connection pooling)");
    v1::NextEvidence* next = report.mutable_readiness()->add_next_evidence();
    next->set_what(
        "6.2.3 (Query optimization and connection pooling): a scorecard with a mark and written evidence for this "
        "behaviour");
    next->set_minutes(8);
  }
  report.mutable_readiness()->mutable_areas(0)->set_name("Cross-functional competencies of a length that fits nowhere");
  for (const int width : {60, 80, 100, 120}) {
    TerminalStyle style = Plain();
    style.width = width;
    v1::ReadinessRecord record;
    *record.mutable_readiness() = report.readiness();
    for (const std::string& text : {RenderReport(report, {}, style), RenderReadiness(record, style)}) {
      for (absl::string_view line : absl::StrSplit(text, '\n'))
        EXPECT_LE(line.size(), static_cast<size_t>(width)) << line;
    }
  }
}

TEST(TerminalReport, SaysAPlaceOnceWhenARunAlreadySpokeOfIt) {
  v1::EvaluationReport report = SampleReport();
  v1::Finding* finding = report.add_findings();
  finding->set_severity(v1::Finding::ERROR);
  finding->set_message("The run showed requests lost at shutdown: 14 of 40 in flight were lost.");
  finding->set_file("src/other.js");
  finding->set_line(3);
  const std::string text = RenderReport(report, {}, Plain());
  EXPECT_EQ(text.find("14 of 40"), text.rfind("14 of 40"));
}

TEST(TerminalReport, ShowsTheLineWhereTheRunShowedOtherwise) {
  v1::EvaluationReport report = SampleReport();
  v1::Evidence* span = report.add_evidence();
  span->set_kind(v1::Evidence::SPAN);
  span->set_file("src/server.js");
  span->set_line(31);
  span->set_quote("  server.close(() => process.exit(0));\n");
  EXPECT_THAT(RenderReport(report, {}, Plain()), HasSubstr("src/server.js:31  server.close(() => process.exit(0));"));
}

TEST(TerminalReport, NamesWhatThisMachineLacksOnce) {
  v1::EvaluationReport report = SampleReport();
  for (const char* id : {"network", "mounts", "network"}) {
    v1::PlatformLimit* limit = report.add_platform_limits();
    limit->set_id(id);
    limit->set_what("Operation not permitted");
    limit->set_mend("allow unprivileged user namespaces");
  }
  for (const char* criterion : {"run.starts", "run.body_limits", "run.error_answers"}) {
    v1::Observation* observation = report.add_observations();
    observation->set_criterion(criterion);
    observation->set_state(v1::Observation::NOT_OBSERVABLE);
    observation->set_rationale(
        "not observable here: this platform cannot run submissions: network is absent (Operation not permitted). "
        "To mend it: allow unprivileged user namespaces");
  }
  v1::Evaluation* evaluation = report.add_evaluations();
  evaluation->set_evaluator("load_test");
  evaluation->set_state(v1::Evaluation::PARKED);
  evaluation->set_fault_domain(v1::Evaluation::PLATFORM);
  evaluation->set_reason("this platform cannot run submissions");
  const std::string text = RenderReport(report, {}, Plain());
  EXPECT_THAT(
      text,
      HasSubstr("Not observable here\n"
                "  - everything that needs a run: this platform cannot run submissions\n"
                "  - network, mounts: Operation not permitted. To mend it: allow unprivileged user namespaces\n\n"));
}

TEST(TerminalReport, LeadsWithPeoplesWordsWhenThereIsNoRepository) {
  v1::EvaluationReport report;
  v1::Observation* observation = report.add_observations();
  observation->set_criterion("rating/3.1");
  observation->set_state(v1::Observation::OBSERVED);
  observation->set_method(v1::Observation::HUMAN);
  observation->set_value(0.75);
  observation->add_evidence("sha256:a");
  v1::Evidence* evidence = report.add_evidence();
  evidence->set_digest("sha256:a");
  evidence->set_kind(v1::Evidence::RATING);
  evidence->set_rater("r-7");
  evidence->set_quote("Asked for the arrival rate first.");
  const std::string text = RenderReport(report, {}, Plain());
  EXPECT_THAT(text, AllOf(HasSubstr("What people saw"), HasSubstr("3.1 rated 3 of 4 by r-7"),
                          HasSubstr("\"Asked for the arrival rate first.\"")));
  EXPECT_THAT(text, Not(HasSubstr("--base")));
}

TEST(TerminalReport, TellsTheCandidateWhatToTry) {
  v1::EvaluationReport report = SampleReport();
  report.mutable_findings(0)->set_help("Keep the grace longer than the longest request.");
  EXPECT_THAT(RenderReport(report, {}, Plain(), {.for_candidate = true}),
              AllOf(HasSubstr("What to try next"), HasSubstr("Keep the grace longer")));
  EXPECT_THAT(RenderHtml(report, /*for_candidate=*/true),
              AllOf(HasSubstr("What to try next"), Not(HasSubstr("Questions for"))));
}

TEST(TerminalText, WrapsBelowItsFirstWords) {
  EXPECT_EQ(Wrap("one two three four five", 24, "  - "), "  - one two three four\n    five\n");
  EXPECT_EQ(Columns("漢字é"), 5u);
  EXPECT_EQ(Cut("漢字漢字", 5), "漢字~");
  EXPECT_EQ(Pad("ab", 4), "ab  ");
}

TEST(TerminalText, ShowsWhatWouldTurnALineRound) { EXPECT_EQ(Printable("a\u202Eb\xFF"), "a\\u202eb\\xff"); }

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
  report.mutable_findings(0)->set_help(attack);
  report.mutable_findings(0)->set_good_answer(attack);
  report.mutable_readiness()->add_next_evidence()->set_command(attack);
  report.add_submissions()->set_origin(attack);
  report.add_routes()->set_path(attack);
  report.add_observations()->set_rationale(attack);
  v1::Evidence* evidence = report.add_evidence();
  evidence->set_digest("sha256:00");
  evidence->set_title(attack);
  report.mutable_claims(0)->add_evidence("sha256:00");
  (*report.mutable_load_runs())["sha256:00"] =
      "{\"phases\":[{\"name\":\"<script>\",\"timeline\":[[1,1,0,2.5]],\"total\":{\"sent\":1}}]}";
  const std::string html = RenderHtml(report);
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"));
}

TEST(HtmlReport, LoadsNothingFromElsewhere) {
  const std::string html = RenderHtml(SampleReport());
  for (const char* reference : {"http://", "https://", "src=", "@import", "url("})
    EXPECT_THAT(html, Not(HasSubstr(reference)));
}

TEST(HtmlReport, ForbidsEverythingButItsOwnStyle) {
  const std::string html = RenderHtml(SampleReport());
  EXPECT_THAT(html, HasSubstr("default-src 'none'; style-src 'sha256-"));
  for (const char* forbidden : {"<script", " style=\"", " onclick", "javascript:"})
    EXPECT_THAT(html, Not(HasSubstr(forbidden)));
}

TEST(HtmlReport, ShowsTheLinesOfAPlaceWithTheirNumbers) {
  v1::EvaluationReport report = SampleReport();
  report.mutable_findings(0)->set_excerpt("first();\nsecond();\n");
  EXPECT_THAT(RenderHtml(report),
              HasSubstr("<span class=\"no\">44</span>first();\n<span class=\"no\">45</span>second();\n"));
}

TEST(HtmlReport, AsksWhatAnInterviewerCanAskAboutALine) {
  EXPECT_THAT(RenderHtml(SampleReport()), HasSubstr("What happens to a two-second upload?"));
}

TEST(HtmlReport, SurvivesLoadRunsThatAreNotWhatTheySeem) {
  for (const char* json :
       {"", "[]", "{", "{\"phases\": 3}", "{\"phases\":[1,[],{\"timeline\":{}}]}",
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

TEST(Sarif, HoldsFindingsOfRepositoriesOnlyAndTheVersionThatFoundThem) {
  v1::EvaluationReport report = SampleReport();
  const auto add = [&report](const char* id, v1::Submission::Kind kind) {
    v1::Submission* submission = report.add_submissions();
    submission->set_id(id);
    submission->set_kind(kind);
    v1::Finding* finding = report.add_findings();
    finding->set_check(absl::StrCat("of ", id));
    finding->set_submission(id);
  };
  add("repository", v1::Submission::REPOSITORY);
  add("card", v1::Submission::SCORECARD);
  const std::string text = RenderSarif(report);
  EXPECT_THAT(text, AllOf(HasSubstr("of repository"), Not(HasSubstr("of card"))));
  const auto driver = nlohmann::json::parse(text)["runs"][0]["tool"]["driver"];
  EXPECT_EQ(driver["semanticVersion"], ASSAY_VERSION);
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
  line->set_kind(v1::Evidence::SPAN);
  line->set_file("src/server.js");
  line->set_line(31);
  auto* quote = response.add_evidence();
  quote->set_digest("sha256:quote");
  quote->set_kind(v1::Evidence::RATING);
  quote->set_quote("Asked for the arrival rate");
  quote->set_rater("r-7");
  EXPECT_THAT(
      RenderExplanation(response, Plain()),
      AllOf(HasSubstr("src/server.js:31"), HasSubstr("r-7: \"Asked for the arrival rate\""), HasSubstr("sha256:line")));
}

TEST(Explanation, DrawsTheHistogramOfALoadStep) {
  v1::ExplainReadinessResponse response;
  auto* area = response.mutable_readiness()->add_areas();
  auto* behaviour = area->add_competencies()->add_behaviours();
  behaviour->set_id("6.1.3");
  auto* observation = response.add_observations();
  observation->set_criterion("run.latency_under_load");
  observation->set_state(v1::Observation::OBSERVED);
  observation->add_behaviours("6.1.3");
  observation->add_evidence("sha256:run");
  auto* evidence = response.add_evidence();
  evidence->set_digest("sha256:run");
  evidence->set_kind(v1::Evidence::LOAD_RUN);
  (*response.mutable_load_runs())["sha256:run"] =
      R"({"phases":[{"name":"0.5C","recorded":true,"rate_asked":154,"total":{"sent":1848,"outcomes":{"ok":1848},"response":
      {"count":3,"p50_ms":1.75,"p90_ms":6,"p99_ms":18.4,"max_ms":1240,"buckets":[11000,1,2000,2]}}}]})";
  TerminalStyle wide = Plain();
  wide.width = 120;
  EXPECT_THAT(RenderExplanation(response, wide),
              AllOf(HasSubstr("0.5 of capacity: 154/s, 1848 sent; p50 1.8 ms, p90 6.0 ms, p99 18.4 ms, max 1.2 s"),
                    HasSubstr(" 0.91 ms *"), HasSubstr("% 3.6 ms")));
}

TEST(Explanation, ShowsAPersonsRatingOnceForItsCompetency) {
  v1::ExplainReadinessResponse response;
  auto* competency = response.mutable_readiness()->add_areas()->add_competencies();
  competency->set_id("3.1");
  for (const char* id : {"3.1.1", "3.1.2"}) competency->add_behaviours()->set_id(id);
  auto* observation = response.add_observations();
  observation->set_criterion("rating/3.1");
  observation->set_state(v1::Observation::OBSERVED);
  observation->add_behaviours("3.1.1");
  observation->add_behaviours("3.1.2");
  const std::string text = RenderExplanation(response, Plain());
  EXPECT_NE(text.find("rating/3.1"), std::string::npos);
  EXPECT_EQ(text.find("rating/3.1"), text.rfind("rating/3.1"));
}

TEST(LoadRun, ReadsNothingFromWhatIsNone) {
  for (const char* json :
       {"", "[]", "{", "{\"phases\": 3}", "{\"phases\":[1,[],{\"timeline\":{}}]}", "{\"capacity\":[3]}",
        "{\"phases\":[{\"total\":{\"response\":{\"buckets\":[18446744073709551615,1,5,5]}}}]}"}) {
    for (const LoadPhase& phase : ParseLoadRun(json).phases) EXPECT_TRUE(phase.response.buckets.empty()) << json;
  }
}

TEST(Wording, NoAccusingWordReachesAReader) {
  v1::ExplainReadinessResponse response;
  *response.add_claims() = SampleReport().claims(1);
  for (const std::string& text :
       {RenderReport(SampleReport(), {}, Plain()), RenderHtml(SampleReport()), RenderExplanation(response, Plain())}) {
    EXPECT_EQ(assay::testing::AccusingWordIn(text), "");
  }
}

v1::Framework SmallFramework() {
  v1::Framework framework;
  auto* area = framework.add_areas();
  area->set_id("3");
  area->set_name("Scalability");
  for (const char* id : {"3.1", "3.2"}) {
    auto* competency = area->add_competencies();
    competency->set_id(id);
    competency->set_name(absl::StrCat("Competency ", id));
    competency->set_weight(2);
    auto* behaviour = competency->add_behaviours();
    behaviour->set_id(absl::StrCat(id, ".1"));
    behaviour->set_text("Sheds load");
    behaviour->set_observability(v1::Behaviour::STRONG);
    behaviour->set_ask("What is refused first?");
  }
  auto* mapping = framework.add_criteria();
  mapping->set_criterion("load.shedding");
  mapping->set_method(v1::Observation::CODE);
  mapping->set_strength(0.7);
  mapping->add_behaviours("3.1.1");
  auto* profile = framework.add_profiles();
  profile->set_id("promotion");
  profile->set_minimum_coverage(0.5);
  (*profile->mutable_competency_weights())["3.1"] = 2;
  (*profile->mutable_competency_weights())["3.2"] = 1;
  auto* gate = profile->add_gates();
  gate->set_id("scalability");
  gate->set_rule("Seen by two interviewers.");
  gate->add_members("3.1");
  auto* answer = framework.add_faq();
  answer->set_id("4");
  answer->set_question("What of scaling?");
  answer->set_guidance("Ask for numbers.");
  answer->add_covered_by("3.1");
  return framework;
}

TEST(FrameworkText, ShowsWeightsCriteriaProfilesGatesAndAnswers) {
  EXPECT_THAT(RenderFramework(SmallFramework(), "", Plain()),
              AllOf(HasSubstr("3.1 Competency 3.1  weight 2 in its area"), HasSubstr("a machine can see it"),
                    HasSubstr("seen by load.shedding (code, strength 0.7)"), HasSubstr("ask: What is refused first?"),
                    HasSubstr("promotion: evidence on 50 % of the behaviours"),
                    HasSubstr("gate scalability (3.1 at 0): Seen by two interviewers."),
                    HasSubstr("weights: 3.1: 2; all others 1"), HasSubstr("4 What of scaling?"),
                    HasSubstr("Ask for numbers."), HasSubstr("see 3.1")));
}

TEST(FrameworkText, ShowsOnlyWhatWasAskedFor) {
  EXPECT_THAT(RenderFramework(SmallFramework(), "3.1", Plain()),
              AllOf(HasSubstr("3.1.1"), Not(HasSubstr("3.2")), Not(HasSubstr("Profiles"))));
  EXPECT_THAT(RenderFramework(SmallFramework(), "3.2.1", Plain()), AllOf(HasSubstr("3.2.1"), Not(HasSubstr("3.1"))));
  for (const char* id : {"9", "3.9", "3.1.9", "3.1.1.1"}) {
    EXPECT_EQ(RenderFramework(SmallFramework(), id, Plain()), "") << id;
  }
}

}  // namespace
}  // namespace assay::cli
