// SPDX-License-Identifier: Apache-2.0
#include "services/membership/offered_plugins.h"

namespace assay::membership {

std::map<std::string, std::string> MostOffered(const std::map<std::string, Heard>& evaluators,
                                               const std::function<bool(const Heard&)>& is_present) {
  // By evaluator and digest: how many offer it.
  std::map<std::string, std::map<std::string, size_t>> offers;
  for (const auto& [instance, heard] : evaluators) {
    if (!is_present(heard)) continue;
    for (const auto& [evaluator, digest] : heard.announcement.evaluator().plugins()) ++offers[evaluator][digest];
  }
  std::map<std::string, std::string> chosen;
  for (const auto& [evaluator, digests] : offers) {
    size_t most = 0;
    for (const auto& [digest, count] : digests) {
      if (count <= most) continue;
      most = count;
      chosen[evaluator] = digest;
    }
  }
  return chosen;
}

}  // namespace assay::membership
