// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/normal.h"

#include <cstdint>

namespace assay::readiness {
namespace {

// e^-t for 0 <= t <= 40: a short series for e^(-t/1024), squared ten times.
double ExpMinus(double t) {
  const double r = -t / 1024;
  double sum = 1;
  double term = 1;
  for (int i = 1; i <= 12; ++i) {
    term = term * r / i;
    sum += term;
  }
  for (int i = 0; i < 10; ++i) sum *= sum;
  return sum;
}

constexpr double kInverseSqrt2Pi = 0.39894228040143267794;

}  // namespace

// G. Marsaglia, "Evaluating the Normal Distribution" (2004): 1/2 + density(x) · (x + x³/3 + x⁵/(3·5) + …). All terms
// have one sign, so nothing cancels.
double NormalCdf(double x) {
  if (!(x > -8)) return 0;
  if (x > 8) return 1;
  const double square = x * x;
  double term = x;
  double sum = x;
  double previous = 0;
  for (int odd = 3; sum != previous && odd < 600; odd += 2) {
    previous = sum;
    term = term * square / odd;
    sum += term;
  }
  const double p = 0.5 + sum * kInverseSqrt2Pi * ExpMinus(square / 2);
  return p < 0 ? 0 : p > 1 ? 1 : p;
}

double Round9(double x) {
  constexpr double kScale = 1e9;
  const double scaled = x * kScale;
  if (!(scaled > -9e15 && scaled < 9e15)) return x;
  const auto whole = static_cast<int64_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
  return static_cast<double>(whole) / kScale;
}

}  // namespace assay::readiness
