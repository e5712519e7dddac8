// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "assay/v1/server_service.pb.h"
#include "services/common/base/clock.h"
#include "services/common/base/digest.h"
#include "services/common/blob/blob_store.h"
#include "services/gateway/admission.h"
#include "services/gateway/content_digests.h"
#include "services/gateway/journal.h"
#include "services/gateway/pseudonyms.h"
#include "services/gateway/shards.h"
#include "services/readiness/framework.h"

namespace assay::gateway {

// What the calls of a gateway work with. Everything is thread-safe and outlives the gateway.
struct Backend {
  Shards& shards;
  // Null: this server is read-only.
  Journal* journal;
  AdmissionGate& admission;
  TenantKeys& keys;
  blob::BlobStore& blobs;
  Clock& clock;
  // Frameworks published here, by "id@version", id or digest. NOT_FOUND names what there is.
  std::function<absl::StatusOr<std::shared_ptr<const readiness::CompiledFramework>>(absl::string_view)> find_framework;
  std::vector<std::shared_ptr<const readiness::CompiledFramework>> frameworks;
  // Evaluator → digest of the plugin that new submissions are pinned to.
  std::function<std::map<std::string, std::string>()> plugins;
  ContentDigests& digests;
  // RESOURCE_EXHAUSTED: the disk, or what the tenant may store, is too full to take on new work of the tenant.
  std::function<absl::Status(absl::string_view tenant)> has_room;
  // What GetServerInfo answers.
  std::function<v1::ServerInfo()> server_info;
  static constexpr uint64_t kMaxArtifactBytes = 256 << 20;
  uint64_t max_artifact_bytes = kMaxArtifactBytes;
  // The same of tenants that have a limit of their own.
  std::map<std::string, uint64_t, std::less<>> max_artifact_bytes_of_tenant;

  // The identity that read tokens are bound to.
  std::string log_identity;
};

// Who and what a call is about, as the shards know it.
struct Subject {
  const Pseudonyms* names = nullptr;
  std::string candidate_key;
  uint32_t shard = 0;
  shard::v1::Scope scope;
};

inline constexpr char kDefaultAssessment[] = "main";
inline constexpr char kDefaultFramework[] = "senior-express-engineer@1";
// How long a call waits for what it was promised to see.
inline constexpr absl::Duration kReadWait = absl::Seconds(5);

// The call, ended after kReadWait at the latest.
ShardCall WithinReadWait(const Backend& backend, const ShardCall& call);

// Resolves names to pseudonyms. An empty assessment stays empty; an empty candidate means the whole tenant.
absl::StatusOr<Subject> SubjectOf(const Backend& backend, absl::string_view tenant, absl::string_view candidate,
                                  absl::string_view assessment);

// Makes a scope wait for what a read token proves, if there is one and it is about this shard.
absl::Status WaitForToken(const Backend& backend, absl::string_view read_token, Subject& subject);

}  // namespace assay::gateway
