// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/submission_inputs.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "assay/v1/submission.pb.h"
#include "services/common/base/status_macros.h"
#include "services/evaluator/result_writer.h"

namespace assay::evaluator {
namespace {

constexpr uint64_t kMaxDocumentBytes = 4 << 20;

uint64_t PackBytes(const archive::Pack& pack) {
  struct stat status {};
  return ::fstat(pack.fd(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const archive::DecodedArchive>> InputLoader::Decode(const blob::Owner& owner,
                                                                                   const Digest& archive,
                                                                                   absl::Duration patience) {
  // Blobs belong to a candidate, and so does what is made of them.
  const std::string key = absl::StrCat(owner.tenant, "/", owner.candidate_key, "/", archive.ToHex());
  if (auto kept = packs_.Find(key)) return kept;
  ASSAY_ASSIGN_OR_RETURN(const UniqueFd blob, blobs_.Open(owner, archive));
  archive::DecodeOptions options = decode_;
  options.wall = std::min(options.wall, std::max(patience, absl::Milliseconds(1)));
  ASSAY_ASSIGN_OR_RETURN(archive::DecodedArchive decoded, archive::DecodeArchive(launcher_, blob, options));
  auto kept = std::make_shared<const archive::DecodedArchive>(std::move(decoded));
  packs_.Insert(key, kept, PackBytes(kept->pack));
  return kept;
}

absl::StatusOr<std::shared_ptr<const archive::DecodedArchive>> InputLoader::DecodeFor(const blob::Owner& owner,
                                                                                      const std::string& digest,
                                                                                      absl::string_view what) {
  ASSAY_ASSIGN_OR_RETURN(const Digest name, Digest::Parse(digest));
  absl::StatusOr<std::shared_ptr<const archive::DecodedArchive>> decoded = Decode(owner, name);
  if (decoded.ok()) return decoded;
  absl::Status status = Annotate(decoded.status(), what);
  if (absl::IsInvalidArgument(status) || absl::IsResourceExhausted(status))
    status.SetPayload(kSubmissionFault, absl::Cord());
  return status;
}

std::string OneElementPerLine(absl::string_view json) {
  std::string lines;
  lines.reserve(json.size() + 1024);
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    lines += c;
    if (in_string) {
      if (c == '\\' && i + 1 < json.size()) lines += json[++i];
      in_string = c != '"';
      continue;
    }
    in_string = c == '"';
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && depth > 0) --depth;
    const bool opens = (c == '{' || c == '[') && depth <= 2;
    if (depth <= 2 && (c == ',' || opens)) lines += '\n';
  }
  return lines;
}

absl::StatusOr<SubmissionInputs> InputLoader::Load(const event::v1::Work& work) {
  const blob::Owner owner = {work.tenant(), work.candidate_key()};
  SubmissionInputs inputs;
  if (work.kind() == v1::Submission::REPOSITORY) {
    ASSAY_ASSIGN_OR_RETURN(inputs.archive, DecodeFor(owner, work.blob_digest(), "archive"));
    if (!work.base_blob_digest().empty()) {
      ASSAY_ASSIGN_OR_RETURN(inputs.base, DecodeFor(owner, work.base_blob_digest(), "base archive"));
    }
  } else {
    ASSAY_ASSIGN_OR_RETURN(const Digest name, Digest::Parse(work.blob_digest()));
    ASSAY_ASSIGN_OR_RETURN(const std::string json, blob::Get(blobs_, owner, name, kMaxDocumentBytes));
    inputs.documents.push_back({"submission.json", "application/json", OneElementPerLine(json)});
  }
  ASSAY_ASSIGN_OR_RETURN(const Digest framework, Digest::Parse(work.framework_digest()));
  ASSAY_ASSIGN_OR_RETURN(std::string framework_json, frameworks_.FrameworkJson(framework));
  inputs.documents.push_back({"framework.json", "application/json", std::move(framework_json)});
  if (!work.task_blob_digest().empty()) {
    ASSAY_ASSIGN_OR_RETURN(const Digest task, Digest::Parse(work.task_blob_digest()));
    ASSAY_ASSIGN_OR_RETURN(std::string json, blob::Get(blobs_, owner, task, kMaxDocumentBytes));
    inputs.documents.push_back({"task.json", "application/json", std::move(json)});
  }
  for (const auto& [evaluator, digest] : work.prior_results()) {
    ASSAY_ASSIGN_OR_RETURN(plugin_host::PriorResult prior, ReadPriorResult(blobs_, owner, evaluator, digest));
    inputs.prior.push_back(std::move(prior));
  }
  std::sort(inputs.prior.begin(), inputs.prior.end(),
            [](const auto& a, const auto& b) { return a.evaluator < b.evaluator; });
  return inputs;
}

}  // namespace assay::evaluator
