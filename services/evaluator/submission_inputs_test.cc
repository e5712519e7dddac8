// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/submission_inputs.h"

#include "gtest/gtest.h"

namespace assay::evaluator {
namespace {

TEST(OneElementPerLine, PutsEachRatingOnALineOfItsOwn) {
  EXPECT_EQ(
      OneElementPerLine(R"({"kind":"scorecard","ratings":[{"a":[1,2],"b":"x"},{"a":[],"b":"y"}],"rater":{"id":"r"}})"),
      "{\n\"kind\":\"scorecard\",\n\"ratings\":[\n{\"a\":[1,2],\"b\":\"x\"},\n{\"a\":[],\"b\":\"y\"}],\n"
      "\"rater\":{\n\"id\":\"r\"}}");
}

TEST(OneElementPerLine, LeavesTextAlone) {
  EXPECT_EQ(OneElementPerLine(R"({"a":"[{,\"\\"})"), "{\n\"a\":\"[{,\\\"\\\\\"}");
  EXPECT_EQ(OneElementPerLine("\"\\"), "\"\\");
  EXPECT_EQ(OneElementPerLine("]]]"), "]]]");
}

}  // namespace
}  // namespace assay::evaluator
