#include "plugins/code_analysis/model/module_graph.h"

#include <algorithm>

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxAliases = 256;

std::string FolderOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash));
}

// Joins and removes "." and "..". Leaving the root gives a path that matches nothing.
std::string JoinPath(std::string_view folder, std::string_view relative) {
  std::vector<std::string_view> parts;
  for (std::string_view whole : {folder, relative}) {
    while (!whole.empty()) {
      const size_t slash = whole.find('/');
      const std::string_view part = whole.substr(0, slash);
      whole.remove_prefix(slash == std::string_view::npos ? whole.size() : slash + 1);
      if (part.empty() || part == ".") continue;
      if (part == "..") {
        if (parts.empty()) return "..";
        parts.pop_back();
      } else {
        parts.push_back(part);
      }
    }
  }
  std::string path;
  for (std::string_view part : parts) {
    if (!path.empty()) path += '/';
    path += part;
  }
  return path;
}

std::string_view WithoutNodePrefix(std::string_view specifier) {
  return specifier.substr(0, 5) == "node:" ? specifier.substr(5) : specifier;
}

// The callee may be wrapped by a bundler's or compiler's import function.
bool IsIdentifier(Node node, std::string_view name) { return node.Is(Kind::kIdentifier) && node.text() == name; }

bool EndsWith(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

// `module.exports` or `exports`.
bool IsExportsObject(Node node) {
  node = node.Bare();
  if (IsIdentifier(node, "exports")) return true;
  return node.Is(Kind::kMember) && IsIdentifier(node[Field::kObject].Bare(), "module") &&
         node[Field::kProperty].text() == "exports";
}

}  // namespace

std::string_view PackageOf(std::string_view specifier) {
  size_t slash = specifier.find('/');
  if (!specifier.empty() && specifier[0] == '@' && slash != std::string_view::npos)
    slash = specifier.find('/', slash + 1);
  return specifier.substr(0, slash);
}

nlohmann::json ParseLenientJson(std::string_view text) {
  // Trailing commas are common in tsconfig.json; the parser ignores comments itself.
  std::string cleaned;
  cleaned.reserve(text.size());
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      cleaned += c;
      if (c == '\\' && i + 1 < text.size()) cleaned += text[++i];
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == ',') {
      const size_t next = text.find_first_not_of(" \t\r\n", i + 1);
      if (next != std::string_view::npos && (text[next] == '}' || text[next] == ']')) continue;
    }
    cleaned += c;
  }
  int depth = 0;
  const auto bounded = [&](int level, nlohmann::json::parse_event_t, nlohmann::json&) {
    depth = std::max(depth, level);
    return level < 200;
  };
  nlohmann::json json = nlohmann::json::parse(cleaned, bounded, false, true);
  return json.is_object() ? json : nlohmann::json::object();
}

ModuleGraph::ModuleGraph(std::vector<std::unique_ptr<Module>> modules, std::vector<Scopes> scopes,
                         const std::vector<SourceFile>& files, const PackageFacts& package)
    : modules_(std::move(modules)),
      scopes_(std::move(scopes)),
      exports_(modules_.size()),
      import_sites_(modules_.size()) {
  for (uint32_t i = 0; i < modules_.size(); ++i) {
    modules_[i]->index = i;
    modules_[i]->tree.set_module_index(i);
    by_path_[modules_[i]->file().path] = i;
  }
  for (const auto& manifest : package.manifests) {
    const auto name = manifest.json.find("name");
    if (name == manifest.json.end() || !name->is_string()) continue;
    const std::string folder = FolderOf(manifest.file->path);
    workspaces_[*name] = folder;
    for (const char* key : {"source", "module", "main", "types"}) {
      const auto main = manifest.json.find(key);
      if (main != manifest.json.end() && main->is_string() && FindFile(JoinPath(folder, std::string(*main)))) {
        workspace_mains_[*name] = JoinPath(folder, std::string(*main));
        break;
      }
    }
  }
  ReadAliases(files);
  for (uint32_t i = 0; i < modules_.size(); ++i) ReadImports(i);
  std::stable_sort(edges_.begin(), edges_.end(), [](const ModuleEdge& a, const ModuleEdge& b) {
    return a.from != b.from ? a.from < b.from : a.site.id() < b.site.id();
  });
  for (const ModuleEdge& edge : edges_) import_sites_[edge.to].emplace_back(edge.from, edge.site);
  for (uint32_t i = 0; i < modules_.size(); ++i) ReadExports(i);
}

void ModuleGraph::ReadAliases(const std::vector<SourceFile>& files) {
  for (const SourceFile& file : files) {
    const std::string_view path = file.path;
    const std::string_view base = path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1);
    if (base.substr(0, 8) != "tsconfig" && base != "jsconfig.json") continue;
    if (!EndsWith(base, ".json") || file.bytes.size() > (1u << 20)) continue;
    const nlohmann::json json = ParseLenientJson(file.bytes);
    const auto options = json.find("compilerOptions");
    if (options == json.end() || !options->is_object()) continue;
    const std::string folder = FolderOf(path);
    std::string base_folder = folder;
    if (const auto url = options->find("baseUrl"); url != options->end() && url->is_string()) {
      base_folder = JoinPath(folder, std::string(*url));
      base_urls_.emplace_back(folder, base_folder);
    }
    const auto paths = options->find("paths");
    if (paths == options->end() || !paths->is_object()) continue;
    for (const auto& [pattern, targets] : paths->items()) {
      if (!targets.is_array() || aliases_.size() >= kMaxAliases) continue;
      Alias alias{.folder = folder, .prefix = pattern, .suffix = "", .wildcard = false, .targets = {}};
      if (const size_t star = pattern.find('*'); star != std::string::npos) {
        alias.prefix = pattern.substr(0, star);
        alias.suffix = pattern.substr(star + 1);
        alias.wildcard = true;
      }
      for (const auto& target : targets) {
        if (target.is_string()) alias.targets.push_back(JoinPath(base_folder, std::string(target)));
      }
      aliases_.push_back(std::move(alias));
    }
  }
}

std::optional<uint32_t> ModuleGraph::FindFile(std::string path) const {
  static constexpr std::string_view kEndings[] = {"", ".ts", ".js", ".tsx", ".jsx", ".mjs", ".cjs", ".mts", ".cts"};
  const auto look = [&](const std::string& candidate) -> std::optional<uint32_t> {
    for (std::string_view ending : kEndings) {
      const auto found = by_path_.find(candidate + std::string(ending));
      if (found != by_path_.end()) return found->second;
    }
    return std::nullopt;
  };
  if (const auto found = look(path)) return found;
  // TypeScript sources are imported by the name of their output.
  for (const auto& [output, source] : {std::pair<std::string_view, std::string_view>{".js", ".ts"},
                                       {".js", ".tsx"},
                                       {".jsx", ".tsx"},
                                       {".mjs", ".mts"},
                                       {".cjs", ".cts"}}) {
    if (!EndsWith(path, output)) continue;
    const auto found = by_path_.find(path.substr(0, path.size() - output.size()) + std::string(source));
    if (found != by_path_.end()) return found->second;
  }
  return look(path.empty() ? "index" : path + "/index");
}

std::optional<uint32_t> ModuleGraph::FindAliased(std::string_view from, std::string_view specifier) const {
  for (const Alias& alias : aliases_) {
    if (from.substr(0, alias.folder.size()) != alias.folder) continue;
    std::string star;
    if (alias.wildcard) {
      if (specifier.size() < alias.prefix.size() + alias.suffix.size() ||
          specifier.substr(0, alias.prefix.size()) != alias.prefix || !EndsWith(specifier, alias.suffix))
        continue;
      star = specifier.substr(alias.prefix.size(), specifier.size() - alias.prefix.size() - alias.suffix.size());
    } else if (specifier != alias.prefix) {
      continue;
    }
    for (std::string target : alias.targets) {
      if (const size_t at = target.find('*'); at != std::string::npos)
        target = target.substr(0, at) + star + target.substr(at + 1);
      if (const auto found = FindFile(JoinPath("", target))) return found;
    }
  }
  for (const auto& [folder, base] : base_urls_) {
    if (from.substr(0, folder.size()) != folder) continue;
    if (const auto found = FindFile(JoinPath(base, specifier))) return found;
  }
  // Common conventions of bundlers and of package.json "imports", when nothing says otherwise.
  for (std::string_view prefix : {"@/", "~/", "#"}) {
    if (specifier.substr(0, prefix.size()) != prefix) continue;
    const std::string_view rest = specifier.substr(prefix.size());
    for (std::string_view folder : {"src", ""}) {
      if (const auto found = FindFile(JoinPath(folder, rest))) return found;
    }
  }
  return std::nullopt;
}

Target ModuleGraph::Resolve(uint32_t from, std::string_view specifier) const {
  const std::string_view path = modules_[from]->file().path;
  if (specifier.empty()) return {};
  if (specifier[0] == '.' || specifier[0] == '/') {
    return {.module = FindFile(JoinPath(specifier[0] == '/' ? std::string() : FolderOf(path), specifier)),
            .package = ""};
  }
  if (const auto aliased = FindAliased(path, specifier)) return {.module = aliased, .package = ""};
  const std::string package(PackageOf(specifier));
  if (const auto workspace = workspaces_.find(package); workspace != workspaces_.end()) {
    if (specifier.size() > package.size()) {
      for (std::string_view folder : {"", "src", "lib", "dist"}) {
        const auto found =
            FindFile(JoinPath(JoinPath(workspace->second, folder), specifier.substr(package.size() + 1)));
        if (found) return {.module = found, .package = ""};
      }
    }
    if (const auto main = workspace_mains_.find(package); main != workspace_mains_.end())
      return {.module = FindFile(main->second), .package = ""};
    for (std::string_view folder : {"src", "", "lib"}) {
      if (const auto found = FindFile(JoinPath(workspace->second, folder))) return {.module = found, .package = ""};
    }
  }
  return {.module = std::nullopt, .package = std::string(WithoutNodePrefix(specifier))};
}

std::optional<std::string> ModuleGraph::RequiredBy(Node call) const {
  if (!call.Is(Kind::kCall)) return std::nullopt;
  const Node callee = CalleeOf(call);
  const bool imports =
      callee.Is(Kind::kImportKeyword) || IsIdentifier(callee, "require") || IsIdentifier(callee, "requireUncached");
  if (!imports) return std::nullopt;
  return StringValue(ArgumentOf(call, 0));
}

void ModuleGraph::AddEdge(uint32_t from, std::string_view specifier, Node site, bool type_only, bool lazy) {
  const Target target = Resolve(from, specifier);
  if (target.module) {
    edges_.push_back({.from = from, .to = *target.module, .site = site, .type_only = type_only, .lazy = lazy});
  } else if (!target.package.empty() && !type_only) {
    auto& importers = importers_[std::string(PackageOf(target.package))];
    if (importers.empty() || importers.back() != from) importers.push_back(from);
    package_imports_[std::string(PackageOf(target.package))].push_back(site);
  }
}

// `import { type A, type B }` and imports without a name in use are for the compiler alone.
static bool ImportsOnlyTypes(Node import) {
  if (import.Has(attribute::kTypeOnly)) return true;
  bool any = false;
  for (Node node : import.Descendants()) {
    if (node.Is(Kind::kImportSpecifier)) {
      if (!node.Has(attribute::kTypeOnly)) return false;
      any = true;
    } else if (node.Is(Kind::kIdentifier) && !node.parent().Is(Kind::kImportSpecifier)) {
      return false;
    }
  }
  return any;
}

void ModuleGraph::ReadImports(uint32_t index) {
  const SyntaxTree& tree = modules_[index]->tree;
  for (uint32_t id : tree.All(Kind::kImport)) {
    const Node import(&tree, id);
    Node source = import[Field::kSource];
    for (Node child : import.Children()) {
      if (child.Is(Kind::kImportRequire)) source = child[Field::kSource];
    }
    if (const auto specifier = StringValue(source)) AddEdge(index, *specifier, import, ImportsOnlyTypes(import), false);
  }
  for (uint32_t id : tree.All(Kind::kExport)) {
    const Node statement(&tree, id);
    if (const auto specifier = StringValue(statement[Field::kSource]))
      AddEdge(index, *specifier, statement, statement.Has(attribute::kTypeOnly), false);
  }
  for (std::string_view name : {"require", "requireUncached", "import"}) {
    for (Node call : tree.CallsNamed(name)) {
      const auto specifier = RequiredBy(call);
      if (specifier) AddEdge(index, *specifier, call, false, name == "import" || call.EnclosingFunction());
    }
  }
}

std::vector<Node> ModuleGraph::PackageImports(std::string_view package) const {
  const auto found = package_imports_.find(package);
  return found == package_imports_.end() ? std::vector<Node>() : found->second;
}

const std::vector<uint32_t>& ModuleGraph::ImportersOf(std::string_view package) const {
  static const auto* none = new std::vector<uint32_t>();
  const auto found = importers_.find(package);
  return found == importers_.end() ? *none : found->second;
}

void ModuleGraph::ReadExports(uint32_t index) {
  ExportTable& table = exports_[index];
  const SyntaxTree& tree = modules_[index]->tree;
  for (uint32_t id : tree.All(Kind::kExport)) ReadExportStatement(index, Node(&tree, id), table);
  for (uint32_t id : tree.All(Kind::kAssignment)) ReadExportAssignment(index, Node(&tree, id), table);
  for (Node call : tree.CallsNamed("defineProperty")) {
    // Object.defineProperty(exports, "name", { enumerable: true, get: function () { return x.name; } })
    if (!IsExportsObject(ArgumentOf(call, 0))) continue;
    const auto name = StringValue(ArgumentOf(call, 1));
    const Node getter = PropertyOf(ArgumentOf(call, 2), "get");
    const auto returns = tree.AllInside(Kind::kReturn, getter);
    const Node value = !returns.empty() ? returns[0].first_child() : BodyOf(getter);
    if (name && value) table.named[*name] = {.value = value, .from_name = "", .from = std::nullopt};
  }
  for (std::string_view star : {"__exportStar", "__export"}) {
    for (Node call : tree.CallsNamed(star)) {
      if (const auto specifier = RequiredBy(ArgumentOf(call, 0).Bare()))
        table.stars.push_back(Resolve(index, *specifier));
    }
  }
}

void ModuleGraph::ReadExportStatement(uint32_t index, Node statement, ExportTable& table) {
  if (statement.Has(attribute::kTypeOnly)) return;
  const auto specifier = StringValue(statement[Field::kSource]);
  const Node declaration = statement[Field::kDeclaration];
  if (statement.Has(attribute::kDefault)) {
    const Node value = declaration ? declaration : statement[Field::kValue];
    if (value) table.named["default"] = {.value = value, .from_name = "", .from = std::nullopt};
    return;
  }
  if (specifier && statement.Has(attribute::kStar)) {
    for (Node child : statement.Children()) {
      if (!child.Is(Kind::kNamespaceExport)) continue;
      table.named[std::string(NameOf(child.first_child()))] = {
          .value = child, .from_name = "*", .from = Resolve(index, *specifier)};
      return;
    }
    table.stars.push_back(Resolve(index, *specifier));
    return;
  }
  for (Node clause : statement.Children()) {
    if (!clause.Is(Kind::kExportClause)) continue;
    for (Node entry : clause.Children()) {
      const std::string_view local = NameOf(entry[Field::kName]);
      const std::string_view exported = entry[Field::kAlias] ? NameOf(entry[Field::kAlias]) : local;
      ExportTable::Entry& slot = table.named[std::string(exported)];
      slot.value = entry[Field::kName];
      if (specifier) {
        slot.from_name = local;
        slot.from = Resolve(index, *specifier);
      }
    }
  }
  if (declaration.Is(Kind::kVariableDeclaration)) {
    for (Node declarator : declaration.Children()) {
      if (declarator[Field::kName].Is(Kind::kIdentifier)) {
        table.named[std::string(NameOf(declarator))] = {
            .value = declarator[Field::kName], .from_name = "", .from = std::nullopt};
      } else {
        for (Node leaf : declarator[Field::kName].Descendants()) {
          if (leaf.Is(Kind::kShorthandPattern) || (leaf.Is(Kind::kIdentifier) && leaf.field() != Field::kKey)) {
            table.named[std::string(leaf.text())] = {.value = leaf, .from_name = "", .from = std::nullopt};
          }
        }
      }
    }
  } else if (declaration) {
    const std::string_view name = NameOf(declaration[Field::kName]);
    if (!name.empty()) table.named[std::string(name)] = {.value = declaration, .from_name = "", .from = std::nullopt};
  } else if (!specifier) {
    // TypeScript's `export = x`.
    for (Node child : statement.Children()) {
      if (child.Is(Kind::kIdentifier) || child.Is(Kind::kCall) || child.Is(Kind::kObject) || child.Is(Kind::kNew))
        table.whole.push_back(child);
    }
  }
}

void ModuleGraph::ReadExportAssignment(uint32_t index, Node assignment, ExportTable& table) {
  const Node left = assignment[Field::kLeft].Bare();
  // `exports = module.exports = x` names the same value twice.
  Node right = assignment[Field::kRight].Bare();
  while (right.Is(Kind::kAssignment)) right = right[Field::kRight].Bare();
  if (right.Is(Kind::kUndefined) || (right.Is(Kind::kUnary) && right.op() == Operator::kVoid)) return;
  if (IsExportsObject(left)) {
    table.whole.push_back(right);
    if (const auto specifier = RequiredBy(right)) table.stars.push_back(Resolve(index, *specifier));
    return;
  }
  if (!left.Is(Kind::kMember) || !IsExportsObject(left[Field::kObject])) return;
  table.named[std::string(left[Field::kProperty].text())] = {.value = right, .from_name = "", .from = std::nullopt};
}

}  // namespace assay::code_analysis
