// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>

#include "services/membership/announcements.h"

namespace assay::gateway {

// Evaluator → digest of the plugin that new submissions are pinned to: the one that most present evaluators offer, of
// as many the smaller digest. What nobody present offers is pinned to what was offered last: it waits for them to come
// back. Pure.
std::map<std::string, std::string> PinnedPlugins(const std::map<std::string, membership::Heard>& evaluators,
                                                 const std::function<bool(const membership::Heard&)>& is_present);

}  // namespace assay::gateway
