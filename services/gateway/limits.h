// SPDX-License-Identifier: Apache-2.0
// What the limits of a configuration mean: its zeros stand for the defaults named there.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "assay/config/v1/standalone.pb.h"
#include "services/common/blob/folder_blob_store.h"
#include "services/gateway/admission.h"

namespace assay::gateway {

// All blobs, and those of each tenant.
void SetBlobLimits(const config::v1::Limits& limits, blob::FolderBlobStoreOptions& options);

// Tenants whose artifacts have a limit of their own.
std::map<std::string, uint64_t, std::less<>> ArtifactLimitsOfTenants(const config::v1::Limits& limits);

AdmissionLimits AdmissionLimitsOf(const config::v1::Limits& limits);

}  // namespace assay::gateway
