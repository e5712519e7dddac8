// SPDX-License-Identifier: Apache-2.0
#include "services/archive/decoder.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/archive/pack_format.h"
#include "services/archive/pack_writer.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace assay::archive {
namespace {

constexpr size_t kMaxReportBytes = 128 << 10;
constexpr absl::Duration kKillPatience = absl::Seconds(10);

// A memory file of at most `max_bytes` for a process that may not be trusted with more.
absl::StatusOr<UniqueFd> BoundedMemoryFile(const char* name, uint64_t max_bytes) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.is_open()) return ErrnoStatus(errno, "memfd_create");
  if (::ftruncate(fd.get(), static_cast<off_t>(max_bytes)) != 0) return ErrnoStatus(errno, "ftruncate");
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_GROW) != 0) return ErrnoStatus(errno, "sealing a memory file");
  return fd;
}

absl::StatusOr<std::string> ReadReport(int fd) {
  std::string report(kMaxReportBytes, '\0');
  const ssize_t got = ::pread(fd, report.data(), report.size(), 0);
  if (got < 0) return ErrnoStatus(errno, "reading the decoder's report");
  // The file has its full size from the start; what was not written is zero.
  report.resize(std::min<size_t>(static_cast<size_t>(got), report.find('\0')));
  return report;
}

sandbox::LaunchSpec Spec(const std::string& folder, int archive, int pack, int report, const DecodeOptions& options) {
  sandbox::LaunchSpec spec;
  spec.argv = {folder + "/assay-unpack"};
  spec.descriptors = {{archive, 3}, {pack, 4}, {report, 5}};
  spec.limits.memory_bytes = options.memory_bytes;
  spec.limits.max_processes = 1;
  spec.limits.wall = options.wall;
  spec.limits.cpu_time = options.wall;
  spec.isolation.new_network = true;
  spec.isolation.new_mounts = true;
  spec.isolation.new_processes = true;
  spec.isolation.profile = sandbox::Profile::kDecoder;
  spec.isolation.best_effort = true;
  for (const char* path : {"/lib", "/lib64", "/usr/lib", "/usr/lib64"}) {
    struct stat status {};
    if (::stat(path, &status) == 0) spec.isolation.mounts.push_back({path, path, false});
  }
  spec.isolation.mounts.push_back({folder, folder, false});
  return spec;
}

absl::Status CheckEnd(const sandbox::ExitInfo& exit) {
  using Limit = sandbox::ExitInfo::Limit;
  if (exit.limit == Limit::kWall || exit.limit == Limit::kCpu) {
    return absl::ResourceExhaustedError("decoding the archive took longer than its time limit");
  }
  if (exit.limit == Limit::kMemory) {
    return absl::ResourceExhaustedError("decoding the archive took more than its memory limit");
  }
  if (exit.signalled) {
    return absl::InvalidArgumentError(absl::StrCat("the archive ended its decoder with signal ", exit.code));
  }
  if (exit.code != 0) return absl::InternalError(absl::StrCat("assay-unpack ended with code ", exit.code));
  return absl::OkStatus();
}

// The report of a refused archive, as a status; the code is one of the two that are about archives or the platform's.
absl::Status Refusal(absl::string_view first_line, absl::string_view reason) {
  int code = 0;
  if (!absl::ConsumePrefix(&first_line, "refused ") || !absl::SimpleAtoi(first_line, &code)) {
    return absl::InternalError("assay-unpack left no report");
  }
  const auto status_code = static_cast<absl::StatusCode>(code);
  const bool about_archive =
      status_code == absl::StatusCode::kInvalidArgument || status_code == absl::StatusCode::kResourceExhausted;
  return {about_archive ? status_code : absl::StatusCode::kInternal, reason};
}

}  // namespace

absl::StatusOr<DecodedArchive> DecodeArchive(sandbox::Launcher& launcher, const UniqueFd& archive,
                                             const DecodeOptions& options) {
  std::string folder = options.executable_folder;
  if (folder.empty()) {
    ASSAY_ASSIGN_OR_RETURN(folder, ExecutableDirectory());
  }
  ASSAY_ASSIGN_OR_RETURN(UniqueFd pack, BoundedMemoryFile("assay-pack", kMaxPackBytes));
  ASSAY_ASSIGN_OR_RETURN(UniqueFd report, BoundedMemoryFile("assay-report", kMaxReportBytes));
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<sandbox::Process> process,
                         launcher.Launch(Spec(folder, archive.get(), pack.get(), report.get(), options)));
  absl::StatusOr<sandbox::ExitInfo> exit = process->Wait(options.wall + absl::Seconds(2));
  if (absl::IsDeadlineExceeded(exit.status())) {
    process->Kill();
    ASSAY_RETURN_IF_ERROR(process->Wait(kKillPatience).status());
    return absl::ResourceExhaustedError("decoding the archive took longer than its time limit");
  }
  ASSAY_RETURN_IF_ERROR(exit.status());
  ASSAY_RETURN_IF_ERROR(CheckEnd(*exit));
  ASSAY_ASSIGN_OR_RETURN(const std::string text, ReadReport(report.get()));
  std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  if (lines.empty() || lines[0] != "ok") {
    return Refusal(lines.empty() ? "" : lines[0], lines.size() < 2 ? "" : lines[1]);
  }
  lines.erase(lines.begin());
  ASSAY_RETURN_IF_ERROR(SealPack(pack.get()));
  ASSAY_ASSIGN_OR_RETURN(Pack opened, Pack::Open(std::move(pack)));
  ASSAY_RETURN_IF_ERROR(opened.Verify());
  return DecodedArchive{std::move(opened), std::move(lines)};
}

}  // namespace assay::archive
