// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "assay/v1/artifact_service.pb.h"
#include "services/common/base/digest.h"
#include "services/common/rpc/authorization.h"
#include "services/gateway/backend.h"

namespace assay::gateway {

// Receives one artifact in pieces; what is not finished leaves nothing behind. Not thread-safe; the backend must outlive
// it. Errors: see UploadArtifact in artifact_service.proto.
class Upload {
 public:
  // `deadline` is the call's.
  Upload(const Backend& backend, rpc::Identity caller, absl::Time deadline)
      : backend_(backend), caller_(std::move(caller)), deadline_(deadline) {}

  absl::Status Begin(const v1::UploadArtifactRequest::Metadata& metadata);
  absl::Status Append(absl::string_view chunk);
  // Durable when it returns.
  absl::StatusOr<v1::Artifact> Finish();

 private:
  const Backend& backend_;
  const rpc::Identity caller_;
  const absl::Time deadline_;
  v1::UploadArtifactRequest::Metadata metadata_;
  std::string candidate_key_;
  std::unique_ptr<blob::Writer> writer_;
  uint64_t max_bytes_ = 0;
  uint64_t size_ = 0;
  // Of what came; only where the caller announced a digest to compare it with, before anything is kept.
  Hasher hasher_;
};

}  // namespace assay::gateway
