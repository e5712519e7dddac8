// SPDX-License-Identifier: Apache-2.0
#include "services/common/base/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "assay/v1/document.pb.h"
#include "assay/v1/framework.pb.h"
#include "services/common/base/testing/status_matchers.h"

namespace assay {
namespace {

using ::assay::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using v1::Framework;
using v1::Portfolio;
using v1::Scorecard;
using v1::TaskDocument;

constexpr char kScorecard[] = R"(kind: scorecard
candidate: c-1
framework: senior-express-engineer@1
rater: {id: r-7, role: interviewer}     # who
session: {stage: system-design, held_at: 2026-10-01T14:00:00Z}
ratings:
  - {competency: "3.1", rating: 3, evidence: "Explained admission control: 2 queues, \"bounded\""}
  - competency: 3.2
    rating: 2.5
    evidence: >
      folded
      text
)";

template <typename T>
absl::Status Parse(absl::string_view text, T& out, const std::string& file = "doc.yaml") {
  return ParseDocument(text, file, &out);
}

TEST(Document, ReadsAScorecardAsPeopleWriteIt) {
  Scorecard card;
  LineIndex lines;
  DocumentOptions options;
  options.lines = &lines;
  ASSAY_ASSERT_OK(ParseDocument(kScorecard, "card.yaml", &card, options));
  EXPECT_EQ(card.rater().role(), "interviewer");
  EXPECT_EQ(card.session().held_at().seconds(), 1790863200);
  ASSERT_EQ(card.ratings_size(), 2);
  EXPECT_EQ(card.ratings(0).evidence(), "Explained admission control: 2 queues, \"bounded\"");
  EXPECT_EQ(card.ratings(1).competency(), "3.2");
  EXPECT_EQ(card.ratings(1).rating(), 2.5);
  EXPECT_EQ(card.ratings(1).evidence(), "folded text\n");
  EXPECT_EQ(lines.LineOf("ratings[1].rating"), 9u);
  EXPECT_EQ(lines.LineOf("ratings[0].evidence"), 7u);
  EXPECT_EQ(lines.LineOf("ratings[0].unsupported"), 7u);
  EXPECT_EQ(lines.LineOf("behaviours"), 0u);
}

TEST(Document, ReadsTheSameFromJson) {
  Scorecard card;
  ASSAY_ASSERT_OK(
      Parse("{\"kind\": \"scorecard\",\n\t\"rater\": {\"id\": \"r\\u00e9\\ud83d\\ude00\\/\"},\n"
            "\"ratings\": [{\"competency\": \"3.1\", \"rating\": 3e0, \"unsupported\": true}]}",
            card, "card.json"));
  EXPECT_EQ(card.rater().id(), "r\xC3\xA9\xF0\x9F\x98\x80/");
  EXPECT_EQ(card.ratings(0).rating(), 3.0);
  EXPECT_TRUE(card.ratings(0).unsupported());
}

TEST(Document, NamesEveryErrorByFieldAndLine) {
  Scorecard card;
  std::vector<DocumentError> errors;
  DocumentOptions options;
  options.errors = &errors;
  const absl::Status status =
      ParseDocument("kind: scorecard\nratngs: []\nrater: {id: a, colour: red}\nratings:\n  - {rating: high}\n",
                    "card.yaml", &card, options);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("card.yaml:2: ratngs: unknown key; allowed: kind, candidate"),
                                     HasSubstr("card.yaml:3: rater.colour: unknown key; allowed: id, role"),
                                     HasSubstr("card.yaml:5: ratings[0].rating: found \"high\", a number"))));
  ASSERT_THAT(errors, SizeIs(3));
  EXPECT_EQ(errors[2].field, "ratings[0].rating");
  EXPECT_EQ(errors[2].line, 5u);
}

struct BadCase {
  const char* name;
  const char* text;
  const char* message;
};
class BadDocument : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadDocument, IsRefused) {
  TaskDocument task;
  EXPECT_THAT(Parse(GetParam().text, task),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadDocument,
    ::testing::Values(
        BadCase{"Empty", "", "doc.yaml: is empty"}, BadCase{"OnlyAComment", "# nothing\n", "is empty"},
        BadCase{"List", "- a\n", "doc.yaml:1: found a list"}, BadCase{"Text", "hello", "found \"hello\""},
        BadCase{"TwoDocuments", "id: a\n---\nid: b\n", "more than one document"},
        BadCase{"KeyTwice", "id: a\nid: b\n", "doc.yaml:2: id: the key is given twice"},
        BadCase{"NestedKeyTwice", "load: {mix: {a: 1, a: 2}}", "a: the key is given twice"},
        BadCase{"NoValue", "id:\n", "id: has no value"}, BadCase{"Null", "id: null\n", "id: has no value"},
        BadCase{"ScalarForList", "behaviours: 1.1.1\n", "a list is expected"},
        BadCase{"MapForText", "id: {a: b}\n", "text is expected"}, BadCase{"ListForText", "id: [a]\n", "found a list"},
        BadCase{"NegativeForUnsigned", "time_budget_minutes: -1\n", "from 0 to 4294967295"},
        BadCase{"TooLargeNumber", "time_budget_minutes: 4294967296\n", "from 0 to 4294967295"},
        BadCase{"FractionForWhole", "time_budget_minutes: 1.5\n", "whole number"},
        BadCase{"QuotedNumber", "load: {peak_rate: \"5\"}\n", "a number is expected"},
        BadCase{"NotANumber", "load: {peak_rate: .nan}\n", "a number is expected"},
        BadCase{"Infinite", "load: {peak_rate: 1e999}\n", "a number is expected"},
        BadCase{"BadMapValue", "load:\n  mix:\n    get: much\n", "doc.yaml:3: load.mix.get: found \"much\""},
        BadCase{"ComplexKey", "{[a, b]: c}\n", "a key must be plain text"},
        BadCase{"Tag", "id: !!python/object:os.system x\n", "tag"},
        BadCase{"AliasOfItself", "routes: &a [*a]\n", "alias"}, BadCase{"UnknownAlias", "id: *nobody\n", "doc.yaml:1"},
        BadCase{"ControlByte", "id: a\ncandidate: \x04 b\n", "doc.yaml:2: holds a byte that is not text"},
        BadCase{"NotUtf8", "id: \xff\n", "doc.yaml:1: holds a byte that is not text"},
        BadCase{"BrokenSyntax", "id: [a, b\n", "doc.yaml:"},
        BadCase{"TabIndent", "load:\n\tpeak_rate: 1\n", "doc.yaml:2"}),
    [](const auto& info) { return info.param.name; });

class BadJson : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadJson, IsRefused) {
  TaskDocument task;
  EXPECT_THAT(Parse(GetParam().text, task, "doc.json"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadJson,
    ::testing::Values(BadCase{"Yaml", "id: a", "doc.json:1: expected a value in JSON"},
                      BadCase{"TrailingComma", "{\"id\": \"a\",}", "expected a string"},
                      BadCase{"Comment", "{} // no", "after the end"},
                      BadCase{"Unclosed", "{\"id\": \"a\"", "expected ',' or '}'"},
                      BadCase{"KeyTwice", "{\"id\": \"a\",\n\"id\": \"b\"}", "doc.json:2: id: the key is given twice"},
                      BadCase{"NumberForText", "{\"id\": 5}", "text is expected"},
                      BadCase{"LoneSurrogate", "{\"id\": \"\\ud800\"}", "unknown escape"},
                      BadCase{"BareWord", "{\"id\": yes}", "expected a value"},
                      BadCase{"LineEndInString", "{\"id\": \"a\nb\"}", "a line ends inside a string"}),
    [](const auto& info) { return info.param.name; });

TEST(Document, RefusesMoreThanItsBounds) {
  TaskDocument task;
  EXPECT_THAT(Parse(std::string(kMaxDocumentBytes + 1, 'a'), task), StatusIs(absl::StatusCode::kResourceExhausted));
  const std::string deep = absl::StrCat("id: ", std::string(100, '['), std::string(100, ']'));
  EXPECT_THAT(Parse(deep, task), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nested deeper than 64")));
  EXPECT_FALSE(Parse(std::string(500000, '['), task).ok());
  EXPECT_THAT(Parse(std::string(500000, '['), task, "a.json"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nested deeper than 64 levels")));
  std::string many = "behaviours: [";
  for (size_t i = 0; i < kMaxDocumentNodes + 10; ++i) many += "1,";
  EXPECT_FALSE(Parse(absl::StrCat(many, "1]"), task).ok());
}

TEST(Document, EndsAnAliasBomb) {
  std::string bomb = "routes:\n  - &a0 {statuses: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}\n";
  for (int i = 0; i < 20000; ++i) bomb += "  - *a0\n";
  TaskDocument task;
  EXPECT_THAT(Parse(bomb, task), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("more than 100000 values")));
}

TEST(Document, UsesAnAliasWhereItFits) {
  TaskDocument task;
  ASSAY_ASSERT_OK(Parse("routes:\n  - &r {method: GET, path: /a, statuses: [200]}\n  - *r\n", task));
  ASSERT_EQ(task.routes_size(), 2);
  EXPECT_EQ(task.routes(1).path(), "/a");
}

TEST(Document, ListsAtMostTwentyErrors) {
  std::string text;
  for (int i = 0; i < 100; ++i) absl::StrAppend(&text, "unknown", i, ": 1\n");
  TaskDocument task;
  std::vector<DocumentError> errors;
  DocumentOptions options;
  options.errors = &errors;
  EXPECT_FALSE(ParseDocument(text, "doc.yaml", &task, options).ok());
  EXPECT_THAT(errors, SizeIs(kMaxDocumentErrors));
}

TEST(Document, TakesEnumsByNameOnly) {
  Framework framework;
  const auto document = [](absl::string_view value) {
    return absl::StrCat("areas: [{competencies: [{behaviours: [{observability: ", value, "}]}]}]");
  };
  ASSAY_ASSERT_OK(Parse(document("STRONG"), framework));
  EXPECT_EQ(framework.areas(0).competencies(0).behaviours(0).observability(), v1::Behaviour::STRONG);
  for (const char* bad : {"1", "strong", "OBSERVABILITY_UNSPECIFIED"}) {
    EXPECT_THAT(Parse(document(bad), framework),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("one of STRONG, PARTIAL, ARTEFACT, HUMAN_ONLY")))
        << bad;
  }
}

TEST(Document, TakesTimesWithAZoneOnly) {
  Scorecard card;
  ASSAY_ASSERT_OK(Parse("session: {held_at: \"2026-10-01T16:00:00.5+02:00\"}", card));
  EXPECT_EQ(card.session().held_at().seconds(), 1790863200);
  EXPECT_EQ(card.session().held_at().nanos(), 500000000);
  for (const char* bad : {"2026-10-01", "2026-10-01T14:00:00", "yesterday", "12026-10-01T14:00:00Z", "[1]"}) {
    EXPECT_THAT(Parse(absl::StrCat("session: {held_at: ", bad, "}"), card),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2026-10-01T14:00:00Z is expected")))
        << bad;
  }
}

TEST(Document, HidesFieldsThatProgramsFill) {
  Scorecard card;
  DocumentOptions options;
  options.hidden_fields = {"source"};
  EXPECT_THAT(ParseDocument("kind: scorecard\nsource: {file: x}\n", "c.yaml", &card, options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("c.yaml:2: source: unknown key")));
}

TEST(Document, KeepsPlainTextAsItIsWritten) {
  Portfolio portfolio;
  ASSAY_ASSERT_OK(
      Parse("items:\n  - {title: 3.10, summary: \"null\", type: yes, period: {from: 2025-02-01}}\n", portfolio));
  EXPECT_EQ(portfolio.items(0).title(), "3.10");
  EXPECT_EQ(portfolio.items(0).summary(), "null");
  EXPECT_EQ(portfolio.items(0).type(), "yes");
  EXPECT_EQ(portfolio.items(0).period().from(), "2025-02-01");
}

TEST(Document, TakesQuotedSixtyFourBitNumbersAsOurJsonWritesThem) {
  v1::DecisionDocument decision;
  ASSAY_ASSERT_OK(Parse("{\"readiness_version\": \"18446744073709551615\"}", decision, "d.json"));
  EXPECT_EQ(decision.readiness_version(), 18446744073709551615u);
}

TEST(DocumentKind, SaysWhatADocumentIs) {
  EXPECT_THAT(DocumentKind(kScorecard, "c.yaml"), testing::IsOkAndHolds("scorecard"));
  EXPECT_THAT(DocumentKind("{\"kind\": \"task\"}", "c.json"), testing::IsOkAndHolds("task"));
  EXPECT_THAT(DocumentKind("a: b", "c.yaml"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("kind")));
  EXPECT_THAT(DocumentKind("\xff", "c.yaml"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace assay
