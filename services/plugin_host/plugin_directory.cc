// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/plugin_directory.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "assay/plugin.h"
#include "services/common/base/status_macros.h"

namespace assay::plugin_host {
namespace {

absl::Status Differ(absl::string_view field, absl::string_view binary, absl::string_view manifest) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": the binary says '", binary, "', the manifest '", manifest, "'"));
}

std::string DeterminismName(uint32_t value) {
  switch (value) {
    case ASSAY_DETERMINISM_BITWISE:
      return "bitwise";
    case ASSAY_DETERMINISM_TOLERANT:
      return "tolerant";
    case ASSAY_DETERMINISM_SAMPLED:
      return "sampled";
    default:
      return absl::StrCat(value);
  }
}

absl::Status CompareEvaluator(const plugin::v1::EvaluatorDescriptor& binary, const plugin::v1::Manifest& manifest,
                              const plugin::v1::Manifest::Evaluator& declared) {
  const std::string at = absl::StrCat("evaluator ", declared.id(), " ");
  if (binary.version() != manifest.version()) return Differ(at + "version", binary.version(), manifest.version());
  if (binary.kind() != manifest.kind()) return Differ(at + "kind", binary.kind(), manifest.kind());
  if (DeterminismName(binary.determinism()) != declared.determinism()) {
    return Differ(at + "determinism", DeterminismName(binary.determinism()), declared.determinism());
  }
  const std::string flags = (binary.flags() & ASSAY_FLAG_REUSABLE) != 0 ? "reusable" : "";
  const std::string declared_flags = declared.flags().empty() ? "" : "reusable";
  return flags == declared_flags ? absl::OkStatus() : Differ(at + "flags", flags, declared_flags);
}

}  // namespace

absl::Status CompareWithManifest(const plugin::v1::Hello& hello, const plugin::v1::Manifest& manifest) {
  std::map<std::string, const plugin::v1::EvaluatorDescriptor*> binary;
  for (const auto& descriptor : hello.descriptors()) binary[descriptor.id()] = &descriptor;
  if (static_cast<int>(binary.size()) != manifest.evaluators_size()) {
    return Differ("number of evaluators", absl::StrCat(binary.size()), absl::StrCat(manifest.evaluators_size()));
  }
  for (const auto& declared : manifest.evaluators()) {
    const auto found = binary.find(declared.id());
    if (found == binary.end()) return Differ("evaluator id", binary.begin()->first, declared.id());
    ASSAY_RETURN_IF_ERROR(CompareEvaluator(*found->second, manifest, declared));
  }
  return absl::OkStatus();
}

absl::StatusOr<PluginDirectory> PluginDirectory::Load(const std::string& folder, sandbox::Launcher& launcher,
                                                      const HostOptions& options) {
  std::error_code error;
  std::vector<std::string> manifests;
  PluginDirectory directory;
  for (std::filesystem::directory_iterator it(folder, error), last; !error && it != last; it.increment(error)) {
    const std::string path = it->path();
    if (absl::EndsWith(path, ".json")) manifests.push_back(path);
    if (absl::EndsWith(path, ".so") && !std::filesystem::exists(path.substr(0, path.size() - 3) + ".json")) {
      directory.refusals_.push_back(absl::StrCat(path, ": has no manifest beside it"));
    }
  }
  if (error) return absl::NotFoundError(absl::StrCat("plugin folder ", folder, ": ", error.message()));
  std::sort(manifests.begin(), manifests.end());
  for (const std::string& path : manifests) {
    auto package = PluginPackage::Load(path);
    if (!package.ok()) {
      directory.refusals_.push_back(std::string(package.status().message()));
      continue;
    }
    HostEnd end;
    const std::unique_ptr<HostProcess> host = HostProcess::Start(launcher, *package, options, &end);
    absl::Status same =
        host == nullptr ? absl::UnavailableError(end.reason) : CompareWithManifest(host->hello(), (*package)->manifest);
    if (same.ok()) {
      directory.packages_.push_back(*std::move(package));
    } else {
      directory.refusals_.push_back(absl::StrCat(path, ": ", same.message()));
    }
  }
  return directory;
}

std::shared_ptr<const PluginPackage> PluginDirectory::Find(const Digest& digest) const {
  for (const auto& package : packages_) {
    if (package->digest == digest) return package;
  }
  return nullptr;
}

}  // namespace assay::plugin_host
