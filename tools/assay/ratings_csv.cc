// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/ratings_csv.h"

#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "services/common/base/status_macros.h"

namespace assay::cli {
namespace {

constexpr size_t kMaximumRows = 200;
const char* const kColumns[] = {"candidate", "rater", "role", "stage", "held_at", "competency", "rating", "evidence"};

struct CsvRow {
  uint32_t line = 0;
  std::vector<std::string> cells;
};

absl::Status Problem(const std::string& path, uint32_t line, const std::string& column, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ":", line, ": ", column, ": ", what));
}

// RFC 4180: quoted cells may hold commas, line ends and doubled quotes.
absl::StatusOr<std::vector<CsvRow>> ParseRows(const std::string& text, const std::string& path) {
  std::vector<CsvRow> rows;
  CsvRow row{1, {}};
  std::string cell;
  bool quoted = false, was_quoted = false;
  uint32_t line = 1;
  const auto end_cell = [&] {
    row.cells.push_back(was_quoted ? cell : std::string(absl::StripAsciiWhitespace(cell)));
    cell.clear();
    was_quoted = false;
  };
  const auto end_row = [&] {
    end_cell();
    if (row.cells.size() > 1 || !row.cells[0].empty()) rows.push_back(row);
    row = CsvRow{line, {}};
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') ++line;
    if (quoted) {
      if (c != '"') {
        cell += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        cell += text[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"' && absl::StripAsciiWhitespace(cell).empty()) {
      cell.clear();
      quoted = was_quoted = true;
    } else if (c == ',') {
      end_cell();
    } else if (c == '\n') {
      end_row();
      if (rows.size() > kMaximumRows + 1)
        return Problem(path, line, "rows", absl::StrCat("more than the ", kMaximumRows, " allowed"));
    } else if (c != '\r') {
      cell += c;
    }
  }
  if (quoted) return Problem(path, row.line, "quotes", "a quoted cell is not closed");
  if (!cell.empty() || !row.cells.empty()) end_row();
  return rows;
}

absl::StatusOr<std::map<std::string, size_t>> ReadHeader(const CsvRow& header, const std::string& path) {
  std::map<std::string, size_t> columns;
  for (size_t i = 0; i < header.cells.size(); ++i) {
    const std::string name = absl::AsciiStrToLower(header.cells[i]);
    bool known = name == "framework";
    for (const char* column : kColumns) known = known || name == column;
    if (!known)
      return Problem(path, header.line, name.substr(0, 40),
                     absl::StrCat("unknown column; allowed: ", absl::StrJoin(kColumns, ", "), ", framework"));
    if (!columns.emplace(name, i).second) return Problem(path, header.line, name, "stands twice");
  }
  for (const char* column : kColumns) {
    if (columns.count(column) == 0) return Problem(path, header.line, column, "the column is missing");
  }
  return columns;
}

absl::Status SetOccasion(const std::map<std::string, std::string>& row, const std::string& path, uint32_t line,
                         v1::Scorecard* scorecard) {
  absl::Time held_at;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, row.at("held_at"), &held_at, &error)) {
    return Problem(path, line, "held_at",
                   absl::StrCat("found '", row.at("held_at").substr(0, 40),
                                "'; expected RFC 3339, for example 2026-10-01T14:00:00Z"));
  }
  scorecard->set_kind("scorecard");
  scorecard->set_candidate(row.at("candidate"));
  if (row.count("framework") > 0) scorecard->set_framework(row.at("framework"));
  scorecard->mutable_rater()->set_id(row.at("rater"));
  scorecard->mutable_rater()->set_role(row.at("role"));
  scorecard->mutable_session()->set_stage(row.at("stage"));
  scorecard->mutable_session()->mutable_held_at()->set_seconds(absl::ToUnixSeconds(held_at));
  return absl::OkStatus();
}

void AddSource(v1::Scorecard* scorecard, const std::string& field, uint32_t line) {
  v1::SourceMap::Entry* entry = scorecard->mutable_source()->add_entries();
  entry->set_field(field);
  entry->set_line(line);
}

}  // namespace

absl::Status ParseRatingsCsv(const std::string& text, const std::string& path, v1::Scorecard* scorecard) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<CsvRow> rows, ParseRows(text, path));
  if (rows.size() < 2) return Problem(path, 1, "rows", "a header line and at least one rating are needed");
  ASSAY_ASSIGN_OR_RETURN(const auto columns, ReadHeader(rows[0], path));
  std::map<std::string, std::string> first;
  scorecard->mutable_source()->set_file(path.substr(path.rfind('/') + 1));
  for (size_t i = 1; i < rows.size(); ++i) {
    const CsvRow& cells = rows[i];
    if (cells.cells.size() != rows[0].cells.size()) {
      return Problem(path, cells.line, "cells",
                     absl::StrCat("found ", cells.cells.size(), ", the header has ", rows[0].cells.size()));
    }
    std::map<std::string, std::string> row;
    for (const auto& [name, index] : columns) row[name] = cells.cells[index];
    if (i == 1) {
      first = row;
      ASSAY_RETURN_IF_ERROR(SetOccasion(row, path, cells.line, scorecard));
    }
    for (const char* column : {"candidate", "rater", "role", "stage", "held_at"}) {
      if (row[column] != first[column]) {
        return Problem(path, cells.line, column,
                       absl::StrCat("found '", row[column].substr(0, 40), "', the first row says '",
                                    first[column].substr(0, 40), "'; one file is one rater and one occasion"));
      }
    }
    double rating = 0;
    if (!absl::SimpleAtod(row["rating"], &rating)) {
      return Problem(path, cells.line, "rating",
                     absl::StrCat("found '", row["rating"].substr(0, 40), "'; expected a number from 0 to 4"));
    }
    v1::Scorecard::Rating* added = scorecard->add_ratings();
    added->set_competency(row["competency"]);
    added->set_rating(rating);
    added->set_evidence(row["evidence"]);
    added->set_unsupported(row["evidence"].empty());
    AddSource(scorecard, absl::StrCat("ratings[", scorecard->ratings_size() - 1, "]"), cells.line);
  }
  return absl::OkStatus();
}

}  // namespace assay::cli
