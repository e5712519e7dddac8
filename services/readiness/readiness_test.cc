// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/readiness.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "gtest/gtest.h"
#include "services/common/base/testing/wording.h"
#include "services/readiness/normal.h"
#include "services/readiness/testing/inputs.h"

namespace assay::readiness {
namespace {

using ::testing::AllOf;
using testing::Claimed;
using testing::Code;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Human;
using ::testing::IsEmpty;
using testing::Item;
using ::testing::Not;
using testing::Present;
using testing::Rating;
using testing::Repository;
using testing::Scorecard;
using ::testing::SizeIs;
using testing::Submission;
using testing::Unseen;

const CompiledFramework& Framework() { return *Catalog::BuiltIn().frameworks()[0]; }

v1::Readiness FoldOf(std::vector<CountedSubmission> submissions, const std::string& profile = "hiring") {
  FoldInputs inputs;
  inputs.submissions = std::move(submissions);
  return Fold(Framework(), *Framework().FindProfile(profile), inputs);
}

CountedSubmission OneRepository(std::vector<event::v1::FoldObservation> observations,
                                std::vector<event::v1::FoldClaim> claims = {}) {
  return Submission("repository", v1::Submission::REPOSITORY, std::move(observations), std::move(claims));
}

const v1::CompetencyReadiness& Competency(const v1::Readiness& readiness, const std::string& id) {
  for (const v1::AreaReadiness& area : readiness.areas()) {
    for (const v1::CompetencyReadiness& competency : area.competencies()) {
      if (competency.id() == id) return competency;
    }
  }
  ADD_FAILURE() << "no competency " << id;
  return v1::CompetencyReadiness::default_instance();
}

const v1::BehaviourReadiness& Behaviour(const v1::Readiness& readiness, const std::string& id) {
  for (const v1::BehaviourReadiness& behaviour : Competency(readiness, id.substr(0, 3)).behaviours()) {
    if (behaviour.id() == id) return behaviour;
  }
  ADD_FAILURE() << "no behaviour " << id;
  return v1::BehaviourReadiness::default_instance();
}

double Width(const v1::Interval& interval) { return interval.high() - interval.low(); }

std::string Bytes(const v1::Readiness& readiness) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    readiness.SerializeToCodedStream(&coded);
  }
  return bytes;
}

std::vector<v1::GateReadiness::State> GateStates(const v1::Readiness& readiness) {
  std::vector<v1::GateReadiness::State> states;
  for (const v1::GateReadiness& gate : readiness.gates()) states.push_back(gate.state());
  return states;
}

std::vector<std::string> ContradictionIds(const v1::Readiness& readiness) {
  std::vector<std::string> ids;
  for (const v1::Contradiction& contradiction : readiness.contradictions()) ids.push_back(contradiction.id());
  return ids;
}

// ---- what different evidence leads to ----

TEST(Fold, SaysOfNothingThatNothingIsKnown) {
  const v1::Readiness readiness = FoldOf({});
  EXPECT_EQ(readiness.status(), v1::Readiness::NOT_ENOUGH_EVIDENCE);
  EXPECT_EQ(readiness.coverage(), 0);
  EXPECT_THAT(readiness.areas(), SizeIs(8));
  const v1::CompetencyReadiness& competency = Competency(readiness, "3.1");
  EXPECT_EQ(competency.score(), 2);
  EXPECT_NEAR(competency.interval().low(), 2 - 1.6448536, 1e-6);
  EXPECT_EQ(competency.gate(), "scalability");
  EXPECT_EQ(Behaviour(readiness, "3.1.1").state(), v1::Observation::NOT_OBSERVED_YET);
  EXPECT_FALSE(Behaviour(readiness, "3.1.1").needs_person());
  EXPECT_TRUE(Behaviour(readiness, "1.3.1").needs_person());
  EXPECT_THAT(GateStates(readiness), Each(v1::GateReadiness::UNDECIDED));
  EXPECT_THAT(readiness.undecided_because(), Contains(HasSubstr("0 % of the behaviours")));
  EXPECT_THAT(readiness.next_evidence(), Not(IsEmpty()));
}

TEST(Fold, DecidesNothingOnARepositoryAlone) {
  for (const double value : {0.0, 0.1, 0.95, 1.0}) {
    for (const char* profile : {"hiring", "promotion", "practice"}) {
      const v1::Readiness readiness = FoldOf({Repository(Framework(), value)}, profile);
      EXPECT_EQ(readiness.status(), v1::Readiness::NOT_ENOUGH_EVIDENCE) << value << " " << profile;
      EXPECT_THAT(GateStates(readiness), Each(v1::GateReadiness::UNDECIDED)) << value << " " << profile;
      // Half of the information is the prior's: no competency can reach the senior level by machines alone.
      for (const v1::AreaReadiness& area : readiness.areas()) {
        for (const auto& competency : area.competencies()) {
          EXPECT_LE(competency.score(), 3) << competency.id();
          EXPECT_LE(competency.machine_information(), 1 + 1e-9) << competency.id();
        }
      }
    }
  }
}

TEST(Fold, SeesADifferenceBetweenAStrongAndAWeakRepository) {
  const v1::Readiness strong = FoldOf({Repository(Framework(), 0.95)});
  const v1::Readiness weak = FoldOf({Repository(Framework(), 0.1)});
  EXPECT_GT(Competency(strong, "3.1").score(), 2.8);
  EXPECT_LT(Competency(weak, "3.1").score(), 1.3);
  // What no machine sees stays where it was.
  EXPECT_EQ(Competency(strong, "5.2").score(), 2);
  EXPECT_EQ(Competency(weak, "5.2").score(), 2);
}

TEST(Fold, NeedsTheSecondInterviewer) {
  const v1::Readiness readiness = FoldOf({Scorecard(Framework(), "a", 4), Repository(Framework(), 0.95)});
  EXPECT_EQ(readiness.status(), v1::Readiness::NOT_ENOUGH_EVIDENCE);
  EXPECT_THAT(readiness.gates(0).needs(), HasSubstr("1 more interviewer"));
}

TEST(Fold, TakesTheSameInterviewerTwiceForOne) {
  CountedSubmission second = Scorecard(Framework(), "a", 4);
  second.id = "later";
  for (event::v1::FoldObservation& o : second.observations) o.set_occasion_key("a/later");
  const v1::Readiness readiness = FoldOf({Scorecard(Framework(), "a", 4), second});
  EXPECT_THAT(GateStates(readiness), Each(v1::GateReadiness::UNDECIDED));
}

TEST(Fold, SaysReadyWhenTwoInterviewersAndTheRepositoryAgree) {
  const v1::Readiness readiness =
      FoldOf({Scorecard(Framework(), "a", 3.5), Scorecard(Framework(), "b", 3.5), Repository(Framework(), 0.95)});
  EXPECT_EQ(readiness.status(), v1::Readiness::READY);
  EXPECT_THAT(GateStates(readiness), Each(v1::GateReadiness::MET));
  EXPECT_GE(readiness.gates_probability(), 0.75);
  EXPECT_THAT(readiness.undecided_because(), IsEmpty());
  EXPECT_THAT(readiness.contradictions(), IsEmpty());
}

TEST(Fold, SaysNotYetWhenTwoInterviewersSawTooLittle) {
  const v1::Readiness readiness = FoldOf({Scorecard(Framework(), "a", 1), Scorecard(Framework(), "b", 1)});
  EXPECT_EQ(readiness.status(), v1::Readiness::NOT_YET);
  EXPECT_THAT(GateStates(readiness), Each(v1::GateReadiness::NOT_MET));
}

TEST(Fold, LetsNoMachineTurnAroundWhatPeopleSaw) {
  const v1::Readiness low_code =
      FoldOf({Scorecard(Framework(), "a", 3.5), Scorecard(Framework(), "b", 3.5), Repository(Framework(), 0.05)});
  EXPECT_THAT(GateStates(low_code), Not(Contains(v1::GateReadiness::NOT_MET)));
  EXPECT_EQ(low_code.status(), v1::Readiness::NOT_ENOUGH_EVIDENCE);
  EXPECT_THAT(low_code.gates(0).needs(), HasSubstr("a talk about 1.2"));
  const v1::Readiness low_people =
      FoldOf({Scorecard(Framework(), "a", 1.5), Scorecard(Framework(), "b", 1.5), Repository(Framework(), 1)});
  EXPECT_THAT(GateStates(low_people), Not(Contains(v1::GateReadiness::MET)));
}

TEST(Fold, NeedsTheManagerForAPromotion) {
  const auto with = [](const std::string& first, const std::string& second) {
    return FoldOf({Scorecard(Framework(), "a", 4, first), Scorecard(Framework(), "b", 4, second)}, "promotion");
  };
  EXPECT_THAT(GateStates(with("manager", "peer")), Each(v1::GateReadiness::MET));
  const v1::Readiness peers = with("peer", "peer");
  EXPECT_THAT(GateStates(peers), Each(v1::GateReadiness::UNDECIDED));
  EXPECT_THAT(peers.gates(0).needs(), HasSubstr("ratings by a manager"));
}

TEST(Fold, CountsOnlyRolesAGateAsksFor) {
  const v1::Readiness readiness =
      FoldOf({Scorecard(Framework(), "a", 4, "manager"), Scorecard(Framework(), "b", 4, "peer")}, "hiring");
  EXPECT_THAT(readiness.gates(0).needs(), HasSubstr("ratings by 2 interviewers"));
}

TEST(Fold, MakesNoStatementOnAThinSliceOfTheFramework) {
  std::vector<CountedSubmission> cards;
  for (const char* rater : {"a", "b"}) {
    CountedSubmission card = Submission(rater, v1::Submission::SCORECARD, {});
    for (const char* id : {"1.2", "3.1", "3.2", "3.3", "6.2", "6.3"}) card.observations.push_back(Rating(id, 4, rater));
    for (const char* id : {"6.2.3", "6.3.6"})
      card.observations.push_back(Human(absl::StrCat("behaviour/", id), 1, rater));
    cards.push_back(card);
  }
  const v1::Readiness readiness = FoldOf(cards);
  EXPECT_THAT(GateStates(readiness), Each(v1::GateReadiness::MET));
  EXPECT_EQ(readiness.status(), v1::Readiness::NOT_ENOUGH_EVIDENCE);
  EXPECT_THAT(readiness.undecided_because(), ElementsAre(HasSubstr("13 % of the behaviours")));
  // And what would help is then more breadth.
  EXPECT_THAT(readiness.next_evidence(readiness.next_evidence_size() - 1).what(),
              HasSubstr("a scorecard with a rating"));
}

// ---- numbers ----

TEST(Fold, AgreesWithAShortCalculationByHand) {
  const v1::Readiness readiness = FoldOf({
      Submission("s1", v1::Submission::SCORECARD, {Rating("3.3", 3, "a"), Rating("3.1", 4, "a")}),
      Submission("s2", v1::Submission::SCORECARD, {Rating("3.3", 2.5, "b")}),
  });
  // Each rating: variance 0.25 of its own, 0.25 of its session. Prior N(2, 1).
  const double mean_33 = (2 + 3 / 0.5 + 2.5 / 0.5) / (1 + 2 / 0.5);
  const double mean_31 = (2 + 4 / 0.5) / (1 + 1 / 0.5);
  EXPECT_NEAR(Competency(readiness, "3.3").score(), mean_33, 1e-9);
  EXPECT_NEAR(Competency(readiness, "3.1").score(), mean_31, 1e-9);
  EXPECT_NEAR(readiness.areas(2).score(), (mean_31 + 2 + mean_33) / 3, 1e-9);
  // The area: variances 1/3, 1 and 1/5, and rater a's session ties two of them: a rating's share of its competency's
  // estimate is (1/0.5) / information, and the session's variance is 0.25.
  const double tie = (2.0 / 3) * (2.0 / 5) * 0.25;
  const double variance = (1.0 / 3 + 1 + 1.0 / 5 + 2 * tie) / 9;
  const double half = 1.6448536269514722 * std::sqrt(variance);
  EXPECT_NEAR(readiness.areas(2).interval().low(), (mean_31 + 2 + mean_33) / 3 - half, 1e-9);
  // Coverage: two of 24 competencies rated, each rating covers half of its behaviours.
  EXPECT_NEAR(readiness.coverage(), 2.0 / 24 / 2, 1e-9);
  // P(3.3 >= 2.5) and so on, then the product.
  const double p = NormalCdf((mean_31 - 2.5) / std::sqrt(1.0 / 3)) * NormalCdf(-0.5) *
                   NormalCdf((mean_33 - 2.5) / std::sqrt(1.0 / 5));
  EXPECT_NEAR(readiness.gates(1).probability(), p, 1e-9);
}

TEST(Fold, EntersCodeWithItsErrorItsMethodAndItsStrength) {
  // secrets.none_in_tree: CODE, strength 0.7, one behaviour. s² = (4·0.1)² + 0.36/0.7; then 0.5 to the competency.
  const v1::Readiness readiness = FoldOf({OneRepository({Code("secrets.none_in_tree", 0.9, 0.1)})});
  const double s2 = 0.16 + 0.36 / 0.7;
  const double information = 1 / (s2 + 0.5);
  EXPECT_NEAR(Competency(readiness, "7.1").score(), (2 + 3.6 * information) / (1 + information), 1e-9);
  EXPECT_NEAR(Competency(readiness, "7.1").machine_information(), information, 1e-9);
}

TEST(Fold, GivesTheSameBytesForEveryOrderOfItsInputs) {
  std::vector<CountedSubmission> submissions = {
      Repository(Framework(), 0.7), Scorecard(Framework(), "a", 3), Scorecard(Framework(), "b", 2.5, "peer"),
      Submission("p", v1::Submission::PORTFOLIO, {Item("migration", 0.8), Item("postmortem", 0.6)})};
  submissions[0].claims = {Claimed("shutdown.drains", v1::Claim::REFUTED),
                           Claimed("limits.body_size", v1::Claim::CONFIRMED),
                           Claimed("health.probes", v1::Claim::INCONCLUSIVE)};
  const std::string expected = Bytes(FoldOf(submissions));
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    std::shuffle(submissions.begin(), submissions.end(), random);
    for (CountedSubmission& submission : submissions) {
      std::shuffle(submission.observations.begin(), submission.observations.end(), random);
      std::shuffle(submission.claims.begin(), submission.claims.end(), random);
    }
    EXPECT_EQ(Bytes(FoldOf(submissions)), expected);
  }
}

TEST(Fold, MovesNothingThatIsUnrelated) {
  const v1::Readiness before = FoldOf({Scorecard(Framework(), "a", 3)});
  CountedSubmission more = Scorecard(Framework(), "a", 3);
  more.observations.push_back(Human("behaviour/5.2.1", 0.05, "a"));
  const v1::Readiness after = FoldOf({more});
  EXPECT_LT(Competency(after, "5.2").score(), Competency(before, "5.2").score());
  for (const char* id : {"1.1", "3.1", "5.1", "8.3"}) {
    EXPECT_EQ(Competency(after, id).score(), Competency(before, id).score()) << id;
  }
}

TEST(Fold, LetsNoHigherValueLowerAScore) {
  std::mt19937 random(5);
  const CountedSubmission base = Repository(Framework(), 0.5);
  const CountedSubmission card = Scorecard(Framework(), "a", 2);
  const v1::Readiness before = FoldOf({base, card});
  for (int round = 0; round < 40; ++round) {
    CountedSubmission repository = base;
    CountedSubmission rated = card;
    CountedSubmission& changed = round % 2 == 0 ? repository : rated;
    event::v1::FoldObservation& o = changed.observations[random() % changed.observations.size()];
    o.set_value(std::min(1.0, o.value() + 0.3));
    const v1::Readiness after = FoldOf({repository, rated});
    for (int i = 0; i < 8; ++i) EXPECT_GE(after.areas(i).score(), before.areas(i).score()) << o.criterion();
  }
}

TEST(Fold, SurvivesAnyNumbers) {
  const double bad[] = {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -1e308, 7};
  std::vector<event::v1::FoldObservation> observations;
  for (const double value : bad) {
    for (const double error : bad) {
      observations.push_back(Code("shutdown.drains", value, error));
      observations.push_back(testing::Run("run.drains_on_sigterm", value));
      observations.push_back(Rating("3.2", value, "a"));
      observations.push_back(Item("migration", value));
      observations.back().set_standard_error(error);
    }
  }
  observations.push_back(Code("", 1));
  observations.push_back(Code("rating/*", 1));
  observations.push_back({});
  const v1::Readiness readiness = FoldOf({OneRepository(observations, {event::v1::FoldClaim()})});
  for (const v1::AreaReadiness& area : readiness.areas()) {
    EXPECT_GE(area.score(), 0);
    EXPECT_LE(area.score(), 4);
    EXPECT_LE(area.interval().low(), area.interval().high());
  }
}

// ---- states and authorship ----

TEST(Fold, NeverLowersAScoreForWhatWasNotSeen) {
  const v1::Readiness readiness = FoldOf({OneRepository({
      Unseen("shutdown.drains", v1::Observation::NOT_OBSERVABLE),
      Unseen("database.pool_bounded", v1::Observation::NOT_OBSERVED_YET),
      Unseen("run.starts", v1::Observation::NOT_OBSERVABLE),
  })});
  const v1::Readiness nothing = FoldOf({});
  for (int i = 0; i < 8; ++i) EXPECT_EQ(readiness.areas(i).score(), nothing.areas(i).score());
  EXPECT_EQ(Behaviour(readiness, "3.2.4").state(), v1::Observation::NOT_OBSERVABLE);
  EXPECT_EQ(Behaviour(readiness, "6.2.3").state(), v1::Observation::NOT_OBSERVED_YET);
  EXPECT_EQ(readiness.coverage(), 0);
}

TEST(Fold, GivesNoWeightToWhatWasGiven) {
  CountedSubmission repository = Repository(Framework(), 0.95);
  repository.claims = {Claimed("shutdown.drains", v1::Claim::REFUTED)};
  for (event::v1::FoldObservation& o : repository.observations) o.set_authorship(v1::GIVEN);
  const v1::Readiness readiness = FoldOf({repository});
  const v1::Readiness nothing = FoldOf({});
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(readiness.areas(i).score(), nothing.areas(i).score());
    EXPECT_EQ(Width(readiness.areas(i).interval()), Width(nothing.areas(i).interval()));
  }
  EXPECT_THAT(readiness.contradictions(), IsEmpty());
}

TEST(Fold, WhatARunShowsOfAClaimIsAboutWhoeverMadeIt) {
  // The check saw nothing that it could judge; only the claim and its test are there.
  event::v1::FoldClaim claim = Claimed("shutdown.drains", v1::Claim::CONFIRMED);
  const auto width = [&](v1::Authorship authorship) {
    claim.set_authorship(authorship);
    return Width(Competency(FoldOf({OneRepository({}, {claim})}), "3.2").interval());
  };
  const double nothing = Width(Competency(FoldOf({}), "3.2").interval());
  EXPECT_EQ(width(v1::GIVEN), nothing);
  EXPECT_LT(width(v1::SHARED), nothing);
  EXPECT_LT(width(v1::CANDIDATE), width(v1::SHARED));
  EXPECT_EQ(width(v1::CANDIDATE), width(v1::AUTHORSHIP_UNSPECIFIED)) << "as records did that say nothing of it";
}

TEST(Fold, WidensTheIntervalForSharedWork) {
  CountedSubmission own = OneRepository({Code("secrets.none_in_tree", 1)});
  CountedSubmission shared = own;
  shared.observations[0].set_authorship(v1::SHARED);
  EXPECT_GT(Width(Competency(FoldOf({shared}), "7.1").interval()), Width(Competency(FoldOf({own}), "7.1").interval()));
  EXPECT_LT(Width(Competency(FoldOf({shared}), "7.1").interval()), Width(Competency(FoldOf({}), "7.1").interval()));
}

TEST(Fold, WeighsOfARepositoryOnlyWhatTheTaskAskedFor) {
  FoldInputs inputs;
  inputs.asked_behaviours = {"3.2.4"};
  inputs.submissions = {Repository(Framework(), 0.05),
                        Submission("s", v1::Submission::SCORECARD, {Rating("7.1", 3, "a")})};
  const v1::Readiness readiness = Fold(Framework(), *Framework().FindProfile("hiring"), inputs);
  EXPECT_LT(Competency(readiness, "3.2").score(), 2);
  EXPECT_EQ(Competency(readiness, "1.2").score(), 2);
  EXPECT_EQ(Behaviour(readiness, "1.2.2").state(), v1::Observation::NOT_ASKED);
  EXPECT_GT(Competency(readiness, "7.1").score(), 2);
}

TEST(Fold, ShowsSelfAndUnsupportedRatingsWithoutWeight) {
  event::v1::FoldObservation unsupported = Rating("3.1", 4, "b");
  unsupported.set_unscored(true);
  const v1::Readiness readiness =
      FoldOf({Submission("s", v1::Submission::SCORECARD, {Rating("3.1", 4, "me", "self"), unsupported})});
  EXPECT_EQ(Competency(readiness, "3.1").score(), 2);
  EXPECT_EQ(readiness.coverage(), 0);
}

// ---- runs and claims ----

TEST(Fold, LetsARunSpeakInPlaceOfTheCodeItTested) {
  const auto score = [](v1::Claim::Verdict verdict) {
    return Competency(
        FoldOf({OneRepository({Code("shutdown.drains", 0.9, 0.1)}, {Claimed("shutdown.drains", verdict)})}), "3.2");
  };
  const v1::CompetencyReadiness untested = score(v1::Claim::UNTESTED);
  EXPECT_GT(score(v1::Claim::CONFIRMED).score(), untested.score());
  EXPECT_LT(score(v1::Claim::REFUTED).score(), 2);
  const v1::CompetencyReadiness unclear = score(v1::Claim::INCONCLUSIVE);
  EXPECT_LT(unclear.score(), untested.score());
  EXPECT_GT(unclear.score(), 2);
  EXPECT_GT(Width(unclear.interval()), Width(untested.interval()));
}

// The run that refuted a claim also speaks as an observation of its own: that is no second run.
TEST(Fold, CountsARunOnceForABehaviourHoweverManyCriteriaItSpeaksThrough) {
  const auto score = [](const std::string& run_of_observation, std::vector<event::v1::FoldClaim> claims) {
    event::v1::FoldObservation run = testing::Run("run.drains_on_sigterm", 1);
    run.clear_evidence();
    run.add_evidence(testing::DigestBytes(run_of_observation));
    return Competency(FoldOf({OneRepository({run}, std::move(claims))}), "3.2").score();
  };
  const event::v1::FoldClaim refuted = Claimed("shutdown.drains", v1::Claim::REFUTED);
  const double verdict_alone = Competency(FoldOf({OneRepository({}, {refuted})}), "3.2").score();
  EXPECT_EQ(score("run of shutdown.drains", {refuted}), verdict_alone);
  EXPECT_GT(score("another run", {refuted}), verdict_alone);
  EXPECT_GT(score("run of shutdown.drains", {}), 2) << "an observation speaks where no verdict does";
}

TEST(Fold, PutsClaimAndRunSideBySideWithAQuestion) {
  const v1::Readiness readiness =
      FoldOf({OneRepository({Code("shutdown.drains", 0.9, 0.1)}, {Claimed("shutdown.drains", v1::Claim::REFUTED)})});
  ASSERT_THAT(readiness.contradictions(), SizeIs(1));
  const v1::Contradiction& contradiction = readiness.contradictions(0);
  EXPECT_EQ(contradiction.id(), "claim/shutdown.drains");
  EXPECT_THAT(contradiction.behaviours(), ElementsAre("3.2.4", "2.2.4"));
  ASSERT_THAT(contradiction.statements(), SizeIs(2));
  EXPECT_EQ(contradiction.statements(0).text(),
            "The code suggests that requests in flight are finished after SIGTERM.");
  EXPECT_EQ(contradiction.statements(1).text(),
            "The run did not show that requests in flight are finished after SIGTERM.");
  EXPECT_EQ(contradiction.statements(0).evidence(), Digest::Of("shutdown.drains").ToString());
  EXPECT_EQ(contradiction.statements(1).evidence(), "") << "the bytes of a run differ each time; the claim names it";
  EXPECT_THAT(contradiction.question(), HasSubstr("SIGTERM"));
}

// What two servers see of the same people and documents: everything but the keys, which each makes with a secret of its own.
TEST(Fold, DependsOnNoIdOrKeyAndNoOrder) {
  const auto inputs = [](const std::string& salt) {
    const auto key = [&](const std::string& name) { return Digest::Of(salt + name).ToHex(); };
    FoldInputs made;
    made.plugins = {{"code_analysis", "sha256:1"}, {"rubric", "sha256:2"}};
    made.submissions = {Repository(Framework(), 0.8),
                        Submission("", v1::Submission::PORTFOLIO, {Item("migration", 0.7), Item("incident", 0.4)})};
    const std::pair<const char*, const char*> sessions[] = {{"ann", "design"}, {"ann", "review"}, {"bob", "design"},
                                                            {"cy", "review"}, {"dee", "review"}};
    for (const auto& [rater, occasion] : sessions) {
      CountedSubmission scorecard = Submission("", v1::Submission::SCORECARD, {});
      for (const char* competency : {"3.1", "3.2", "6.2", "8.1"}) {
        const double rating = static_cast<double>(Digest::Of(absl::StrCat(rater, occasion, competency)).ToHex()[0] % 5);
        scorecard.observations.push_back(Rating(competency, rating, key(rater)));
        scorecard.observations.back().set_occasion_key(key(occasion));
      }
      made.submissions.push_back(std::move(scorecard));
    }
    // Two whom nothing but their keys tells apart.
    made.submissions.back().observations = made.submissions[made.submissions.size() - 2].observations;
    for (auto& o : made.submissions.back().observations) o.set_rater_key(key("dee"));
    for (CountedSubmission& submission : made.submissions) {
      submission.id = key(absl::StrCat("submission", &submission - made.submissions.data()));
    }
    std::sort(made.submissions.begin(), made.submissions.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    return made;
  };
  const v1::RoleProfile& hiring = *Framework().FindProfile("hiring");
  const std::string bytes = Bytes(Fold(Framework(), hiring, inputs("first server")));
  for (const char* salt : {"second server", "third", "fourth", "fifth", "sixth"}) {
    EXPECT_EQ(Bytes(Fold(Framework(), hiring, inputs(salt))), bytes) << salt;
  }
}

TEST(Fold, IgnoresTheNoiseOfALoadTest) {
  const std::string bytes = Bytes(FoldOf({OneRepository({testing::Run("run.drains_on_sigterm", 0.97)})}));
  EXPECT_EQ(Bytes(FoldOf({OneRepository({testing::Run("run.drains_on_sigterm", 0.91)})})), bytes);
  EXPECT_NE(Bytes(FoldOf({OneRepository({testing::Run("run.drains_on_sigterm", 0.4)})})), bytes);
}

TEST(Fold, GrantsNoCriterionAStrongerMethodThanTheFramework) {
  event::v1::FoldObservation document = Code("documents.decision_records", 1);
  document.set_method(v1::Observation::EXPERIMENT);
  event::v1::FoldObservation person = Code("secrets.none_in_tree", 1);
  person.set_method(v1::Observation::HUMAN);
  person.set_rater_key("a");
  person.set_rater_role("interviewer");
  const v1::Readiness readiness = FoldOf({OneRepository({document, person})});
  EXPECT_EQ(Competency(readiness, "1.3").machine_information(), 0);
  EXPECT_EQ(Competency(readiness, "7.1").human_information(), 0);
}

TEST(Fold, TakesOneObservationForOneHoweverManyBehavioursItSpeaksFor) {
  // eventloop.no_sync speaks for one behaviour in each of two competencies; structure.dependency_direction for two in
  // one.
  const v1::Readiness one = FoldOf({OneRepository({Code("structure.thin_handlers", 1, 0.1)})});
  const v1::Readiness two = FoldOf({OneRepository({Code("structure.dependency_direction", 1, 0.1)})});
  const double single = Competency(one, "4.1").machine_information();
  const double spread = Competency(two, "4.1").machine_information();
  EXPECT_GT(spread, single);                   // two behaviours tell more about the competency than one …
  EXPECT_LT(spread, 1 / (0.16 + 0.36 / 0.8));  // … and less than the observation holds
}

// ---- people against evidence ----

TEST(Fold, ShowsAMarkThatStandsAgainstWhatARunShowed) {
  const v1::Readiness readiness = FoldOf({OneRepository({}, {Claimed("shutdown.drains", v1::Claim::REFUTED)}),
                                          Submission("s", v1::Submission::SCORECARD, {Present("3.2.4", "a")})});
  EXPECT_THAT(ContradictionIds(readiness), Contains("behaviour/3.2.4"));
  const v1::Contradiction& contradiction = readiness.contradictions(1);
  EXPECT_EQ(contradiction.statements(0).source(), "interviewer");
  EXPECT_THAT(contradiction.statements(0).text(), HasSubstr("3.4 of 4"));
  EXPECT_EQ(contradiction.statements(1).source(), "run");
  EXPECT_EQ(contradiction.question(), Framework().FindBehaviour("3.2.4")->ask());
}

TEST(Fold, FlagsACompetencyWherePeopleAndMachinesDiffer) {
  const v1::Readiness readiness =
      FoldOf({Scorecard(Framework(), "a", 3.5), Scorecard(Framework(), "b", 3.5), Repository(Framework(), 0.05)});
  EXPECT_TRUE(Competency(readiness, "3.1").views_differ());
  EXPECT_FALSE(Competency(readiness, "5.1").views_differ());
  EXPECT_THAT(ContradictionIds(readiness), AllOf(Contains("views/3.1"), Not(Contains("views/5.1"))));
}

TEST(Fold, SpeaksOfPeoplesWorkInAllowedWords) {
  CountedSubmission repository = Repository(Framework(), 0.05);
  repository.claims = {Claimed("shutdown.drains", v1::Claim::REFUTED)};
  const std::string text =
      FoldOf({Scorecard(Framework(), "a", 3.5), Scorecard(Framework(), "b", 3.5), repository}).DebugString();
  EXPECT_EQ(assay::testing::AccusingWordIn(text), "");
}

// ---- what to do next ----

TEST(Fold, PredictsTheDropThatEvidenceThenBrings) {
  const std::vector<CountedSubmission> known = {Scorecard(Framework(), "a", 3), Repository(Framework(), 0.6)};
  const v1::Readiness before = FoldOf(known);
  const auto next = std::find_if(before.next_evidence().begin(), before.next_evidence().end(),
                                 [](const v1::NextEvidence& n) { return absl::StartsWith(n.what(), "3.3 "); });
  ASSERT_NE(next, before.next_evidence().end());
  EXPECT_EQ(next->command(), "assay submit PATH_OF_SCORECARD --candidate CANDIDATE --wait");
  std::vector<CountedSubmission> more = known;
  more.push_back(Submission("s", v1::Submission::SCORECARD, {Rating("3.3", 2, "z")}));
  const double drop = Width(Competency(before, "3.3").interval()) - Width(Competency(FoldOf(more), "3.3").interval());
  EXPECT_NEAR(next->interval_drop(), drop, 1e-8);
}

TEST(Fold, SuggestsNothingThatWasTriedAlready) {
  const v1::Readiness nothing = FoldOf({});
  EXPECT_THAT(nothing.next_evidence(0).what(), HasSubstr("the repository of an Express service"));
  const v1::Readiness known = FoldOf({Repository(Framework(), 0.5)});
  for (const v1::NextEvidence& next : known.next_evidence()) {
    EXPECT_THAT(next.what(), Not(HasSubstr("repository"))) << next.what();
  }
}

TEST(Fold, RanksWhatDecidesOpenGatesForTheLeastTimeFirst) {
  // Two interviewers are sure of everything but connections and capacity.
  std::vector<CountedSubmission> submissions;
  for (const char* rater : {"a", "b"}) {
    CountedSubmission card = Submission(rater, v1::Submission::SCORECARD, {});
    for (const char* id : {"1.2", "3.1", "3.2", "3.3"}) card.observations.push_back(Rating(id, 4, rater));
    submissions.push_back(card);
  }
  const v1::Readiness readiness = FoldOf(submissions);
  ASSERT_THAT(GateStates(readiness), ElementsAre(v1::GateReadiness::MET, v1::GateReadiness::MET,
                                                 v1::GateReadiness::UNDECIDED, v1::GateReadiness::UNDECIDED));
  double previous = std::numeric_limits<double>::infinity();
  bool touches_open_gate = true;
  for (const v1::NextEvidence& next : readiness.next_evidence()) {
    EXPECT_LE(next.risk_drop() / next.minutes(), previous + 1e-9) << next.what();
    previous = next.risk_drop() / next.minutes();
    EXPECT_TRUE(touches_open_gate || next.risk_drop() == 0) << next.what();
    touches_open_gate = next.risk_drop() > 0;
  }
  const v1::NextEvidence& first = readiness.next_evidence(0);
  EXPECT_GT(first.risk_drop(), 0);
  EXPECT_THAT(first.behaviours(), ::testing::AnyOf(Contains("6.2.3"), Contains("6.3.6")));
}

TEST(Fold, ExpectsLessRiskOfWhatIsNearTheLine) {
  const auto risk_drop = [](double rating) {
    const v1::Readiness readiness = FoldOf({Submission("s", v1::Submission::SCORECARD, {Rating("3.3", rating, "a")})});
    for (const v1::NextEvidence& next : readiness.next_evidence()) {
      if (absl::StartsWith(next.what(), "3.3 ")) return next.risk_drop();
    }
    return 0.0;
  };
  EXPECT_GT(risk_drop(2.5), risk_drop(4) + 0.01);
}

TEST(Fold, ListsWhatTheFrameworkDoesNotName) {
  const v1::Readiness readiness =
      FoldOf({OneRepository({Code("acme.naming", 1)}, {Claimed("acme.claim", v1::Claim::REFUTED)})});
  EXPECT_THAT(readiness.unmapped_criteria(), ElementsAre("acme.claim", "acme.naming"));
}

TEST(Fold, NamesWhatItRestsOn) {
  FoldInputs inputs;
  inputs.plugins = {{"rubric", "sha256:aa"}, {"code_analysis", "sha256:bb"}};
  const v1::Readiness readiness = Fold(Framework(), *Framework().FindProfile("promotion"), inputs);
  EXPECT_EQ(readiness.provenance().framework_digest(), Framework().digest_text());
  EXPECT_EQ(readiness.provenance().calibration(), "none");
  EXPECT_EQ(readiness.provenance().profile(), "promotion");
  EXPECT_EQ(readiness.provenance().plugins().at("rubric"), "sha256:aa");
}

TEST(Fold, ListsTheCriteriaOfABehaviourStrongestFirst) {
  const v1::Readiness readiness = FoldOf({OneRepository(
      {Code("health.probes", 1, 0.3), Code("shutdown.drains", 1, 0.1), testing::Run("run.drains_on_sigterm", 1)})});
  EXPECT_THAT(Behaviour(readiness, "3.2.4").criteria(),
              ElementsAre("run.drains_on_sigterm", "shutdown.drains", "health.probes"));
}

}  // namespace
}  // namespace assay::readiness
