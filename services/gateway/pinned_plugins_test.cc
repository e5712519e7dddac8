// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/pinned_plugins.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace assay::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class PinnedPluginsTest : public ::testing::Test {
 protected:
  void Offer(const std::string& instance, const std::string& evaluator, const std::string& digest) {
    evaluators_[instance].announcement.set_instance(instance);
    (*evaluators_[instance].announcement.mutable_evaluator()->mutable_plugins())[evaluator] = digest;
  }

  std::map<std::string, std::string> Pinned() {
    return PinnedPlugins(evaluators_, [this](const membership::Heard& heard) {
      return absent_.count(heard.announcement.instance()) == 0;
    });
  }

  std::map<std::string, membership::Heard> evaluators_;
  std::set<std::string> absent_;
};

TEST_F(PinnedPluginsTest, NobodyOffersNothing) { EXPECT_THAT(Pinned(), IsEmpty()); }

TEST_F(PinnedPluginsTest, WhatMostOfferIsPinned) {
  Offer("a", "rubric", "1");
  Offer("b", "rubric", "2");
  Offer("c", "rubric", "2");
  EXPECT_THAT(Pinned(), ElementsAre(Pair("rubric", "2")));
}

TEST_F(PinnedPluginsTest, OfAsManyTheSmallerDigestIsPinned) {
  Offer("a", "rubric", "2");
  Offer("b", "rubric", "1");
  EXPECT_THAT(Pinned(), ElementsAre(Pair("rubric", "1")));
}

TEST_F(PinnedPluginsTest, PresentEvaluatorsWinAndAbsentOnesFillIn) {
  Offer("a", "rubric", "1");
  Offer("a", "load_test", "7");
  Offer("b", "rubric", "1");
  Offer("c", "rubric", "2");
  absent_ = {"a", "b"};
  EXPECT_THAT(Pinned(), ElementsAre(Pair("load_test", "7"), Pair("rubric", "2")));
}

}  // namespace
}  // namespace assay::gateway
