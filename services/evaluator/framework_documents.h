// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/json.h"
#include "services/evaluator/server.h"
#include "services/readiness/framework.h"

namespace assay::evaluator {

// The frameworks published here, as plugins get them. Each is written out once: it never changes, every evaluation
// reads it, and it takes longer to write than a scorecard takes to judge. Thread-safe; the catalog must outlive it.
class FrameworkDocuments final : public FrameworkSource {
 public:
  explicit FrameworkDocuments(const readiness::Catalog& catalog) : catalog_(catalog) {}

  absl::StatusOr<std::string> FrameworkJson(const Digest& digest) override {
    // Unknown digests are not kept, so the catalog bounds what is.
    ASSAY_ASSIGN_OR_RETURN(const auto framework, catalog_.Find(digest.ToString()));
    absl::MutexLock lock(&mutex_);
    if (const auto known = documents_.find(digest); known != documents_.end()) return known->second;
    ASSAY_ASSIGN_OR_RETURN(std::string json, rpc::ToCanonicalJson(framework->proto()));
    return documents_.emplace(digest, std::move(json)).first->second;
  }

 private:
  const readiness::Catalog& catalog_;
  absl::Mutex mutex_;
  std::map<Digest, std::string> documents_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::evaluator
