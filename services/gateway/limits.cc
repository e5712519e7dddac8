// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/limits.h"

namespace assay::gateway {
namespace {

constexpr uint64_t kBlobQuota = uint64_t{20} << 30;

}  // namespace

void SetBlobLimits(const config::v1::Limits& limits, blob::FolderBlobStoreOptions& options) {
  options.max_bytes = limits.blob_quota_bytes() == 0 ? kBlobQuota : limits.blob_quota_bytes();
  options.max_tenant_bytes =
      limits.tenant_blob_quota_bytes() == 0 ? options.max_bytes / 4 * 3 : limits.tenant_blob_quota_bytes();
  for (const config::v1::TenantLimits& own : limits.tenants()) {
    if (own.blob_quota_bytes() != 0) options.max_bytes_of_tenant[own.tenant()] = own.blob_quota_bytes();
  }
}

std::map<std::string, uint64_t, std::less<>> ArtifactLimitsOfTenants(const config::v1::Limits& limits) {
  std::map<std::string, uint64_t, std::less<>> of_tenants;
  for (const config::v1::TenantLimits& own : limits.tenants()) {
    if (own.artifact_bytes() != 0) of_tenants[own.tenant()] = own.artifact_bytes();
  }
  return of_tenants;
}

AdmissionLimits AdmissionLimitsOf(const config::v1::Limits& limits) {
  AdmissionLimits admission;
  if (limits.submissions_per_second() > 0) admission.submissions_per_second = limits.submissions_per_second();
  if (limits.waiting_evaluations() > 0) admission.max_waiting_work = limits.waiting_evaluations();
  for (const config::v1::TenantLimits& own : limits.tenants()) {
    if (own.submissions_per_second() > 0) {
      admission.submissions_per_second_of_tenant[own.tenant()] = own.submissions_per_second();
    }
  }
  return admission;
}

}  // namespace assay::gateway
