// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/runtime_mounts.h"

#include <unistd.h>

#include <initializer_list>
#include <string>

#include "absl/strings/str_cat.h"

namespace assay::sandbox {
namespace {

// The first of `folders` that holds `name`; mounted at the same place, where the loader looks for it.
void AddFirst(std::vector<Mount>& mounts, const std::string& name, std::initializer_list<const char*> folders) {
  for (const char* folder : folders) {
    std::string path = absl::StrCat(folder, "/", name);
    if (access(path.c_str(), R_OK) != 0) continue;
    mounts.push_back({path, path});
    return;
  }
}

}  // namespace

std::vector<Mount> NodeLibraryMounts() {
  std::vector<Mount> mounts;
#if defined(__aarch64__)
  AddFirst(mounts, "ld-linux-aarch64.so.1", {"/lib"});
  constexpr const char* kTriple = "/usr/lib/aarch64-linux-gnu";
  constexpr const char* kShort = "/lib/aarch64-linux-gnu";
#else
  AddFirst(mounts, "ld-linux-x86-64.so.2", {"/lib64"});
  constexpr const char* kTriple = "/usr/lib/x86_64-linux-gnu";
  constexpr const char* kShort = "/lib/x86_64-linux-gnu";
#endif
  for (const char* name : {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libresolv.so.2",
                           "libutil.so.1", "libgcc_s.so.1", "libstdc++.so.6", "libatomic.so.1", "libnss_files.so.2",
                           "libnss_dns.so.2"}) {
    AddFirst(mounts, name, {kShort, kTriple, "/lib64", "/usr/lib64", "/usr/lib"});
  }
  AddFirst(mounts, "sh", {"/bin"});
  AddFirst(mounts, "env", {"/usr/bin"});
  return mounts;
}

std::vector<Mount> SystemLibraryMounts() {
  std::vector<Mount> mounts;
  for (const char* folder : {"/usr/lib", "/lib", "/lib64", "/usr/lib64"}) {
    if (access(folder, R_OK) == 0) mounts.push_back({folder, folder});
  }
  return mounts;
}

}  // namespace assay::sandbox
