// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/v1/submission_service.pb.h"
#include "services/common/rpc/call.h"
#include "services/gateway/backend.h"

namespace assay::gateway {

// Takes submissions in: checks them, gives them their id, journals them, and only then says yes. Holds nothing.
// Thread-safe.
class Intake {
 public:
  explicit Intake(const Backend& backend) : backend_(backend) {}

  // Errors: see CreateSubmission in submission_service.proto.
  absl::StatusOr<v1::CreateSubmissionResponse> Accept(const rpc::Call& call, const v1::CreateSubmissionRequest& request,
                                                      absl::Time deadline) const;
  // Each on its own; one wait for the journal for all of them.
  absl::StatusOr<v1::BatchCreateSubmissionsResponse> AcceptBatch(const rpc::Call& call,
                                                                 const v1::BatchCreateSubmissionsRequest& request,
                                                                 absl::Time deadline) const;

 private:
  // A submission that is ready to be journaled, or the answer if it was before.
  struct Prepared {
    event::v1::Envelope envelope;
    v1::CreateSubmissionResponse response;
    const Pseudonyms* names = nullptr;
    bool is_repeated = false;
  };
  // Where the content of a submission belongs, and by when it must be looked at.
  struct Place {
    blob::Owner owner;
    absl::Time deadline;
    std::optional<shard::v1::AssessmentEntry> assessment;
  };
  absl::Status CheckCanAccept(const rpc::Identity& caller, size_t submissions) const;
  absl::StatusOr<Prepared> Prepare(const rpc::Call& call, const v1::CreateSubmissionRequest& request,
                                   absl::Time deadline) const;
  // What the shard knows of the submission's assessment, for a repository with the task that speaks; nullopt: nothing
  // yet.
  absl::StatusOr<std::optional<shard::v1::AssessmentEntry>> FindAssessment(const v1::NewSubmission& submission,
                                                                           const Subject& subject,
                                                                           absl::Time deadline) const;
  // The framework of the submission: its own, its document's, its assessment's, or the default.
  absl::StatusOr<std::shared_ptr<const readiness::CompiledFramework>> FrameworkFor(
      const v1::NewSubmission& submission, const std::optional<shard::v1::AssessmentEntry>& assessment) const;
  absl::Status AddContent(const v1::NewSubmission& submission, const Place& place,
                          event::v1::SubmissionAccepted& accepted) const;
  absl::Status AddRepository(const v1::Repository& repository, const Place& place,
                             event::v1::SubmissionAccepted& accepted) const;
  // Names the archive of what the candidate was given, once it is known to be there and whole; an empty digest: none.
  absl::Status AddBase(const Place& place, absl::string_view field, const std::string& digest,
                       event::v1::SubmissionAccepted& accepted) const;
  // FAILED_PRECONDITION: it was not uploaded for this candidate.
  absl::StatusOr<Digest> FindUpload(const blob::Owner& owner, absl::string_view field, const std::string& text,
                                    uint64_t* size) const;
  // Content digest of an uploaded archive. INVALID_ARGUMENT: it is unfit; UNAVAILABLE: it could not be opened here.
  absl::StatusOr<Digest> ContentOf(const Place& place, absl::string_view field, const Digest& archive) const;
  absl::StatusOr<bool> FindRepeated(const Subject& subject, absl::Time deadline, Prepared& prepared) const;
  v1::CreateSubmissionResponse Answer(Prepared prepared, const ReadToken& token) const;

  const Backend& backend_;
};

}  // namespace assay::gateway
