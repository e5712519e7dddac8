// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/checks/layers.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

// Who imports as many puts an application together.
constexpr size_t kManyWebModules = 3;

bool IsWebPackage(std::string_view package) {
  return text::IsOneOf(package, {"express", "express-promise-router", "express-validator", "celebrate", "body-parser",
                                 "multer", "passport", "express-session", "router", "routing-controllers"});
}

bool IsDataPackage(std::string_view package) {
  return text::IsOneOf(package, {"pg",
                                 "pg-pool",
                                 "pg-promise",
                                 "mysql",
                                 "mysql2",
                                 "mongoose",
                                 "mongodb",
                                 "sequelize",
                                 "sequelize-typescript",
                                 "knex",
                                 "typeorm",
                                 "@prisma/client",
                                 "sqlite3",
                                 "better-sqlite3",
                                 "mssql",
                                 "oracledb",
                                 "postgres",
                                 "objection",
                                 "bookshelf",
                                 "drizzle-orm",
                                 "@mikro-orm/core",
                                 "ioredis",
                                 "redis",
                                 "nano",
                                 "cassandra-driver",
                                 "monk",
                                 "nedb",
                                 "lowdb"});
}

std::string_view PackageOfSpecifier(std::string_view specifier) {
  if (specifier.starts_with('.') || specifier.starts_with('/')) return {};
  size_t end = specifier.find('/');
  if (specifier.starts_with('@') && end != std::string_view::npos) end = specifier.find('/', end + 1);
  return specifier.substr(0, end);
}

// Whether the module makes one, extends it or reads a member of it: what a type alone cannot be.
bool IsUsedAsValue(const Module& module, std::string_view name) {
  for (const uint32_t id : module.tree.All(Kind::kNew)) {
    if (CalleeName(Node(&module.tree, id)) == name) return true;
  }
  for (const uint32_t id : module.tree.All(Kind::kMember)) {
    if (Node(&module.tree, id)[Field::kObject].text() == name) return true;
  }
  for (const uint32_t id : module.tree.All(Kind::kClass)) {
    for (const Node child : Node(&module.tree, id).Children()) {
      if (child.Is(Kind::kHeritage) && text::Contains(child.text(), name)) return true;
    }
  }
  return false;
}

// TypeScript drops an import that only brings types, also without the word `type`.
bool BringsOnlyTypes(const Module& module, Node import) {
  if (import.Has(attribute::kTypeOnly)) return true;
  bool names = false;
  for (const Node node : import.Descendants()) {
    if (node.Is(Kind::kNamespaceImport)) return false;
    if (node.Is(Kind::kImportClause)) {
      if (node.first_child().Is(Kind::kIdentifier)) return false;
    }
    if (!node.Is(Kind::kImportSpecifier)) continue;
    names = true;
    const std::string_view name = NameOf(node[Field::kName]);
    const bool type =
        node.Has(attribute::kTypeOnly) ||
        text::IsOneOf(name, {"Request", "Response", "NextFunction", "RequestHandler", "ErrorRequestHandler", "Express",
                             "Application", "IRouter", "Model", "Document", "Types", "Pool", "PoolClient",
                             "QueryResult", "Knex", "Prisma", "ObjectId", "Db", "Collection"});
    if (!type || IsUsedAsValue(module, name)) return false;
  }
  return names;
}

class LayerReader {
 public:
  explicit LayerReader(const Model& model) : model_(model), layers_(model.modules().size()) {}

  std::vector<ModuleLayer> Read() {
    for (const auto& module : model_.modules()) {
      if (module->role != Role::kServer) continue;
      layers_[module->index].server = true;
      Imports(*module);
      if (layers_[module->index].data && !UsesDatabase(*module)) layers_[module->index].data = false;
      layers_[module->index].touches_requests |= TakesRequests(*module);
      if (HoldsOnlyTypes(*module)) layers_[module->index].server = false;
      layers_[module->index].only_exports = PassesOn(*module);
    }
    for (const Handler& handler : model_.handlers()) {
      if (handler.function) Web(model_.ModuleOf(handler.function).index, handler.function);
    }
    for (const Registration& registration : model_.registrations())
      Web(model_.ModuleOf(registration.call).index, registration.call);
    for (const Listen& listen : model_.listens()) layers_[model_.ModuleOf(listen.call).index].composes = true;
    FindComposition();
    return std::move(layers_);
  }

 private:
  void Web(uint32_t index, Node site) {
    ModuleLayer& layer = layers_[index];
    if (!layer.web) layer.web_site = site;
    layer.web = layer.touches_requests = true;
  }

  void Package(uint32_t index, std::string_view specifier, Node site) {
    const std::string_view package = PackageOfSpecifier(specifier);
    ModuleLayer& layer = layers_[index];
    if (IsWebPackage(package)) Web(index, site);
    if (IsDataPackage(package) && !layer.data) {
      layer.data = true;
      layer.data_site = site;
    }
  }

  void Imports(const Module& module) {
    for (const uint32_t id : module.tree.All(Kind::kImport)) {
      const Node import(&module.tree, id);
      const auto specifier = StringValue(import[Field::kSource]);
      if (specifier && !BringsOnlyTypes(module, import)) Package(module.index, *specifier, import);
    }
    for (const Node call : module.tree.CallsNamed("require")) {
      const auto specifier = StringValue(ArgumentOf(call, 0));
      if (specifier) Package(module.index, *specifier, call);
    }
  }

  // Importing a driver for its errors and types is no dependency on the data.
  bool UsesDatabase(const Module& module) const {
    for (const Kind kind : {Kind::kCall, Kind::kNew}) {
      for (const uint32_t id : module.tree.All(kind)) {
        const Node call(&module.tree, id);
        if (model_.DatabaseCall(call) != DatabaseKind::kNone ||
            text::IsOneOf(CalleeName(call),
                          {"Schema", "model", "define", "init", "PrismaClient", "DataSource", "drizzle", "pgTable"}))
          return true;
      }
    }
    for (const uint32_t id : module.tree.All(Kind::kClass)) {
      for (const Node child : Node(&module.tree, id).Children()) {
        if (child.Is(Kind::kDecorator) || child.Is(Kind::kHeritage)) return true;
      }
    }
    return false;
  }

  // A function of (req, res) or (request, response), whatever calls it.
  static bool TakesRequests(const Module& module) {
    for (const Kind kind : {Kind::kFunctionDeclaration, Kind::kFunctionExpression, Kind::kArrow, Kind::kMethod}) {
      for (const uint32_t id : module.tree.All(kind)) {
        const Node function(&module.tree, id);
        const auto parameters = ParametersOf(function);
        for (size_t i = 0; i + 1 < parameters.size() && i < 2; ++i) {
          const std::string_view first = ParameterName(parameters[i]), second = ParameterName(parameters[i + 1]);
          if (text::IsOneOf(first, {"req", "_req", "request"}) && text::IsOneOf(second, {"res", "_res", "response"}))
            return true;
        }
      }
    }
    return false;
  }

  // `export * from`, `module.exports.user = require('./user')` and nothing else.
  static bool PassesOn(const Module& module) {
    bool any = false;
    for (const Node statement : module.tree.root().Children()) {
      if (statement.Is(Kind::kExport) && statement[Field::kSource]) {
        any = true;
      } else if (statement.Is(Kind::kExpressionStatement) && statement.first_child().Is(Kind::kAssignment) &&
                 CalleeName(statement.first_child()[Field::kRight].Bare()) == "require") {
        any = true;
      } else if (!statement.Is(Kind::kExpressionStatement) || !statement.first_child().Is(Kind::kString)) {
        return false;
      }
    }
    return any;
  }

  void FindComposition() {
    for (const App& app : model_.apps()) {
      if (!app.is_router && app.creation) layers_[model_.ModuleOf(app.creation).index].composes = true;
    }
    std::vector<std::set<uint32_t>> to_web(layers_.size());
    for (const ModuleEdge& edge : model_.edges()) {
      if (!edge.type_only && layers_[edge.to].web) to_web[edge.from].insert(edge.to);
    }
    for (size_t i = 0; i < layers_.size(); ++i) layers_[i].composes |= to_web[i].size() >= kManyWebModules;
  }

  const Model& model_;
  std::vector<ModuleLayer> layers_;
};

}  // namespace

bool HoldsOnlyTypes(const Module& module) {
  bool any = false;
  for (const Node statement : module.tree.root().Children()) {
    const Node inner = statement.Is(Kind::kExport) ? statement.first_child() : statement;
    if (statement.Is(Kind::kImport)) continue;
    if (!inner.Is(Kind::kTypeOnly) && !statement.Has(attribute::kTypeOnly)) return false;
    any = true;
  }
  return any;
}

std::vector<ModuleLayer> ReadLayers(const Model& model) { return LayerReader(model).Read(); }

}  // namespace assay::code_analysis
