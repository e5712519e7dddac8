// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/readiness/embedded.h"
#include "services/readiness/framework.h"

namespace assay::readiness {
namespace {

// The data is part of the build: a defect in it cannot be met at run time, only in the build's own tests.
[[noreturn]] void Die(const absl::Status& status) {
  std::fprintf(stderr, "the built-in framework is defective: %s\n", status.ToString().c_str());
  std::abort();
}

std::shared_ptr<const CompiledFramework> Compile() {
  absl::StatusOr<v1::Framework> framework = ParseFramework(Catalog::Sources());
  if (!framework.ok()) Die(framework.status());
  absl::StatusOr<std::shared_ptr<const CompiledFramework>> compiled = CompiledFramework::Create(*std::move(framework));
  if (!compiled.ok()) Die(compiled.status());
  return *std::move(compiled);
}

}  // namespace

Catalog::Catalog(std::vector<std::shared_ptr<const CompiledFramework>> frameworks)
    : frameworks_(std::move(frameworks)) {}

const Catalog& Catalog::BuiltIn() {
  static const Catalog* const catalog = new Catalog({Compile()});
  return *catalog;
}

absl::Span<const FrameworkFile> Catalog::Sources() {
  static const auto* const files = new std::vector<FrameworkFile>(EmbeddedFiles());
  return *files;
}

absl::StatusOr<std::shared_ptr<const CompiledFramework>> Catalog::Find(absl::string_view name) const {
  std::shared_ptr<const CompiledFramework> newest;
  std::vector<std::string> names;
  for (const std::shared_ptr<const CompiledFramework>& framework : frameworks_) {
    names.push_back(framework->name());
    if (framework->name() == name || framework->digest_text() == name) return framework;
    if (framework->proto().id() == name) newest = framework;
  }
  if (newest != nullptr) return newest;
  return absl::NotFoundError(absl::StrCat("no framework \"", name, "\"; there is ", absl::StrJoin(names, ", ")));
}

}  // namespace assay::readiness
