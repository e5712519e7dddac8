// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/repository_documents.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxSections = 500;
constexpr size_t kMaxRecords = 500;
constexpr size_t kMaxDocumentBytes = 256u << 10;
constexpr size_t kMaxReferences = 20;
// A section says something from this many words on.
constexpr uint32_t kSubstance = 20;

// "## 2. Decision outcome" → "decision outcome".
std::string PlainHeading(std::string_view heading) {
  std::string plain;
  for (const char c : text::Lower(heading)) {
    if (text::IsLetter(c) || c == '\'' || static_cast<unsigned char>(c) >= 0x80) {
      plain.push_back(c);
    } else if (!plain.empty() && plain.back() != ' ') {
      plain.push_back(' ');
    }
  }
  return std::string(text::Trimmed(plain));
}

// Level of an ATX heading, 0 for other lines.
int HeadingLevel(std::string_view line) {
  size_t level = 0;
  while (level < line.size() && line[level] == '#') ++level;
  const bool heading = level > 0 && level <= 6 && level < line.size() && text::IsSpace(line[level]);
  return heading ? static_cast<int>(level) : 0;
}

bool IsUnderline(std::string_view line, char mark) {
  line = text::Trimmed(line);
  return line.size() >= 3 && line.find_first_not_of(mark) == std::string_view::npos;
}

uint32_t CountWords(std::string_view body) {
  uint32_t count = 0;
  for (const std::string_view word : text::Words(body)) {
    count += std::any_of(word.begin(), word.end(),
                         [](char c) { return text::IsLetter(c) || static_cast<unsigned char>(c) >= 0x80; });
  }
  return count;
}

bool HeadingIsAbout(std::string_view heading, std::initializer_list<std::string_view> topics) {
  return std::any_of(topics.begin(), topics.end(),
                     [&](std::string_view topic) { return heading.find(topic) != std::string_view::npos; });
}

// Text that stands in templates for what an author has to write.
bool HoldsPlaceholders(std::string_view bytes) {
  constexpr std::string_view kMarks[] = {"{{",
                                         "[short title",
                                         "{short title",
                                         "[title of",
                                         "{title of",
                                         "<title>",
                                         "What is the issue that we're seeing that is motivating",
                                         "What is the change that we're proposing",
                                         "What becomes easier or more difficult to do because of this",
                                         "[describe the context",
                                         "{Describe the context",
                                         "The issue motivating this decision, and any context that influences",
                                         "[option 1]",
                                         "{option 1}",
                                         "{title of option 1}",
                                         "[e.g.,"};
  return std::any_of(std::begin(kMarks), std::end(kMarks),
                     [&](std::string_view mark) { return text::Contains(bytes, mark); });
}

// What adr-tools, log4brains and their kin write when the folder is set up: the decision to keep decision records.
bool IsFirstRecordOfTool(std::string_view title) {
  const std::string plain = PlainHeading(title);
  return (text::Contains(plain, "architecture decision") || text::Contains(plain, "architectural decision") ||
          text::Contains(plain, "markdown any decision") || text::Contains(plain, "decision records") ||
          text::Contains(plain, "use adrs") || text::Contains(plain, "use adr")) &&
         (text::Contains(plain, "record") || text::Contains(plain, "use ") || text::Contains(plain, "adopt"));
}

bool IsMarkdown(std::string_view path) {
  return path.ends_with(".md") || path.ends_with(".mdx") || path.ends_with(".markdown");
}

bool IsRecordFolder(std::string_view folder) {
  const std::string name = text::Lower(folder);
  return text::IsOneOf(name,
                       {"adr", "adrs", "decisions", "decision-records", "decision_records", "architecture-decisions",
                        "architecture_decisions", "architecture-decision-records", "decision-log", "rfcs", "rfc"});
}

bool IsRecordPath(std::string_view path) {
  if (!IsMarkdown(path) || HasFolder(path, "node_modules")) return false;
  const std::string name = text::Lower(BaseNameOf(path));
  if (text::IsOneOf(name, {"readme.md", "index.md", "readme.mdx", "index.mdx", "contributing.md", "changelog.md"}))
    return false;
  const std::string_view directory = DirectoryOf(path);
  for (const std::string_view folder : text::Split(directory, '/')) {
    if (IsRecordFolder(folder)) return true;
  }
  // adr-0007-queue.md, ADR007.md anywhere
  return name.starts_with("adr") && name.size() > 4 &&
         (text::IsDigit(name[3]) || (name[3] == '-' && text::IsDigit(name[4])));
}

// The names between back quotes and in the targets of links.
std::vector<std::string_view> NamesMentioned(std::string_view bytes) {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < bytes.size() && names.size() < 2'000; ++i) {
    const bool code = bytes[i] == '`';
    const bool link = bytes[i] == '(' && i > 0 && bytes[i - 1] == ']';
    if (!code && !link) continue;
    const size_t end = bytes.find_first_of(code ? "`\n" : ")\n# ", i + 1);
    if (end == std::string_view::npos) break;
    if (end > i + 1) names.push_back(bytes.substr(i + 1, end - i - 1));
    if (code) i = end;
  }
  return names;
}

// What of the repository a document can name.
class Inventory {
 public:
  Inventory(std::span<const SourceFile> files, std::span<const Manifest> manifests) {
    for (const SourceFile& file : files) {
      names_.insert(file.path);
      for (std::string_view folder = DirectoryOf(file.path); !folder.empty(); folder = DirectoryOf(folder)) {
        if (!names_.insert(folder).second) break;
      }
    }
    for (const Manifest& manifest : manifests) {
      for (const Dependency& dependency : manifest.dependencies) packages_.insert(dependency.name);
    }
  }

  // The path or package a name stands for; empty when there is none.
  std::string Find(std::string_view directory, std::string_view name) const {
    name = text::WithoutSuffix(
        name.substr(0, name.find(':', name.find("://") == std::string_view::npos ? 0 : name.size())), "/");
    if (name.empty() || name.size() > 300 || text::Contains(name, "://")) return {};
    if (packages_.contains(name)) return std::string(name);
    for (const std::string_view base : {std::string_view(), directory}) {
      const std::string path = JoinPath(base, name);
      if (!path.empty() && names_.contains(path)) return path;
    }
    return {};
  }

 private:
  std::set<std::string_view> names_;
  std::set<std::string_view> packages_;
};

bool HasMeasure(std::string_view bytes) {
  constexpr std::string_view kUnits[] = {"ms", "s",  "rps", "req/s",   "MB",      "GB",   "MiB",
                                         "KB", "kB", "%",   "seconds", "minutes", "rows", "connections"};
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (!text::IsDigit(bytes[i]) || (i > 0 && (text::IsWord(bytes[i - 1]) || bytes[i - 1] == '.'))) continue;
    size_t end = bytes.find_first_not_of("0123456789.,", i);
    if (end == std::string_view::npos) return false;
    std::string_view rest = bytes.substr(end, 14);
    rest = text::WithoutPrefix(rest, " ");
    for (const std::string_view unit : kUnits) {
      if (rest.starts_with(unit) && (rest.size() == unit.size() || !text::IsLetter(rest[unit.size()]))) return true;
    }
    i = end;
  }
  return false;
}

uint32_t CountOptions(const MarkdownSection& section, std::span<const MarkdownSection> sections) {
  uint32_t count = 0;
  std::string_view rest = section.body;
  while (const auto line = text::NextLine(&rest)) {
    const bool indented = !line->empty() && text::IsSpace(line->front());
    const std::string_view entry = text::Trimmed(*line);
    const size_t digits = entry.find_first_not_of("0123456789");
    const bool numbered =
        digits != 0 && digits != std::string_view::npos && (entry[digits] == '.' || entry[digits] == ')');
    if (!indented && (entry.starts_with("- ") || entry.starts_with("* ") || numbered)) ++count;
    if (entry.starts_with("|") && !text::Contains(entry, "---")) ++count;
  }
  // Options may be subsections instead.
  uint32_t below = 0;
  for (const MarkdownSection& other : sections) {
    if (other.line > section.line && other.line <= section.end_line && other.level == section.level + 1) ++below;
  }
  return std::max(count, below);
}

// The words of a section with those of its subsections.
uint32_t WordsOf(const MarkdownSection& section, std::span<const MarkdownSection> sections) {
  uint32_t words = CountWords(section.body);
  for (const MarkdownSection& other : sections) {
    if (other.line > section.line && other.line <= section.end_line) words += CountWords(other.body);
  }
  return words;
}

DecisionRecord ReadRecord(const SourceFile& file, const Inventory& inventory) {
  DecisionRecord record{.path = std::string(file.path)};
  const std::string_view bytes = file.bytes.substr(0, kMaxDocumentBytes);
  const std::vector<MarkdownSection> sections = ReadMarkdown(bytes);
  for (const MarkdownSection& section : sections) {
    record.end_line = std::max(record.end_line, section.end_line);
    const std::string& heading = section.heading;
    if (record.title.empty() && section.level == 1) record.title = heading;
    if (section.level <= 1) continue;
    const uint32_t words = WordsOf(section, sections);
    if (HeadingIsAbout(heading, {"option", "alternative", "considered"})) {
      record.options = std::max(record.options, CountOptions(section, sections));
    } else if (HeadingIsAbout(
                   heading, {"consequence", "trade", "implication", "drawback", "pros and cons", "impact", "result"})) {
      record.consequence_words += words;
    } else if (HeadingIsAbout(heading,
                              {"decision driver", "context", "problem", "background", "motivation", "issue", "why"})) {
      record.context_words += words;
    } else if (HeadingIsAbout(heading, {"decision", "outcome", "solution", "proposal", "resolution", "choice"})) {
      record.decision_words += words;
    }
  }
  const std::string name = text::Lower(BaseNameOf(file.path));
  record.is_unfilled = text::Contains(name, "template") || IsFirstRecordOfTool(record.title) ||
                       IsFirstRecordOfTool(text::WithoutSuffix(name, ".md")) || HoldsPlaceholders(bytes);
  record.has_measure = HasMeasure(bytes);
  const std::string lower = text::Lower(bytes);
  record.has_succession =
      text::Contains(lower, "supersede") || text::Contains(lower, "superseeds") || text::Contains(lower, "replaced by");
  std::set<std::string> references;
  for (const std::string_view mentioned : NamesMentioned(bytes)) {
    std::string found = inventory.Find(DirectoryOf(file.path), mentioned);
    if (!found.empty() && !IsRecordPath(found) && references.size() < kMaxReferences)
      references.insert(std::move(found));
  }
  record.references.assign(references.begin(), references.end());
  return record;
}

}  // namespace

std::vector<MarkdownSection> ReadMarkdown(std::string_view bytes) {
  std::vector<MarkdownSection> sections{{.line = 1, .end_line = 1}};
  std::string_view rest = bytes, previous;
  bool fenced = false;
  uint32_t number = 0;
  const auto open = [&](std::string_view heading, int level, uint32_t line) {
    if (sections.size() >= kMaxSections) return;
    sections.push_back({PlainHeading(heading), level, line, line, {}});
  };
  while (const auto next = text::NextLine(&rest)) {
    ++number;
    const std::string_view line = *next;
    const bool fence = text::Trimmed(line).starts_with("```") || text::Trimmed(line).starts_with("~~~");
    const int level = fenced || fence ? 0 : HeadingLevel(line);
    if (fence) {
      fenced = !fenced;
    } else if (level > 0) {
      open(line.substr(static_cast<size_t>(level)), level, number);
    } else if (!fenced && !text::Trimmed(previous).empty() && (IsUnderline(line, '=') || IsUnderline(line, '-'))) {
      // A heading underlined: its text was taken for the end of the section before.
      std::string& body = sections.back().body;
      body.resize(body.size() - std::min(body.size(), previous.size() + 1));
      sections.back().end_line = number - 2;
      open(previous, line.front() == '=' ? 1 : 2, number - 1);
    } else if (!fenced) {
      sections.back().body.append(line).push_back('\n');
    }
    previous = level > 0 || fenced || fence ? std::string_view() : line;
    sections.back().end_line = number;
  }
  // A section ends where the next of its level or above begins.
  for (size_t i = 0; i < sections.size(); ++i) {
    for (size_t j = i + 1; j < sections.size() && sections[j].level > sections[i].level; ++j) {
      sections[i].end_line = std::max(sections[i].end_line, sections[j].end_line);
    }
  }
  return sections;
}

bool DecisionRecord::HasSubstance() const {
  const bool consequences = consequence_words >= kSubstance || (options >= 2 && consequence_words > 0);
  return !is_unfilled && context_words >= kSubstance && decision_words >= kSubstance / 2 && consequences;
}

std::vector<DecisionRecord> ReadDecisionRecords(std::span<const SourceFile> files,
                                                std::span<const Manifest> manifests) {
  std::vector<DecisionRecord> records;
  std::optional<Inventory> inventory;
  for (const SourceFile& file : files) {
    if (records.size() >= kMaxRecords || !IsRecordPath(file.path) || !LooksLikeText(file.bytes)) continue;
    if (!inventory) inventory.emplace(files, manifests);
    records.push_back(ReadRecord(file, *inventory));
  }
  return records;
}

}  // namespace assay::code_analysis
