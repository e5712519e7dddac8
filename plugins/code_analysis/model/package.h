// What package.json, the lockfile and the files around them say: dependencies, versions, scripts.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_PACKAGE_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_PACKAGE_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/code_analysis/source/source_file.h"

namespace assay::code_analysis {

struct PackageFacts {
  // The package.json nearest to the root; null when there is none.
  const SourceFile* file = nullptr;
  // All package.json files, by path (workspaces have several). `json` is an empty object where the text is not JSON.
  struct Manifest {
    const SourceFile* file = nullptr;
    nlohmann::json json;
    std::string error;  // why it is not JSON; empty when it is
  };
  std::vector<Manifest> manifests;
  // The nearest one's content; an empty object without one.
  nlohmann::json json = nlohmann::json::object();
  std::string error;

  // Ranges as written, over all manifests (the nearest to the root wins). Development dependencies apart.
  std::map<std::string, std::string, std::less<>> dependencies;
  std::map<std::string, std::string, std::less<>> development_dependencies;
  // Versions the lockfile pins for packages at the top level; empty without one.
  std::map<std::string, std::string, std::less<>> locked;
  // package-lock.json, npm-shrinkwrap.json, yarn.lock, pnpm-lock.yaml, bun.lock, bun.lockb; null when there is none.
  const SourceFile* lockfile = nullptr;

  bool Depends(std::string_view name) const { return dependencies.find(name) != dependencies.end(); }
  bool DependsInDevelopment(std::string_view name) const {
    return development_dependencies.find(name) != development_dependencies.end();
  }
  // The text of a script of the nearest package.json; empty without it.
  std::string Script(std::string_view name) const;
  // The line of package.json that names a dependency; the file's first line when it is not there.
  Span LineOfDependency(std::string_view name) const;
};

struct VersionFacts {
  int express_major = 0;  // 0: Express is not a dependency and is not imported
  // Majors named by engines, .nvmrc, .node-version, Dockerfiles and workflows, ascending; empty: not said.
  std::vector<int> node_majors;
  Span express_source, node_source;

  // Since Node 15 a rejection that nobody handles ends the process. Without a statement today's Node is assumed.
  bool RejectionsEndTheProcess() const { return node_majors.empty() || node_majors.back() >= 15; }
};

// The first number of a version or range: 4 for "^4.18.2", "4.x", ">=4 <5", "npm:express@4.1"; 0 for "*" and "latest".
int MajorOf(std::string_view range);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_PACKAGE_H_
