// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// Bounds of one evaluation, as assay/plugin.h promises them. The host answers ASSAY_E_LIMIT at each; the evaluator,
// which trusts no host, treats more as a protocol fault.
namespace assay::plugin_host {

inline constexpr uint64_t kMaxObservations = 512;
inline constexpr uint64_t kMaxClaims = 128;
inline constexpr uint64_t kMaxFindings = 5000;
inline constexpr uint64_t kMaxSpans = 20'000;
inline constexpr uint64_t kMaxArtifacts = 16;
inline constexpr uint64_t kMaxArtifactBytes = 3 << 20;
inline constexpr uint64_t kMaxEvidencePerResult = 16;
inline constexpr uint64_t kMaxLogLines = 1000;
inline constexpr size_t kMaxLogBytes = 4096;
inline constexpr size_t kMaxTextBytes = 4096;
inline constexpr size_t kMaxRationaleBytes = 2000;
inline constexpr size_t kMaxNameBytes = 128;
inline constexpr size_t kMaxSpanTextBytes = 64 << 10;
inline constexpr uint64_t kMaxExecTexts = 256;
inline constexpr uint64_t kMaxExecTextBytes = 32 << 10;
inline constexpr uint64_t kMaxReadBytes = 256 << 10;
inline constexpr uint64_t kMaxPlanBytes = 1 << 20;

}  // namespace assay::plugin_host
