// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace assay::sandbox {

// The text of install_dependencies.js, put here by the build.
extern const char* const kInstallScript;

}  // namespace assay::sandbox
