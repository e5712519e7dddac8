// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/submission_input.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "assay/v1/artifact_service.grpc.pb.h"
#include "google/protobuf/any.pb.h"
#include "google/rpc/error_details.pb.h"
#include "services/common/base/digest.h"
#include "services/common/base/document.h"
#include "services/common/base/file.h"
#include "services/common/base/folder_archive.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/unique_fd.h"
#include "tools/assay/ratings_csv.h"

namespace assay::cli {
namespace {

constexpr size_t kChunkBytes = 64 << 10;
constexpr absl::Duration kUploadTimeout = absl::Minutes(10);

bool IsDocumentName(const std::string& path) {
  const std::string lower = absl::AsciiStrToLower(path);
  return absl::EndsWith(lower, ".yaml") || absl::EndsWith(lower, ".yml") || absl::EndsWith(lower, ".json") ||
         absl::EndsWith(lower, ".csv");
}

std::string OriginOf(const std::string& path) {
  std::filesystem::path normal = std::filesystem::path(path).lexically_normal();
  if (normal.filename().empty() || normal == ".") normal = std::filesystem::absolute(normal).lexically_normal();
  if (normal.filename().empty()) normal = normal.parent_path();
  return normal.filename().string().substr(0, 255);
}

template <typename Document>
absl::Status Parse(const std::string& text, const std::string& path, Document* document) {
  LineIndex lines;
  DocumentOptions options;
  options.hidden_fields = {"source"};
  options.lines = &lines;
  ASSAY_RETURN_IF_ERROR(ParseDocument(text, path, document, options));
  v1::SourceMap* source = document->mutable_source();
  source->set_file(OriginOf(path));
  for (const auto& [field, line] : lines.entries()) {
    v1::SourceMap::Entry* entry = source->add_entries();
    entry->set_field(field);
    entry->set_line(line);
  }
  return absl::OkStatus();
}

absl::Status ParseKind(const std::string& kind, const std::string& text, const std::string& path,
                       SubmissionInput* input) {
  v1::NewSubmission& submission = input->submission;
  const auto finish = [&](v1::Submission::Kind value, const auto& document) {
    input->kind = value;
    input->candidate = document.candidate();
    submission.set_framework(document.framework());
    submission.set_assessment(document.assessment());
    return absl::OkStatus();
  };
  if (kind == "scorecard") {
    ASSAY_RETURN_IF_ERROR(Parse(text, path, submission.mutable_scorecard()));
    return finish(v1::Submission::SCORECARD, submission.scorecard());
  }
  if (kind == "portfolio") {
    ASSAY_RETURN_IF_ERROR(Parse(text, path, submission.mutable_portfolio()));
    return finish(v1::Submission::PORTFOLIO, submission.portfolio());
  }
  if (kind == "outcome") {
    ASSAY_RETURN_IF_ERROR(Parse(text, path, submission.mutable_outcome()));
    return finish(v1::Submission::OUTCOME, submission.outcome());
  }
  if (kind == "decision") {
    ASSAY_RETURN_IF_ERROR(Parse(text, path, submission.mutable_decision()));
    return finish(v1::Submission::DECISION, submission.decision());
  }
  if (kind == "task") {
    ASSAY_RETURN_IF_ERROR(Parse(text, path, submission.mutable_task()));
    return finish(v1::Submission::TASK, submission.task());
  }
  return absl::InvalidArgumentError(absl::StrCat(path, ": kind: found '", kind.substr(0, 40),
                                                 "'; allowed: scorecard, portfolio, outcome, decision, task"));
}

absl::StatusOr<SubmissionInput> ReadDocument(const std::string& path, const InputOptions& options) {
  SubmissionInput input;
  input.path = path;
  input.submission.set_origin(OriginOf(path));
  ASSAY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxDocumentBytes));
  if (absl::EndsWithIgnoreCase(path, ".csv")) {
    ASSAY_RETURN_IF_ERROR(ParseRatingsCsv(text, path, input.submission.mutable_scorecard()));
    input.kind = v1::Submission::SCORECARD;
    input.candidate = input.submission.scorecard().candidate();
    input.submission.set_framework(input.submission.scorecard().framework());
    return input;
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string kind, DocumentKind(text, path));
  if (!options.kind.empty() && options.kind != kind) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": kind: the document says '", kind.substr(0, 40), "', --kind says '", options.kind, "'"));
  }
  ASSAY_RETURN_IF_ERROR(ParseKind(kind, text, path, &input));
  return input;
}

absl::StatusOr<SubmissionInput> ReadRepository(const std::string& path) {
  SubmissionInput input;
  input.path = path;
  input.kind = v1::Submission::REPOSITORY;
  input.submission.mutable_repository();
  input.submission.set_origin(OriginOf(path));
  return input;
}

// The bytes to upload: the archive itself, or a folder packed into a memory file.
absl::StatusOr<UniqueFd> OpenForUpload(const std::string& path) {
  if (!std::filesystem::is_directory(path)) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) return ErrnoStatus(errno, absl::StrCat("open ", path));
    return fd;
  }
  UniqueFd fd(::memfd_create("assay-folder", MFD_CLOEXEC));
  if (!fd.is_open()) return ErrnoStatus(errno, "memfd_create");
  const absl::StatusOr<FolderArchive> packed = WriteFolderArchive(path, fd.get());
  // However large it is, the same folder will not fit on the next try either.
  if (absl::IsResourceExhausted(packed.status())) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", packed.status().message()));
  }
  ASSAY_RETURN_IF_ERROR(Annotate(packed.status(), path));
  if (packed->files + packed->links == 0) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": the folder holds no files; a repository is needed"));
  }
  return fd;
}

absl::StatusOr<Digest> HashFile(int fd, const std::string& path, uint64_t* size) {
  Hasher hasher;
  std::string buffer(kChunkBytes, '\0');
  *size = 0;
  for (;;) {
    const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(*size));
    if (got < 0) return ErrnoStatus(errno, absl::StrCat("read ", path));
    if (got == 0) return hasher.Finish();
    hasher.Update(absl::string_view(buffer.data(), static_cast<size_t>(got)));
    *size += static_cast<uint64_t>(got);
  }
}

absl::StatusOr<std::string> UploadOne(const Connection& connection, const std::string& candidate,
                                      const std::string& path) {
  ASSAY_ASSIGN_OR_RETURN(UniqueFd fd, OpenForUpload(path));
  uint64_t size = 0;
  ASSAY_ASSIGN_OR_RETURN(const Digest digest, HashFile(fd.get(), path, &size));
  if (size == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": the file is empty; a .tar, .tar.gz, .tar.zst or .zip is needed"));
  }
  auto stub = v1::ArtifactService::NewStub(connection.channel());
  grpc::ClientContext context;
  connection.Prepare(context, kUploadTimeout);
  v1::Artifact artifact;
  auto stream = stub->UploadArtifact(&context, &artifact);
  v1::UploadArtifactRequest request;
  request.mutable_metadata()->set_request_id(NewRequestId());
  request.mutable_metadata()->set_candidate(candidate);
  request.mutable_metadata()->set_digest(digest.ToString());
  request.mutable_metadata()->set_size(size);
  bool open = stream->Write(request);
  std::string buffer(kChunkBytes, '\0');
  for (uint64_t sent = 0; open && sent < size;) {
    const ssize_t got = ::pread(fd.get(), buffer.data(), buffer.size(), static_cast<off_t>(sent));
    if (got <= 0) break;
    request.set_chunk(buffer.data(), static_cast<size_t>(got));
    open = stream->Write(request);
    sent += static_cast<uint64_t>(got);
  }
  stream->WritesDone();
  ASSAY_RETURN_IF_ERROR(Annotate(FromGrpc(stream->Finish()), path));
  return artifact.digest();
}

// A task may leave its base to --base, or name its digest and have it checked.
absl::Status UploadTaskBase(const Connection& connection, SubmissionInput& input) {
  v1::TaskDocument* task = input.submission.mutable_task();
  ASSAY_ASSIGN_OR_RETURN(const std::string digest, UploadOne(connection, input.submission.candidate(), input.base));
  if (!task->base_digest().empty() && task->base_digest() != digest) {
    return absl::InvalidArgumentError(absl::StrCat(input.path, ": base_digest: the document says ", task->base_digest(),
                                                   ", --base ", input.base, " has ", digest));
  }
  task->set_base_digest(digest);
  return absl::OkStatus();
}

const v1::SourceMap* SourceOf(const v1::NewSubmission& submission) {
  switch (submission.content_case()) {
    case v1::NewSubmission::kScorecard:
      return &submission.scorecard().source();
    case v1::NewSubmission::kPortfolio:
      return &submission.portfolio().source();
    case v1::NewSubmission::kOutcome:
      return &submission.outcome().source();
    case v1::NewSubmission::kDecision:
      return &submission.decision().source();
    case v1::NewSubmission::kTask:
      return &submission.task().source();
    default:
      return nullptr;
  }
}

// `field` without the path of the request around the document.
std::string FieldInDocument(const std::string& field) {
  for (const char* prefix : {"submission.framework", "submission.assessment"}) {
    if (field == prefix) return field.substr(std::string("submission.").size());
  }
  for (const char* prefix : {"submission.scorecard.", "submission.portfolio.", "submission.outcome.",
                             "submission.decision.", "submission.task."}) {
    if (absl::StartsWith(field, prefix)) return field.substr(std::string(prefix).size());
  }
  return field;
}

}  // namespace

std::string NewRequestId() {
  std::string bytes = RandomBytes(16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    absl::StrAppendFormat(&text, "%02x", static_cast<unsigned char>(bytes[i]));
  }
  return text;
}

absl::StatusOr<SubmissionInput> ReadInput(const std::string& path, const InputOptions& options) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": no such file or folder"));
  }
  if (!std::filesystem::is_directory(status) && !std::filesystem::is_regular_file(status)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": neither a folder nor a file"));
  }
  const bool document = std::filesystem::is_regular_file(status) && IsDocumentName(path);
  if (options.kind == "repository" || (!document && options.kind.empty())) return ReadRepository(path);
  absl::StatusOr<SubmissionInput> input = ReadDocument(path, options);
  if (!input.ok() && input.status().code() == absl::StatusCode::kResourceExhausted) {
    return absl::InvalidArgumentError(input.status().message());
  }
  return input;
}

absl::Status Upload(const Connection& connection, const InputOptions& options, SubmissionInput& input) {
  if (input.kind == v1::Submission::TASK && !options.base.empty()) {
    input.base = options.base;
    return UploadTaskBase(connection, input);
  }
  if (input.kind != v1::Submission::REPOSITORY) return absl::OkStatus();
  v1::Repository* repository = input.submission.mutable_repository();
  ASSAY_ASSIGN_OR_RETURN(*repository->mutable_artifact_digest(),
                         UploadOne(connection, input.submission.candidate(), input.path));
  if (options.base.empty()) return absl::OkStatus();
  input.base = options.base;
  ASSAY_ASSIGN_OR_RETURN(*repository->mutable_base_artifact_digest(),
                         UploadOne(connection, input.submission.candidate(), options.base));
  return absl::OkStatus();
}

absl::StatusOr<std::string> CommonCandidate(const std::vector<SubmissionInput>& inputs, const std::string& named,
                                            const std::string& fallback) {
  std::string candidate = named;
  std::string from = "--candidate";
  for (const SubmissionInput& input : inputs) {
    if (input.candidate.empty()) continue;
    if (!candidate.empty() && candidate != input.candidate) {
      return absl::InvalidArgumentError(absl::StrCat(input.path, ": candidate: found '", input.candidate, "', but ",
                                                     from, " says '", candidate, "'; one call is about one candidate"));
    }
    candidate = input.candidate;
    from = input.path;
  }
  if (candidate.empty()) candidate = fallback;
  if (candidate.empty()) return absl::InvalidArgumentError("--candidate: is needed, because no document names one");
  return candidate;
}

absl::Status WithLines(const absl::Status& status, const SubmissionInput& input) {
  constexpr char kBadRequest[] = "type.googleapis.com/google.rpc.BadRequest";
  const absl::optional<absl::Cord> payload = status.GetPayload(kBadRequest);
  const v1::SourceMap* source = SourceOf(input.submission);
  google::rpc::BadRequest bad_request;
  if (!payload.has_value() || !bad_request.ParseFromString(std::string(*payload))) return status;
  LineIndex lines;
  if (source != nullptr) {
    for (const auto& entry : source->entries()) lines.Add(entry.field(), entry.line());
  }
  for (auto& violation : *bad_request.mutable_field_violations()) {
    if (violation.field() == "submission.repository.artifact_digest") violation.set_field(input.path);
    if (violation.field() == "submission.repository.base_artifact_digest") {
      violation.set_field(absl::StrCat("--base: ", input.base));
    }
    if (source == nullptr) continue;
    const std::string field = FieldInDocument(violation.field());
    const uint32_t line = lines.LineOf(field);
    violation.set_field(line == 0 ? absl::StrCat(input.path, ": ", field)
                                  : absl::StrCat(input.path, ":", line, ": ", field));
  }
  absl::Status with_lines = status;
  with_lines.SetPayload(kBadRequest, absl::Cord(bad_request.SerializeAsString()));
  return with_lines;
}

}  // namespace assay::cli
