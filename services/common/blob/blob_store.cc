// SPDX-License-Identifier: Apache-2.0
#include "services/common/blob/blob_store.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace assay::blob {
namespace {

bool IsName(absl::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) || absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
           c == '_' || c == '-';
  });
}

}  // namespace

absl::Status CheckOwner(const Owner& owner) {
  if (!IsName(owner.tenant)) {
    return absl::InvalidArgumentError("tenant: 1 to 64 of a-z, 0-9, _ and - are allowed");
  }
  if (!IsName(owner.candidate_key)) {
    return absl::InvalidArgumentError("candidate_key: 1 to 64 of a-z, 0-9, _ and - are allowed");
  }
  return absl::OkStatus();
}

absl::StatusOr<Digest> Put(BlobStore& store, const Owner& owner, absl::string_view content) {
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<Writer> writer, store.Create(owner, content.size()));
  ASSAY_RETURN_IF_ERROR(writer->Append(content));
  return writer->Commit();
}

absl::StatusOr<std::string> Get(BlobStore& store, const Owner& owner, const Digest& digest, uint64_t max_bytes) {
  ASSAY_ASSIGN_OR_RETURN(const BlobInfo info, store.Stat(owner, digest));
  if (info.size > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(digest.ToString(), ": ", info.size, " bytes, at most ", max_bytes, " are allowed"));
  }
  ASSAY_ASSIGN_OR_RETURN(const UniqueFd fd, store.Open(owner, digest));
  std::string content(info.size, '\0');
  for (size_t at = 0; at < content.size();) {
    const ssize_t got = ::pread(fd.get(), content.data() + at, content.size() - at, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, absl::StrCat("read ", digest.ToString()));
    if (got == 0) return absl::DataLossError(absl::StrCat(digest.ToString(), ": shorter than it was"));
    at += static_cast<size_t>(got);
  }
  return content;
}

absl::StatusOr<SweepReport> Sweep(BlobStore& store, const Owner& owner, absl::Time now, absl::Duration keep_for,
                                  const std::function<bool(const Digest&)>& is_referenced) {
  SweepReport report;
  ASSAY_ASSIGN_OR_RETURN(const std::vector<BlobInfo> blobs, store.List(owner));
  for (const BlobInfo& blob : blobs) {
    if (blob.modify_time >= now - keep_for || is_referenced(blob.digest)) continue;
    const absl::Status status = store.DeleteIfOlder(owner, blob.digest, now - keep_for);
    // Stored again, or removed by somebody else, since it was listed.
    if (absl::IsFailedPrecondition(status) || absl::IsNotFound(status)) continue;
    ASSAY_RETURN_IF_ERROR(status);
    ++report.blobs;
    report.bytes += blob.size;
  }
  return report;
}

}  // namespace assay::blob
