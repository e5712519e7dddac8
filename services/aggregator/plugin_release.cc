// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/plugin_release.h"

#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/aggregator/keys.h"

namespace assay::aggregator {
namespace {

// Of one step: whatever else the relay does goes on in between.
constexpr size_t kPage = 256;
// A look passes over every evaluation of the shard.
constexpr absl::Duration kLookInterval = absl::Seconds(10);

}  // namespace

absl::StatusOr<absl::Time> PluginRelease::Step(absl::Time now, const OfferedPlugins& offered, const RowReader& rows,
                                               RelayOutputs& outputs) {
  // One that is offered no more, and then again, is new.
  for (auto it = released_.begin(); it != released_.end();) {
    it = offered.count(*it) > 0 ? std::next(it) : released_.erase(it);
  }
  if (looking_for_.empty()) {
    if (now < next_look_) return absl::InfiniteFuture();
    for (const auto& [evaluator, digest] : offered) {
      if (released_.count(evaluator) == 0) looking_for_[evaluator] = digest;
    }
    if (looking_for_.empty()) return absl::InfiniteFuture();
    from_.clear();
  }
  ASSAY_ASSIGN_OR_RETURN(const std::vector<store::Row> page, rows.Scan(kEvaluationTable, "", from_, kPage));
  for (const store::Row& stored : page) {
    storage::v1::EvaluationRow evaluation;
    if (!evaluation.ParseFromString(stored.value)) {
      return absl::DataLossError(absl::StrCat("evaluation ", stored.key, " cannot be read"));
    }
    from_ = stored.key + '\0';
    if (evaluation.state() != v1::Evaluation::PARKED || !evaluation.plugin_digest().empty()) continue;
    const auto plugin = looking_for_.find(evaluation.evaluator());
    if (plugin == looking_for_.end()) continue;
    ASSAY_RETURN_IF_ERROR(Release(stored.key, evaluation, plugin->second, rows, outputs));
  }
  if (page.size() == kPage) return now;
  for (const auto& [evaluator, digest] : looking_for_) {
    if (failed_.count(evaluator) == 0) released_.insert(evaluator);
  }
  looking_for_.clear();
  failed_.clear();
  next_look_ = now + kLookInterval;
  return absl::InfiniteFuture();
}

absl::Status PluginRelease::Release(const std::string& key, const storage::v1::EvaluationRow& evaluation,
                                    const std::string& plugin_digest, const RowReader& rows, RelayOutputs& outputs) {
  const std::vector<std::string> parts = absl::StrSplit(key, '/');
  if (parts.size() != 4) return absl::DataLossError(absl::StrCat("evaluation ", key, " is not of a submission"));
  ASSAY_ASSIGN_OR_RETURN(const auto submission, rows.Find<storage::v1::SubmissionRow>(
                                                    kSubmissionTable, Key(parts[0], parts[1], parts[2])));
  if (!submission) return absl::DataLossError(absl::StrCat("the submission of evaluation ", key, " is missing"));
  event::v1::Envelope envelope;
  envelope.set_tenant(parts[0]);
  envelope.set_candidate_key(parts[1]);
  envelope.set_assessment_key(submission->assessment_key());
  event::v1::EvaluationReleased& released = *envelope.mutable_evaluation_released();
  released.set_submission_id(parts[2]);
  released.set_evaluation_id(evaluation.id());
  released.set_plugin_digest(plugin_digest);
  outputs.Journal(std::move(envelope), [this, evaluator = evaluation.evaluator()](const absl::Status& status, int64_t) {
    if (status.ok()) return;
    released_.erase(evaluator);
    failed_.insert(evaluator);
  });
  return absl::OkStatus();
}

}  // namespace assay::aggregator
