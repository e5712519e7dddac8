// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/posterior.h"

#include <cmath>
#include <random>

#include "gtest/gtest.h"

namespace assay::readiness {
namespace {

constexpr size_t kBehaviours = 6;
constexpr size_t kSessions = 3;

v1::MeasurementModel Model() {
  v1::MeasurementModel model;
  model.set_prior_mean(2);
  model.set_prior_variance(1);
  model.set_behaviour_variance(0.5);
  model.set_rating_variance(0.25);
  model.set_session_variance(0.25);
  model.set_machine_information_cap(1);
  model.set_document_information_cap(0.25);
  return model;
}

Piece Rated(double y, size_t session, size_t node = 0, double variance = 0.25) {
  return {Channel::kHuman, node, y, variance, session};
}
Piece Machine(double y, size_t node, double variance = 0.4) { return {Channel::kMachine, node, y, variance, 0}; }
Piece Document(double y, size_t node, double variance = 1) { return {Channel::kDocument, node, y, variance, 0}; }

double Information(const Posterior& posterior) { return 1 / posterior.variance[0]; }

// The same model by another road: the joint covariance of (θ, φ, h), updated one observation at a time.
class Conditioning {
 public:
  explicit Conditioning(const v1::MeasurementModel& model) {
    for (size_t i = 0; i <= kBehaviours; ++i) {
      mean_[i] = model.prior_mean();
      for (size_t j = 0; j <= kBehaviours; ++j) covariance_[i][j] = model.prior_variance();
      if (i > 0) covariance_[i][i] += model.behaviour_variance();
    }
    for (size_t s = 0; s < kSessions; ++s) covariance_[kFirst + s][kFirst + s] = model.session_variance();
  }

  void Observe(const Piece& piece) {
    double h[kSize] = {};
    h[piece.node] = 1;
    if (piece.channel == Channel::kHuman) h[kFirst + piece.session] = 1;
    double column[kSize] = {};
    double expected = 0;
    double variance = piece.variance;
    for (size_t i = 0; i < kSize; ++i) {
      expected += h[i] * mean_[i];
      for (size_t j = 0; j < kSize; ++j) column[i] += covariance_[i][j] * h[j];
    }
    for (size_t i = 0; i < kSize; ++i) variance += h[i] * column[i];
    for (size_t i = 0; i < kSize; ++i) {
      mean_[i] += column[i] / variance * (piece.y - expected);
      for (size_t j = 0; j < kSize; ++j) covariance_[i][j] -= column[i] * column[j] / variance;
    }
  }

  double mean(size_t node) const { return mean_[node]; }
  double variance(size_t node) const { return covariance_[node][node]; }

 private:
  static constexpr size_t kFirst = kBehaviours + 1;
  static constexpr size_t kSize = kFirst + kSessions;
  double mean_[kSize] = {};
  double covariance_[kSize][kSize] = {};
};

void ExpectAgreement(const std::vector<Piece>& pieces) {
  const Posterior posterior = Solve(Model(), kBehaviours, kSessions, pieces, {.capped = false});
  Conditioning expected(Model());
  for (const Piece& piece : pieces) expected.Observe(piece);
  for (size_t node = 0; node <= kBehaviours; ++node) {
    EXPECT_NEAR(posterior.mean[node], expected.mean(node), 1e-10);
    EXPECT_NEAR(posterior.variance[node], expected.variance(node), 1e-10);
  }
}

TEST(Solve, AgreesWithConditioningOneObservationAtATime) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> value(0, 4);
  std::uniform_real_distribution<double> variance(0.2, 2);
  for (int round = 0; round < 50; ++round) {
    std::vector<Piece> pieces;
    for (size_t session = 0; session < random() % (kSessions + 1); ++session) {
      pieces.push_back(Rated(value(random), session, random() % 7, variance(random)));
    }
    for (size_t i = 0; i < random() % 10; ++i) {
      pieces.push_back({static_cast<Channel>(1 + random() % 2), 1 + random() % 6, value(random), variance(random), 0});
    }
    ExpectAgreement(pieces);
  }
}

TEST(Solve, AgreesWithConditioningWhereASessionRatesTheSameAgain) {
  ExpectAgreement({Rated(3, 0), Rated(2, 0, 0, 0.6), Rated(4, 1, 2), Rated(1, 1, 2, 0.9), Machine(3, 5)});
}

TEST(Solve, GivesNumbersOneCanCheckByHand) {
  // One rating of 4: (2/1 + 4/0.5) / (1/1 + 1/0.5) with 0.5 = 0.25 of the rating + 0.25 of the session.
  const Posterior one = Solve(Model(), kBehaviours, 1, {Rated(4, 0)});
  EXPECT_NEAR(one.mean[0], 10.0 / 3, 1e-12);
  EXPECT_NEAR(one.variance[0], 1.0 / 3, 1e-12);
  EXPECT_NEAR(one.human_information, 2, 1e-12);
  // A behaviour not observed follows its competency with half a level squared more.
  EXPECT_NEAR(one.mean[3], 10.0 / 3, 1e-12);
  EXPECT_NEAR(one.variance[3], 1.0 / 3 + 0.5, 1e-12);
  // One machine observation at a behaviour tells 1 / (0.5 + 0.4) about the competency; the cap of 1 holds it back.
  const Posterior machine = Solve(Model(), kBehaviours, 0, {Machine(4, 1)});
  EXPECT_NEAR(machine.machine_information, 1, 1e-9);
  EXPECT_NEAR(machine.mean[0], 3, 1e-9);
}

TEST(Solve, TakesRatingsOfOneSessionForLessThanRatingsOfTwo) {
  const Posterior same = Solve(Model(), kBehaviours, 2, {Rated(4, 0), Rated(4, 0)});
  const Posterior apart = Solve(Model(), kBehaviours, 2, {Rated(4, 0), Rated(4, 1)});
  EXPECT_GT(same.variance[0], apart.variance[0]);
  std::vector<Piece> many;
  for (int i = 0; i < 1000; ++i) many.push_back(Rated(4, 0));
  // However many ratings, one session is off by its own error.
  EXPECT_LT(Solve(Model(), kBehaviours, 1, many).human_information, 1 / 0.25);
}

TEST(Solve, NeverLetsOneBehaviourPassForItsCompetency) {
  std::vector<Piece> pieces;
  for (int i = 0; i < 1000; ++i) pieces.push_back(Machine(4, 2));
  const Posterior posterior = Solve(Model(), kBehaviours, 0, pieces, {.capped = false});
  EXPECT_LT(posterior.machine_information, 1 / 0.5);
  EXPECT_LT(posterior.variance[2], 0.01);
  EXPECT_GT(posterior.variance[1], 0.5);
}

TEST(Solve, CapsMachinesAtWhatPriorAndPeopleBring) {
  std::vector<Piece> pieces;
  for (size_t node = 1; node <= kBehaviours; ++node) {
    for (int i = 0; i < 20; ++i) pieces.push_back(Machine(4, node, 0.01));
  }
  const Posterior alone = Solve(Model(), kBehaviours, 2, pieces);
  EXPECT_NEAR(alone.machine_information, 1, 1e-9);
  EXPECT_LE(Information(alone), 2 + 1e-9);
  pieces.push_back(Rated(1, 0));
  pieces.push_back(Rated(1, 1));
  const Posterior together = Solve(Model(), kBehaviours, 2, pieces);
  EXPECT_NEAR(together.human_information, 4, 1e-9);
  EXPECT_NEAR(together.machine_information, 5, 1e-9);
  EXPECT_LE(Information(together), 10 + 1e-9);
}

TEST(Solve, CapsDocumentsAtAFifthOfTheWhole) {
  std::vector<Piece> pieces;
  for (size_t node = 1; node <= kBehaviours; ++node) {
    for (int i = 0; i < 20; ++i) pieces.push_back(Document(4, node));
  }
  const Posterior posterior = Solve(Model(), kBehaviours, 0, pieces);
  EXPECT_NEAR(posterior.document_information, 0.25, 1e-9);
  EXPECT_LE(posterior.mean[0], 2.4 + 1e-9);
}

TEST(Solve, NeverLowersAnEstimateBecauseOneObservationIsHigher) {
  std::mt19937 random(11);
  std::uniform_real_distribution<double> value(0, 3);
  for (int round = 0; round < 200; ++round) {
    std::vector<Piece> pieces;
    const int count = 1 + static_cast<int>(random() % 12);
    for (int i = 0; i < count; ++i) {
      switch (random() % 3) {
        case 0:
          pieces.push_back(Rated(value(random), random() % kSessions, 0));
          break;
        case 1:
          pieces.push_back(Rated(value(random), random() % kSessions, 1 + random() % 6, 0.49));
          break;
        default:
          pieces.push_back(Machine(value(random), 1 + random() % 6));
      }
    }
    const Posterior before = Solve(Model(), kBehaviours, kSessions, pieces);
    pieces[random() % pieces.size()].y += 1;
    const Posterior after = Solve(Model(), kBehaviours, kSessions, pieces);
    EXPECT_GE(after.mean[0], before.mean[0] - 1e-12);
  }
}

TEST(Solve, SaysHowFarASessionMovesTheEstimate) {
  const std::vector<Piece> pieces = {Rated(3, 0), Rated(2, 1), Rated(3, 1, 2, 0.49), Machine(1, 4)};
  std::vector<Piece> shifted = pieces;
  shifted[1].y += 1;
  shifted[2].y += 1;
  const Posterior before = Solve(Model(), kBehaviours, 2, pieces);
  const Posterior after = Solve(Model(), kBehaviours, 2, shifted);
  EXPECT_NEAR(before.session_gain[1], after.mean[0] - before.mean[0], 1e-12);
}

}  // namespace
}  // namespace assay::readiness
