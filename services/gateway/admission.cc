// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/admission.h"

#include "absl/strings/str_cat.h"

namespace assay::gateway {

absl::StatusOr<Admission::Ticket> Admission::Enter(absl::string_view tenant) {
  absl::MutexLock lock(&mutex_);
  if (calls_ >= max_calls_) {
    return absl::ResourceExhaustedError(absl::StrCat("the server works on ", max_calls_, " calls already; try again"));
  }
  uint32_t& of_tenant = tenants_[std::string(tenant)];
  if (of_tenant >= max_calls_of_tenant_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the server works on ", max_calls_of_tenant_, " calls of this tenant already; try again"));
  }
  ++of_tenant;
  ++calls_;
  return Ticket(this, std::string(tenant));
}

void Admission::Leave(const std::string& tenant) {
  absl::MutexLock lock(&mutex_);
  --calls_;
  const auto found = tenants_.find(tenant);
  if (--found->second == 0) tenants_.erase(found);
}

}  // namespace assay::gateway
