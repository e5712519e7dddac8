// SPDX-License-Identifier: Apache-2.0
// Tables and keys of a shard, in one place; what they mean stands in tables.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/store/store.h"

namespace assay::aggregator {

inline constexpr absl::string_view kMetaTable = "meta";
inline constexpr absl::string_view kTenantTable = "tenant";
inline constexpr absl::string_view kCandidateTable = "candidate";
inline constexpr absl::string_view kAssessmentTable = "assessment";
inline constexpr absl::string_view kSubmissionTable = "submission";
inline constexpr absl::string_view kEvaluationTable = "evaluation";
inline constexpr absl::string_view kResultTable = "result";
inline constexpr absl::string_view kRequestTable = "request";
inline constexpr absl::string_view kTimerTable = "timer";
inline constexpr absl::string_view kOutboxTable = "outbox";
inline constexpr absl::string_view kReadinessTable = "readiness";
inline constexpr absl::string_view kIndexTable = "index";
inline constexpr absl::string_view kChangeTable = "change";
inline constexpr absl::string_view kAuditTable = "audit";
inline constexpr absl::string_view kMetaKey = "state";

// All of them: what a shard's store is opened with, and what its state hash covers.
std::vector<store::Table> ShardTables();

// Fixed width, so that numbers sort as text.
std::string Hex16(uint64_t value);
// 0 for what is not 16 hex digits.
uint64_t ParseHex16(absl::string_view text);
// Newest first.
std::string InvertedHex16(uint64_t value);
uint64_t ParseInvertedHex16(absl::string_view text);

// tenant/candidate_key[/more…]. Parts hold no "/".
std::string Key(absl::string_view tenant, absl::string_view candidate_key);
std::string Key(absl::string_view tenant, absl::string_view candidate_key, absl::string_view id);
std::string Key(absl::string_view tenant, absl::string_view candidate_key, absl::string_view submission_id,
                absl::string_view evaluation_id);

// Index rows.
std::string SpeaksPrefix(absl::string_view tenant, absl::string_view candidate_key, absl::string_view assessment_key);
std::string SpeaksKey(absl::string_view tenant, absl::string_view candidate_key, absl::string_view assessment_key,
                      int kind, absl::string_view source_key);
std::string SourcePrefix(absl::string_view tenant, absl::string_view candidate_key, absl::string_view assessment_key,
                         int kind, absl::string_view source_key);
std::string AssessedPrefix(absl::string_view tenant, absl::string_view candidate_key, absl::string_view assessment_key);
// The evaluation whose result the same question of the candidate may take over; `question` is a digest.
std::string ReusePrefix(absl::string_view tenant, absl::string_view candidate_key);
std::string ReuseKey(absl::string_view tenant, absl::string_view candidate_key, absl::string_view question);
std::string RecentPrefix(absl::string_view tenant);
std::string HistoryPrefix(absl::string_view tenant, absl::string_view candidate_key);
std::string IdKey(absl::string_view tenant, absl::string_view submission_id);
// The tail of recent and history rows: newest first.
std::string AgeSuffix(absl::Time time, int64_t offset);
struct Age {
  int64_t time_micros = 0;
  int64_t offset = 0;
};
// Reads the tail back from a whole key; zeros when it is too short.
Age ParseAgeSuffix(absl::string_view key);

// Outbox rows. Work lies by lane and tenant, oldest first: whoever shares a lane out finds each tenant's next without
// passing over the others'. Places and sequences start at 1.
std::string WorkPrefix(absl::string_view lane);
std::string WorkPrefix(absl::string_view lane, absl::string_view tenant);
std::string WorkKey(absl::string_view lane, absl::string_view tenant, uint64_t place);
// What is no work, in one order for all.
inline constexpr absl::string_view kMessagePrefix = "message/";
std::string MessageKey(uint64_t sequence);
// The place or sequence at the end of an outbox key; 0 when there is none.
uint64_t OutboxNumber(absl::string_view key);
// The tenant of a key of work; empty for other keys.
absl::string_view WorkTenant(absl::string_view key);

// Timer rows sort by due time.
std::string TimerKey(absl::Time due, absl::string_view evaluation_id, int kind);
absl::Time TimerDue(absl::string_view key);

}  // namespace assay::aggregator
