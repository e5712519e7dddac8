// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>

#include "services/membership/announcements.h"

namespace assay::membership {

// Evaluator → digest of the plugin that most of the evaluators that are present offer for it, of as many the smaller
// digest. Pure.
std::map<std::string, std::string> MostOffered(const std::map<std::string, Heard>& evaluators,
                                               const std::function<bool(const Heard&)>& is_present);

}  // namespace assay::membership
