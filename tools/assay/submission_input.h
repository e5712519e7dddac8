// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "assay/v1/submission.pb.h"
#include "tools/assay/connection.h"

namespace assay::cli {

// One thing to submit, as found at a path.
struct SubmissionInput {
  // Of a repository or a task: the path of what the candidate was given; empty: none.
  std::string base;
  std::string path;
  v1::Submission::Kind kind = v1::Submission::KIND_UNSPECIFIED;
  // Everything but the digests of uploads; `origin` is set.
  v1::NewSubmission submission;
  // The candidate the document names; empty for repositories.
  std::string candidate;
};

struct InputOptions {
  // "repository", "scorecard", …; empty: detected.
  std::string kind;
  // What the candidate was given: a folder or archive.
  std::string base;
};

// Reads a path: a folder or archive is a repository, a .yaml, .yml, .json or .csv file a document. Errors name
// file:line for documents. Nothing is sent yet.
absl::StatusOr<SubmissionInput> ReadInput(const std::string& path, const InputOptions& options);

// Uploads what the input needs (packing folders deterministically, without node_modules) and fills in the digests.
absl::Status Upload(const Connection& connection, const InputOptions& options, SubmissionInput& input);

// The candidate all inputs agree on: the one the documents name, else `fallback`. INVALID_ARGUMENT: two names.
absl::StatusOr<std::string> CommonCandidate(const std::vector<SubmissionInput>& inputs, const std::string& named,
                                            const std::string& fallback);

// Replaces the field paths of a server's violations by file:line of the document they came from, or by the archive.
absl::Status WithLines(const absl::Status& status, const SubmissionInput& input);

// A random UUID (RFC 4122, version 4) for request ids.
std::string NewRequestId();

}  // namespace assay::cli
