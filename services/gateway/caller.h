// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace assay::gateway {

// Who calls, as the credential alone says it.
struct Caller {
  enum class Role { kReader, kWriter };
  // [a-z0-9_-]{1,64}; everything a call touches belongs to it.
  std::string tenant;
  // The installation that submits: part of what makes a request_id unique.
  std::string client;
  // The person or machine behind it; for the record only.
  std::string principal;
  Role role = Role::kReader;
};

// What a call does to the tenant's data. Every method of every service has one; a test walks the descriptors.
enum class Access { kRead, kWrite };
// NOT_FOUND: no rule, so nobody may call it. `method` is "/assay.v1.SubmissionService/GetSubmission".
absl::StatusOr<Access> AccessOf(absl::string_view method);

// The one authorisation point. Immutable, thread-safe.
class Authoriser {
 public:
  // Without a token file every caller that reaches the server is the tenant `local`: it listens on loopback and on a
  // socket of the owner alone.
  Authoriser() = default;
  // Lines "token tenant client principal role"; "#" begins a comment. INVALID_ARGUMENT names file and line;
  // FAILED_PRECONDITION: others may read the file.
  static absl::StatusOr<Authoriser> FromTokenFile(const std::string& path);

  // UNAUTHENTICATED: a token is needed, or unknown. PERMISSION_DENIED: the role does not allow the method.
  // `authorization` is the header's value; `is_owner` is true on the Unix socket.
  absl::StatusOr<Caller> Authorise(absl::string_view method, absl::string_view authorization, bool is_owner) const;

  bool needs_token() const { return !callers_.empty(); }

 private:
  // By SHA-256 of the token, so that a lookup's time says nothing about it.
  std::map<std::string, Caller> callers_;
};

}  // namespace assay::gateway
