// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "assay/v1/document.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "plugins/rubric/days.h"
#include "plugins/rubric/json_lines.h"
#include "plugins/rubric/words.h"
#include "plugins/sdk/testing/fake_host.h"
#include "services/common/base/document.h"
#include "services/common/base/file.h"
#include "services/common/base/testing/wording.h"
#include "services/readiness/framework.h"

namespace rubric {
namespace {

using assay::sdk::FakeHost;
using assay::sdk::RecordedFinding;
using assay::sdk::RecordedObservation;
using assay::sdk::RunResult;
using assay::testing::AccusingWordIn;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string Json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string json;
  EXPECT_TRUE(google::protobuf::util::MessageToJsonString(message, &json, options).ok());
  return json;
}

const std::string& FrameworkJson() {
  static const auto* const json = new std::string(Json(assay::readiness::Catalog::BuiltIn().frameworks()[0]->proto()));
  return *json;
}

std::string Manifest() {
  const auto text = assay::ReadFile("plugins/rubric/rubric.json", 1 << 20);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.ok() ? *text : "";
}

// What the platform makes of a document a person wrote: the message with the lines it came from, as JSON.
template <typename Message>
std::string Submission(const std::string& yaml) {
  Message message;
  assay::LineIndex lines;
  assay::DocumentOptions options;
  options.lines = &lines;
  const absl::Status status = assay::ParseDocument(yaml, "card.yaml", &message, options);
  EXPECT_TRUE(status.ok()) << status;
  message.mutable_source()->set_file("card.yaml");
  for (const auto& [field, line] : lines.entries()) {
    auto* entry = message.mutable_source()->add_entries();
    entry->set_field(field);
    entry->set_line(line);
  }
  return Json(message);
}

struct Outcome {
  RunResult result;
  std::vector<std::string> quotes;  // text of the evidence of each observation
};

// Whatever a test is about, nothing that is said to a reader may accuse.
Outcome RunOn(const std::string& submission_json, const std::string& framework_json = FrameworkJson()) {
  FakeHost host(&assay_negotiate);
  host.UseManifest(Manifest());
  host.AddDocument("submission.json", submission_json);
  host.AddDocument("framework.json", framework_json);
  Outcome outcome{host.Run("rubric"), {}};
  EXPECT_THAT(host.violations(), IsEmpty());
  for (const RecordedObservation& observation : outcome.result.observations) {
    EXPECT_EQ(AccusingWordIn(observation.rationale), "") << observation.rationale;
    outcome.quotes.push_back(observation.evidence.empty() ? "" : host.evidence(observation.evidence[0])->content);
  }
  for (const RecordedFinding& finding : outcome.result.findings) {
    const std::string text =
        finding.message + "\n" + finding.help + "\n" + finding.question + "\n" + finding.good_answer;
    EXPECT_EQ(AccusingWordIn(text), "") << text;
  }
  return outcome;
}

std::string Card(const std::string& lines, const std::string& role = "interviewer") {
  return "kind: scorecard\ncandidate: c-1\nrater: {id: r-7, role: " + role +
         "}\nsession: {stage: design, held_at: 2026-10-01T14:00:00Z}\n" + lines;
}
std::string Rating(const std::string& competency, const std::string& rating, const std::string& evidence) {
  return "  - {competency: \"" + competency + "\", rating: " + rating + ", evidence: \"" + evidence + "\"}\n";
}
std::string Items(const std::string& lines) { return "kind: portfolio\ncandidate: c-1\nitems:\n" + lines; }

RunResult JudgeCard(const std::string& lines, const std::string& role = "interviewer") {
  return RunOn(Submission<assay::v1::Scorecard>(Card(lines, role))).result;
}
RunResult JudgeItems(const std::string& lines) { return RunOn(Submission<assay::v1::Portfolio>(Items(lines))).result; }

constexpr char kGood[] = "Put a limit of 800 requests a second in front of checkout and named 503 as the answer.";
constexpr char kOther[] = "Explained readiness failing first on shutdown, unsure about warm-up of new instances.";

// ---- scorecards ----

TEST(Scorecard, BecomesRatingsWithTheirQuotes) {
  const Outcome outcome = RunOn(Submission<assay::v1::Scorecard>(Card(
      "ratings:\n" + Rating("3.1", "3", kGood) + Rating("3.2", "2.5", kOther) +
      "behaviours:\n  - {id: \"2.2.1\", observed: present, evidence: \"Named who did what in the May outage.\"}\n")));
  ASSERT_EQ(outcome.result.status, ASSAY_OK) << outcome.result.message;
  ASSERT_THAT(outcome.result.observations, SizeIs(3));
  const RecordedObservation& rating = outcome.result.observations[0];
  EXPECT_EQ(rating.criterion, "rating/3.1");
  EXPECT_EQ(rating.state, ASSAY_STATE_OBSERVED);
  EXPECT_EQ(rating.method, ASSAY_METHOD_HUMAN);
  EXPECT_EQ(rating.value, 0.75);
  EXPECT_EQ(rating.standard_error, 0.125);  // (4 · 0.125)² is the framework's rating variance of 0.25
  EXPECT_FALSE(rating.unscored);
  EXPECT_THAT(rating.rationale, HasSubstr("An interviewer rated 3.1 Load shedding and backpressure at 3 of 4"));
  EXPECT_THAT(rating.rationale, HasSubstr(kGood));
  // Whoever reads the result must not learn the rater's name from it.
  EXPECT_THAT(rating.rationale, Not(HasSubstr("r-7")));
  EXPECT_THAT(outcome.quotes[0], HasSubstr(kGood));
  EXPECT_THAT(outcome.quotes[0], Not(HasSubstr(kOther)));
  EXPECT_THAT(outcome.quotes[1], HasSubstr(kOther));
  EXPECT_EQ(outcome.result.observations[2].criterion, "behaviour/2.2.1");
  EXPECT_EQ(outcome.result.observations[2].value, 0.85);
  EXPECT_THAT(outcome.result.findings, IsEmpty());
}

TEST(Scorecard, ValuesMarksAsTheFrameworkSays) {
  const RunResult result = JudgeCard(
      "behaviours:\n"
      "  - {id: \"2.2.1\", observed: absent, evidence: \"Could not say who would lead a response.\"}\n"
      "  - {id: \"2.2.2\", observed: contradicted, evidence: \"Forwarded every question to the engineer at work.\"}\n");
  EXPECT_EQ(result.Observation("behaviour/2.2.1")->value, 0.25);
  EXPECT_EQ(result.Observation("behaviour/2.2.2")->value, 0.05);
  EXPECT_THAT(result.findings, IsEmpty());
}

struct TextCase {
  const char* name;
  const char* check;
  std::string evidence;
};

class ThinEvidence : public ::testing::TestWithParam<TextCase> {};
TEST_P(ThinEvidence, IsNamedWithItsLineAndWidensTheRating) {
  const RunResult result =
      JudgeCard("ratings:\n" + Rating("3.3", "2", kOther) + Rating("3.1", "3", GetParam().evidence));
  ASSERT_THAT(result.Findings(GetParam().check), SizeIs(1));
  const RecordedFinding& finding = *result.Findings(GetParam().check)[0];
  EXPECT_EQ(finding.path, "card.yaml");
  EXPECT_EQ(finding.line, 7u);
  EXPECT_THAT(finding.message, HasSubstr("ratings[1].evidence"));
  EXPECT_EQ(finding.criterion, "rating/3.1");
  EXPECT_FALSE(finding.help.empty());
  EXPECT_GT(result.Observation("rating/3.1")->standard_error, result.Observation("rating/3.3")->standard_error);
  EXPECT_EQ(result.Observation("rating/3.1")->value, 0.75);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ThinEvidence,
    ::testing::Values(TextCase{"OneWord", "R1", "good"}, TextCase{"TheSameWordAgain", "R1", "very very very very good"},
                      TextCase{"CopyOfAnotherRating", "R2", kOther},
                      TextCase{"CopyInOtherCase", "R2",
                               "explained READINESS failing first on shutdown unsure about warm-up of new instances"},
                      TextCase{"TheAnchorItself", "R3",
                               "Sets body limits, timeouts and a rate limiter on public routes; heavy work moved off "
                               "the loop; can read a p99 chart."},
                      TextCase{"MostOfTheAnchor", "R3",
                               "sets body limits, timeouts and a rate limiter on public routes"}),
    [](const auto& info) { return info.param.name; });

class SoundEvidence : public ::testing::TestWithParam<TextCase> {};
TEST_P(SoundEvidence, IsNotNamed) {
  const RunResult result =
      JudgeCard("ratings:\n" + Rating("3.3", "2", kOther) + Rating("3.1", "3", GetParam().evidence));
  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_EQ(result.Observation("rating/3.1")->standard_error, 0.125);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, SoundEvidence,
    ::testing::Values(TextCase{"Short", "R1", "Named 503 with Retry-After"},
                      TextCase{"InAnotherScript", "R1", "Назвал предел очереди и код 503"},
                      TextCase{"SimilarToAnotherRating", "R2",
                               "Explained readiness failing first on shutdown, and knew the warm-up of new instances."},
                      TextCase{"DifferentOccasion", "R2", "Explained readiness failing first, then drew the drain."},
                      TextCase{"UsesWordsOfTheAnchor", "R3",
                               "Sets body limits of 100 kB because a 20 MB upload once stalled orders for 40 seconds"},
                      TextCase{"SpeaksOfTheSubject", "R3", "Bounded the pool at 40 and refused the rest with 429"}),
    [](const auto& info) { return info.param.name; });

TEST(Scorecard, ShowsAnUnsupportedRatingWithoutWeight) {
  const RunResult result = JudgeCard(
      "ratings:\n  - {competency: \"3.1\", rating: 4, unsupported: true}\n"
      "  - {competency: \"3.2\", rating: 0, unsupported: true}\n");
  EXPECT_TRUE(result.Observation("rating/3.1")->unscored);
  EXPECT_TRUE(result.Observation("rating/3.2")->unscored);
  EXPECT_THAT(result.Findings("R6"), SizeIs(2));
  EXPECT_THAT(JudgeCard("ratings:\n" + Rating("3.1", "4", kGood)).Findings("R6"), IsEmpty());
}

TEST(Scorecard, ShowsSelfRatingsWithoutWeight) {
  const std::string lines =
      "ratings:\n" + Rating("3.1", "4", kGood) +
      "behaviours:\n  - {id: \"2.2.1\", observed: present, evidence: \"Led the call in the May outage.\"}\n";
  const RunResult self = JudgeCard(lines, "self");
  EXPECT_TRUE(self.Observation("rating/3.1")->unscored);
  EXPECT_TRUE(self.Observation("behaviour/2.2.1")->unscored);
  EXPECT_THAT(self.Findings("R7"), SizeIs(1));
  for (const char* role : {"interviewer", "manager", "peer"}) {
    const RunResult other = JudgeCard(lines, role);
    EXPECT_FALSE(other.Observation("rating/3.1")->unscored) << role;
    EXPECT_THAT(other.Findings("R7"), IsEmpty()) << role;
  }
}

std::string FiveRatings(const std::vector<std::string>& levels) {
  std::string lines = "ratings:\n";
  for (size_t i = 0; i < levels.size(); ++i) {
    lines += Rating(std::to_string(i + 1) + ".1", levels[i], kGood + std::string(" In part ") + std::to_string(i));
  }
  return lines;
}

TEST(Scorecard, NotesThatAllRatingsAreEqual) {
  EXPECT_THAT(JudgeCard(FiveRatings({"3", "3", "3", "3", "3"})).Findings("R5"), SizeIs(1));
  EXPECT_THAT(JudgeCard(FiveRatings({"0", "0", "0", "0", "0", "0"})).Findings("R5"), SizeIs(1));
  EXPECT_THAT(JudgeCard(FiveRatings({"3", "3", "3", "3", "2.5"})).Findings("R5"), IsEmpty());
  EXPECT_THAT(JudgeCard(FiveRatings({"3", "3", "3", "3"})).Findings("R5"), IsEmpty());
}

TEST(Scorecard, NotesAMarkThatStandsAgainstItsOwnRating) {
  const auto with = [](const char* rating, const char* observed) {
    return JudgeCard("ratings:\n" + Rating("2.2", rating, kGood) + "behaviours:\n  - {id: \"2.2.1\", observed: " +
                     observed + ", evidence: \"Nobody knew who was leading the call that night.\"}\n")
        .Findings("R9")
        .size();
  };
  EXPECT_EQ(with("3", "contradicted"), 1u);
  EXPECT_EQ(with("4", "contradicted"), 1u);
  EXPECT_EQ(with("2", "contradicted"), 0u);
  EXPECT_EQ(with("3", "absent"), 0u);
}

TEST(Scorecard, CountsNothingThatTheFrameworkDoesNotName) {
  const RunResult result =
      JudgeCard("ratings:\n" + Rating("9.9", "3", kGood) + Rating("3.1", "3", kOther) +
                "behaviours:\n  - {id: \"9.9.9\", observed: present, evidence: \"Led it for a month.\"}\n"
                "  - {id: \"2.2.1\", observed: maybe, evidence: \"Led it for a year.\"}\n");
  EXPECT_EQ(result.status, ASSAY_OK);
  EXPECT_THAT(result.Findings("R8"), SizeIs(3));
  EXPECT_THAT(result.observations, SizeIs(1));
}

// ---- portfolios ----

constexpr char kMigration[] =
    "  - type: migration\n"
    "    title: Node 16 to 20\n"
    "    period: {from: 2025-02-01, to: 2025-05-30}\n"
    "    measures: [{name: p99_latency, unit: ms, before: 480, after: 210, window_days: 28}]\n"
    "    attachments: [docs/migration.md]\n"
    "    confirmed_by: r-9\n"
    "    summary: Fourteen services behind a flag, one each week, with a rollback that was tried before.\n";

std::string Without(std::string text, const std::string& part) {
  const size_t at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  return at == std::string::npos ? text : text.erase(at, part.size());
}
std::string With(const std::string& text, const std::string& from, const std::string& to) {
  std::string result = text;
  const size_t at = result.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? result : result.replace(at, from.size(), to);
}

TEST(Portfolio, ValuesAnItemByItsSubstance) {
  const Outcome outcome = RunOn(Submission<assay::v1::Portfolio>(Items(kMigration)));
  ASSERT_THAT(outcome.result.observations, SizeIs(1));
  const RecordedObservation& full = outcome.result.observations[0];
  EXPECT_EQ(full.criterion, "portfolio/migration");
  EXPECT_EQ(full.method, ASSAY_METHOD_DOCUMENT);
  EXPECT_NEAR(full.value, 1, 1e-12);
  EXPECT_THAT(outcome.quotes[0], HasSubstr("Fourteen services"));
  EXPECT_THAT(outcome.result.findings, IsEmpty());

  const auto value = [](const std::string& item) { return JudgeItems(item).Observation("portfolio/migration")->value; };
  EXPECT_NEAR(value(Without(kMigration, "    confirmed_by: r-9\n")), 0.85, 1e-12);
  EXPECT_NEAR(value(Without(kMigration, ", window_days: 28")), 0.95, 1e-12);
  EXPECT_NEAR(value(Without(kMigration, "    attachments: [docs/migration.md]\n")), 0.95, 1e-12);
  EXPECT_NEAR(value(With(kMigration, "after: 210", "after: 480")), 0.8, 1e-12);
}

TEST(Portfolio, LowersNothingForAnItemWithoutSubstance) {
  const std::string bare = "  - {type: migration, title: Node 20, confirmed_by: r-9}\n";
  const std::string words = "  - {type: talk, title: A talk, summary: it was nice, confirmed_by: r-9}\n";
  for (const std::string& item : {bare, words}) {
    const RunResult result = JudgeItems(item);
    ASSERT_THAT(result.observations, SizeIs(1));
    EXPECT_EQ(result.observations[0].state, ASSAY_STATE_NOT_OBSERVED_YET);
    EXPECT_THAT(result.Findings("P1"), SizeIs(1));
  }
  EXPECT_THAT(JudgeItems(kMigration).Findings("P1"), IsEmpty());
  EXPECT_THAT(JudgeItems(Without(kMigration,
                                 "    measures: [{name: p99_latency, unit: ms, before: 480, after: 210, "
                                 "window_days: 28}]\n"))
                  .Findings("P1"),
              IsEmpty());
}

struct ItemCase {
  const char* name;
  const char* check;
  std::string item;
  size_t count;
};

class ItemRules : public ::testing::TestWithParam<ItemCase> {};
TEST_P(ItemRules, NameWhatDeservesALook) {
  const RunResult result = JudgeItems(GetParam().item);
  EXPECT_THAT(result.Findings(GetParam().check), SizeIs(GetParam().count));
  for (const RecordedFinding* finding : result.Findings(GetParam().check)) {
    EXPECT_EQ(finding->path, "card.yaml");
    EXPECT_GT(finding->line, 0u);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ItemRules,
    ::testing::Values(
        ItemCase{"FigureWithoutChange", "P2", With(kMigration, "after: 210", "after: 480"), 1},
        ItemCase{"FigureLeftOut", "P2", With(kMigration, "before: 480, after: 210, ", ""), 1},
        ItemCase{"FigureWithChange", "P2", kMigration, 0},
        ItemCase{"FigureToZero", "P2", With(kMigration, "after: 210", "after: 0"), 0},
        ItemCase{"NobodyConfirms", "P3", Without(kMigration, "    confirmed_by: r-9\n"), 1},
        ItemCase{"NobodyConfirmsTwice", "P3",
                 Without(kMigration, "    confirmed_by: r-9\n") + "  - {type: talk, title: T}\n", 2},
        ItemCase{"SomebodyConfirms", "P3", kMigration, 0},
        ItemCase{"SomebodyElseConfirms", "P3", With(kMigration, "r-9", "m-1"), 0},
        ItemCase{"CandidateConfirms", "P4", With(kMigration, "r-9", "c-1"), 1},
        ItemCase{"CandidateConfirmsATalk", "P4", "  - {type: talk, title: T, confirmed_by: c-1}\n", 1},
        ItemCase{"SomeoneLikeTheCandidate", "P4", With(kMigration, "r-9", "c-11"), 0},
        ItemCase{"NoCandidateConfirms", "P4", kMigration, 0},
        ItemCase{"LatencyRose", "P5", With(kMigration, "after: 210", "after: 700"), 1},
        ItemCase{"AvailabilityFell", "P5",
                 With(kMigration, "name: p99_latency, unit: ms, before: 480, after: 210",
                      "name: availability, unit: percent, before: 99.9, after: 99.1"),
                 1},
        ItemCase{"AvailabilityRose", "P5",
                 With(kMigration, "name: p99_latency, unit: ms, before: 480, after: 210",
                      "name: availability, unit: percent, before: 99.1, after: 99.9"),
                 0},
        ItemCase{"UnknownFigureRose", "P5", With(kMigration, "p99_latency", "pages"), 0},
        ItemCase{"OtherThatSpeaksForNothing", "P6", With(kMigration, "type: migration", "type: other"), 1},
        ItemCase{"OtherInFewWords", "P6", "  - {type: other, title: T}\n", 1},
        ItemCase{"OtherThatSpeaks", "P6",
                 With(kMigration, "type: migration", "type: other\n    speaks_for: [\"5.2.1\"]"), 0},
        ItemCase{"AnyTypeElse", "P6", kMigration, 0},
        ItemCase{"SameSummaryTwice", "P7", std::string(kMigration) + With(kMigration, "Node 16 to 20", "Another"), 1},
        ItemCase{"SameSummaryThrice", "P7",
                 std::string(kMigration) + With(kMigration, "Node 16 to 20", "Another") +
                     With(kMigration, "Node 16 to 20", "Third"),
                 2},
        ItemCase{"OwnSummaries", "P7",
                 std::string(kMigration) + With(kMigration, "Fourteen services", "Nine workers and their queues"), 0},
        ItemCase{"OneSummary", "P7", kMigration, 0},
        ItemCase{"UnknownBehaviour", "P9", std::string(kMigration) + "    speaks_for: [\"8.1.9\"]\n", 1},
        ItemCase{"TwoUnknownBehaviours", "P9",
                 std::string(kMigration) + "    speaks_for: [\"8.1.9\", \"x\", \"8.1.2\"]\n", 2},
        ItemCase{"KnownBehaviour", "P9", std::string(kMigration) + "    speaks_for: [\"8.1.2\"]\n", 0},
        ItemCase{"ExperienceWithoutPeriod", "P10", "  - {type: experience, title: T, role: Engineer}\n", 1},
        ItemCase{"ExperienceRunningBackwards", "P10",
                 "  - {type: experience, title: T, period: {from: 2022-01-01, to: 2021-01-01}}\n", 1},
        ItemCase{"ExperienceOfADay", "P10",
                 "  - {type: experience, title: T, period: {from: 2022-01-01, to: 2022-01-01}}\n", 0},
        ItemCase{"NoExperience", "P10", kMigration, 0}),
    [](const auto& info) { return info.param.name; });

TEST(Portfolio, SpeaksForTheBehavioursAnItemNames) {
  const RunResult result = JudgeItems(std::string(kMigration) + "    speaks_for: [\"8.1.2\", \"7.2.6\"]\n");
  ASSERT_THAT(result.observations, SizeIs(2));
  EXPECT_EQ(result.observations[0].criterion, "portfolio/migration/8.1.2");
  EXPECT_EQ(result.observations[1].criterion, "portfolio/migration/7.2.6");
  const auto& framework = *assay::readiness::Catalog::BuiltIn().frameworks()[0];
  EXPECT_THAT(framework.BehavioursOf(result.observations[1].criterion), ElementsAre("7.2.6"));
}

TEST(Portfolio, AddsUpExperienceAndGivesItNoWeight) {
  const RunResult result = JudgeItems(
      "  - {type: experience, title: A, role: Engineer, stack: \"Java\", period: {from: 2016-01-01, to: 2018-12-31}}\n"
      "  - {type: experience, title: B, role: Engineer, stack: \"Node.js, Express\", period: {from: 2018-07-01, to: "
      "2021-12-31}}\n");
  ASSERT_THAT(result.observations, SizeIs(1));
  const RecordedObservation& experience = result.observations[0];
  EXPECT_TRUE(experience.unscored);
  EXPECT_EQ(experience.value, 1);
  EXPECT_THAT(experience.rationale,
              HasSubstr("6.0 years of experience, 3.5 of them naming Node.js or Express: within"));
  EXPECT_THAT(experience.evidence, SizeIs(2));
  const RunResult junior = JudgeItems(
      "  - {type: experience, title: A, role: Engineer, stack: \"Node\", period: {from: 2024-01-01, to: "
      "2024-12-31}}\n");
  EXPECT_THAT(junior.observations[0].rationale, HasSubstr("below"));
}

TEST(Portfolio, KeepsTheBoundOfAResult) {
  std::string items;
  for (int i = 0; i < 60; ++i) {
    items +=
        With(With(kMigration, "Node 16 to 20", "Item " + std::to_string(i)), "Fourteen", "Number " + std::to_string(i));
    items +=
        "    speaks_for: [\"8.1.1\", \"8.1.2\", \"8.1.3\", \"8.1.4\", \"8.1.5\", \"8.1.6\", \"8.2.1\", \"8.2.2\", "
        "\"8.2.3\"]\n";
  }
  const RunResult result = JudgeItems(items);
  EXPECT_EQ(result.status, ASSAY_OK) << result.message;
  EXPECT_THAT(result.observations, SizeIs(512));
  ASSERT_THAT(result.Findings("R0"), SizeIs(1));
  EXPECT_THAT(result.Findings("R0")[0]->message, HasSubstr("28"));
}

// ---- outcomes and decisions ----

TEST(Records, AreNeverScored) {
  const RunResult outcome = RunOn(Submission<assay::v1::Outcome>(
                                      "kind: outcome\nperiod: {from: 2026-01-01, to: 2026-06-30}\n"
                                      "manager_rating: {rater: {id: m, role: manager}, rating: 3, evidence: Halved the "
                                      "incidents of two services.}\n"))
                                .result;
  EXPECT_EQ(outcome.status, ASSAY_OK);
  EXPECT_THAT(outcome.observations, IsEmpty());
  EXPECT_THAT(outcome.findings, IsEmpty());
  const RunResult decision =
      RunOn(Submission<assay::v1::DecisionDocument>(
                "kind: decision\ndecided_by: Ada\noutcome: hire\nreasons: [Met every gate in two "
                "interviews.]\n"))
          .result;
  EXPECT_EQ(decision.status, ASSAY_OK);
  EXPECT_THAT(decision.observations, IsEmpty());
  EXPECT_THAT(decision.findings, IsEmpty());
}

TEST(Records, AskForEvidenceAndReasonsOneCanReadLater) {
  const auto outcome = [](const std::string& evidence) {
    return RunOn(Submission<assay::v1::Outcome>("kind: outcome\nmanager_rating: {rating: 3, evidence: \"" + evidence +
                                                "\"}\n"))
        .result.Findings("O1")
        .size();
  };
  EXPECT_EQ(outcome("fine"), 1u);
  EXPECT_EQ(outcome("all good"), 1u);
  EXPECT_EQ(outcome("Halved the incidents of two services."), 0u);
  EXPECT_EQ(outcome("Took over on-call after a month"), 0u);
  const auto decision = [](const std::string& reasons) {
    return RunOn(Submission<assay::v1::DecisionDocument>("kind: decision\nreasons: " + reasons + "\n"))
        .result.Findings("D1")
        .size();
  };
  EXPECT_EQ(decision("[yes]"), 1u);
  EXPECT_EQ(decision("[ok, gut feeling]"), 2u);
  EXPECT_EQ(decision("[Met every gate in two interviews.]"), 0u);
  EXPECT_EQ(decision("[Capacity planning was not seen by anyone yet.]"), 0u);
}

// ---- what a host may do to it ----

TEST(Rubric, SaysWhoseFaultAnUnreadableInputIs) {
  EXPECT_EQ(RunOn("no json").result.status, ASSAY_E_SUBMISSION);
  EXPECT_EQ(RunOn("[]").result.status, ASSAY_E_SUBMISSION);
  const RunResult other = RunOn("{\"kind\": \"task\"}").result;
  EXPECT_EQ(other.status, ASSAY_E_SUBMISSION);
  EXPECT_THAT(other.message, HasSubstr("allowed: scorecard, portfolio, outcome, decision"));
  EXPECT_EQ(RunOn("{\"kind\": \"scorecard\"}", "{").result.status, ASSAY_E_PLUGIN);
  EXPECT_EQ(RunOn("{\"kind\": \"scorecard\"}", "{}").result.status, ASSAY_E_PLUGIN);
  FakeHost bare(&assay_negotiate);
  EXPECT_EQ(bare.Run("rubric").status, ASSAY_E_PLUGIN);
}

TEST(Rubric, GivesTheSameResultAgainAndStopsWhenAsked) {
  FakeHost host(&assay_negotiate);
  host.UseManifest(Manifest());
  host.AddDocument("submission.json", Submission<assay::v1::Portfolio>(Items(kMigration)));
  host.AddDocument("framework.json", FrameworkJson());
  const RunResult first = host.Run("rubric");
  const RunResult second = host.Run("rubric");
  ASSERT_THAT(second.observations, SizeIs(1));
  EXPECT_EQ(first.observations[0].rationale, second.observations[0].rationale);
  EXPECT_EQ(first.observations[0].value, second.observations[0].value);
  host.CancelAfter(1);
  EXPECT_EQ(host.Run("rubric").status, ASSAY_E_STOPPED);
}

TEST(Rubric, ReadsNamesInBothSpellingsOfProtojson) {
  const std::string json = R"({"kind": "portfolio", "items": [{"type": "migration", "title": "T", "confirmedBy": "r-1",
    "speaksFor": ["8.1.2"], "measures": [{"name": "cost", "unit": "EUR", "before": 9, "after": 4, "windowDays": 30}]}]})";
  const RunResult result = RunOn(json).result;
  ASSERT_THAT(result.observations, SizeIs(1));
  EXPECT_EQ(result.observations[0].criterion, "portfolio/migration/8.1.2");
  EXPECT_NEAR(result.observations[0].value, 0.85, 1e-12);
}

// ---- parts ----

TEST(ElementLines, FindsWhereEachElementStands) {
  const auto lines = ElementLines(
      "{\n\"a\": \"[{\\\"\",\n\"ratings\": [\n{\n\"x\": [{}]\n},\n{\"y\": \"}\"}],\n\"source\": {\"ratings\": [{}]}}");
  ASSERT_EQ(lines.count("ratings"), 1u);
  ASSERT_THAT(lines.at("ratings"), SizeIs(2));
  EXPECT_EQ(lines.at("ratings")[0].first, 4u);
  EXPECT_EQ(lines.at("ratings")[0].last, 6u);
  EXPECT_EQ(lines.at("ratings")[1].first, 7u);
  EXPECT_EQ(lines.size(), 1u);
}

TEST(Days, CountCalendarDays) {
  EXPECT_EQ(DayOf("1970-01-01"), 0);
  EXPECT_EQ(DayOf("2000-03-01"), 11017);
  EXPECT_EQ(DayOf("2026-10-01"), 20727);
  for (const char* none :
       {"2025-02-29", "2024-13-01", "2024-00-10", "1969-12-31", "2024-1-1", "2024/01/01", "", "2024-01-0x"}) {
    EXPECT_FALSE(DayOf(none).has_value()) << none;
  }
  EXPECT_EQ(DaysCovered({{10, 20}, {15, 25}, {40, 40}, {30, 29}}), 17);
  EXPECT_EQ(DaysCovered({}), 0);
}

TEST(Words, AreCutWhereACharacterBegins) {
  EXPECT_EQ(Cut("abc", 3), "abc");
  EXPECT_EQ(Cut("aé", 2), "a…");
  EXPECT_EQ(Normalised("Hello,  World!"), "hello world");
  EXPECT_EQ(Overlap("", "x"), 0);
}

}  // namespace
}  // namespace rubric
