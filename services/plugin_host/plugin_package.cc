// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/plugin_package.h"

#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <sys/mman.h>

#include <cerrno>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace assay::plugin_host {
namespace {

constexpr uint64_t kMaxManifestBytes = 1 << 20;
constexpr uint64_t kMaxBinaryBytes = 256 << 20;

absl::Status Wrong(absl::string_view field, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", why));
}

bool IsCriterionId(absl::string_view id) {
  absl::string_view stem = id;
  if (absl::EndsWith(stem, "/*")) stem.remove_suffix(2);
  return !stem.empty() && id.size() <= 64 &&
         stem.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_./") == absl::string_view::npos;
}

absl::Status CheckEvaluator(const plugin::v1::Manifest::Evaluator& evaluator, const std::string& at) {
  if (evaluator.id().empty()) return Wrong(at + ".id", "missing");
  const std::set<std::string> levels = {"bitwise", "tolerant", "sampled"};
  if (levels.count(evaluator.determinism()) == 0) {
    return Wrong(at + ".determinism", absl::StrCat("'", evaluator.determinism(), "'; bitwise, tolerant or sampled"));
  }
  for (const std::string& flag : evaluator.flags()) {
    if (flag != "reusable") return Wrong(at + ".flags", absl::StrCat("'", flag, "'; reusable"));
  }
  std::set<std::string> seen;
  for (int i = 0; i < evaluator.criteria_size(); ++i) {
    const auto& criterion = evaluator.criteria(i);
    const std::string place = absl::StrCat(at, ".criteria[", i, "]");
    if (!IsCriterionId(criterion.id())) {
      return Wrong(place + ".id",
                   absl::StrCat("'", criterion.id(), "'; 1 to 64 bytes of [a-z0-9_./], at the end perhaps /*"));
    }
    if (!seen.insert(criterion.id()).second)
      return Wrong(place + ".id", absl::StrCat("'", criterion.id(), "' occurs twice"));
    for (const std::string& kind : criterion.needs_evidence()) {
      if (kind != "input" && kind != "exec" && kind != "loadgen" && kind != "artifact") {
        return Wrong(place + ".needs_evidence", absl::StrCat("'", kind, "'; input, exec, loadgen or artifact"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckManifest(const plugin::v1::Manifest& manifest) {
  if (manifest.manifest() != 1) return Wrong("manifest", absl::StrCat(manifest.manifest(), "; 1"));
  if (manifest.id().empty()) return Wrong("id", "missing");
  if (manifest.version().empty()) return Wrong("version", "missing");
  if (manifest.abi().major() != 1)
    return Wrong("abi.major", absl::StrCat(manifest.abi().major(), "; this host speaks 1"));
  if (manifest.abi().minor_min() > 0) {
    return Wrong("abi.minor_min", absl::StrCat(manifest.abi().minor_min(), "; this host knows 0"));
  }
  if (manifest.evaluators().empty()) return Wrong("evaluators", "none");
  for (int i = 0; i < manifest.evaluators_size(); ++i) {
    ASSAY_RETURN_IF_ERROR(CheckEvaluator(manifest.evaluators(i), absl::StrCat("evaluators[", i, "]")));
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> SealedCopy(absl::string_view content) {
  UniqueFd fd(::memfd_create("assay-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.is_open()) return ErrnoStatus(errno, "memfd_create");
  while (!content.empty()) {
    const ssize_t written = ::write(fd.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return ErrnoStatus(errno, "writing a plugin's memory file");
    content.remove_prefix(static_cast<size_t>(written));
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return ErrnoStatus(errno, "sealing a plugin's memory file");
  }
  return fd;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PluginPackage>> PluginPackage::Load(const std::string& manifest_path) {
  auto package = std::make_shared<PluginPackage>();
  ASSAY_ASSIGN_OR_RETURN(const std::string json, ReadFile(manifest_path, kMaxManifestBytes));
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, &package->manifest);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(manifest_path, ": ", std::string(parsed.message())));
  }
  ASSAY_RETURN_IF_ERROR(Annotate(CheckManifest(package->manifest), manifest_path));
  const std::string binary_path = absl::StrCat(absl::StripSuffix(manifest_path, ".json"), ".so");
  ASSAY_ASSIGN_OR_RETURN(const std::string binary, ReadFile(binary_path, kMaxBinaryBytes));
  package->binary_digest = Digest::Of(binary);
  package->digest = Digest::Of(absl::StrCat(package->binary_digest.bytes(), Digest::Of(json).bytes()));
  ASSAY_ASSIGN_OR_RETURN(package->binary, SealedCopy(binary));
  return package;
}

const plugin::v1::Manifest::Evaluator* PluginPackage::Find(absl::string_view evaluator) const {
  for (const auto& candidate : manifest.evaluators()) {
    if (candidate.id() == evaluator) return &candidate;
  }
  return nullptr;
}

}  // namespace assay::plugin_host
