// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/pinned_plugins.h"

namespace assay::gateway {
namespace {

// Evaluator → digest → how many offer it.
using Offers = std::map<std::string, std::map<std::string, int>>;

void Count(const membership::Heard& heard, Offers& offers) {
  for (const auto& [evaluator, digest] : heard.announcement.evaluator().plugins()) ++offers[evaluator][digest];
}

// Digests come in their order, so of as many the first is the smallest.
std::string MostOffered(const std::map<std::string, int>& digests) {
  std::string most;
  int offered = 0;
  for (const auto& [digest, count] : digests) {
    if (count <= offered) continue;
    most = digest;
    offered = count;
  }
  return most;
}

}  // namespace

std::map<std::string, std::string> PinnedPlugins(const std::map<std::string, membership::Heard>& evaluators,
                                                 const std::function<bool(const membership::Heard&)>& is_present) {
  Offers present, absent;
  for (const auto& [instance, heard] : evaluators) Count(heard, is_present(heard) ? present : absent);
  std::map<std::string, std::string> pinned;
  for (const auto& [evaluator, digests] : present) pinned[evaluator] = MostOffered(digests);
  for (const auto& [evaluator, digests] : absent) pinned.try_emplace(evaluator, MostOffered(digests));
  return pinned;
}

}  // namespace assay::gateway
