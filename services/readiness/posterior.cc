// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/posterior.h"

#include <algorithm>
#include <cmath>

namespace assay::readiness {
namespace {

// A symmetric system Λ x = η of one competency and its behaviours; small, so dense.
class System {
 public:
  System(const v1::MeasurementModel& model, size_t behaviours)
      : size_(behaviours + 1), precision_(size_ * size_, 0.0), weighted_(size_, 0.0) {
    At(0, 0) = 1 / model.prior_variance();
    weighted_[0] = model.prior_mean() / model.prior_variance();
    const double coupling = 1 / model.behaviour_variance();
    for (size_t k = 1; k < size_; ++k) {
      At(k, k) += coupling;
      At(0, 0) += coupling;
      At(0, k) -= coupling;
      At(k, 0) -= coupling;
    }
  }

  void Add(size_t node, double y, double precision) {
    At(node, node) += precision;
    weighted_[node] += precision * y;
  }

  // Inverse by Cholesky; the matrix is positive definite because the prior alone is.
  std::vector<double> Covariance() const {
    const size_t n = size_;
    std::vector<double> lower(n * n, 0.0);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j <= i; ++j) {
        double sum = precision_[i * n + j];
        for (size_t k = 0; k < j; ++k) sum -= lower[i * n + k] * lower[j * n + k];
        lower[i * n + j] = i == j ? std::sqrt(std::max(sum, 1e-12)) : sum / lower[j * n + j];
      }
    }
    std::vector<double> covariance(n * n, 0.0);
    for (size_t column = 0; column < n; ++column) {
      std::vector<double> x(n, 0.0);
      x[column] = 1;
      for (size_t i = 0; i < n; ++i) {
        for (size_t k = 0; k < i; ++k) x[i] -= lower[i * n + k] * x[k];
        x[i] /= lower[i * n + i];
      }
      for (size_t i = n; i-- > 0;) {
        for (size_t k = i + 1; k < n; ++k) x[i] -= lower[k * n + i] * x[k];
        x[i] /= lower[i * n + i];
      }
      for (size_t i = 0; i < n; ++i) covariance[i * n + column] = x[i];
    }
    return covariance;
  }

  size_t size() const { return size_; }
  const std::vector<double>& weighted() const { return weighted_; }

 private:
  double& At(size_t row, size_t column) { return precision_[row * size_ + column]; }

  size_t size_;
  std::vector<double> precision_;
  std::vector<double> weighted_;
};

// What people brought, with the information of each session shared out over its pieces: together they never tell more
// than one piece without an error of its own would, because what the session is off by is in all of them. Sharing out,
// instead of inferring that error from the differences, keeps every weight positive: a higher rating never lowers
// anything.
std::vector<Piece> ShareOutSessions(const std::vector<Piece>& pieces, size_t sessions, double session_variance) {
  std::vector<double> precision(sessions, 0.0);
  std::vector<Piece> result;
  for (const Piece& piece : pieces) {
    if (piece.channel != Channel::kHuman || piece.session >= sessions) continue;
    precision[piece.session] += 1 / piece.variance;
    result.push_back(piece);
  }
  for (Piece& piece : result) piece.variance *= 1 + session_variance * precision[piece.session];
  return result;
}

// Summed precision at each node of what one channel brings.
std::vector<double> Precisions(const std::vector<Piece>& pieces, Channel channel, size_t size) {
  std::vector<double> result(size, 0.0);
  for (const Piece& piece : pieces) {
    if (piece.channel == channel) result[piece.node] += 1 / piece.variance;
  }
  return result;
}

// What independent pieces tell about θ when each precision is multiplied by `scale`: a behaviour never tells more than
// 1 / behaviour_variance, however well it is known.
double InformationAboutCompetency(const std::vector<double>& precisions, double behaviour_variance, double scale) {
  double information = precisions[0] * scale;
  for (size_t k = 1; k < precisions.size(); ++k) {
    const double p = precisions[k] * scale;
    information += p / (1 + behaviour_variance * p);
  }
  return information;
}

// The factor in (0, 1] that keeps the information within `cap`. Information grows with the factor, so halving finds it;
// the number of steps is fixed to make the result the same each time.
double ScaleFor(const std::vector<double>& precisions, double behaviour_variance, double cap) {
  if (InformationAboutCompetency(precisions, behaviour_variance, 1) <= cap) return 1;
  double low = 0;
  double high = 1;
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    (InformationAboutCompetency(precisions, behaviour_variance, middle) > cap ? high : low) = middle;
  }
  return low;
}

void AddScaled(const std::vector<Piece>& pieces, Channel channel, double scale, System& system) {
  if (scale <= 0) return;
  for (const Piece& piece : pieces) {
    if (piece.channel == channel) system.Add(piece.node, piece.y, scale / piece.variance);
  }
}

}  // namespace

Posterior Solve(const v1::MeasurementModel& model, size_t behaviours, size_t sessions, const std::vector<Piece>& pieces,
                const Parts& parts) {
  Posterior posterior;
  System system(model, behaviours);
  const size_t n = system.size();
  const double prior_information = 1 / model.prior_variance();

  std::vector<Piece> people;
  if (parts.human) people = ShareOutSessions(pieces, sessions, model.session_variance());
  for (const Piece& piece : people) system.Add(piece.node, piece.y, 1 / piece.variance);
  const double known = parts.human ? 1 / system.Covariance()[0] : prior_information;
  posterior.human_information = known - prior_information;

  const auto add = [&](Channel channel, double cap_factor, double& information) {
    const std::vector<double> precisions = Precisions(pieces, channel, n);
    const double scale = parts.capped ? ScaleFor(precisions, model.behaviour_variance(), cap_factor * known) : 1.0;
    information = InformationAboutCompetency(precisions, model.behaviour_variance(), scale);
    AddScaled(pieces, channel, scale, system);
  };
  if (parts.machine) add(Channel::kMachine, model.machine_information_cap(), posterior.machine_information);
  if (parts.document) add(Channel::kDocument, model.document_information_cap(), posterior.document_information);

  const std::vector<double> covariance = system.Covariance();
  posterior.mean.assign(n, 0.0);
  posterior.variance.assign(n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) posterior.mean[i] += covariance[i * n + j] * system.weighted()[j];
    posterior.variance[i] = covariance[i * n + i];
  }
  posterior.session_gain.assign(sessions, 0.0);
  for (const Piece& piece : people) posterior.session_gain[piece.session] += covariance[piece.node] / piece.variance;
  return posterior;
}

}  // namespace assay::readiness
