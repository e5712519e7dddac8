// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/pseudonyms.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/digest.h"
#include "services/common/base/secret_key.h"
#include "services/common/base/status_macros.h"

namespace assay::gateway {
namespace {

constexpr size_t kIdLength = 26;

// Parts cannot run into each other: each is preceded by its length.
std::string Join(std::initializer_list<absl::string_view> parts) {
  std::string joined;
  for (absl::string_view part : parts) absl::StrAppend(&joined, part.size(), ":", part);
  return joined;
}

}  // namespace

std::string Pseudonyms::Name(absl::string_view what, absl::string_view name) const {
  return Base32(Hmac(key_, Join({what, name})).bytes()).substr(0, kIdLength);
}

std::string Pseudonyms::SubmissionId(absl::string_view client, absl::string_view candidate,
                                     absl::string_view request_id) const {
  return Base32(Hmac(key_, Join({"submission", client, candidate, request_id})).bytes()).substr(0, kIdLength);
}

std::string Pseudonyms::EventId(absl::string_view call, absl::string_view client, absl::string_view candidate,
                                absl::string_view request_id) const {
  return Base32(Hmac(key_, Join({"event", call, client, candidate, request_id})).bytes()).substr(0, kIdLength);
}

std::string Pseudonyms::RequestDigest(absl::string_view content) const {
  return std::string(Hmac(key_, Join({"request", content})).bytes());
}

std::string Pseudonyms::Mac(absl::string_view purpose, absl::string_view data) const {
  return std::string(Hmac(key_, Join({"mac", purpose, data})).bytes());
}

absl::StatusOr<std::unique_ptr<TenantKeys>> TenantKeys::Open(std::string directory, bool read_only) {
  if (!read_only) ASSAY_RETURN_IF_ERROR(MakeSecretDirectory(directory));
  return std::unique_ptr<TenantKeys>(new TenantKeys(std::move(directory), read_only));
}

absl::StatusOr<std::string> TenantKeys::Secret(absl::string_view name) {
  return read_only_ ? ReadSecretKey(directory_, name) : ReadOrMakeSecretKey(directory_, name);
}

absl::StatusOr<const Pseudonyms*> TenantKeys::Get(absl::string_view tenant) {
  absl::MutexLock lock(&mutex_);
  if (const auto known = tenants_.find(tenant); known != tenants_.end()) return known->second.get();
  ASSAY_ASSIGN_OR_RETURN(std::string key, Secret(absl::StrCat("tenant-", tenant)));
  return tenants_.emplace(std::string(tenant), std::make_unique<Pseudonyms>(std::move(key))).first->second.get();
}

}  // namespace assay::gateway
