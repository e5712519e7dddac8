// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "services/common/base/status_macros.h"
#include "services/common/rpc/json.h"
#include "services/evaluator/server.h"
#include "services/readiness/framework.h"

namespace assay::standalone {

// The frameworks published here, as plugins get them. Thread-safe; the catalog must outlive it.
class FrameworkDocuments final : public evaluator::FrameworkSource {
 public:
  explicit FrameworkDocuments(const readiness::Catalog& catalog) : catalog_(catalog) {}

  absl::StatusOr<std::string> FrameworkJson(const Digest& digest) override {
    ASSAY_ASSIGN_OR_RETURN(const auto framework, catalog_.Find(digest.ToString()));
    return rpc::ToCanonicalJson(framework->proto());
  }

 private:
  const readiness::Catalog& catalog_;
};

}  // namespace assay::standalone
