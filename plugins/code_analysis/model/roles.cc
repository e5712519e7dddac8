#include "plugins/code_analysis/model/roles.h"

#include <algorithm>
#include <array>
#include <deque>

#include "plugins/code_analysis/syntax/grammar.h"

namespace assay::code_analysis {
namespace {

bool EndsWith(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

template <size_t N>
bool HasFolder(std::string_view path, const std::array<std::string_view, N>& names) {
  size_t begin = 0;
  for (size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', begin)) {
    const std::string_view folder = path.substr(begin, slash - begin);
    if (std::find(names.begin(), names.end(), folder) != names.end()) return true;
    begin = slash + 1;
  }
  return false;
}

bool Exists(const std::vector<SourceFile>& files, const std::string& path) {
  return std::binary_search(files.begin(), files.end(), SourceFile{.path = path, .bytes = {}},
                            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
}

std::string_view BaseName(std::string_view path) {
  return path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1);
}

}  // namespace

bool IsCode(const SourceFile& file) {
  Language language;
  if (LanguageOf(file.path, language)) return true;
  const std::string_view base = BaseName(file.path);
  if (base.find('.') != std::string_view::npos || file.bytes.substr(0, 2) != "#!") return false;
  return file.bytes.substr(0, std::min<size_t>(file.bytes.find('\n'), 80)).find("node") != std::string_view::npos;
}

std::string ReasonToLeaveOut(const std::vector<SourceFile>& files, const SourceFile& file) {
  static constexpr std::array<std::string_view, 6> kForeign = {"node_modules", "bower_components", ".git",
                                                               ".yarn",        "vendor",           "jspm_packages"};
  if (HasFolder(file.path, kForeign)) return "a dependency, not the submission's own code";
  // Two builds of one source: the other speaks.
  if (EndsWith(file.path, ".mjs") || EndsWith(file.path, ".cjs")) {
    const std::string other = std::string(file.path.substr(0, file.path.size() - 4)) + ".js";
    if (Exists(files, other)) return "another build of " + other;
  }
  for (const auto& [module, common] :
       {std::pair<std::string_view, std::string_view>{"module.mjs", "index.cjs"}, {"index.mjs", "index.cjs"}}) {
    if (!EndsWith(file.path, module)) continue;
    const std::string other = std::string(file.path.substr(0, file.path.size() - module.size())) + std::string(common);
    if (Exists(files, other)) return "another build of " + other;
  }
  // Declarations beside the code they declare say nothing that the code does not.
  if (EndsWith(file.path, ".d.ts")) {
    const std::string other = std::string(file.path.substr(0, file.path.size() - 5)) + ".js";
    if (Exists(files, other)) return "declarations of " + other;
  }
  // Output of a compiler beside its source: the source speaks.
  for (std::string_view output : {"dist/", "build/", "lib/", "out/"}) {
    const size_t at = file.path.find(output);
    if (at == std::string_view::npos || (at != 0 && file.path[at - 1] != '/')) continue;
    const std::string_view rest = file.path.substr(at + output.size());
    const size_t dot = rest.rfind('.');
    if (dot == std::string_view::npos) continue;
    for (std::string_view source : {"src/", ""}) {
      for (std::string_view ending : {".ts", ".tsx"}) {
        const std::string original = std::string(file.path.substr(0, at)) + std::string(source) +
                                     std::string(rest.substr(0, dot)) + std::string(ending);
        if (original != file.path && Exists(files, original)) return "compiled from " + original;
      }
    }
  }
  return "";
}

Role RoleOf(const Module& module) {
  static constexpr std::array<std::string_view, 16> kTests = {
      "test",           "tests",           "__tests__", "spec",         "specs",   "e2e",
      "__mocks__",      "cypress",         "fixtures",  "__fixtures__", "testing", "mocks",
      "functionalTest", "mountebank-test", "perf",      "benchmarks"};
  static constexpr std::array<std::string_view, 10> kTools = {
      "scripts", "tools", "migrations", "seeds", "seeders", "examples", "example", "docs", ".storybook", "tasks"};
  static constexpr std::array<std::string_view, 10> kBrowser = {"public",    "static", "assets", "client", "frontend",
                                                                "front-end", "webapp", "www",    "ui",     "views"};
  const std::string_view path = module.file().path, base = BaseName(path);
  if (EndsWith(path, ".d.ts") || EndsWith(path, ".d.mts") || EndsWith(path, ".d.cts")) return Role::kDeclaration;
  if (HasFolder(path, kTests) || base.find(".test.") != std::string_view::npos ||
      base.find(".spec.") != std::string_view::npos || base.find("_test.") != std::string_view::npos ||
      base.find(".e2e") != std::string_view::npos)
    return Role::kTest;
  for (std::string_view name : {".config.", ".conf.", "gulpfile", "Gruntfile", "webpack.", ".eslintrc", ".prettierrc",
                                "rollup.", "babel.", "karma."}) {
    if (base.substr(0, name.size()) == name || (name[0] == '.' && base.find(name) != std::string_view::npos))
      return Role::kConfiguration;
  }
  if (HasFolder(path, kTools)) return Role::kTool;
  if (HasFolder(path, kBrowser)) return Role::kBrowser;
  for (uint32_t id = 1; id < module.tree.size(); ++id) {
    if (module.tree.record(id).kind == Kind::kJsx) return Role::kBrowser;
  }
  return Role::kServer;
}

void PromoteImported(ModuleGraph& graph) {
  std::deque<uint32_t> queue;
  for (uint32_t index : graph.ImportersOf("express")) {
    Module& module = *graph.modules()[index];
    // Browser folders that import Express hold a server after all ("client/server.js").
    if (module.role == Role::kBrowser) module.role = Role::kServer;
    if (module.role == Role::kServer) queue.push_back(index);
  }
  std::vector<bool> seen(graph.modules().size(), false);
  std::vector<std::vector<uint32_t>> targets(graph.modules().size());
  for (const ModuleEdge& edge : graph.edges()) {
    if (!edge.type_only) targets[edge.from].push_back(edge.to);
  }
  while (!queue.empty()) {
    const uint32_t index = queue.front();
    queue.pop_front();
    if (seen[index]) continue;
    seen[index] = true;
    for (uint32_t target : targets[index]) {
      Module& module = *graph.modules()[target];
      if (module.role == Role::kBrowser || module.role == Role::kTool || module.role == Role::kConfiguration)
        module.role = Role::kServer;
      if (module.role == Role::kServer) queue.push_back(target);
    }
  }
}

}  // namespace assay::code_analysis
