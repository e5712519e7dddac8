// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "assay/v1/framework.pb.h"

namespace assay::readiness {

// Who brings a piece of evidence; machines and documents are capped, people are not.
enum class Channel { kHuman, kMachine, kDocument };

// One piece of evidence about one competency: y = node + error, error ~ N(0, variance).
struct Piece {
  Channel channel = Channel::kMachine;
  // 0 the competency itself, k its k-th behaviour (from 1).
  size_t node = 0;
  double y = 0;         // on 0..4
  double variance = 1;  // on 0..4 squared; greater than 0
  // Index of the session a person's piece belongs to; pieces of one session share an error of its own.
  size_t session = 0;
};

// What is known of a competency θ and its behaviours φ_k = θ + u_k after the evidence.
struct Posterior {
  // [0] the competency, [k] its k-th behaviour.
  std::vector<double> mean;
  std::vector<double> variance;
  // Information about θ, in units of 1 / (level squared).
  double human_information = 0;
  double machine_information = 0;   // after the cap
  double document_information = 0;  // after the cap
  // How far θ's mean would move if every piece of session s were off by one level; by session index.
  std::vector<double> session_gain;
};

// Which pieces take part.
struct Parts {
  bool human = true;
  bool machine = true;
  bool document = true;
  // Without caps machines speak for themselves, to be compared with people.
  bool capped = true;
};

// The posterior of a linear model with normal errors:
//   θ ~ N(prior_mean, prior_variance), φ_k = θ + u_k, u_k ~ N(0, behaviour_variance), y = node + error.
// People's pieces of one session also share an error h ~ N(0, session_variance): each keeps the share of the session's
// information that falls to it, precision / (1 + session_variance · sum of the session's precisions). That is exact for
// single pieces and for pieces of one node.
// The information that machines bring about θ by themselves is scaled down to at most machine_information_cap times
// what prior and people bring; documents likewise with their own cap. Pieces are used in the order given: callers sort.
Posterior Solve(const v1::MeasurementModel& model, size_t behaviours, size_t sessions, const std::vector<Piece>& pieces,
                const Parts& parts = {});

}  // namespace assay::readiness
