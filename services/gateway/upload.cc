// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/upload.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/status.h"
#include "services/gateway/validation.h"

namespace assay::gateway {
namespace {

constexpr size_t kMaxChunk = 1 << 20;

}  // namespace

absl::Status Upload::Begin(const v1::UploadArtifactRequest::Metadata& metadata) {
  if (backend_.journal == nullptr) return absl::FailedPreconditionError("this server is read-only: it accepts nothing");
  if (writer_ != nullptr) return absl::InvalidArgumentError("metadata: it comes once, in the first message");
  ASSAY_RETURN_IF_ERROR(Validate(metadata));
  const auto own = backend_.max_artifact_bytes_of_tenant.find(caller_.tenant);
  max_bytes_ = own == backend_.max_artifact_bytes_of_tenant.end() ? backend_.max_artifact_bytes : own->second;
  if (metadata.size() > max_bytes_) {
    return rpc::WithReason(absl::ResourceExhaustedError(absl::StrCat("metadata.size: found ", metadata.size(),
                                                                     " bytes; allowed: ", max_bytes_)),
                           rpc::kTooLarge);
  }
  ASSAY_RETURN_IF_ERROR(rpc::WithReason(backend_.has_room(caller_.tenant), rpc::kNoRoom));
  ASSAY_ASSIGN_OR_RETURN(const Subject subject, SubjectOf(backend_, caller_.tenant, metadata.candidate(), ""));
  metadata_ = metadata;
  candidate_key_ = subject.candidate_key;
  ASSAY_ASSIGN_OR_RETURN(writer_, backend_.blobs.Create({caller_.tenant, candidate_key_}, max_bytes_));
  return absl::OkStatus();
}

absl::Status Upload::Append(absl::string_view chunk) {
  if (writer_ == nullptr) return absl::InvalidArgumentError("metadata: found nothing; the first message must carry it");
  if (chunk.empty() || chunk.size() > kMaxChunk) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk: found ", chunk.size(), " bytes; allowed: 1 to ", kMaxChunk));
  }
  size_ += chunk.size();
  if (size_ > max_bytes_) {
    return rpc::WithReason(absl::ResourceExhaustedError(
                               absl::StrCat("chunk: the artifact has more than the ", max_bytes_, " bytes allowed")),
                           rpc::kTooLarge);
  }
  if (!metadata_.digest().empty()) hasher_.Update(chunk);
  const absl::Status written = writer_->Append(chunk);
  return absl::IsResourceExhausted(written) ? rpc::WithReason(written, rpc::kNoRoom) : written;
}

absl::StatusOr<v1::Artifact> Upload::Finish() {
  if (writer_ == nullptr) return absl::InvalidArgumentError("metadata: found nothing; the first message must carry it");
  if (size_ == 0) return absl::InvalidArgumentError("chunk: found an empty artifact; at least one byte is needed");
  if (metadata_.size() != 0 && metadata_.size() != size_) {
    return absl::InvalidArgumentError(
        absl::StrCat("metadata.size: ", metadata_.size(), " bytes were announced, ", size_, " came"));
  }
  if (!metadata_.digest().empty()) {
    const std::string came = hasher_.Finish().ToString();
    if (metadata_.digest() != came) {
      return absl::InvalidArgumentError(
          absl::StrCat("metadata.digest: ", metadata_.digest(), " was announced, ", came, " came"));
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const Digest digest, writer_->Commit());
  // The submission that follows needs it decoded; whether it can be is that call's answer to give.
  backend_.digests.Find({caller_.tenant, candidate_key_}, digest, deadline_).IgnoreError();
  v1::Artifact artifact;
  artifact.set_digest(digest.ToString());
  artifact.set_size(size_);
  return artifact;
}

}  // namespace assay::gateway
