// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/evidence_words.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "assay/v1/document.pb.h"
#include "services/common/base/shell_quote.h"

namespace assay::aggregator {
namespace {

using google::protobuf::Struct;

constexpr uint64_t kMaxSpanBytes = 64 << 10;
constexpr size_t kMaxQuote = 2000;
constexpr int kMaxQuotes = 4000;

std::string Cut(const std::string& text) {
  size_t cut = std::min(text.size(), kMaxQuote);
  // Never inside a UTF-8 character.
  while (cut > 0 && cut < text.size() && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  return text.substr(0, cut);
}

bool ParseObject(absl::string_view json, Struct& object) {
  return google::protobuf::util::JsonStringToMessage(std::string(json), &object).ok();
}

std::string TextOf(const Struct& object, const char* key) {
  const auto found = object.fields().find(key);
  return found != object.fields().end() ? found->second.string_value() : "";
}

// The lines a span recorded; empty when it is none, or cannot be read.
std::string SpanText(const std::string& digest, const blob::RecordedBytes& recorded) {
  const absl::StatusOr<std::string> bytes = recorded.Get(digest, kMaxSpanBytes);
  Struct span;
  if (!bytes.ok() || !ParseObject(*bytes, span)) return "";
  return TextOf(span, "text");
}

// A rating and an item of a portfolio stand as one JSON object on lines of their own, a comma behind them. Returns what
// DocumentLines knows it by.
std::string QuoteDocument(const std::string& text, v1::Evidence& evidence) {
  absl::string_view line = absl::StripAsciiWhitespace(text);
  absl::ConsumeSuffix(&line, ",");
  Struct object;
  if (!ParseObject(line, object)) return "";
  if (evidence.kind() == v1::Evidence::RATING) {
    evidence.set_quote(Cut(TextOf(object, "evidence")));
    const std::string competency = TextOf(object, "competency");
    return competency.empty() ? TextOf(object, "id") : competency;
  }
  const std::string title = TextOf(object, "title"), summary = TextOf(object, "summary");
  if (!title.empty()) evidence.set_title(Cut(title));
  evidence.set_quote(Cut(summary.empty() ? title : summary));
  return title;
}

// Readers know the document its author wrote, not the copy of it that the evaluator was given.
void PlaceInDocument(const EvidenceOrigin& origin, const std::string& part, v1::Evidence& evidence) {
  evidence.set_file(origin.document);
  evidence.clear_line();
  evidence.clear_end_line();
  if (origin.lines == nullptr) return;
  const auto line = origin.lines->find(part);
  if (line == origin.lines->end()) return;
  evidence.set_line(line->second);
  evidence.set_end_line(line->second);
}

uint32_t LineOf(const v1::SourceMap& source, const std::string& field) {
  for (const v1::SourceMap::Entry& entry : source.entries()) {
    if (entry.field() == field) return entry.line();
  }
  return 0;
}

// `name` tells what an element is known by.
template <typename Elements, typename Name>
void AddLines(const v1::SourceMap& source, const char* array, const Elements& elements, Name name,
              DocumentLines& lines) {
  for (int i = 0; i < elements.size(); ++i) {
    const uint32_t line = LineOf(source, absl::StrCat(array, "[", i, "]"));
    if (line > 0) lines.try_emplace(name(elements.Get(i)), line);
  }
}

}  // namespace

DocumentLines LinesOfDocument(v1::Submission::Kind kind, absl::string_view json) {
  DocumentLines lines;
  const auto parse = [json](google::protobuf::Message& document) {
    return google::protobuf::util::JsonStringToMessage(std::string(json), &document).ok();
  };
  if (v1::Scorecard card; kind == v1::Submission::SCORECARD && parse(card)) {
    AddLines(
        card.source(), "ratings", card.ratings(), [](const auto& rating) { return rating.competency(); }, lines);
    AddLines(
        card.source(), "behaviours", card.behaviours(), [](const auto& mark) { return mark.id(); }, lines);
  }
  if (v1::Portfolio portfolio; kind == v1::Submission::PORTFOLIO && parse(portfolio)) {
    AddLines(
        portfolio.source(), "items", portfolio.items(), [](const auto& item) { return item.title(); }, lines);
  }
  return lines;
}

void QuoteEvidence(const blob::RecordedBytes& recorded, const std::map<std::string, EvidenceOrigin>& origins,
                   v1::EvaluationReport& report) {
  int read = 0;
  for (v1::Evidence& evidence : *report.mutable_evidence()) {
    const bool document = evidence.kind() == v1::Evidence::RATING || evidence.kind() == v1::Evidence::PORTFOLIO_ITEM;
    const auto origin = origins.find(evidence.digest());
    if (document) {
      if (origin != origins.end()) {
        evidence.set_rater(origin->second.rater);
        evidence.set_title(origin->second.document);
      }
    } else if (evidence.kind() != v1::Evidence::SPAN) {
      continue;
    }
    if (evidence.line() == 0 || !evidence.quote().empty() || ++read > kMaxQuotes) continue;
    const std::string text = SpanText(evidence.digest(), recorded);
    if (document) {
      const std::string part = QuoteDocument(text, evidence);
      if (origin != origins.end()) PlaceInDocument(origin->second, part, evidence);
    } else {
      evidence.set_quote(Cut(text));
    }
  }
}

void AddExcerpts(const blob::RecordedBytes& recorded, v1::EvaluationReport& report) {
  std::map<std::string, const v1::Evidence*> quoted;
  std::map<std::pair<std::string, uint32_t>, const v1::Evidence*> by_place;
  for (const v1::Evidence& evidence : report.evidence()) {
    quoted[evidence.digest()] = &evidence;
    if (evidence.kind() == v1::Evidence::SPAN) by_place.try_emplace({evidence.file(), evidence.line()}, &evidence);
  }
  int read = 0;
  for (v1::Finding& finding : *report.mutable_findings()) {
    if (!finding.excerpt().empty()) continue;
    const auto known = quoted.find(finding.evidence());
    const bool listed = known != quoted.end();
    if (listed && !known->second->quote().empty()) {
      finding.set_excerpt(known->second->quote());
    } else if (!finding.evidence().empty() && (!listed || known->second->kind() == v1::Evidence::SPAN) &&
               ++read <= kMaxQuotes) {
      finding.set_excerpt(Cut(SpanText(finding.evidence(), recorded)));
    }
    if (!finding.excerpt().empty()) continue;
    // A run that speaks of a line cites the run; another evaluator may have recorded the line.
    const auto same = by_place.find({finding.file(), finding.line()});
    if (same != by_place.end()) finding.set_excerpt(same->second->quote());
  }
}

void PlaceContradictions(v1::EvaluationReport& report) {
  std::map<std::string, const v1::Evidence*> known;
  for (const v1::Evidence& evidence : report.evidence()) known[evidence.digest()] = &evidence;
  for (v1::Contradiction& contradiction : *report.mutable_readiness()->mutable_contradictions()) {
    for (v1::Contradiction::Statement& statement : *contradiction.mutable_statements()) {
      const auto evidence = known.find(statement.evidence());
      if (evidence == known.end()) continue;
      if (evidence->second->kind() == v1::Evidence::SPAN) {
        statement.set_file(evidence->second->file());
        statement.set_line(evidence->second->line());
      } else if (evidence->second->kind() == v1::Evidence::RATING) {
        statement.set_file(evidence->second->file());
        statement.set_line(evidence->second->line());
      }
    }
    // What the code suggests stands where the claim was found, which may say more than its first evidence.
    if (!absl::StartsWith(contradiction.id(), "claim/")) continue;
    for (const v1::Claim& claim : report.claims()) {
      if (absl::StrCat("claim/", claim.criterion()) != contradiction.id() || claim.file().empty()) continue;
      for (v1::Contradiction::Statement& statement : *contradiction.mutable_statements()) {
        if (statement.source() != "code") continue;
        statement.set_file(claim.file());
        statement.set_line(claim.line());
      }
    }
  }
}

void AddressCommands(const std::string& candidate, v1::Readiness& readiness) {
  for (v1::NextEvidence& next : *readiness.mutable_next_evidence()) {
    next.set_command(absl::StrReplaceAll(
        next.command(), {{"--candidate CANDIDATE", absl::StrCat("--candidate ", ShellQuote(candidate))}}));
  }
}

}  // namespace assay::aggregator
