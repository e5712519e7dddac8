// SPDX-License-Identifier: Apache-2.0
#include "services/common/blob/result_document.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace assay::blob {
namespace {

using event::v1::ResultDocument;

constexpr size_t kMaxPiece = 512 << 10;
constexpr size_t kMaxPieces = 8 << 20;
constexpr uint64_t kMaxDocumentBytes = 64 << 20;
constexpr uint64_t kMaxKept = 128 << 20;

// Bytes that are there already stay as they are.
absl::Status PutOnce(BlobStore& store, const Owner& owner, const Digest& digest, absl::string_view content) {
  return store.Stat(owner, digest).ok() ? absl::OkStatus() : Put(store, owner, content).status();
}

absl::StatusOr<std::string> Checked(const std::string& content, const Digest& digest) {
  if (Digest::Of(content) == digest) return content;
  return absl::DataLossError(absl::StrCat(digest.ToString(), ": the bytes in the result document are others"));
}

}  // namespace

absl::StatusOr<Digest> PutResult(BlobStore& store, const Owner& owner, ResultDocument document,
                                 std::vector<absl::string_view> contents) {
  // In order of size: one large piece takes no room from many small ones, and equal results are equal bytes.
  std::sort(contents.begin(), contents.end(), [](absl::string_view a, absl::string_view b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  contents.erase(std::unique(contents.begin(), contents.end()), contents.end());
  size_t within = 0;
  for (absl::string_view content : contents) {
    const Digest digest = Digest::Of(content);
    if (content.size() > kMaxPiece || content.size() > kMaxPieces - within) {
      ASSAY_RETURN_IF_ERROR(PutOnce(store, owner, digest, content));
      continue;
    }
    within += content.size();
    ResultDocument::Content& piece = *document.add_contents();
    piece.set_digest(std::string(digest.bytes()));
    piece.set_content(content.data(), content.size());
  }
  const std::string bytes = document.SerializeAsString();
  const Digest name = Digest::Of(bytes);
  ASSAY_RETURN_IF_ERROR(PutOnce(store, owner, name, bytes));
  return name;
}

absl::StatusOr<ResultDocument> GetResult(BlobStore& store, const Owner& owner, const Digest& digest) {
  ASSAY_ASSIGN_OR_RETURN(const std::string bytes, Get(store, owner, digest, kMaxDocumentBytes));
  ResultDocument document;
  if (document.ParseFromString(bytes)) return document;
  return absl::DataLossError(absl::StrCat("result document ", digest.ToString(), " cannot be read"));
}

absl::StatusOr<std::string> ContentOf(const ResultDocument& document, const Digest& digest) {
  for (const ResultDocument::Content& piece : document.contents()) {
    if (piece.digest() == digest.bytes()) return Checked(piece.content(), digest);
  }
  return absl::NotFoundError(absl::StrCat(digest.ToString(), ": not in this result document"));
}

void RecordedBytes::Take(ResultDocument& document) {
  for (ResultDocument::Content& piece : *document.mutable_contents()) {
    const uint64_t size = piece.content().size();
    if (size > kMaxKept - kept_bytes_) break;
    const bool is_new = contents_.try_emplace(piece.digest(), std::move(*piece.mutable_content())).second;
    if (is_new) kept_bytes_ += size;
  }
  document.clear_contents();
}

absl::StatusOr<std::string> RecordedBytes::Get(absl::string_view digest, uint64_t max_bytes) const {
  ASSAY_ASSIGN_OR_RETURN(const Digest name, Digest::Parse(digest));
  const auto found = contents_.find(name.bytes());
  if (found == contents_.end()) return blob::Get(store_, owner_, name, max_bytes);
  if (found->second.size() > max_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(digest, ": more than ", max_bytes, " bytes"));
  }
  return Checked(found->second, name);
}

}  // namespace assay::blob
