// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "services/aggregator/domain.h"
#include "services/readiness/framework.h"

namespace assay::aggregator {

// The domain over the frameworks published here. Immutable, thread-safe.
class CatalogDomain final : public Domain {
 public:
  explicit CatalogDomain(std::vector<std::shared_ptr<const readiness::CompiledFramework>> frameworks);

  const v1::Framework* FindFramework(absl::string_view digest) const override;
  v1::Readiness Fold(const v1::Framework& framework, absl::string_view framework_digest,
                     const CountedEvidence& evidence) const override;
  std::vector<std::string> BehavioursOf(absl::string_view framework_digest,
                                        absl::string_view criterion) const override;

 private:
  const readiness::CompiledFramework* Find(absl::string_view digest) const;

  // By digest.
  std::map<std::string, std::shared_ptr<const readiness::CompiledFramework>, std::less<>> frameworks_;
};

}  // namespace assay::aggregator
