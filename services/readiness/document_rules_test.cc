// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/document_rules.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/base/document.h"
#include "services/common/base/testing/status_matchers.h"

namespace assay::readiness {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const CompiledFramework& Framework() { return *Catalog::BuiltIn().frameworks()[0]; }

std::vector<Violation> Check(const v1::Scorecard& d) { return CheckScorecard(d, Framework()); }
std::vector<Violation> Check(const v1::Portfolio& d) { return CheckPortfolio(d, Framework()); }
std::vector<Violation> Check(const v1::Outcome& d) { return CheckOutcome(d, Framework()); }
std::vector<Violation> Check(const v1::DecisionDocument& d) { return CheckDecision(d, Framework()); }
std::vector<Violation> Check(const v1::TaskDocument& d) { return CheckTask(d, Framework()); }

template <typename Document>
Document Read(const std::string& yaml) {
  Document document;
  const absl::Status status = ParseDocument(yaml, "document.yaml", &document);
  EXPECT_TRUE(status.ok()) << status;
  return document;
}

template <typename Document>
std::vector<std::string> Fields(const std::string& yaml) {
  std::vector<std::string> fields;
  for (const Violation& violation : Check(Read<Document>(yaml))) fields.push_back(violation.field);
  return fields;
}

constexpr char kScorecard[] = R"(kind: scorecard
candidate: c-1
framework: senior-express-engineer@1
rater: {id: r-7, role: interviewer}
session: {stage: system-design, held_at: 2026-10-01T14:00:00Z}
ratings:
  - {competency: "3.1", rating: 3.5, evidence: "Explained admission control with numbers."}
behaviours:
  - {id: "2.2.1", observed: present, evidence: "Named roles and a cadence."}
)";
constexpr char kPortfolio[] = R"(kind: portfolio
candidate: c-1
items:
  - type: migration
    title: Node 16 to 20
    period: {from: 2025-02-01, to: 2025-05-30}
    measures: [{name: p99_latency, unit: ms, before: 480, after: 210, window_days: 28}]
    attachments: [docs/migration.md]
    confirmed_by: r-9
    summary: Fourteen services, one a week.
    speaks_for: ["8.1.2"]
)";
constexpr char kOutcome[] = R"(kind: outcome
candidate: c-1
period: {from: 2026-01-01, to: 2026-06-30}
measures: [{name: incidents, unit: count, before: 9, after: 3}]
manager_rating: {rater: {id: m-1, role: manager}, rating: 3, evidence: Halved the incidents of two services.}
)";
constexpr char kDecision[] = R"(kind: decision
candidate: c-1
readiness_version: 7
decided_by: Ada Example
outcome: hire
reasons: [Met every gate in two interviews.]
decided_at: 2026-11-01T10:00:00Z
)";
constexpr char kTask[] = R"(kind: task
id: orders-service
base_digest: sha256:0000000000000000000000000000000000000000000000000000000000000001
behaviours: ["1.2.2", "3.2.4"]
routes: [{method: GET, path: /orders, statuses: [200]}]
services: [postgres]
load: {peak_rate: 200, mix: {"GET /orders": 1}}
time_budget_minutes: 240
)";

TEST(DocumentRules, AcceptEveryKindOfDocumentThatIsWellFormed) {
  EXPECT_THAT(Fields<v1::Scorecard>(kScorecard), IsEmpty());
  EXPECT_THAT(Fields<v1::Portfolio>(kPortfolio), IsEmpty());
  EXPECT_THAT(Fields<v1::Outcome>(kOutcome), IsEmpty());
  EXPECT_THAT(Fields<v1::DecisionDocument>(kDecision), IsEmpty());
  EXPECT_THAT(Fields<v1::TaskDocument>(kTask), IsEmpty());
}

struct Case {
  const char* name;
  const char* from;
  const char* to;
  const char* field;
};

std::string Replace(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string NameOf(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }

class ScorecardRules : public ::testing::TestWithParam<Case> {};
TEST_P(ScorecardRules, NameTheField) {
  EXPECT_THAT(Fields<v1::Scorecard>(Replace(kScorecard, GetParam().from, GetParam().to)),
              ElementsAre(GetParam().field));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ScorecardRules,
    ::testing::Values(
        Case{"WrongKind", "kind: scorecard", "kind: portfolio", "kind"},
        Case{"OtherFramework", "engineer@1", "engineer@2", "framework"},
        Case{"CandidateWithControlCharacter", "candidate: c-1", "candidate: \"c\\t1\"", "candidate"},
        Case{"NoRater", "id: r-7, ", "", "rater.id"}, Case{"UnknownRole", "interviewer", "friend", "rater.role"},
        Case{"SessionAndPeriod", "ratings:", "period: {from: 2026-01-01, to: 2026-02-01}\nratings:", "session"},
        Case{"NeitherSessionNorPeriod", "session: {stage: system-design, held_at: 2026-10-01T14:00:00Z}\n", "",
             "session"},
        Case{"NoStage", "stage: system-design, ", "", "session.stage"},
        Case{"NoTime", ", held_at: 2026-10-01T14:00:00Z", "", "session.held_at"},
        Case{"UnknownCompetency", "\"3.1\"", "\"9.1\"", "ratings[0].competency"},
        Case{"BehaviourInPlaceOfCompetency", "\"3.1\"", "\"3.1.1\"", "ratings[0].competency"},
        Case{"RatingAboveFour", "3.5", "4.5", "ratings[0].rating"},
        Case{"RatingBelowZero", "3.5", "-0.5", "ratings[0].rating"},
        Case{"RatingInThirds", "3.5", "3.3", "ratings[0].rating"},
        Case{"NoEvidence", ", evidence: \"Explained admission control with numbers.\"", "", "ratings[0].evidence"},
        Case{"BlankEvidence", "\"Explained admission control with numbers.\"", "\"  \"", "ratings[0].evidence"},
        Case{"CompetencyTwice", "behaviours:", "  - {competency: \"3.1\", rating: 1, evidence: again}\nbehaviours:",
             "ratings[1].competency"},
        Case{"UnknownBehaviour", "\"2.2.1\"", "\"2.2.7\"", "behaviours[0].id"},
        Case{"UnknownMark", "present", "perhaps", "behaviours[0].observed"},
        Case{"MarkWithoutEvidence", ", evidence: \"Named roles and a cadence.\"", "", "behaviours[0].evidence"}),
    NameOf);

class PortfolioRules : public ::testing::TestWithParam<Case> {};
TEST_P(PortfolioRules, NameTheField) {
  EXPECT_THAT(Fields<v1::Portfolio>(Replace(kPortfolio, GetParam().from, GetParam().to)),
              ElementsAre(GetParam().field));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, PortfolioRules,
    ::testing::Values(
        Case{"UnknownType", "type: migration", "type: hobby", "items[0].type"},
        Case{"NoTitle", "    title: Node 16 to 20\n", "", "items[0].title"},
        Case{"DayThatIsNone", "2025-02-01", "2025-02-30", "items[0].period.from"},
        Case{"DayInAnotherShape", "2025-02-01", "01.02.2025", "items[0].period.from"},
        Case{"EndsBeforeItStarts", "2025-05-30", "2025-01-30", "items[0].period.to"},
        Case{"MeasureWithoutUnit", "unit: ms, ", "", "items[0].measures[0].unit"},
        Case{"MeasureWithoutName", "name: p99_latency, ", "", "items[0].measures[0].name"},
        Case{"WindowOfAges", "window_days: 28", "window_days: 9999", "items[0].measures[0].window_days"},
        Case{"UnknownBehaviour", "\"8.1.2\"", "\"8.1.9\"", "items[0].speaks_for[0]"},
        Case{"BehaviourTwice", "[\"8.1.2\"]", "[\"8.1.2\", \"8.1.2\"]", "items[0].speaks_for[1]"},
        Case{"RoleOutsideExperience", "    confirmed_by: r-9", "    role: Engineer", "items[0].role"},
        Case{"ExperienceWithoutRole", "type: migration", "type: experience", "items[0].role"},
        Case{"NoItems",
             "items:\n  - type: migration\n    title: Node 16 to 20\n    period: {from: 2025-02-01, to: "
             "2025-05-30}\n    measures: [{name: p99_latency, unit: ms, before: 480, after: 210, window_days: "
             "28}]\n    attachments: [docs/migration.md]\n    confirmed_by: r-9\n    summary: Fourteen "
             "services, one a week.\n    speaks_for: [\"8.1.2\"]\n",
             "", "items"}),
    NameOf);

class OtherRules : public ::testing::TestWithParam<Case> {};
TEST_P(OtherRules, NameTheField) {
  const Case& c = GetParam();
  for (const char* yaml : {kOutcome, kDecision, kTask}) {
    if (std::string(yaml).find(c.from) == std::string::npos) continue;
    const std::string text = Replace(yaml, c.from, c.to);
    const auto fields = yaml == kOutcome    ? Fields<v1::Outcome>(text)
                        : yaml == kDecision ? Fields<v1::DecisionDocument>(text)
                                            : Fields<v1::TaskDocument>(text);
    EXPECT_THAT(fields, ElementsAre(c.field));
    return;
  }
  FAIL() << "no document holds " << c.from;
}
INSTANTIATE_TEST_SUITE_P(
    Cases, OtherRules,
    ::testing::Values(Case{"OutcomeByAPeer", "role: manager", "role: peer", "manager_rating.rater.role"},
                      Case{"OutcomeWithoutPeriodEnd", ", to: 2026-06-30", "", "period.to"},
                      Case{"OutcomeRatingOutOfRange", "rating: 3,", "rating: 5,", "manager_rating.rating"},
                      Case{"DecisionByNobody", "decided_by: Ada Example\n", "", "decided_by"},
                      Case{"DecisionWithoutReason", "reasons: [Met every gate in two interviews.]\n", "", "reasons"},
                      Case{"DecisionOnNothing", "readiness_version: 7\n", "", "readiness_version"},
                      Case{"DecisionWithoutTime", "decided_at: 2026-11-01T10:00:00Z\n", "", "decided_at"},
                      Case{"TaskWithoutId", "id: orders-service\n", "", "id"},
                      Case{"TaskWithOddDigest", "sha256:00", "md5:00", "base_digest"},
                      Case{"TaskWithUnknownBehaviour", "\"3.2.4\"", "\"3.2.44\"", "behaviours[1]"},
                      Case{"TaskWithBehaviourTwice", "\"3.2.4\"", "\"1.2.2\"", "behaviours[1]"},
                      Case{"TaskWithOddMethod", "method: GET", "method: FETCH", "routes[0].method"},
                      Case{"TaskWithRelativePath", "path: /orders", "path: orders", "routes[0].path"},
                      Case{"TaskWithOddStatus", "[200]", "[20]", "routes[0].statuses[0]"},
                      Case{"TaskWithUnknownService", "[postgres]", "[oracle]", "services[0]"},
                      Case{"TaskWithoutRate", "peak_rate: 200", "peak_rate: 0", "load.peak_rate"}),
    NameOf);

TEST(DocumentRules, ListAllViolationsAtOnce) {
  v1::Scorecard scorecard;
  const std::vector<Violation> violations = CheckScorecard(scorecard, Framework());
  std::vector<std::string> fields;
  for (const Violation& violation : violations) fields.push_back(violation.field);
  EXPECT_THAT(fields, ElementsAre("kind", "rater.id", "rater.role", "session", "ratings"));
  for (const Violation& violation : violations) {
    EXPECT_FALSE(violation.found.empty()) << violation.field;
    EXPECT_FALSE(violation.allowed.empty()) << violation.field;
  }
}

TEST(DocumentRules, StayBoundedWhateverTheSize) {
  v1::Scorecard scorecard = Read<v1::Scorecard>(kScorecard);
  for (int i = 0; i < 100000; ++i) scorecard.add_ratings()->set_rating(9);
  EXPECT_THAT(CheckScorecard(scorecard, Framework()), SizeIs(kMaxViolations));
  v1::Portfolio portfolio = Read<v1::Portfolio>(kPortfolio);
  portfolio.mutable_items(0)->set_title(std::string(1 << 20, 'x'));
  for (const Violation& violation : CheckPortfolio(portfolio, Framework())) EXPECT_LT(violation.found.size(), 200u);
}

TEST(DocumentRules, AcceptAnUnsupportedRatingWithoutEvidence) {
  EXPECT_THAT(Fields<v1::Scorecard>(
                  Replace(kScorecard, "evidence: \"Explained admission control with numbers.\"", "unsupported: true")),
              IsEmpty());
}

TEST(DocumentRules, PrefixTheFieldsOfASubmission) {
  v1::NewSubmission submission;
  submission.mutable_scorecard()->CopyFrom(Read<v1::Scorecard>(Replace(kScorecard, "3.5", "9")));
  const std::vector<Violation> violations = CheckDocument(submission, Framework());
  ASSERT_THAT(violations, SizeIs(1));
  EXPECT_EQ(violations[0].field, "scorecard.ratings[0].rating");
  submission.mutable_repository();
  EXPECT_THAT(CheckDocument(submission, Framework()), IsEmpty());
}

TEST(DocumentRules, NameFileAndLine) {
  v1::SourceMap source;
  source.set_file("card.yaml");
  const auto add = [&](const char* field, uint32_t line) {
    source.add_entries()->set_field(field);
    source.mutable_entries(source.entries_size() - 1)->set_line(line);
  };
  add("ratings", 6);
  add("ratings[0]", 7);
  add("ratings[0].rating", 8);
  EXPECT_EQ(LineOf(source, "ratings[0].rating"), 8u);
  EXPECT_EQ(LineOf(source, "ratings[0].evidence"), 7u);
  EXPECT_EQ(LineOf(source, "ratings[5].evidence"), 6u);
  EXPECT_EQ(LineOf(source, "rater.id"), 0u);
  EXPECT_THAT(ToStatus({{"ratings[0].rating", "9", "0 to 4, halves allowed"}}, source),
              assay::testing::StatusIs(absl::StatusCode::kInvalidArgument,
                                       "card.yaml:8: ratings[0].rating: found 9; allowed: 0 to 4, halves allowed"));
  ASSAY_EXPECT_OK(ToStatus({}, source));
}

}  // namespace
}  // namespace assay::readiness
