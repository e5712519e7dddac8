#include "plugins/code_analysis/artifacts.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "plugins/code_analysis/data_tree.h"

namespace assay::code_analysis {
namespace {

using nlohmann::json;

constexpr size_t kMaxVariables = 500;
constexpr size_t kMaxEntries = 16;
constexpr int kMaxYamlDepth = 32;

std::string Dump(const json& document) { return document.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string HandlerName(const Handler& handler) {
  std::string_view name = NameOf(handler.function);
  if (name.empty()) name = NameOf(handler.function.parent());
  if (!name.empty()) return std::string(name);
  const std::string path = PathOf(handler.reference);
  if (!path.empty()) return path;
  return handler.origin;
}

// ---- server.json ----

// Without "./"; empty for what leaves the repository.
std::string CleanPath(std::string path) {
  while (path.compare(0, 2, "./") == 0) path.erase(0, 2);
  if (path.compare(0, 2, "..") == 0 || path.empty() || path[0] == '/') return "";
  return path;
}

std::string ExistingFile(const Model& model, std::string path) {
  path = CleanPath(std::move(path));
  if (path.empty()) return "";
  for (const char* ending : {"", ".js", ".mjs", ".cjs", ".ts", "/index.js", "/index.ts"}) {
    if (model.Find(path + ending) != nullptr) return path + ending;
  }
  return "";
}

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  for (char c : text + " ") {
    if (c != ' ' && c != '\t') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  return words;
}

class Entries {
 public:
  explicit Entries(const Model& model) : model_(model) {}

  void Add(const std::string& path, std::string_view source, std::vector<std::string> arguments) {
    // A file that a build makes is named although it is not there yet.
    std::string file = ExistingFile(model_, path);
    if (file.empty()) file = CleanPath(path);
    if (file.empty() || list_.size() >= kMaxEntries || !seen_.insert(file).second) return;
    list_.push_back({{"file", file}, {"source", source}, {"arguments", std::move(arguments)}});
  }

  // The file that a start script hands to node or a runner, past options and variables.
  void AddScript(const std::string& script) {
    std::string last = script;
    for (size_t at = last.find("&&"); at != std::string::npos; at = last.find("&&")) last = last.substr(at + 2);
    const auto words = Words(last);
    bool runner = false;
    for (size_t i = 0; i < words.size(); ++i) {
      const std::string& word = words[i];
      if (word == "node" || word == "ts-node" || word == "tsx" || word == "nodemon" || word == "pm2-runtime" ||
          word == "ts-node-dev" || word == "bun" || word == "start" || word == "pm2" || word == "babel-node") {
        runner = true;
        continue;
      }
      if (word == "-r" || word == "--require" || word == "--import" || word == "--loader" || word == "--env-file") {
        ++i;
        continue;
      }
      if (!runner || word[0] == '-' || word.find('=') != std::string::npos || word == "npx" || word == "cross-env")
        continue;
      Add(word == "." ? "index.js" : word, "scripts.start",
          {words.begin() + static_cast<ptrdiff_t>(i) + 1, words.end()});
      return;
    }
  }

  json list() const { return list_; }

 private:
  const Model& model_;
  json list_ = json::array();
  std::set<std::string> seen_;
};

json EntriesOf(const Model& model) {
  Entries entries(model);
  const json& package = model.package().json;
  if (const auto bin = package.find("bin"); bin != package.end()) {
    if (bin->is_string()) entries.Add(bin->get<std::string>(), "bin", {});
    if (bin->is_object()) {
      for (const auto& [name, path] : bin->items()) {
        if (path.is_string()) entries.Add(path.get<std::string>(), "bin", {});
      }
    }
  }
  entries.AddScript(model.package().Script("start"));
  if (const auto main = package.find("main"); main != package.end() && main->is_string())
    entries.Add(main->get<std::string>(), "main", {});
  for (const Listen& listen : model.listens()) entries.Add(std::string(listen.call.tree()->file().path), "listen", {});
  return entries.list();
}

struct Variable {
  bool required = false;
  std::optional<std::string> fallback;
  Node place;
  const SourceFile* file = nullptr;
  uint32_t line = 0;
};

// `process.env.X || "value"`, `process.env.X ?? 3000`, a ternary on the variable itself.
std::optional<std::string> FallbackOf(const Model& model, Node member) {
  Node around = member.parent();
  Node inner = member;
  while (around.Is(Kind::kParenthesized) || around.Is(Kind::kCast) ||
         (around.Is(Kind::kArguments) && ArgumentOf(around.parent(), 0) == inner) ||
         (around.Is(Kind::kCall) && inner.Is(Kind::kArguments)) || (around.Is(Kind::kUnary))) {
    inner = around;
    around = around.parent();
  }
  if (!around.Is(Kind::kBinary) || inner.field() != Field::kLeft ||
      (around.op() != Operator::kOr && around.op() != Operator::kNullish))
    return std::nullopt;
  const Node value = model.Resolve(around[Field::kRight]).node;
  if (const auto text = StringValue(value)) return *text;
  if (value.Is(Kind::kNumber) || value.Is(Kind::kTrue) || value.Is(Kind::kFalse)) return std::string(value.text());
  return std::nullopt;
}

// `if (!process.env.X) throw …` or process.exit(…): the server does not start without it.
bool Demanded(Node member) {
  for (Node around = member.parent(); around && !around.IsFunction(); around = around.parent()) {
    if (!around.Is(Kind::kIf) || !around[Field::kCondition].Contains(member)) continue;
    const Node consequence = around[Field::kConsequence];
    const bool denies = around[Field::kCondition].text().find('!') != std::string_view::npos ||
                        around[Field::kCondition].text().find("undefined") != std::string_view::npos;
    return denies &&
           (!member.tree()->AllInside(Kind::kThrow, consequence).empty() ||
            consequence.text().find("process.exit") != std::string_view::npos || consequence.Is(Kind::kThrow));
  }
  return false;
}

void ReadCode(const Model& model, std::map<std::string, Variable>& variables) {
  const auto note = [&](const std::string& name, Node place) -> Variable& {
    Variable& variable = variables[name];
    if (!variable.place) {
      variable.place = place;
      variable.file = &place.tree()->file();
      variable.line = place.line();
    }
    return variable;
  };
  model.ForEachMember({"env"}, [&](Node env) {
    if (PathOf(env) != "process.env") return;
    const Node around = env.parent();
    if (variables.size() >= kMaxVariables) return;
    if (around.Is(Kind::kMember) && env.field() == Field::kObject) {
      if (around.parent().Is(Kind::kAssignment) && around.field() == Field::kLeft) return;
      Variable& variable = note(std::string(around[Field::kProperty].text()), around);
      if (!variable.fallback) variable.fallback = FallbackOf(model, around);
      variable.required = variable.required || Demanded(around);
    } else if (around.Is(Kind::kSubscript) && env.field() == Field::kObject) {
      if (const auto name = StringValue(around[Field::kIndex])) note(*name, around);
    } else if (around.Is(Kind::kDeclarator) && around[Field::kName].Is(Kind::kObjectPattern)) {
      for (Node entry : around[Field::kName].Children()) {
        const Node key = entry.Is(Kind::kAssignmentPattern) ? entry[Field::kLeft] : entry;
        const std::string name(NameOf(key));
        if (name.empty()) continue;
        Variable& variable = note(name, entry);
        if (entry.Is(Kind::kAssignmentPattern) && !variable.fallback) {
          const Node value = entry[Field::kRight];
          variable.fallback = StringValue(value) ? *StringValue(value) : std::string(value.text());
        }
      }
    }
  });
}

// NAME=value lines of the sample environment.
void ReadSamples(const Model& model, std::map<std::string, Variable>& variables) {
  for (const char* path : {".env.example", ".env.sample", ".env.template", "env.example", ".env.dist"}) {
    const SourceFile* file = model.Find(path);
    if (file == nullptr || file->bytes.size() > (256u << 10)) continue;
    std::string_view text = file->bytes;
    for (uint32_t line = 1; !text.empty(); ++line) {
      const size_t end = text.find('\n');
      std::string_view row = text.substr(0, end);
      text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
      if (row.substr(0, 7) == "export ") row.remove_prefix(7);
      const size_t equals = row.find('=');
      if (equals == std::string_view::npos || equals == 0 || row[0] == '#' ||
          row.substr(0, equals).find(' ') != std::string_view::npos || variables.size() >= kMaxVariables)
        continue;
      std::string_view value = row.substr(equals + 1);
      while (!value.empty() && (value.back() == '\r' || value.back() == ' ')) value.remove_suffix(1);
      if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front())
        value = value.substr(1, value.size() - 2);
      Variable& variable = variables[std::string(row.substr(0, equals))];
      if (!variable.fallback && !value.empty()) variable.fallback = std::string(value);
      if (variable.file == nullptr) {
        variable.file = file;
        variable.line = line;
      }
    }
  }
}

json EnvironmentOf(const Model& model) {
  std::map<std::string, Variable> variables;
  ReadCode(model, variables);
  ReadSamples(model, variables);
  json list = json::array();
  for (const auto& [name, variable] : variables) {
    list.push_back({{"name", name},
                    {"required", variable.required && !variable.fallback},
                    {"default", variable.fallback ? json(*variable.fallback) : json(nullptr)},
                    {"file", variable.file != nullptr ? variable.file->path : std::string_view()},
                    {"line", variable.line}});
  }
  return list;
}

// The variable and the number behind listen's port, through constants and configuration objects.
void ReadPort(const Model& model, std::string& variable, int& number) {
  const auto take = [&](Node node) {
    for (int i = 0; i < 8 && node; ++i) {
      const Node bare = node.Bare();
      if (const auto value = NumberValue(bare)) {
        if (*value > 0 && *value < 65536) number = static_cast<int>(*value);
        return;
      }
      if (const auto text = StringValue(bare)) {
        const int value = std::atoi(text->c_str());
        if (value > 0 && value < 65536) number = value;
        return;
      }
      const std::string origin = model.OriginOf(bare);
      if (origin.compare(0, 12, "process.env.") == 0) variable = origin.substr(12);
      if (bare.Is(Kind::kBinary)) {
        const std::string left = model.OriginOf(bare[Field::kLeft]);
        if (left.compare(0, 12, "process.env.") == 0) variable = left.substr(12);
        node = bare[Field::kRight];
        continue;
      }
      if (bare.Is(Kind::kCall) &&
          (CalleeName(bare) == "parseInt" || CalleeName(bare) == "Number" || CalleeName(bare) == "normalizePort")) {
        node = ArgumentOf(bare, 0);
        continue;
      }
      if (bare.Is(Kind::kUnary)) {
        node = bare[Field::kArgument];
        continue;
      }
      const Node declaration = bare.Is(Kind::kIdentifier) ? model.DeclarationOf(bare) : Node();
      if (declaration.Is(Kind::kDeclarator) && declaration[Field::kName].Is(Kind::kIdentifier)) {
        node = declaration[Field::kValue];
        continue;
      }
      const Node next = model.Resolve(bare).node;
      if (!next || next == bare) return;
      node = next;
    }
  };
  for (const Listen& listen : model.listens()) {
    if (variable.empty() && number == 0)
      take(listen.port.Bare().Is(Kind::kObject) ? PropertyOf(listen.port, "port") : listen.port);
  }
  if (variable.empty()) {
    model.ForEachMember({"PORT"}, [&](Node member) {
      if (!variable.empty() || PathOf(member) != "process.env.PORT") return;
      variable = "PORT";
      if (const auto fallback = FallbackOf(model, member); fallback && number == 0)
        number = std::atoi(fallback->c_str());
    });
  }
}

json FromYaml(DataValue value, int depth) {
  if (depth > kMaxYamlDepth) return nullptr;
  if (value.is_map()) {
    json object = json::object();
    for (size_t i = 0; i < value.size(); ++i) object[std::string(value.key(i))] = FromYaml(value.at(i), depth + 1);
    return object;
  }
  if (value.is_list()) {
    json list = json::array();
    for (size_t i = 0; i < value.size(); ++i) list.push_back(FromYaml(value.at(i), depth + 1));
    return list;
  }
  if (!value.is_text()) return nullptr;
  if (value.kind() == DataValue::Kind::kScalar) {
    if (const auto number = value.number())
      return *number == static_cast<double>(static_cast<int64_t>(*number)) ? json(static_cast<int64_t>(*number))
                                                                           : json(*number);
    if (value.IsTrue()) return true;
    if (value.text() == "false") return false;
  }
  return std::string(value.text());
}

json AssayYaml(const Model& model) {
  for (const char* path : {".assay.yaml", ".assay.yml"}) {
    const SourceFile* file = model.Find(path);
    if (file == nullptr) continue;
    const auto tree = DataTree::ReadYaml(file->bytes);
    if (tree && tree->root().is_map()) return FromYaml(tree->root(), 0);
  }
  return json::object();
}

json HealthPaths(const Model& model) {
  std::set<std::string> paths;
  for (const Route& route : model.routes()) {
    if (!route.path_exact || (route.method != "GET" && route.method != "ALL") ||
        route.path.find(':') != std::string::npos)
      continue;
    const std::string last = route.path.substr(route.path.rfind('/') + 1);
    for (const char* name : {"health", "healthz", "ready", "readyz", "readiness", "live", "livez", "liveness", "ping",
                             "status", "healthcheck", "_health"}) {
      if (last == name) paths.insert(route.path);
    }
  }
  return json(std::vector<std::string>(paths.begin(), paths.end()));
}

}  // namespace

std::string RoutesJson(const Model& model) {
  json routes = json::array();
  for (const Route& route : model.routes()) {
    const Registration& registration = model.registrations()[route.registration];
    const Span place = model.SpanOf(registration.call);
    json handlers = json::array();
    for (uint32_t index : route.handlers) {
      const Handler& handler = model.handlers()[index];
      const Span at = model.SpanOf(handler.function ? handler.function : handler.reference);
      handlers.push_back({{"name", HandlerName(handler)},
                          {"file", at.file != nullptr ? at.file->path : std::string_view()},
                          {"line", at.line}});
    }
    routes.push_back({{"method", route.method},
                      {"path", route.path},
                      {"file", place.file->path},
                      {"line", place.line},
                      {"handlers", std::move(handlers)},
                      {"path_exact", route.path_exact}});
  }
  return Dump(routes);
}

std::string ServerJson(const Model& model) {
  std::string port_variable;
  int default_port = 0;
  ReadPort(model, port_variable, default_port);
  const json& package = model.package().json;
  const auto type = package.find("type");
  const bool typescript = std::any_of(model.modules().begin(), model.modules().end(), [](const auto& module) {
    const std::string_view path = module->file().path;
    return module->role == Role::kServer && path.size() > 3 &&
           (path.substr(path.size() - 3) == ".ts" || path.substr(path.size() - 4) == ".mts");
  });
  return Dump({{"express_major", model.versions().express_major},
               {"node_majors", model.versions().node_majors},
               {"module_type", type != package.end() && *type == "module" ? "module" : "commonjs"},
               {"typescript", typescript},
               {"build_script", model.package().Script("build")},
               {"entries", EntriesOf(model)},
               {"port_env", port_variable},
               {"default_port", default_port},
               {"environment", EnvironmentOf(model)},
               {"health_paths", HealthPaths(model)},
               {"assay_yaml", AssayYaml(model)}});
}

}  // namespace assay::code_analysis
