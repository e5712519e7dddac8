// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/repository_files.h"

#include <algorithm>
#include <set>
#include <utility>

#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxDependencies = 2'000;
constexpr size_t kMaxScripts = 500;
constexpr size_t kMaxWorkspaces = 200;
constexpr size_t kMaxInstructions = 1'000;
constexpr size_t kTextProbe = 8u << 10;

std::nullopt_t NoObject(std::string* problem) {
  if (problem != nullptr) *problem = "line 1: expected an object";
  return std::nullopt;
}

void ReadDependencies(DataValue table, Dependency::Kind kind, std::vector<Dependency>* out) {
  if (!table.is_map()) return;
  for (size_t i = 0; i < table.size() && out->size() < kMaxDependencies; ++i) {
    const DataValue range = table.at(i);
    out->push_back({std::string(table.key(i)), std::string(range.text()), kind, range.line()});
  }
}

void ReadWorkspaces(DataValue value, std::vector<std::string>* out) {
  const DataValue list = value.is_map() ? value["packages"] : value;
  for (size_t i = 0; i < list.size() && out->size() < kMaxWorkspaces; ++i) {
    if (list.at(i).is_text()) out->emplace_back(list.at(i).text());
  }
}

// ---- lock files ----

// "react" of "node_modules/react"; empty for packages that are nested or lie elsewhere.
std::string_view TopLevelPackage(std::string_view key) {
  constexpr std::string_view kFolder = "node_modules/";
  if (!key.starts_with(kFolder)) return {};
  key.remove_prefix(kFolder.size());
  return text::Contains(key, kFolder) ? std::string_view() : key;
}

void ReadNpmTree(DataValue dependencies, Lockfile* lock) {
  for (size_t i = 0; i < dependencies.size(); ++i) {
    const DataValue package = dependencies.at(i);
    ++lock->packages;
    if (!package["integrity"]) ++lock->without_integrity;
    lock->versions.emplace(dependencies.key(i), package["version"].text());
  }
}

std::optional<Lockfile> ReadNpmLock(std::string_view path, std::string_view bytes, std::string* problem) {
  std::optional<DataTree> tree = DataTree::ReadJson(bytes, problem);
  if (!tree) return std::nullopt;
  const DataValue root = tree->root();
  if (!root.is_map()) return NoObject(problem);
  Lockfile lock;
  lock.path = std::string(path);
  const DataValue packages = root["packages"];
  if (!packages.is_map()) {
    ReadNpmTree(root["dependencies"], &lock);
    return lock;
  }
  const DataValue top = packages[""];
  lock.wanted_known = top.is_map();
  for (const char* table : {"dependencies", "devDependencies", "optionalDependencies"}) {
    const DataValue wanted = top[table];
    for (size_t i = 0; i < wanted.size(); ++i) lock.wanted.emplace(wanted.key(i), wanted.at(i).text());
  }
  for (size_t i = 0; i < packages.size(); ++i) {
    if (packages.key(i).empty()) continue;
    const DataValue package = packages.at(i);
    if (package["link"].IsTrue()) continue;
    ++lock.packages;
    if (!package["integrity"] && !package["inBundle"].IsTrue()) ++lock.without_integrity;
    const std::string_view name = TopLevelPackage(packages.key(i));
    if (!name.empty()) lock.versions.emplace(name, package["version"].text());
  }
  return lock;
}

// "lodash@npm:^4.0.0" → ("lodash", "^4.0.0").
std::pair<std::string_view, std::string_view> SplitDescriptor(std::string_view descriptor) {
  const size_t at = descriptor.find('@', 1);
  if (at == std::string_view::npos) return {descriptor, {}};
  return {descriptor.substr(0, at), text::WithoutPrefix(descriptor.substr(at + 1), "npm:")};
}

// Both formats of yarn: an entry starts in the first column with the descriptors it answers, and ends with ':'.
Lockfile ReadYarnLock(std::string_view path, std::string_view bytes) {
  Lockfile lock;
  lock.path = std::string(path);
  lock.tool = Lockfile::Tool::kYarn;
  lock.wanted_known = true;
  std::vector<std::string_view> names;
  bool has_integrity = true;
  while (const std::optional<std::string_view> next = text::NextLine(&bytes)) {
    std::string_view line = *next;
    if (line.empty() || line.front() == '#') continue;
    if (line.front() != ' ') {
      if (!has_integrity) ++lock.without_integrity;
      names.clear();
      has_integrity = true;
      if (!line.ends_with(':') || line == "__metadata:") continue;
      line.remove_suffix(1);
      has_integrity = false;
      ++lock.packages;
      // Quotes stand around each descriptor, or in yarn 2 around all of them.
      for (std::string_view part : text::Split(line, ',')) {
        part = text::Trimmed(part);
        while (part.starts_with('"')) part.remove_prefix(1);
        while (part.ends_with('"')) part.remove_suffix(1);
        const auto [name, range] = SplitDescriptor(part);
        if (name.empty()) continue;
        std::string& ranges = lock.wanted[std::string(name)];
        ranges.append(ranges.empty() ? "" : "\n").append(range);
        names.push_back(name);
      }
      continue;
    }
    const std::string_view entry = text::Trimmed(line);
    if (entry.starts_with("version") && !names.empty()) {
      const std::string_view version = text::Unquoted(text::WithoutPrefix(entry.substr(7), ":"));
      for (std::string_view name : names) lock.versions.emplace(name, version);
    } else if (entry.starts_with("integrity") || entry.starts_with("checksum") || entry.starts_with("linkType: soft")) {
      has_integrity = true;
    }
  }
  if (!has_integrity) ++lock.without_integrity;
  return lock;
}

size_t Indentation(std::string_view line) {
  const size_t first = line.find_first_not_of(' ');
  return first == std::string_view::npos ? line.size() : first;
}

// pnpm's lock file is YAML of a fixed layout that can be megabytes long, so it is read line by line. The root importer
// stands under "importers: .:", or, for a single package of older formats, at the top level.
class PnpmReader {
 public:
  explicit PnpmReader(Lockfile* lock) : lock_(lock) {}

  void Line(std::string_view line) {
    line = line.substr(0, line.find_last_not_of(" \t\r") + 1);
    const size_t indent = Indentation(line);
    std::string_view entry = line.substr(indent);
    if (entry.empty() || entry.front() == '#') return;
    if (indent == 0) {
      section_ = text::Unquoted(entry.substr(0, entry.find(':')));
      importer_.clear();
      table_ = IsTable(section_) ? section_ : std::string_view();
      base_ = 0;
      return;
    }
    if (section_ == "packages" || section_ == "snapshots") {
      Package(indent, entry);
    } else if (section_ == "importers" && indent <= 4) {
      Importer(indent, entry);
    } else if (!table_.empty() && (section_ != "importers" || importer_ == ".")) {
      Wanted(indent, entry);
    }
  }

 private:
  static bool IsTable(std::string_view name) {
    return name == "dependencies" || name == "devDependencies" || name == "optionalDependencies" ||
           name == "specifiers";
  }

  void Importer(size_t indent, std::string_view entry) {
    const std::string_view key = text::Unquoted(text::WithoutSuffix(entry, ":"));
    if (indent == 2) {
      importer_ = std::string(key);
      table_ = {};
    } else if (indent == 4) {
      table_ = IsTable(key) ? key : std::string_view();
      base_ = 4;
    }
  }

  void Wanted(size_t indent, std::string_view entry) {
    const size_t colon = entry.find(": ");
    const std::string_view value =
        colon == std::string_view::npos ? std::string_view() : text::Unquoted(entry.substr(colon + 2));
    const std::string_view key =
        text::Unquoted(colon == std::string_view::npos ? text::WithoutSuffix(entry, ":") : entry.substr(0, colon));
    lock_->wanted_known = true;
    if (indent == base_ + 2) {
      name_ = std::string(key);
      if (value.empty()) return;
      if (table_ == "specifiers") {
        lock_->wanted.insert_or_assign(name_, std::string(value));
      } else {
        lock_->versions.emplace(name_, WithoutPeers(value));
      }
    } else if (indent == base_ + 4 && key == "specifier") {
      lock_->wanted.insert_or_assign(name_, std::string(value));
    } else if (indent == base_ + 4 && key == "version") {
      lock_->versions.insert_or_assign(name_, std::string(WithoutPeers(value)));
    }
  }

  void Package(size_t indent, std::string_view entry) {
    if (section_ != "packages") return;
    if (indent == 2) {
      ++lock_->packages;
      ++lock_->without_integrity;
      has_integrity_ = false;
    } else if (!has_integrity_ && text::Contains(entry, "integrity:")) {
      has_integrity_ = true;
      --lock_->without_integrity;
    }
  }

  // "4.18.2(supports-color@8.0.0)" and "4.18.2_x@1" → "4.18.2".
  static std::string_view WithoutPeers(std::string_view version) {
    return version.substr(0, version.find_first_of("(_"));
  }

  Lockfile* lock_;
  std::string_view section_, table_;
  std::string importer_, name_;
  size_t base_ = 0;
  bool has_integrity_ = true;
};

Lockfile ReadPnpmLock(std::string_view path, std::string_view bytes) {
  Lockfile lock;
  lock.path = std::string(path);
  lock.tool = Lockfile::Tool::kPnpm;
  PnpmReader reader(&lock);
  while (const std::optional<std::string_view> line = text::NextLine(&bytes)) reader.Line(*line);
  return lock;
}

bool NamesAPlace(std::string_view range) {
  for (const char* scheme : {"workspace:", "file:", "link:", "portal:", "catalog:", "patch:"}) {
    if (range.starts_with(scheme)) return true;
  }
  return false;
}

// Bun's text format: JSON with trailing commas, the manifests under "workspaces".
std::optional<Lockfile> ReadBunLock(std::string_view path, std::string_view bytes, std::string* problem) {
  Lockfile lock;
  lock.path = std::string(path);
  lock.tool = Lockfile::Tool::kBun;
  if (BaseNameOf(path) == "bun.lockb") return lock;  // binary
  std::optional<DataTree> tree = DataTree::ReadJson(bytes, problem);
  if (!tree) return std::nullopt;
  const DataValue top = tree->root()["workspaces"][""];
  lock.wanted_known = top.is_map();
  for (const char* table : {"dependencies", "devDependencies", "optionalDependencies"}) {
    const DataValue wanted = top[table];
    for (size_t i = 0; i < wanted.size(); ++i) lock.wanted.emplace(wanted.key(i), wanted.at(i).text());
  }
  const DataValue packages = tree->root()["packages"];
  lock.packages = static_cast<uint32_t>(packages.size());
  for (size_t i = 0; i < packages.size(); ++i) {
    const std::string_view resolved = packages.at(i).at(0).text();
    const size_t at = resolved.rfind('@');
    if (at == std::string_view::npos || at == 0 || resolved.substr(0, at) != packages.key(i)) continue;
    lock.versions.emplace(packages.key(i), resolved.substr(at + 1));
  }
  return lock;
}

// Whether the manifest makes the package manager use another range than the one it declares for `name`.
bool IsOverridden(const Manifest& manifest, std::string_view name) {
  const DataValue root = manifest.tree.root();
  for (const DataValue table : {root["resolutions"], root["overrides"], root["pnpm"]["overrides"]}) {
    for (size_t i = 0; table.is_map() && i < table.size(); ++i) {
      const std::string_view key = table.key(i);
      if (key == name || key.starts_with(text::Cat({name, "@"})) || key.ends_with(text::Cat({"/", name}))) {
        return true;
      }
    }
  }
  return false;
}

bool RangeMatches(const Lockfile& lock, std::string_view wanted, std::string_view range) {
  if (wanted == range) return true;
  if (lock.tool != Lockfile::Tool::kYarn) return false;
  range = text::WithoutPrefix(range, "npm:");
  for (const std::string_view each : text::Split(wanted, '\n')) {
    if (each == range) return true;
  }
  return false;
}

}  // namespace

std::string_view DirectoryOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view BaseNameOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  std::vector<std::string_view> parts;
  if (!name.starts_with('/') && !directory.empty()) parts = text::Split(directory, '/');
  for (const std::string_view part : text::Split(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (parts.empty()) {
      return {};
    } else {
      parts.pop_back();
    }
  }
  return text::Join(parts, "/");
}

bool HasFolder(std::string_view path, std::string_view name) {
  for (size_t start = 0;;) {
    const size_t slash = path.find('/', start);
    if (slash == std::string_view::npos) return false;
    if (path.substr(start, slash - start) == name) return true;
    start = slash + 1;
  }
}

bool LooksLikeText(std::string_view bytes) { return bytes.substr(0, kTextProbe).find('\0') == std::string_view::npos; }

const Script* Manifest::FindScript(std::string_view script) const {
  for (const Script& each : scripts) {
    if (each.name == script) return &each;
  }
  return nullptr;
}

const Dependency* Manifest::FindDependency(std::string_view dependency) const {
  for (const Dependency& each : dependencies) {
    if (each.name == dependency) return &each;
  }
  return nullptr;
}

std::optional<Manifest> ReadManifest(std::string_view path, std::string_view bytes, std::string* problem) {
  std::optional<DataTree> tree = DataTree::ReadJson(bytes, problem);
  if (!tree) return std::nullopt;
  if (!tree->root().is_map()) return NoObject(problem);
  Manifest manifest{.tree = *std::move(tree)};
  const DataValue root = manifest.tree.root();
  manifest.path = std::string(path);
  manifest.name = std::string(root["name"].text());
  manifest.main = std::string(root["main"].text());
  manifest.module_type = std::string(root["type"].text());
  manifest.node_range = std::string(root["engines"]["node"].text());
  manifest.package_manager = std::string(root["packageManager"].text());
  manifest.is_private = root["private"].IsTrue();
  ReadWorkspaces(root["workspaces"], &manifest.workspaces);
  const DataValue scripts = root["scripts"];
  for (size_t i = 0; scripts.is_map() && i < scripts.size() && i < kMaxScripts; ++i) {
    manifest.scripts.push_back({std::string(scripts.key(i)), std::string(scripts.at(i).text()), scripts.at(i).line()});
  }
  ReadDependencies(root["dependencies"], Dependency::Kind::kRuntime, &manifest.dependencies);
  ReadDependencies(root["devDependencies"], Dependency::Kind::kDevelopment, &manifest.dependencies);
  ReadDependencies(root["optionalDependencies"], Dependency::Kind::kOptional, &manifest.dependencies);
  ReadDependencies(root["peerDependencies"], Dependency::Kind::kPeer, &manifest.dependencies);
  return manifest;
}

bool IsLockfilePath(std::string_view path) {
  const std::string_view name = BaseNameOf(path);
  return name == "package-lock.json" || name == "npm-shrinkwrap.json" || name == "yarn.lock" ||
         name == "pnpm-lock.yaml" || name == "bun.lock" || name == "bun.lockb";
}

std::optional<Lockfile> ReadLockfile(std::string_view path, std::string_view bytes, std::string* problem) {
  const std::string_view name = BaseNameOf(path);
  if (name == "package-lock.json" || name == "npm-shrinkwrap.json") return ReadNpmLock(path, bytes, problem);
  if (name == "yarn.lock") return ReadYarnLock(path, bytes);
  if (name == "pnpm-lock.yaml") return ReadPnpmLock(path, bytes);
  if (name == "bun.lock" || name == "bun.lockb") return ReadBunLock(path, bytes, problem);
  if (problem != nullptr) *problem = "this is not a lock file";
  return std::nullopt;
}

bool IsDockerfilePath(std::string_view path) {
  const std::string_view name = BaseNameOf(path);
  return name == "Dockerfile" || name.starts_with("Dockerfile.") || name.ends_with(".Dockerfile") ||
         name == "Containerfile";
}

std::vector<DockerInstruction> ReadDockerfile(std::string_view bytes) {
  std::vector<DockerInstruction> instructions;
  bool continued = false;
  uint32_t number = 0;
  while (const std::optional<std::string_view> next = text::NextLine(&bytes)) {
    ++number;
    std::string_view line = text::Trimmed(*next);
    if (line.starts_with('#') || (line.empty() && !continued)) continue;
    if (!continued) {
      if (instructions.size() >= kMaxInstructions) break;
      const size_t end = std::min(line.find_first_of(" \t"), line.size());
      std::string name(line.substr(0, end));
      std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'a' && c <= 'z' ? c - 32 : c; });
      instructions.push_back({std::move(name), {}, number});
      line = text::Trimmed(line.substr(end));
    }
    std::string& arguments = instructions.back().arguments;
    arguments.append(line);
    continued = line.ends_with('\\');
    if (continued) arguments.push_back('\n');
  }
  return instructions;
}

std::vector<std::string> LockfileMismatches(const Manifest& manifest, const Lockfile& lockfile,
                                            std::span<const Manifest> repository) {
  std::vector<std::string> names;
  if (!lockfile.wanted_known) return names;
  std::set<std::string_view> seen;
  for (const Manifest& local : repository) seen.insert(local.name);
  for (const Dependency& dependency : manifest.dependencies) {
    if (dependency.kind == Dependency::Kind::kPeer || NamesAPlace(dependency.range)) continue;
    // A package named in two tables is locked under the first of its ranges.
    if (!seen.insert(dependency.name).second || IsOverridden(manifest, dependency.name)) continue;
    const auto wanted = lockfile.wanted.find(dependency.name);
    const bool matches = wanted != lockfile.wanted.end() &&
                         (RangeMatches(lockfile, wanted->second, dependency.range) || NamesAPlace(wanted->second));
    if (!matches) names.push_back(dependency.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace assay::code_analysis
