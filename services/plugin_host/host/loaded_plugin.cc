// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/host/loaded_plugin.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/digest.h"
#include "services/common/base/status_macros.h"

namespace assay::plugin_host {
namespace {

constexpr uint32_t kMaxEvaluators = 64;
constexpr int kNeededSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;

absl::Status CheckFile(int fd, const std::string& expected) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kNeededSeals) != kNeededSeals) {
    return absl::FailedPreconditionError("descriptor 4 is no sealed memory file");
  }
  struct stat status {};
  if (::fstat(fd, &status) != 0 || status.st_size <= 0) return absl::FailedPreconditionError("descriptor 4 is empty");
  const auto size = static_cast<size_t>(status.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return absl::FailedPreconditionError("descriptor 4 cannot be mapped");
  const std::string found = Digest::Of({static_cast<const char*>(data), size}).ToString();
  ::munmap(data, size);
  if (found == expected) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the plugin's digest is ", found, ", not ", expected));
}

absl::StatusOr<const assay_plugin_v1*> Negotiate(void* library) {
  const auto negotiate = reinterpret_cast<assay_status (*)(const assay_negotiate_in*, assay_negotiate_out*)>(
      ::dlsym(library, "assay_negotiate"));
  if (negotiate == nullptr) return absl::InvalidArgumentError("the plugin exports no assay_negotiate");
  assay_negotiate_in in{};
  in.struct_size = ASSAY_SIZE_THROUGH(assay_negotiate_in, host_version);
  in.magic = ASSAY_MAGIC;
  in.major_min = in.major_max = ASSAY_ABI_MAJOR;
  in.minor = ASSAY_ABI_MINOR;
  in.host_name = {"assay-plugin-host", 17};
  in.host_version = {"0.1.0", 5};
  assay_negotiate_out out{};
  out.struct_size = ASSAY_SIZE_THROUGH(assay_negotiate_out, plugin);
  const assay_status status = negotiate(&in, &out);
  if (status != ASSAY_OK) {
    return absl::InvalidArgumentError(
        absl::StrCat("assay_negotiate answered ", status, " to ABI major ", ASSAY_ABI_MAJOR));
  }
  if (out.magic != ASSAY_MAGIC || out.major != ASSAY_ABI_MAJOR) {
    return absl::InvalidArgumentError(
        absl::StrCat("the plugin speaks ABI major ", out.major, ", this host ", ASSAY_ABI_MAJOR));
  }
  if (out.plugin == nullptr || !ASSAY_HAS(out.plugin, assay_plugin_v1, destroy)) {
    return absl::InvalidArgumentError("the plugin's table lacks functions of ABI 1.0");
  }
  return out.plugin;
}

std::string Text(assay_str text) { return text.data == nullptr ? "" : std::string(text.data, text.size); }

}  // namespace

absl::StatusOr<LoadedPlugin> LoadPlugin(int fd, const std::string& expected) {
  ASSAY_RETURN_IF_ERROR(CheckFile(fd, expected));
  void* library = ::dlopen(absl::StrCat("/proc/self/fd/", fd).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return absl::InvalidArgumentError(absl::StrCat("the plugin cannot be loaded: ", ::dlerror()));
  LoadedPlugin loaded;
  ASSAY_ASSIGN_OR_RETURN(loaded.table, Negotiate(library));
  const uint32_t count = loaded.table->evaluator_count();
  if (count == 0 || count > kMaxEvaluators) {
    return absl::InvalidArgumentError(absl::StrCat(count, " evaluators; 1 to ", kMaxEvaluators));
  }
  for (uint32_t i = 0; i < count; ++i) {
    const assay_descriptor* descriptor = loaded.table->evaluator_at(i);
    if (descriptor == nullptr || !ASSAY_HAS(descriptor, assay_descriptor, flags)) {
      return absl::InvalidArgumentError(absl::StrCat("evaluator ", i, " has no descriptor"));
    }
    plugin::v1::EvaluatorDescriptor& out = loaded.descriptors.emplace_back();
    out.set_id(Text(descriptor->id));
    out.set_version(Text(descriptor->version));
    out.set_kind(Text(descriptor->kind));
    out.set_determinism(descriptor->determinism);
    out.set_flags(descriptor->flags);
  }
  return loaded;
}

}  // namespace assay::plugin_host
