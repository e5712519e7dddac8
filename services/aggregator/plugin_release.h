// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/aggregator/relay_outputs.h"
#include "services/aggregator/rows.h"

namespace assay::aggregator {

// Evaluator → digest of the plugin that is offered for it.
using OfferedPlugins = std::map<std::string, std::string>;

// Releases evaluations that were parked because no plugin was installed for their evaluator, once one is offered: at the
// start, and again whenever an evaluator is offered that was not before. A step machine: no threads, locks or clocks.
class PluginRelease {
 public:
  // Journals what the next rows give. When the next step is needed at the latest.
  absl::StatusOr<absl::Time> Step(absl::Time now, const OfferedPlugins& offered, const RowReader& rows,
                                  RelayOutputs& outputs);

 private:
  absl::Status Release(const std::string& key, const storage::v1::EvaluationRow& evaluation,
                       const std::string& plugin_digest, const RowReader& rows, RelayOutputs& outputs);

  // Evaluators that were offered when all rows were looked at.
  std::set<std::string> released_;
  // Those of which something could not be journaled since then: all rows have to be looked at again.
  std::set<std::string> failed_;
  // What the look that is under way is about; empty: none is.
  OfferedPlugins looking_for_;
  std::string from_;
  absl::Time next_look_ = absl::InfinitePast();
};

}  // namespace assay::aggregator
