#include "plugins/code_analysis/model/package.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "plugins/code_analysis/model/module_graph.h"
#include "plugins/code_analysis/model/package_reader.h"

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxManifest = 4u << 20;
constexpr size_t kMaxLockfile = 64u << 20;

std::string_view BaseName(std::string_view path) {
  return path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1);
}
size_t Depth(std::string_view path) { return static_cast<size_t>(std::count(path.begin(), path.end(), '/')); }

void ReadDependencies(const nlohmann::json& json, const char* key,
                      std::map<std::string, std::string, std::less<>>& out) {
  const auto section = json.find(key);
  if (section == json.end() || !section->is_object()) return;
  for (const auto& [name, range] : section->items()) {
    if (range.is_string()) out.emplace(name, range.get<std::string>());
  }
}

Span LineContaining(const SourceFile& file, std::string_view needle, size_t from = 0) {
  const size_t at = file.bytes.find(needle, from);
  if (at == std::string_view::npos) return LineOf(file, 1);
  return LineOf(file, static_cast<uint32_t>(
                          std::count(file.bytes.begin(), file.bytes.begin() + static_cast<ptrdiff_t>(at), '\n') + 1));
}

// The rest of the line after `prefix` where a line starts with it.
std::vector<std::pair<uint32_t, std::string_view>> LinesStarting(std::string_view text, std::string_view prefix) {
  std::vector<std::pair<uint32_t, std::string_view>> found;
  uint32_t line = 1;
  while (!text.empty() && line < 100000) {
    const size_t end = text.find('\n');
    std::string_view current = text.substr(0, end);
    const size_t first = current.find_first_not_of(" \t-");
    if (first != std::string_view::npos && current.substr(first, prefix.size()) == prefix)
      found.emplace_back(line, current.substr(first + prefix.size()));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    ++line;
  }
  return found;
}

void ReadPackageLock(const SourceFile& file, PackageFacts& facts) {
  // Only versions of top-level packages matter; the rest of a large lockfile is skipped while it is read.
  const auto bounded = [](int level, nlohmann::json::parse_event_t, nlohmann::json&) { return level < 12; };
  const nlohmann::json json = nlohmann::json::parse(file.bytes, bounded, false);
  if (!json.is_object()) return;
  const auto take = [&](const nlohmann::json& section, std::string_view prefix) {
    for (const auto& [path, entry] : section.items()) {
      if (path.compare(0, prefix.size(), prefix) != 0 || !entry.is_object()) continue;
      const std::string name = path.substr(prefix.size());
      const auto version = entry.find("version");
      if (name.find("node_modules/") == std::string::npos && version != entry.end() && version->is_string())
        facts.locked.emplace(name, *version);
    }
  };
  if (const auto packages = json.find("packages"); packages != json.end() && packages->is_object())
    take(*packages, "node_modules/");
  if (const auto dependencies = json.find("dependencies"); dependencies != json.end() && dependencies->is_object())
    take(*dependencies, "");
}

// yarn.lock: `express@^4.17.1:` and two lines below `  version "4.18.2"`; the first entry of a name counts.
void ReadYarnLock(std::string_view text, PackageFacts& facts) {
  std::string name;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.empty() || line[0] == '#') continue;
    if (line[0] != ' ') {
      if (line[0] == '"') line.remove_prefix(1);
      name = std::string(line.substr(0, line.find('@', 1)));
      continue;
    }
    const size_t at = line.find("version");
    if (at != 2 || name.empty()) continue;
    std::string_view version = line.substr(9);
    version.remove_prefix(std::min(version.find_first_not_of(" :\""), version.size()));
    facts.locked.emplace(name, std::string(version.substr(0, version.find('"'))));
    name.clear();
  }
}

// pnpm-lock.yaml: `  /express@4.18.2:` or `  express@4.18.2:` in the packages section.
void ReadPnpmLock(std::string_view text, PackageFacts& facts) {
  const size_t packages = text.find("\npackages:");
  if (packages == std::string_view::npos) return;
  text.remove_prefix(packages + 1);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.size() < 4 || line.substr(0, 2) != "  " || line[2] == ' ') continue;
    line.remove_prefix(2);
    while (!line.empty() && (line[0] == '/' || line[0] == '\'' || line[0] == '"')) line.remove_prefix(1);
    const size_t at = line.find('@', 1);
    if (at == std::string_view::npos) continue;
    const std::string_view version = line.substr(at + 1, line.find_first_of("(:'\"", at + 1) - at - 1);
    if (!version.empty() && std::isdigit(static_cast<unsigned char>(version[0])))
      facts.locked.emplace(std::string(line.substr(0, at)), std::string(version));
  }
}

void AddMajors(std::string_view text, std::set<int>& majors) {
  for (size_t i = 0; i < text.size();) {
    if (!std::isdigit(static_cast<unsigned char>(text[i]))) {
      ++i;
      continue;
    }
    int value = 0;
    size_t digits = 0;
    while (i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])) && digits < 4) {
      value = value * 10 + (text[i] - '0');
      ++i;
      ++digits;
    }
    if (value >= 4 && value <= 60) majors.insert(value);
    // Minor and patch belong to the number just read.
    while (i < text.size() && (std::isdigit(static_cast<unsigned char>(text[i])) || text[i] == '.' || text[i] == 'x'))
      ++i;
  }
}

}  // namespace

int MajorOf(std::string_view range) {
  const size_t at = range.find("npm:");
  if (at != std::string_view::npos)
    range.remove_prefix(range.rfind('@') == std::string_view::npos ? 0 : range.rfind('@') + 1);
  const size_t digit = range.find_first_of("0123456789");
  if (digit == std::string_view::npos || range.find("://") != std::string_view::npos) return 0;
  int major = 0;
  for (size_t i = digit; i < range.size() && std::isdigit(static_cast<unsigned char>(range[i])) && major < 10000; ++i)
    major = major * 10 + (range[i] - '0');
  return major;
}

std::string PackageFacts::Script(std::string_view name) const {
  const auto scripts = json.find("scripts");
  if (scripts == json.end() || !scripts->is_object()) return "";
  const auto script = scripts->find(std::string(name));
  return script != scripts->end() && script->is_string() ? script->get<std::string>() : "";
}

Span PackageFacts::LineOfDependency(std::string_view name) const {
  const std::string quoted = '"' + std::string(name) + '"';
  for (const Manifest& manifest : manifests) {
    for (const char* section : {"dependencies", "devDependencies", "peerDependencies", "optionalDependencies"}) {
      const auto found = manifest.json.find(section);
      if (found == manifest.json.end() || !found->is_object() || found->find(std::string(name)) == found->end())
        continue;
      const size_t at = manifest.file->bytes.find('"' + std::string(section) + '"');
      return LineContaining(*manifest.file, quoted, at == std::string_view::npos ? 0 : at);
    }
  }
  return file != nullptr ? LineOf(*file, 1) : Span{};
}

PackageFacts ReadPackages(const std::vector<SourceFile>& files) {
  PackageFacts facts;
  for (const SourceFile& file : files) {
    if (BaseName(file.path) != "package.json" || file.bytes.size() > kMaxManifest) continue;
    PackageFacts::Manifest manifest{.file = &file, .json = nlohmann::json::object(), .error = ""};
    const auto bounded = [](int level, nlohmann::json::parse_event_t, nlohmann::json&) { return level < 64; };
    nlohmann::json json = nlohmann::json::parse(file.bytes, bounded, false);
    if (json.is_object()) {
      manifest.json = std::move(json);
    } else {
      manifest.error = std::string(file.path) + " is not a JSON object";
    }
    facts.manifests.push_back(std::move(manifest));
  }
  std::stable_sort(facts.manifests.begin(), facts.manifests.end(),
                   [](const auto& a, const auto& b) { return Depth(a.file->path) < Depth(b.file->path); });
  if (!facts.manifests.empty()) {
    facts.file = facts.manifests[0].file;
    facts.json = facts.manifests[0].json;
    facts.error = facts.manifests[0].error;
  }
  for (const auto& manifest : facts.manifests) {
    ReadDependencies(manifest.json, "dependencies", facts.dependencies);
    ReadDependencies(manifest.json, "optionalDependencies", facts.dependencies);
    ReadDependencies(manifest.json, "peerDependencies", facts.dependencies);
    ReadDependencies(manifest.json, "devDependencies", facts.development_dependencies);
  }
  for (std::string_view name :
       {"package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb"}) {
    for (const SourceFile& file : files) {
      if (BaseName(file.path) != name || Depth(file.path) > 2) continue;
      if (facts.lockfile == nullptr) facts.lockfile = &file;
      if (file.bytes.size() > kMaxLockfile || !facts.locked.empty()) continue;
      if (name == "package-lock.json" || name == "npm-shrinkwrap.json") ReadPackageLock(file, facts);
      if (name == "yarn.lock") ReadYarnLock(file.bytes, facts);
      if (name == "pnpm-lock.yaml") ReadPnpmLock(file.bytes, facts);
    }
  }
  return facts;
}

VersionFacts ReadVersions(const std::vector<SourceFile>& files, const PackageFacts& package) {
  VersionFacts versions;
  std::string_view express;
  if (const auto locked = package.locked.find("express"); locked != package.locked.end()) express = locked->second;
  for (const auto* section : {&package.dependencies, &package.development_dependencies}) {
    const auto range = section->find("express");
    if (range != section->end() && express.empty()) express = range->second;
  }
  versions.express_major = MajorOf(express);
  if (versions.express_major > 0) versions.express_source = package.LineOfDependency("express");
  // A range without a number ("latest", "*") and Express found only by its import: what a fresh install gives.
  if (!express.empty() && versions.express_major == 0) versions.express_major = 5;

  std::set<int> majors;
  const auto note = [&](const SourceFile& file, uint32_t line, std::string_view text) {
    const size_t before = majors.size();
    AddMajors(text, majors);
    if (majors.size() > before && !versions.node_source) versions.node_source = LineOf(file, line);
  };
  if (package.file != nullptr) {
    const auto engines = package.json.find("engines");
    if (engines != package.json.end() && engines->is_object()) {
      const auto node = engines->find("node");
      if (node != engines->end() && node->is_string())
        note(*package.file, LineContaining(*package.file, "\"engines\"").line, node->get<std::string>());
    }
  }
  for (const SourceFile& file : files) {
    const std::string_view base = BaseName(file.path);
    if (file.bytes.size() > (1u << 20)) continue;
    if (base == ".nvmrc" || base == ".node-version") note(file, 1, file.bytes.substr(0, 64));
    if (base.substr(0, 10) == "Dockerfile") {
      for (const auto& [line, rest] : LinesStarting(file.bytes, "FROM ")) {
        const size_t at = rest.find("node:");
        if (at != std::string_view::npos)
          note(file, line, rest.substr(at + 5, rest.find_first_of("-. \t\r", at + 5) - at - 5));
      }
    }
    if (file.path.find(".github/workflows/") != std::string_view::npos) {
      for (const auto& [line, rest] : LinesStarting(file.bytes, "node-version:")) {
        if (rest.find("${{") == std::string_view::npos) note(file, line, rest.substr(0, 128));
      }
    }
  }
  versions.node_majors.assign(majors.begin(), majors.end());
  return versions;
}

}  // namespace assay::code_analysis
