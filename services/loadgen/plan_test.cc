// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/loadgen/schedule.h"

namespace assay::loadgen {
namespace {

using ::assay::testing::StatusIs;
using ::testing::HasSubstr;

constexpr char kPlan[] = R"({"target": {"port": 3000},
  "classes": [{"name": "a", "path": "/x", "headers": {"Accept": "text/html"}, "expect": [200, "400-499"]},
              {"name": "b", "method": "POST", "body": "{}", "upload_seconds": 1, "timeout_seconds": 3},
              {"name": "c", "raw": "GET\r\n\r\n"}],
  "phases": [{"name": "find", "search": {"to": 900}, "mix": [{"class": "a"}]},
             {"name": "load", "seconds": 2, "rate": {"of_capacity": 0.8}, "mix": [{"class": "a", "weight": 3}, {"class": "b"}]}],
  "actions": [{"phase": "load", "at": 1, "signal": "TERM", "to": "process"}]})";

TEST(Plan, RendersClassesAsTheyGoOverTheWire) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const Plan plan, ParsePlan(kPlan));
  EXPECT_EQ(plan.classes[0].head, "GET /x HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nAccept: text/html\r\n");
  EXPECT_EQ(plan.classes[1].head, "POST / HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nContent-Length: 2\r\n");
  EXPECT_EQ(plan.classes[1].body, "{}");
  EXPECT_EQ(plan.classes[2].head, "");
  EXPECT_EQ(plan.classes[2].body, "GET\r\n\r\n");
}

TEST(Plan, KnowsWhatAClassExpects) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const Plan plan, ParsePlan(kPlan));
  EXPECT_TRUE(plan.classes[0].Expects(200));
  EXPECT_TRUE(plan.classes[0].Expects(404));
  EXPECT_FALSE(plan.classes[0].Expects(201));
  EXPECT_TRUE(plan.classes[1].Expects(404));
  EXPECT_FALSE(plan.classes[1].Expects(500));
}

TEST(Plan, FillsALargeBodyWithoutCarryingIt) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const Plan plan, ParsePlan(R"({"target": {"port": 1},
    "classes": [{"name": "a", "method": "POST", "body_fill": {"prefix": "[", "text": "1,", "times": 1000000, "suffix": "1]"}}],
    "phases": [{"name": "p", "seconds": 1, "rate": 1, "mix": [{"class": "a"}]}]})"));
  EXPECT_EQ(plan.classes[0].body.size(), 2'000'003u);
  EXPECT_THAT(plan.classes[0].head, HasSubstr("Content-Length: 2000003\r\n"));
}

struct Refused {
  const char* name;
  const char* from;
  const char* to;
  const char* says;
};
class PlanRefuses : public ::testing::TestWithParam<Refused> {};

TEST_P(PlanRefuses, NamingTheField) {
  const std::string text = absl::StrReplaceAll(kPlan, {{GetParam().from, GetParam().to}});
  ASSERT_NE(text, kPlan) << "the case changes nothing";
  EXPECT_THAT(ParsePlan(text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().says)));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, PlanRefuses,
    ::testing::Values(Refused{"NotJson", "{\"target\"", "\"target\"", "the plan: is not JSON"},
                      Refused{"NoPort", "\"port\": 3000", "", "target.port: is missing"},
                      Refused{"PortOutOfRange", "3000", "70000",
                              "target.port: must be a whole number from 1 to 65535, found 70000"},
                      Refused{"UnknownMember", "\"seconds\": 2", "\"secs\": 2", "phases[1].seconds: is missing"},
                      Refused{"ExtraMember", "\"seconds\": 2", "\"seconds\": 2, \"colour\": 1",
                              "phases[1].colour: is not known here; allowed: arrivals,"},
                      Refused{"RateAsText", "{\"of_capacity\": 0.8}", "\"fast\"",
                              "phases[1].rate: must be a number from 0.1 to 200000, found \"fast\""},
                      Refused{"RateTooMuch", "\"seconds\": 2, \"rate\": {\"of_capacity\": 0.8}",
                              "\"seconds\": 100, \"rate\": 200000", "more than 2000000 requests"},
                      Refused{"CapacityBeforeSearch", "\"search\": {\"to\": 900}", "\"seconds\": 1, \"rate\": 5",
                              "phases[1].rate.of_capacity: needs an earlier phase"},
                      Refused{"UnknownClass", "\"class\": \"b\"", "\"class\": \"z\"",
                              "phases[1].mix[1].class: no class is named \"z\""},
                      Refused{"NoMix", "\"mix\": [{\"class\": \"a\"}]", "\"mix\": []",
                              "phases[0].mix: must hold 1 to 256 items, found 0"},
                      Refused{"SameName", "\"name\": \"load\"", "\"name\": \"find\"", "phases[1].name: is used twice"},
                      Refused{"HeaderInjection", "text/html", "x\\r\\nY: z",
                              "classes[0].headers.Accept: must be a text without control"},
                      Refused{"OurHeader", "Accept", "Content-Length", "headers.content-length: is set by the engine"},
                      Refused{"PathWithSpace", "/x", "/x y", "classes[0].path"},
                      Refused{"TimeoutBeforeUpload", "\"timeout_seconds\": 3", "\"timeout_seconds\": 0.5",
                              "classes[1].timeout_seconds: must be longer"},
                      Refused{"BadExpect", "\"400-499\"", "\"4xx\"", "classes[0].expect: takes statuses"},
                      Refused{"UnknownSignal", "TERM", "SEGV", "actions[0].signal: must be TERM"},
                      Refused{"ActionAfterItsPhase", "\"at\": 1", "\"at\": 3",
                              "actions[0].at: must be a number from 0 to 2, found 3"},
                      Refused{"ActionOfNoPhase", "\"phase\": \"load\"", "\"phase\": \"x\"",
                              "actions[0].phase: no phase is named \"x\""},
                      Refused{"TooDeep", "\"mix\": [{\"class\": \"a\"}]",
                              "\"mix\": [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]", "nested deeper"}),
    [](const auto& info) { return info.param.name; });

TEST(Plan, RefusesOneThatIsTooLarge) {
  EXPECT_THAT(ParsePlan(std::string(kMaxPlanBytes + 1, ' ')), StatusIs(absl::StatusCode::kInvalidArgument));
}

Phase Mixed(std::vector<std::pair<uint32_t, uint32_t>> mix, Phase::Arrivals arrivals = Phase::Arrivals::kUniform) {
  Phase phase;
  phase.mix = std::move(mix);
  phase.arrivals = arrivals;
  return phase;
}

TEST(Schedule, SpacesUniformArrivalsExactly) {
  const std::vector<Arrival> arrivals = BuildSchedule(Mixed({{0, 1}}), 250, absl::Seconds(2));
  ASSERT_EQ(arrivals.size(), 500u);
  EXPECT_EQ(arrivals[0].at_ns, 0);
  EXPECT_EQ(arrivals[499].at_ns, 1'996'000'000);
}

TEST(Schedule, GivesTheSamePoissonArrivalsForTheSameSeed) {
  const Phase phase = Mixed({{0, 1}}, Phase::Arrivals::kPoisson);
  const std::vector<Arrival> one = BuildSchedule(phase, 1000, absl::Seconds(10));
  const std::vector<Arrival> two = BuildSchedule(phase, 1000, absl::Seconds(10));
  ASSERT_EQ(one.size(), two.size());
  EXPECT_TRUE(std::equal(one.begin(), one.end(), two.begin(), [](auto a, auto b) { return a.at_ns == b.at_ns; }));
  // Four standard deviations around the mean, fixed by the seed.
  EXPECT_NEAR(static_cast<double>(one.size()), 10'000, 400);
}

TEST(Schedule, KeepsWeightsWithinEveryStretch) {
  const std::vector<Arrival> arrivals = BuildSchedule(Mixed({{0, 3}, {1, 1}}), 400, absl::Seconds(1));
  for (size_t from = 0; from < arrivals.size(); from += 4) {
    EXPECT_EQ(std::count_if(&arrivals[from], &arrivals[from] + 4, [](const Arrival& a) { return a.request_class == 1; }), 1);
  }
}

}  // namespace
}  // namespace assay::loadgen
