// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/catalog_domain.h"

#include <utility>

#include "services/readiness/readiness.h"

namespace assay::aggregator {

CatalogDomain::CatalogDomain(std::vector<std::shared_ptr<const readiness::CompiledFramework>> frameworks) {
  for (auto& framework : frameworks) {
    const std::string digest = framework->digest_text();
    frameworks_[digest] = std::move(framework);
  }
}

const readiness::CompiledFramework* CatalogDomain::Find(absl::string_view digest) const {
  const auto found = frameworks_.find(digest);
  return found == frameworks_.end() ? nullptr : found->second.get();
}

const v1::Framework* CatalogDomain::FindFramework(absl::string_view digest) const {
  const readiness::CompiledFramework* framework = Find(digest);
  return framework == nullptr ? nullptr : &framework->proto();
}

v1::Readiness CatalogDomain::Fold(const v1::Framework&, absl::string_view framework_digest,
                                  const CountedEvidence& evidence) const {
  const readiness::CompiledFramework* framework = Find(framework_digest);
  if (framework == nullptr || framework->proto().profiles().empty()) return {};
  readiness::FoldInputs inputs;
  inputs.asked_behaviours = evidence.asked_behaviours;
  for (const CountedEvaluation& counted : evidence.evaluations) {
    const event::v1::SubmissionAccepted& accepted = counted.submission.accepted();
    if (inputs.submissions.empty() || inputs.submissions.back().id != accepted.submission_id()) {
      inputs.submissions.push_back({accepted.submission_id(), accepted.kind(), {}, {}});
    }
    readiness::CountedSubmission& submission = inputs.submissions.back();
    const auto& observations = counted.result.observations();
    submission.observations.insert(submission.observations.end(), observations.begin(), observations.end());
    const auto& claims = counted.result.claims();
    submission.claims.insert(submission.claims.end(), claims.begin(), claims.end());
    inputs.plugins[counted.evaluation.evaluator()] = counted.evaluation.plugin_digest();
  }
  const v1::RoleProfile* profile = framework->FindProfile(evidence.profile);
  // A framework without that profile is read by its first one, and the provenance says which that was.
  if (profile == nullptr) profile = &framework->proto().profiles(0);
  return readiness::Fold(*framework, *profile, inputs);
}

std::vector<std::string> CatalogDomain::BehavioursOf(absl::string_view framework_digest,
                                                     absl::string_view criterion) const {
  const readiness::CompiledFramework* framework = Find(framework_digest);
  return framework == nullptr ? std::vector<std::string>() : framework->BehavioursOf(criterion);
}

}  // namespace assay::aggregator
