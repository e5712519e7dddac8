// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "plugins/code_analysis/repository_files.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

// What nyc and c8 ask of lines once checking is on and no number is given.
constexpr double kDefaultLines = 90;
constexpr size_t kMaxConfigurationBytes = 256u << 10;
constexpr size_t kMaxGates = 64;

// JavaScript with its comments blanked, so that a setting inside one is not taken for a setting. Line numbers stay.
std::string WithoutComments(std::string_view code) {
  std::string out(code);
  char quote = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    const char c = out[i];
    if (quote != 0) {
      if (c == '\\') {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
    } else if (c == '"' || c == '\'' || c == '`') {
      quote = c;
    } else if (c == '/' && i + 1 < out.size() && (out[i + 1] == '/' || out[i + 1] == '*')) {
      const bool block = out[i + 1] == '*';
      const size_t end = block ? out.find("*/", i + 2) : out.find('\n', i);
      const size_t stop = end == std::string::npos ? out.size() : end + (block ? 2 : 0);
      for (; i < stop; ++i) {
        if (out[i] != '\n') out[i] = ' ';
      }
      --i;
    }
  }
  return out;
}

// Where the value of `key:` starts in `code`; npos when there is no such property.
size_t ValueOfKey(std::string_view code, std::string_view key) {
  for (size_t at = code.find(key); at != std::string_view::npos; at = code.find(key, at + 1)) {
    if (at > 0 && text::IsWord(code[at - 1])) continue;
    size_t next = at + key.size();
    if (next < code.size() && (code[next] == '"' || code[next] == '\'')) ++next;
    while (next < code.size() && text::IsSpace(code[next])) ++next;
    if (next >= code.size() || code[next] != ':') continue;
    ++next;
    while (next < code.size() && text::IsSpace(code[next])) ++next;
    return next;
  }
  return std::string_view::npos;
}

// The object literal that is the value of `key`, empty when it is something else.
std::string_view ObjectOfKey(std::string_view code, std::string_view key) {
  const size_t start = ValueOfKey(code, key);
  if (start >= code.size() || code[start] != '{') return {};
  int depth = 0;
  for (size_t i = start; i < code.size(); ++i) {
    if (code[i] == '{') ++depth;
    if (code[i] == '}' && --depth == 0) return code.substr(start, i + 1 - start);
  }
  return {};
}

bool KeyIsTrue(std::string_view code, std::string_view key) {
  const size_t start = ValueOfKey(code, key);
  return start < code.size() && code.substr(start).starts_with("true");
}

uint32_t LineOfOffset(std::string_view text, size_t offset) {
  return 1 + static_cast<uint32_t>(std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(offset), '\n'));
}

class GateCollector {
 public:
  explicit GateCollector(std::span<const Manifest> manifests) : manifests_(manifests) {}

  std::vector<CoverageGate> Take() { return std::move(gates_); }

  // Some script of the repository runs the tool.
  bool Runs(std::string_view tool) const {
    for (const Manifest& manifest : manifests_) {
      for (const Script& script : manifest.scripts) {
        if (text::Contains(script.command, tool)) return true;
      }
    }
    return false;
  }

  // Thresholds as { branches: 80, lines: 80 }, by jest below "global", by vitest also { 100: true }.
  void Table(std::string_view path, std::string_view tool, DataValue table, uint32_t line, bool always) {
    if (table["global"].is_map()) table = table["global"];
    CoverageGate gate{.path = std::string(path), .line = line, .tool = std::string(tool), .always_collected = always};
    bool any = false;
    double lowest = 100;
    for (const char* key : {"lines", "statements", "branches", "functions"}) {
      const std::optional<double> threshold = table[key].number();
      if (!threshold || *threshold <= 0) continue;
      any = true;
      lowest = std::min(lowest, *threshold);
      if (gate.lines == 0) gate.lines = *threshold;
    }
    if (table["100"].IsTrue()) {
      any = true;
      gate.lines = 100;
    }
    gate.lowest = lowest;
    if (any) Add(std::move(gate));
  }

  void CheckCoverage(std::string_view path, std::string_view tool, DataValue settings) {
    if (!settings["check-coverage"].IsTrue() && !settings["checkCoverage"].IsTrue()) return;
    const bool numbers = settings["lines"] || settings["statements"] || settings["branches"] || settings["functions"];
    if (numbers) {
      Table(path, tool, settings, settings.line(), true);
    } else {
      Add({std::string(path), settings["check-coverage"].line(), std::string(tool), kDefaultLines, kDefaultLines,
           true});
    }
  }

  void Add(CoverageGate gate) {
    if (gates_.size() < kMaxGates && gate.lowest > 0) gates_.push_back(std::move(gate));
  }

 private:
  std::span<const Manifest> manifests_;
  std::vector<CoverageGate> gates_;
};

// The number behind "--lines 80", "--lines=80"; nothing when the flag is not there.
std::optional<double> FlagNumber(std::string_view command, std::string_view flag) {
  const size_t at = command.find(flag);
  if (at == std::string_view::npos) return std::nullopt;
  size_t start = at + flag.size();
  if (start >= command.size() || (command[start] != '=' && command[start] != ' ')) return std::nullopt;
  ++start;
  const size_t end = command.find_first_not_of("0123456789.", start);
  return text::Number(command.substr(start, end == std::string_view::npos ? end : end - start));
}

void ReadCommand(std::string_view path, const Script& script, GateCollector* collector) {
  const std::string_view command = script.command;
  CoverageGate gate{.path = std::string(path), .line = script.line, .always_collected = true};
  if (command.find("--check-coverage") != std::string_view::npos || text::Contains(command, "c8 --100")) {
    gate.tool = text::Contains(command, "nyc") ? "nyc" : text::Contains(command, "c8") ? "c8" : "tap";
    const bool all = text::Contains(command, "--100");
    gate.lines = all ? 100 : FlagNumber(command, "--lines").value_or(0);
    gate.lowest = gate.lines > 0 ? gate.lines : kDefaultLines;
    for (const char* flag : {"--branches", "--functions", "--statements"}) {
      const std::optional<double> threshold = FlagNumber(command, flag);
      if (threshold && *threshold > 0) gate.lowest = std::min(gate.lowest, *threshold);
    }
  } else if (const auto lines = FlagNumber(command, "--test-coverage-lines"); lines) {
    gate.tool = "node";
    gate.lowest = gate.lines = *lines;
  } else if (const auto vitest = FlagNumber(command, "--coverage.thresholds.lines"); vitest) {
    gate.tool = "vitest";
    gate.lowest = gate.lines = *vitest;
  } else if (const size_t at = command.find("--coverageThreshold"); at != std::string_view::npos) {
    const size_t open = command.find('{', at), close = command.rfind('}');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open) return;
    const std::optional<DataTree> tree = DataTree::ReadJson(command.substr(open, close + 1 - open));
    if (tree) collector->Table(path, "jest", tree->root(), script.line, true);
    return;
  } else {
    return;
  }
  collector->Add(std::move(gate));
}

void ReadManifestSettings(const Manifest& manifest, GateCollector* collector) {
  const DataValue root = manifest.tree.root();
  const DataValue jest = root["jest"];
  if (jest["coverageThreshold"] && (collector->Runs("jest") || collector->Runs("react-scripts"))) {
    collector->Table(manifest.path, "jest", jest["coverageThreshold"], jest["coverageThreshold"].line(),
                     jest["collectCoverage"].IsTrue());
  }
  if (collector->Runs("nyc")) collector->CheckCoverage(manifest.path, "nyc", root["nyc"]);
  if (collector->Runs("c8")) collector->CheckCoverage(manifest.path, "c8", root["c8"]);
  for (const Script& script : manifest.scripts) ReadCommand(manifest.path, script, collector);
}

// jest.config.js, vitest.config.ts and the like: the thresholds are an object literal of numbers, or unknown.
void ReadCodeSettings(const SourceFile& file, std::string_view tool, GateCollector* collector) {
  const std::string code = WithoutComments(file.bytes.substr(0, kMaxConfigurationBytes));
  const bool jest = tool == "jest";
  const std::string_view coverage = jest ? std::string_view(code) : ObjectOfKey(code, "coverage");
  const std::string_view table = ObjectOfKey(coverage, jest ? "coverageThreshold" : "thresholds");
  const bool always = KeyIsTrue(coverage, jest ? "collectCoverage" : "enabled");
  if (table.empty()) return;
  const uint32_t line = LineOfOffset(code, static_cast<size_t>(table.data() - code.data()));
  const std::optional<DataTree> tree = DataTree::ReadJson(table);
  if (tree) collector->Table(file.path, tool, tree->root(), line, always);
}

void ReadSettingsFile(const SourceFile& file, GateCollector* collector) {
  const std::string_view name = BaseNameOf(file.path);
  if (name == "jest.config.json" && collector->Runs("jest")) {
    const std::optional<DataTree> tree = DataTree::ReadJson(file.bytes);
    if (!tree) return;
    const DataValue root = tree->root();
    collector->Table(file.path, "jest", root["coverageThreshold"], root["coverageThreshold"].line(),
                     root["collectCoverage"].IsTrue());
  } else if (name.starts_with("jest.config.") && collector->Runs("jest")) {
    ReadCodeSettings(file, "jest", collector);
  } else if ((name.starts_with("vitest.config.") || name.starts_with("vite.config.")) && collector->Runs("vitest")) {
    ReadCodeSettings(file, "vitest", collector);
  } else if (name.starts_with(".nycrc") || name.starts_with(".c8rc")) {
    const std::string_view tool = name.starts_with(".nycrc") ? "nyc" : "c8";
    const bool yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    const std::optional<DataTree> tree = yaml ? DataTree::ReadYaml(file.bytes) : DataTree::ReadJson(file.bytes);
    // c8 reads nyc's file as well.
    if (tree && (collector->Runs(tool) || collector->Runs("c8")))
      collector->CheckCoverage(file.path, tool, tree->root());
  }
}

}  // namespace

std::vector<CoverageGate> ReadCoverageGates(std::span<const Manifest> manifests, std::span<const SourceFile> files) {
  GateCollector collector(manifests);
  for (const Manifest& manifest : manifests) ReadManifestSettings(manifest, &collector);
  for (const SourceFile& file : files) ReadSettingsFile(file, &collector);
  return collector.Take();
}

}  // namespace assay::code_analysis
