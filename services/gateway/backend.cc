// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/backend.h"

#include <algorithm>

#include "services/common/base/status_macros.h"
#include "services/common/log/log.h"

namespace assay::gateway {

ShardCall WithinReadWait(const Backend& backend, const ShardCall& call) {
  return {std::min(call.deadline, backend.clock.TimeNow() + kReadWait), call.staleness};
}

absl::StatusOr<Subject> SubjectOf(const Backend& backend, absl::string_view tenant, absl::string_view candidate,
                                  absl::string_view assessment) {
  Subject subject;
  ASSAY_ASSIGN_OR_RETURN(subject.names, backend.keys.Get(tenant));
  subject.scope.set_tenant(std::string(tenant));
  subject.scope.set_wait_for_offset(-1);
  if (!candidate.empty()) {
    subject.candidate_key = subject.names->Candidate(candidate);
    subject.shard = static_cast<uint32_t>(
        log::PartitionOf(tenant, subject.candidate_key, static_cast<int32_t>(backend.shards.count())));
    subject.scope.set_candidate_key(subject.candidate_key);
  }
  if (!assessment.empty()) subject.scope.set_assessment_key(subject.names->Assessment(assessment));
  return subject;
}

absl::Status WaitForToken(const Backend& backend, absl::string_view read_token, Subject& subject) {
  if (read_token.empty()) return absl::OkStatus();
  ASSAY_ASSIGN_OR_RETURN(const ReadToken token, DecodeReadToken(*subject.names, backend.log_identity, read_token));
  if (subject.candidate_key.empty() || token.shard == subject.shard) {
    subject.scope.set_wait_for_offset(token.offset);
    subject.shard = token.shard;
  }
  return absl::OkStatus();
}

}  // namespace assay::gateway
