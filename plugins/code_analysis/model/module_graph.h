// Modules, what they import from each other, and what each exports.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_MODULE_GRAPH_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_MODULE_GRAPH_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "plugins/code_analysis/model/model.h"
#include "plugins/code_analysis/model/scopes.h"

namespace assay::code_analysis {

// What a specifier names: a module of the repository, or a package ("node:" dropped). Neither: a file that is not there
// or not code.
struct Target {
  std::optional<uint32_t> module;
  std::string package;
};

// The names a module exports.
struct ExportTable {
  struct Entry {
    Node value;             // the expression or declaration; for a re-export the specifier's node
    std::string from_name;  // re-export: the name in the other module ("*" for its namespace)
    std::optional<Target> from;
  };
  std::map<std::string, Entry, std::less<>> named;  // "default" among them
  std::vector<Node> whole;                          // values of module.exports = …, in order
  std::vector<Target> stars;                        // export * from
};

class ModuleGraph {
 public:
  ModuleGraph(std::vector<std::unique_ptr<Module>> modules, std::vector<Scopes> scopes,
              const std::vector<SourceFile>& files, const PackageFacts& package);

  const std::vector<std::unique_ptr<Module>>& modules() const { return modules_; }
  const Module& at(uint32_t index) const { return *modules_[index]; }
  const Scopes& scopes(uint32_t index) const { return scopes_[index]; }
  uint32_t IndexOf(const SyntaxTree* tree) const { return tree->module_index(); }
  const std::vector<ModuleEdge>& edges() const { return edges_; }
  const ExportTable& exports(uint32_t index) const { return exports_[index]; }
  // Modules that import a package, by the package's name without subpath.
  const std::vector<uint32_t>& ImportersOf(std::string_view package) const;
  // The statements and calls that import a package.
  std::vector<Node> PackageImports(std::string_view package) const;
  // Where module `index` is first imported by `importer`; none when it is not.
  const std::vector<std::pair<uint32_t, Node>>& ImportSites(uint32_t index) const { return import_sites_[index]; }

  Target Resolve(uint32_t from, std::string_view specifier) const;
  // The specifier of require("x") or import("x"); nullopt for other calls.
  std::optional<std::string> RequiredBy(Node call) const;

 private:
  std::optional<uint32_t> FindFile(std::string path) const;
  std::optional<uint32_t> FindAliased(std::string_view from, std::string_view specifier) const;
  void ReadAliases(const std::vector<SourceFile>& files);
  void ReadImports(uint32_t index);
  void AddEdge(uint32_t from, std::string_view specifier, Node site, bool type_only, bool lazy);
  void ReadExports(uint32_t index);
  void ReadExportStatement(uint32_t index, Node statement, ExportTable& table);
  void ReadExportAssignment(uint32_t index, Node assignment, ExportTable& table);

  struct Alias {
    std::string folder;  // of the tsconfig
    std::string prefix;  // before "*"
    std::string suffix;  // after "*"
    bool wildcard = false;
    std::vector<std::string> targets;  // with "*"
  };
  std::vector<std::unique_ptr<Module>> modules_;
  std::vector<Scopes> scopes_;
  std::unordered_map<std::string_view, uint32_t> by_path_;
  std::vector<Alias> aliases_;
  std::vector<std::pair<std::string, std::string>> base_urls_;  // folder of the tsconfig, baseUrl folder
  std::map<std::string, std::string> workspaces_;               // package name → folder
  std::map<std::string, std::string> workspace_mains_;
  std::vector<ModuleEdge> edges_;
  std::vector<ExportTable> exports_;
  std::map<std::string, std::vector<uint32_t>, std::less<>> importers_;
  std::map<std::string, std::vector<Node>, std::less<>> package_imports_;
  std::vector<std::vector<std::pair<uint32_t, Node>>> import_sites_;
};

// "express" for "express/lib/router", "@a/b" for "@a/b/c".
std::string_view PackageOf(std::string_view specifier);
// A JSON text that may hold comments and trailing commas; an empty object when it is broken.
nlohmann::json ParseLenientJson(std::string_view text);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_MODULE_GRAPH_H_
