// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "assay/event/v1/work.pb.h"
#include "services/common/blob/blob_store.h"

// A result document is one blob with all that one evaluation found, the cited bytes included: written and flushed once,
// read at once. Every piece in it keeps the digest it is cited by.
namespace assay::blob {

// Makes the document durable, with `contents` (what the report cites and the artifacts name) within it as far as they
// fit, the others as blobs of their own before it; returns its digest. Errors are the store's.
absl::StatusOr<Digest> PutResult(BlobStore& store, const Owner& owner, event::v1::ResultDocument document,
                                 std::vector<absl::string_view> contents);

// Reads the document without its contents' bytes being checked one by one: the whole of it was, by its name.
// NOT_FOUND, RESOURCE_EXHAUSTED; DATA_LOSS: not the bytes that were written, or no result document.
absl::StatusOr<event::v1::ResultDocument> GetResult(BlobStore& store, const Owner& owner, const Digest& digest);

// The piece of that digest, hashed again. NOT_FOUND: it does not stand in the document; DATA_LOSS.
absl::StatusOr<std::string> ContentOf(const event::v1::ResultDocument& document, const Digest& digest);

// The bytes behind some results of one candidate: those within the documents that were handed over, and beyond them the
// candidate's blobs. Not thread-safe; must not outlive the store.
class RecordedBytes {
 public:
  RecordedBytes(BlobStore& store, Owner owner) : store_(store), owner_(std::move(owner)) {}

  // Takes the contents out of `document`. At most 128 MiB are kept for all; those beyond are as if they were not there.
  void Take(event::v1::ResultDocument& document);
  // NOT_FOUND, DATA_LOSS; RESOURCE_EXHAUSTED: more than `max_bytes`.
  absl::StatusOr<std::string> Get(absl::string_view digest, uint64_t max_bytes) const;

 private:
  BlobStore& store_;
  const Owner owner_;
  // Raw digest → bytes.
  std::map<std::string, std::string, std::less<>> contents_;
  uint64_t kept_bytes_ = 0;
};

}  // namespace assay::blob
