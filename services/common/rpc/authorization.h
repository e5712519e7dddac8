// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/base/digest.h"

namespace assay::rpc {

enum class Role { kReader, kWriter };

// Whoever reaches the server without a token: the owner of its folders.
inline constexpr char kLocalTenant[] = "local";

// Who calls. It comes from the credential alone; a tenant named in a request must equal it.
struct Identity {
  std::string tenant;
  // The program that calls; part of what makes a request_id unique.
  std::string client;
  // The person or account behind it.
  std::string principal;
  Role role = Role::kReader;
};

// What a method needs. Methods without an entry are refused.
using MethodRules = std::map<std::string, Role, std::less<>>;

// The rules of the public API, by full method name ("/assay.v1.SubmissionService/GetSubmission").
const MethodRules& PublicMethodRules();

struct AuthorizerOptions {
  MethodRules methods = PublicMethodRules();
  // Lines "token tenant client principal role", role one of writer, reader; empty lines and lines starting with # are
  // skipped. Only its owner may have access to it (mode 0600). Empty: no tokens.
  std::string token_file;
  // Everybody who could connect may call everything: for a port that asks for a certificate of the installation, or one
  // that only this machine reaches.
  bool trusts_connections = false;
};

// Decides who may call what. Callers with a token ("authorization: Bearer TOKEN") are who the token says. Callers
// without one are tenant `local` and writer when they come over a Unix socket, or over loopback when there is no token
// file: behind a proxy everybody comes over loopback. Everyone else is UNAUTHENTICATED. Thread-safe.
class Authorizer {
 public:
  static constexpr size_t kMaxTokens = 10000;
  static constexpr size_t kMinTokenBytes = 20;

  // INVALID_ARGUMENT names the line of the token file; PERMISSION_DENIED: others may read the file.
  static absl::StatusOr<std::unique_ptr<Authorizer>> Create(AuthorizerOptions options);

  // `peer` as gRPC gives it ("ipv4:127.0.0.1:5000", "unix:/path"); `authorization` is the header, empty when there is
  // none. UNAUTHENTICATED: no or unknown credential. PERMISSION_DENIED: the role does not allow the method.
  // UNIMPLEMENTED: no rule for the method.
  absl::StatusOr<Identity> Authorize(absl::string_view method, absl::string_view peer,
                                     absl::string_view authorization) const;
  // What a method needs; kReader for one without a rule.
  Role RoleFor(absl::string_view method) const;
  bool has_tokens() const { return !tokens_.empty(); }

 private:
  explicit Authorizer(AuthorizerOptions options) : options_(std::move(options)) {}
  absl::Status LoadTokens();
  absl::Status AddToken(absl::string_view line);
  absl::StatusOr<Identity> Identify(absl::string_view peer, absl::string_view authorization) const;

  const AuthorizerOptions options_;
  // By digest, so that comparing takes the same time for every wrong token. Constant after Create().
  absl::flat_hash_map<Digest, Identity> tokens_;
};

}  // namespace assay::rpc
