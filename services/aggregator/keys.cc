// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/keys.h"

#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace assay::aggregator {
namespace {

constexpr size_t kNumberWidth = 16;
constexpr absl::string_view kWorkPrefix = "work/";

uint64_t Micros(absl::Time time) {
  const int64_t micros = absl::ToUnixMicros(time);
  return micros < 0 ? 0 : static_cast<uint64_t>(micros);
}

}  // namespace

std::vector<store::Table> ShardTables() {
  std::vector<store::Table> tables;
  for (absl::string_view table :
       {kMetaTable, kTenantTable, kCandidateTable, kAssessmentTable, kSubmissionTable, kEvaluationTable, kResultTable,
        kRequestTable, kTimerTable, kOutboxTable, kReadinessTable, kIndexTable, kChangeTable, kAuditTable}) {
    tables.emplace_back(table);
  }
  return tables;
}

std::string Hex16(uint64_t value) { return absl::StrFormat("%016x", value); }

uint64_t ParseHex16(absl::string_view text) {
  uint64_t value = 0;
  if (text.size() != kNumberWidth || !absl::SimpleHexAtoi(text, &value)) return 0;
  return value;
}

std::string InvertedHex16(uint64_t value) { return Hex16(std::numeric_limits<uint64_t>::max() - value); }

uint64_t ParseInvertedHex16(absl::string_view text) {
  return std::numeric_limits<uint64_t>::max() - ParseHex16(text);
}

std::string Key(absl::string_view tenant, absl::string_view candidate_key) {
  return absl::StrCat(tenant, "/", candidate_key);
}

std::string Key(absl::string_view tenant, absl::string_view candidate_key, absl::string_view id) {
  return absl::StrCat(tenant, "/", candidate_key, "/", id);
}

std::string Key(absl::string_view tenant, absl::string_view candidate_key, absl::string_view submission_id,
                absl::string_view evaluation_id) {
  return absl::StrCat(tenant, "/", candidate_key, "/", submission_id, "/", evaluation_id);
}

std::string SpeaksPrefix(absl::string_view tenant, absl::string_view candidate_key, absl::string_view assessment_key) {
  return absl::StrCat("speaks/", tenant, "/", candidate_key, "/", assessment_key, "/");
}

std::string SpeaksKey(absl::string_view tenant, absl::string_view candidate_key, absl::string_view assessment_key,
                      int kind, absl::string_view source_key) {
  return absl::StrCat(SpeaksPrefix(tenant, candidate_key, assessment_key), kind, "/", source_key);
}

std::string SourcePrefix(absl::string_view tenant, absl::string_view candidate_key, absl::string_view assessment_key,
                         int kind, absl::string_view source_key) {
  return absl::StrCat("source/", tenant, "/", candidate_key, "/", assessment_key, "/", kind, "/", source_key, "/");
}

std::string AssessedPrefix(absl::string_view tenant, absl::string_view candidate_key,
                           absl::string_view assessment_key) {
  return absl::StrCat("assessed/", tenant, "/", candidate_key, "/", assessment_key, "/");
}

std::string ReusePrefix(absl::string_view tenant, absl::string_view candidate_key) {
  return absl::StrCat("reuse/", Key(tenant, candidate_key), "/");
}

std::string ReuseKey(absl::string_view tenant, absl::string_view candidate_key, absl::string_view question) {
  return ReusePrefix(tenant, candidate_key) + std::string(question);
}

std::string RecentPrefix(absl::string_view tenant) { return absl::StrCat("recent/", tenant, "/"); }

std::string HistoryPrefix(absl::string_view tenant, absl::string_view candidate_key) {
  return absl::StrCat("history/", tenant, "/", candidate_key, "/");
}

std::string IdKey(absl::string_view tenant, absl::string_view submission_id) {
  return absl::StrCat("id/", tenant, "/", submission_id);
}

std::string AgeSuffix(absl::Time time, int64_t offset) {
  return absl::StrCat(InvertedHex16(Micros(time)), "/", InvertedHex16(static_cast<uint64_t>(offset)));
}

Age ParseAgeSuffix(absl::string_view key) {
  constexpr size_t kSize = 2 * kNumberWidth + 1;
  if (key.size() < kSize) return {};
  const absl::string_view tail = key.substr(key.size() - kSize);
  return {static_cast<int64_t>(ParseInvertedHex16(tail.substr(0, kNumberWidth))),
          static_cast<int64_t>(ParseInvertedHex16(tail.substr(kNumberWidth + 1)))};
}

std::string WorkPrefix(absl::string_view lane) { return absl::StrCat(kWorkPrefix, lane, "/"); }

std::string WorkPrefix(absl::string_view lane, absl::string_view tenant) {
  return absl::StrCat(WorkPrefix(lane), tenant, "/");
}

std::string WorkKey(absl::string_view lane, absl::string_view tenant, uint64_t place) {
  return WorkPrefix(lane, tenant) + Hex16(place);
}

std::string MessageKey(uint64_t sequence) { return absl::StrCat(kMessagePrefix, Hex16(sequence)); }

uint64_t OutboxNumber(absl::string_view key) {
  return key.size() < kNumberWidth ? 0 : ParseHex16(key.substr(key.size() - kNumberWidth));
}

absl::string_view WorkTenant(absl::string_view key) {
  const std::vector<absl::string_view> parts = absl::StrSplit(key, '/');
  return parts.size() == 4 && absl::StartsWith(key, kWorkPrefix) ? parts[2] : absl::string_view();
}

std::string TimerKey(absl::Time due, absl::string_view evaluation_id, int kind) {
  return absl::StrCat(Hex16(Micros(due)), "/", evaluation_id, "/", kind);
}

absl::Time TimerDue(absl::string_view key) {
  return absl::FromUnixMicros(static_cast<int64_t>(ParseHex16(key.substr(0, kNumberWidth))));
}

}  // namespace assay::aggregator
