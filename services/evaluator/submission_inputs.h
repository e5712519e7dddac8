// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "assay/event/v1/work.pb.h"
#include "services/archive/decoder.h"
#include "services/common/blob/blob_store.h"
#include "services/evaluator/lru_cache.h"
#include "services/evaluator/server.h"
#include "services/plugin_host/evaluation_runner.h"

namespace assay::evaluator {

// What an evaluator is given of one submission.
struct SubmissionInputs {
  // Null for documents.
  std::shared_ptr<const archive::DecodedArchive> archive;
  std::shared_ptr<const archive::DecodedArchive> base;
  // submission.json (documents only), framework.json, task.json (when there is a task).
  std::vector<plugin_host::Document> documents;
  std::vector<plugin_host::PriorResult> prior;
};

// JSON with a line for each member of the root and for each element of the arrays right below it, so that a plugin can
// cite one rating or item as lines. Documents are journaled as canonical JSON, which is one line. The value stays the
// same.
std::string OneElementPerLine(absl::string_view json);

// Fetches and decodes them; keeps decoded archives for the next evaluator. Thread-safe.
class InputLoader {
 public:
  InputLoader(blob::BlobStore& blobs, FrameworkSource& frameworks, sandbox::Launcher& launcher,
              archive::DecodeOptions decode, uint64_t cache_bytes)
      : blobs_(blobs),
        frameworks_(frameworks),
        launcher_(launcher),
        decode_(std::move(decode)),
        packs_(4096, cache_bytes) {}

  // INVALID_ARGUMENT and RESOURCE_EXHAUSTED with the payload kSubmissionFault are about the archive: the submission is
  // unfit. Everything else is the platform's fault.
  absl::StatusOr<SubmissionInputs> Load(const event::v1::Work& work);
  // An uploaded archive, decoded, or as it was decoded before; blocks. NOT_FOUND: no such blob; INVALID_ARGUMENT and
  // RESOURCE_EXHAUSTED: the archive is unfit; anything else is the platform's fault.
  // It is RESOURCE_EXHAUSTED as well when the decoder needs more than `patience`.
  absl::StatusOr<std::shared_ptr<const archive::DecodedArchive>> Decode(const blob::Owner& owner, const Digest& archive,
                                                                        absl::Duration patience = absl::InfiniteDuration());

  static constexpr char kSubmissionFault[] = "assay.evaluator/submission_fault";

 private:
  absl::StatusOr<std::shared_ptr<const archive::DecodedArchive>> DecodeFor(const blob::Owner& owner,
                                                                           const std::string& digest,
                                                                           absl::string_view what);

  blob::BlobStore& blobs_;
  FrameworkSource& frameworks_;
  sandbox::Launcher& launcher_;
  const archive::DecodeOptions decode_;
  LruCache<archive::DecodedArchive> packs_;
};

}  // namespace assay::evaluator
