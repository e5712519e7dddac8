// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/evidence_table.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"
#include "services/plugin_host/limits.h"

namespace assay::plugin_host {
namespace {

constexpr size_t kMaxWholeFileBytes = 1 << 20;
constexpr uint64_t kMaxTableBytes = 64 << 20;

// The lines [line, end_line] of `content`, cut to what is kept; no value when there is no such line.
absl::StatusOr<absl::string_view> Lines(absl::string_view content, uint32_t line, uint32_t end_line) {
  if (line == 0 || end_line < line) return absl::InvalidArgumentError("a span whose lines run backwards");
  size_t begin = 0;
  for (uint32_t at = 1; at < line; ++at) {
    const size_t end = content.find('\n', begin);
    if (end == absl::string_view::npos) return absl::InvalidArgumentError("a span beyond the last line");
    begin = end + 1;
  }
  if (begin >= content.size() && line > 1) return absl::InvalidArgumentError("a span beyond the last line");
  size_t end = begin;
  for (uint32_t at = line; at <= end_line && end < content.size() && end - begin < kMaxSpanTextBytes; ++at) {
    const size_t found = content.find('\n', end);
    end = found == absl::string_view::npos ? content.size() : found + 1;
  }
  return content.substr(begin, std::min(end - begin, kMaxSpanTextBytes));
}

// Whether `text` stands in `content` as whole lines; how the last of them ends does not matter.
bool HasLines(absl::string_view content, absl::string_view text) {
  absl::ConsumeSuffix(&text, "\n");
  absl::ConsumeSuffix(&text, "\r");
  for (size_t at = content.find(text); at != absl::string_view::npos; at = content.find(text, at + 1)) {
    const size_t end = at + text.size();
    const bool ends = end == content.size() || content[end] == '\n' || content[end] == '\r';
    if (ends && (at == 0 || content[at - 1] == '\n')) return true;
  }
  return false;
}

// A span of a changed file is the candidate's unless the very same lines stood in what was given.
v1::Authorship SpanAuthorship(const EvaluationInput& input, absl::string_view text) {
  if (input.authorship != v1::SHARED) return input.authorship;
  const bool blank = text.find_first_not_of(" \t\r\n") == absl::string_view::npos;
  return !blank && HasLines(input.base_content, text) ? v1::GIVEN : v1::CANDIDATE;
}

EvidenceRecord Record(v1::Evidence::Kind kind, absl::string_view media_type, std::string content) {
  EvidenceRecord record;
  record.info.set_digest(Digest::Of(content).ToString());
  record.info.set_kind(kind);
  record.info.set_media_type(std::string(media_type));
  record.info.set_size(content.size());
  record.content = std::move(content);
  return record;
}

}  // namespace

v1::Authorship CompareWithBase(const archive::PackEntry& entry, const archive::Pack* base) {
  if (base == nullptr) return v1::CANDIDATE;
  const archive::PackEntry* same_path = base->Find(entry.path);
  if (same_path != nullptr) return same_path->sha256 == entry.sha256 ? v1::GIVEN : v1::SHARED;
  const bool moved = entry.size > 0 && std::any_of(base->entries().begin(), base->entries().end(),
                                                   [&](const auto& given) { return given.sha256 == entry.sha256; });
  return moved ? v1::GIVEN : v1::CANDIDATE;
}

absl::Status EvidenceTable::AddSpan(uint64_t request, const plugin::v1::SpanCall& call) {
  absl::string_view place = call.path();
  uint64_t index = 0;
  if (!absl::ConsumePrefix(&place, "i:") || !absl::SimpleAtoi(place, &index) || index >= inputs_.size()) {
    return absl::InvalidArgumentError("a span of an input that does not exist");
  }
  const EvaluationInput& input = inputs_[index];
  ASSAY_ASSIGN_OR_RETURN(const absl::string_view text, Lines(input.content, call.line(), call.end_line()));
  Row row;
  row.record = Record(
      input.is_document ? document_kind_ : v1::Evidence::SPAN, "application/json",
      absl::StrCat("{\"file\":", JsonQuote(input.path), ",\"line\":", call.line(), ",\"end_line\":", call.end_line(),
                   ",\"sha256\":\"", input.sha256.ToString(), "\",\"text\":", JsonQuote(text), "}\n"));
  row.record.info.set_file(input.path);
  row.record.info.set_line(call.line());
  row.record.info.set_end_line(call.end_line());
  row.cited = {row.record.info.digest(), "input", SpanAuthorship(input, text), !input.is_document};
  return Insert(absl::StrCat("c:", request), std::move(row)).status();
}

absl::StatusOr<EvidenceTable::Row*> EvidenceTable::Insert(std::string reference, Row row) {
  bytes_ += row.record.content.size();
  if (bytes_ > kMaxTableBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxTableBytes, " bytes of evidence"));
  }
  const auto [at, added] = rows_.emplace(std::move(reference), std::move(row));
  if (!added) return absl::InvalidArgumentError("a call's number was used twice");
  return &at->second;
}

absl::StatusOr<std::string> EvidenceTable::Add(uint64_t request, const MadeEvidence& made,
                                               absl::string_view kind_word) {
  Row row;
  row.record = Record(made.kind, made.media_type, made.content);
  row.record.info.set_title(made.title);
  row.cited = {row.record.info.digest(), std::string(kind_word), v1::CANDIDATE, false};
  ASSAY_ASSIGN_OR_RETURN(const Row* const added, Insert(absl::StrCat("c:", request), std::move(row)));
  return added->cited.digest;
}

// A file is its own bytes; a large one is a note of its name, size and digest.
EvidenceTable::Row EvidenceTable::WholeInput(const EvaluationInput& input) const {
  Row row;
  const v1::Evidence::Kind kind = input.is_document ? document_kind_ : v1::Evidence::SPAN;
  if (input.content.size() <= kMaxWholeFileBytes) {
    row.record = Record(kind, "application/octet-stream", std::string(input.content));
  } else {
    row.record = Record(kind, "application/json",
                        absl::StrCat("{\"file\":", JsonQuote(input.path), ",\"size\":", input.content.size(),
                                     ",\"sha256\":\"", input.sha256.ToString(), "\"}\n"));
  }
  row.record.info.set_file(input.path);
  row.cited = {row.record.info.digest(), "input", input.authorship, !input.is_document};
  return row;
}

absl::StatusOr<EvidenceTable::Row*> EvidenceTable::Find(absl::string_view reference) {
  const auto found = rows_.find(reference);
  if (found != rows_.end()) return &found->second;
  absl::string_view place = reference;
  uint64_t index = 0;
  if (absl::ConsumePrefix(&place, "i:") && absl::SimpleAtoi(place, &index) && index < inputs_.size()) {
    return Insert(std::string(reference), WholeInput(inputs_[index]));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("evidence ", JsonQuote(reference.substr(0, 64)), " was never recorded"));
}

absl::StatusOr<EvidenceTable::Cited> EvidenceTable::Cite(absl::string_view reference) {
  ASSAY_ASSIGN_OR_RETURN(Row* const row, Find(reference));
  cited_[row->cited.digest] = row;
  return row->cited;
}

v1::Authorship AuthorshipOfLines(const EvaluationInput& input, uint32_t line, uint32_t end_line) {
  const absl::StatusOr<absl::string_view> text = Lines(input.content, line, end_line);
  return text.ok() ? SpanAuthorship(input, *text) : input.authorship;
}

v1::Authorship EvidenceTable::Derive(const std::vector<Cited>& cited) const {
  v1::Authorship whose = v1::AUTHORSHIP_UNSPECIFIED;
  for (const Cited& one : cited) {
    if (!one.has_authorship) continue;
    if (whose == v1::AUTHORSHIP_UNSPECIFIED) whose = one.authorship;
    if (whose != one.authorship) whose = v1::SHARED;
  }
  if (whose != v1::AUTHORSHIP_UNSPECIFIED) return whose;
  // A run or an artifact shows the whole; with a base that is not the candidate's work alone, and none of it where every
  // file stands as it was given.
  if (!has_base_) return v1::CANDIDATE;
  const bool some_own = std::any_of(inputs_.begin(), inputs_.end(), [](const EvaluationInput& input) {
    return !input.is_document && input.authorship != v1::GIVEN;
  });
  const bool some_given = std::any_of(inputs_.begin(), inputs_.end(), [](const EvaluationInput& input) {
    return !input.is_document && input.authorship == v1::GIVEN;
  });
  return some_given && !some_own ? v1::GIVEN : v1::SHARED;
}

std::vector<EvidenceRecord> EvidenceTable::TakeCited() {
  std::vector<EvidenceRecord> records;
  for (const auto& [digest, row] : cited_) records.push_back(row->record);
  return records;
}

}  // namespace assay::plugin_host
