// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace assay::gateway {

// The names by which records, rows, topics and folders call people and things: HMACs under a key of the tenant. Nobody
// without the key can tell whose they are, and the same name is always the same pseudonym, so the key never rotates.
class Pseudonyms {
 public:
  explicit Pseudonyms(std::string tenant_key) : key_(std::move(tenant_key)) {}

  std::string Candidate(absl::string_view candidate) const { return Name("candidate", candidate); }
  std::string Assessment(absl::string_view assessment) const { return Name("assessment", assessment); }
  std::string Source(absl::string_view source) const { return Name("source", source); }
  std::string Rater(absl::string_view rater) const { return Name("rater", rater); }
  // The same for every retry of a request, whichever server and credential makes it.
  std::string SubmissionId(absl::string_view client, absl::string_view candidate, absl::string_view request_id) const;
  // Likewise for the event of any other mutating call.
  std::string EventId(absl::string_view call, absl::string_view client, absl::string_view candidate,
                      absl::string_view request_id) const;
  // Tells whether a request came with the same content as before, without saying what it was.
  std::string RequestDigest(absl::string_view content) const;
  // 32 bytes; over anything that clients carry around for us.
  std::string Mac(absl::string_view purpose, absl::string_view data) const;

 private:
  std::string Name(absl::string_view what, absl::string_view name) const;

  const std::string key_;
};

// The tenants' keys: one file each, 32 bytes, mode 0600. Thread-safe.
class TenantKeys {
 public:
  // `directory` is made with mode 0700 when missing, unless `read_only`.
  static absl::StatusOr<std::unique_ptr<TenantKeys>> Open(std::string directory, bool read_only);

  // Makes the key on first use. `tenant` is [a-z0-9_-]{1,64}. FAILED_PRECONDITION: the file is not a key, or others may
  // read it. NOT_FOUND: none yet, and read-only. The pointer lives as long as this object.
  absl::StatusOr<const Pseudonyms*> Get(absl::string_view tenant);
  // A secret of the data folder itself, by name.
  absl::StatusOr<std::string> Secret(absl::string_view name);

 private:
  TenantKeys(std::string directory, bool read_only) : directory_(std::move(directory)), read_only_(read_only) {}

  const std::string directory_;
  const bool read_only_;
  absl::Mutex mutex_;
  std::map<std::string, std::unique_ptr<Pseudonyms>, std::less<>> tenants_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::gateway
