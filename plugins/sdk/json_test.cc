// SPDX-License-Identifier: Apache-2.0
#include "assay/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::sdk {
namespace {

using testing::HasSubstr;

std::string ErrorOf(std::string_view text) {
  std::string error;
  EXPECT_FALSE(Json::Parse(text, &error).has_value()) << text;
  return error;
}

TEST(Json, ReadsNestedValues) {
  const auto json = Json::Parse(R"( {"a": [1, -2.5e1, true, null, "x\n\u00e9\ud83d\ude00"], "n": "42"} )");
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["a"].size(), 5u);
  EXPECT_EQ((*json)["a"][1].number(), -25);
  EXPECT_TRUE((*json)["a"][2].boolean());
  EXPECT_TRUE((*json)["a"][3].is_null());
  EXPECT_EQ((*json)["a"][4].text(), "x\n\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ((*json)["n"].number(), 42);
}

TEST(Json, GivesEmptyValuesForWhatIsNotThere) {
  const auto json = Json::Parse("{}");
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["no"]["such"][7]["thing"].text(), "");
  EXPECT_EQ((*json)["no"].number(3), 3);
}

TEST(Json, RefusesWhatIsNoJsonAndSaysWhere) {
  EXPECT_THAT(ErrorOf("{\"a\": 1} x"), HasSubstr("byte 9"));
  EXPECT_THAT(ErrorOf("[1, 2"), HasSubstr("',' or ']'"));
  EXPECT_THAT(ErrorOf("01"), HasSubstr("follows"));
  EXPECT_THAT(ErrorOf("\"\\q\""), HasSubstr("escape"));
  EXPECT_THAT(ErrorOf("\"\\u12"), HasSubstr("four hex"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("too early"));
  EXPECT_THAT(ErrorOf("nul"), HasSubstr("not a JSON value"));
}

TEST(Json, BoundsDepth) { EXPECT_THAT(ErrorOf(std::string(100'000, '[')), HasSubstr("64 levels")); }

TEST(Json, QuotingAndReadingAgree) {
  const std::string text = "a\"b\\c\n\t\x01 \xC3\xA9";
  const auto json = Json::Parse(QuoteJson(text));
  ASSERT_TRUE(json);
  EXPECT_EQ(json->text(), text);
}

}  // namespace
}  // namespace assay::sdk
