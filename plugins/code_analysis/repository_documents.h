// SPDX-License-Identifier: Apache-2.0
//
// Decision records of a repository: which Markdown files are records, which of their sections have substance, and what
// they name that exists.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/code_analysis/repository_files.h"

namespace assay::code_analysis {

struct MarkdownSection {
  std::string heading;  // lower case, without numbers and marks
  int level = 0;        // 1 for "#"
  uint32_t line = 0;
  uint32_t end_line = 0;
  std::string body;  // without code fences' content
};

// Sections in order; text before the first heading is a section of level 0. At most 500.
std::vector<MarkdownSection> ReadMarkdown(std::string_view bytes);

struct DecisionRecord {
  std::string path;
  std::string title;
  uint32_t line = 1;
  uint32_t end_line = 1;
  uint32_t context_words = 0;
  uint32_t decision_words = 0;
  uint32_t consequence_words = 0;
  uint32_t options = 0;
  // Files, folders and packages it names that exist in the repository, sorted, at most 20.
  std::vector<std::string> references;
  // Names another record it replaces, or that replaces it.
  bool has_succession = false;
  // Holds a number with a unit.
  bool has_measure = false;
  // A template, or the record a tool writes when it sets up the folder.
  bool is_unfilled = false;

  // Says what was decided and why: context, decision and consequences, each more than a phrase.
  bool HasSubstance() const;
};

// At most 500 records. `manifests` tell which packages exist.
std::vector<DecisionRecord> ReadDecisionRecords(std::span<const SourceFile> files, std::span<const Manifest> manifests);

}  // namespace assay::code_analysis
