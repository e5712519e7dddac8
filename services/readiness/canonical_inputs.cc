// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/canonical_inputs.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/digest.h"

namespace assay::readiness {
namespace {

using event::v1::FoldObservation;
// What is said of somebody or something, in any order.
using Sayings = std::vector<std::string>;
using SessionKey = std::tuple<std::string, std::string>;

std::string Sign(Sayings sayings) {
  std::sort(sayings.begin(), sayings.end());
  std::string text;
  for (const std::string& saying : sayings) absl::StrAppend(&text, saying.size(), ":", saying);
  return Digest::Of(text).ToHex();
}

std::string ContentOf(FoldObservation observation) {
  observation.clear_rater_key();
  observation.clear_occasion_key();
  return observation.SerializeAsString();
}

bool HasPerson(const FoldObservation& o) { return !o.rater_key().empty() || !o.occasion_key().empty(); }

// Names in the order of the signatures; keys decide only between those that nothing tells apart.
std::map<std::string, std::string> NamesOf(absl::string_view prefix, const std::map<std::string, Sayings>& keys) {
  std::vector<std::pair<std::string, std::string>> order;
  for (const auto& [key, sayings] : keys) {
    if (!key.empty()) order.emplace_back(Sign(sayings), key);
  }
  std::sort(order.begin(), order.end());
  std::map<std::string, std::string> names = {{"", ""}};
  for (size_t i = 0; i < order.size(); ++i) {
    names[order[i].second] = absl::StrCat(prefix, absl::Dec(i, absl::kZeroPad6));
  }
  return names;
}

struct Names {
  std::map<std::string, std::string> raters, occasions;
};

// A rater is told by the sessions held, an occasion by those held at it; and each session, in a second round, also by
// everything else its rater and its occasion are known for.
Names NamesIn(const FoldInputs& inputs) {
  std::map<SessionKey, Sayings> sessions;
  for (const CountedSubmission& submission : inputs.submissions) {
    for (const FoldObservation& o : submission.observations) {
      if (HasPerson(o)) sessions[{o.rater_key(), o.occasion_key()}].push_back(ContentOf(o));
    }
  }
  std::map<std::string, Sayings> raters, occasions;
  for (int round = 0; round < 2; ++round) {
    std::map<std::string, Sayings> next_raters, next_occasions;
    for (const auto& [key, said] : sessions) {
      const auto& [rater, occasion] = key;
      const std::string signature = Sign({Sign(said), Sign(raters[rater]), Sign(occasions[occasion])});
      next_raters[rater].push_back(signature);
      next_occasions[occasion].push_back(signature);
    }
    raters = std::move(next_raters);
    occasions = std::move(next_occasions);
  }
  return {NamesOf("r", raters), NamesOf("o", occasions)};
}

std::string SignatureOf(const CountedSubmission& submission) {
  Sayings observations, claims;
  for (const FoldObservation& o : submission.observations) observations.push_back(o.SerializeAsString());
  for (const event::v1::FoldClaim& claim : submission.claims) claims.push_back(claim.SerializeAsString());
  return absl::StrCat(static_cast<int>(submission.kind), " ", Sign(std::move(observations)), Sign(std::move(claims)));
}

}  // namespace

FoldInputs Canonical(const FoldInputs& inputs) {
  FoldInputs canonical = inputs;
  const Names names = NamesIn(inputs);
  std::vector<std::pair<std::string, CountedSubmission>> order;
  for (CountedSubmission& submission : canonical.submissions) {
    for (FoldObservation& o : submission.observations) {
      if (!HasPerson(o)) continue;
      o.set_rater_key(names.raters.at(o.rater_key()));
      o.set_occasion_key(names.occasions.at(o.occasion_key()));
    }
    std::string signature = SignatureOf(submission);
    order.emplace_back(std::move(signature), std::move(submission));
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < order.size(); ++i) {
    canonical.submissions[i] = std::move(order[i].second);
    canonical.submissions[i].id = absl::StrCat("s", absl::Dec(i, absl::kZeroPad6));
  }
  return canonical;
}

}  // namespace assay::readiness
