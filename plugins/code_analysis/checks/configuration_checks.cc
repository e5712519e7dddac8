// SPDX-License-Identifier: Apache-2.0
// J2: what the environment says is checked before the server answers.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/checks/constants.h"
#include "plugins/code_analysis/checks/token_use.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

// Packages that check an object, or the environment itself, against a description.
bool IsSchemaPackage(std::string_view package) {
  return text::IsOneOf(package, {"zod",
                                 "joi",
                                 "@hapi/joi",
                                 "envalid",
                                 "convict",
                                 "ajv",
                                 "yup",
                                 "env-var",
                                 "env-schema",
                                 "envsafe",
                                 "znv",
                                 "@t3-oss/env-core",
                                 "valibot",
                                 "superstruct",
                                 "dotenv-safe",
                                 "io-ts",
                                 "typebox",
                                 "@sinclair/typebox",
                                 "class-validator",
                                 "common-env",
                                 "nconf",
                                 "arktype"});
}

// Calls of theirs that throw or end the process when the environment does not fit.
bool StopsByItself(std::string_view name) {
  return text::IsOneOf(name, {"parse", "parseAsync", "cleanEnv", "attempt", "assert", "validateSync", "envSchema",
                              "envsafe", "createEnv", "parseEnv", "config", "create", "customCleanEnv", "required"});
}

bool IsEnvironment(Node node) {
  node = node.Bare();
  if (PathOf(node) == "process.env") return true;
  if (!node.Is(Kind::kObject)) return false;
  for (const Node child : node.Children()) {
    if (child.Is(Kind::kSpread) && PathOf(child.first_child().Bare()) == "process.env") return true;
    // { port: process.env.PORT, … }
    if (child.Is(Kind::kPair) && PathOf(child[Field::kValue].Bare()).starts_with("process.env.")) return true;
  }
  return false;
}

// A parameter that stands for the environment: `function load(environment = process.env)`, or named so.
bool IsEnvironmentParameter(const Model& model, Node argument) {
  const Node name = argument.Bare();
  const Node leaf = name.Is(Kind::kIdentifier) ? model.DeclarationOf(name) : Node();
  if (!leaf || leaf.Is(Kind::kDeclarator)) return false;
  if (leaf.parent().Is(Kind::kAssignmentPattern) && PathOf(leaf.parent()[Field::kRight].Bare()) == "process.env")
    return true;
  return text::IsOneOf(name.text(), {"env", "environment", "processEnv", "rawEnv"});
}

bool EndsOrThrows(Node scope) {
  if (scope.Is(Kind::kThrow)) return true;
  for (const Node node : scope.Descendants()) {
    if (node.Is(Kind::kThrow)) return true;
    if (node.Is(Kind::kCall) && text::IsOneOf(PathOf(CalleeOf(node)), {"process.exit", "process.abort"})) return true;
  }
  return false;
}

class EnvironmentReader {
 public:
  explicit EnvironmentReader(const Model& model) : model_(model) {}

  void Read() {
    for (const auto& module : model_.modules()) {
      if (module->role != Role::kServer && module->role != Role::kConfiguration) continue;
      Calls(*module);
      Uses(*module);
    }
  }

  std::map<std::string, Span> variables;  // read, with the first place
  std::map<std::string, Span> direct;     // handed straight to what needs it
  std::set<std::string> optional;
  std::optional<Span> schema;  // where a description is applied
  bool schema_stops = false;
  std::vector<Span> own_checks;  // `if (!process.env.X) throw …` and loops over names
  std::set<std::string> checked;

 private:
  void Calls(const Module& module) {
    for (const Kind kind : {Kind::kCall, Kind::kNew}) {
      for (const uint32_t id : module.tree.All(kind)) Call(Node(&module.tree, id));
    }
  }

  void Call(Node call) {
    const std::string origin = model_.OriginOf(CalleeOf(call));
    const std::string_view package = PackageOfOrigin(origin), name = CalleeName(call);
    const bool validates =
        text::IsOneOf(name, {"parse", "safeParse", "parseAsync", "validate", "validateSync", "validateAsync",
                             "cleanEnv", "attempt", "assert", "plainToInstance", "plainToClass", "check"});
    // These read the environment by themselves.
    const bool implicit = (package == "convict" && name == "validate") || (package == "dotenv-safe") ||
                          (package == "env-schema") || (package == "env-var" && text::IsOneOf(name, {"required"})) ||
                          (package == "@t3-oss/env-core");
    if (!implicit && ((!validates && !IsSchemaPackage(package)) || !IsGivenEnvironment(call))) return;
    const bool stops = implicit || StopsByItself(name) || ChecksResult(call);
    if (!schema || (stops && !schema_stops)) schema = model_.SpanOf(call);
    schema_stops |= stops;
  }

  bool IsGivenEnvironment(Node call) const {
    const auto arguments = ArgumentsOf(call);
    return std::any_of(arguments.begin(), arguments.end(), [&](Node argument) {
      return IsEnvironment(argument) || IsEnvironment(model_.Resolve(argument).node) ||
             IsEnvironmentParameter(model_, argument);
    });
  }

  // safeParse and validate return what is wrong; somebody has to look at it and stop.
  static bool ChecksResult(Node call) {
    const Node function = call.EnclosingFunction();
    const Node scope = function ? function : call.tree()->root();
    for (const Node node : scope.Descendants()) {
      if (!node.Is(Kind::kIf) || node.begin() < call.begin()) continue;
      const std::string_view condition = node[Field::kCondition].text();
      const bool about = text::Contains(condition, "error") || text::Contains(condition, "success") ||
                         text::Contains(condition, "valid") || text::Contains(condition, "issues");
      if (about && EndsOrThrows(node[Field::kConsequence])) return true;
    }
    return false;
  }

  void Uses(const Module& module) {
    for (const Node environment : module.tree.MembersNamed("env")) {
      if (PathOf(environment) != "process.env") continue;
      const Node use = environment.parent();
      if (use.Is(Kind::kSubscript)) {
        const Node function = use.EnclosingFunction();
        if (EndsOrThrows(function ? function : module.tree.root())) own_checks.push_back(model_.SpanOf(use));
      } else if (use.Is(Kind::kMember)) {
        Variable(use);
      }
    }
  }

  // With a default behind it, given to a function that knows one, or only asked for.
  static bool IsOptionalUse(Node use) {
    const Node around = use.parent();
    if (around.Is(Kind::kBinary) && !(around[Field::kRight] == use)) return true;
    if (around.Is(Kind::kUnary)) return true;
    if (around.Is(Kind::kArguments)) {
      const Node second = around.child(1);
      return around.first_child() == use && (StringValue(second) || NumberValue(second) || BooleanValue(second));
    }
    if (around.Is(Kind::kTernary)) return around[Field::kCondition] == use;
    const Node condition = around.Is(Kind::kParenthesized) ? around.parent() : around;
    return condition.Is(Kind::kIf) || condition.Is(Kind::kTernary);
  }

  // Handed straight to what needs it: connect(process.env.X), new Pool({ connectionString: process.env.X }). In an
  // object of settings a default may still be laid under it.
  static bool IsDirectUse(Node use) {
    Node node = use.parent();
    for (int levels = 0; levels < 4 && (node.Is(Kind::kPair) || node.Is(Kind::kObject) || node.Is(Kind::kCast));
         ++levels)
      node = node.parent();
    if (!node.Is(Kind::kArguments)) return false;
    const std::string callee = PathOf(CalleeOf(node.parent()));
    const std::string_view object = std::string_view(callee).substr(0, callee.find('.'));
    return !text::IsOneOf(object, {"Object", "console", "res", "response", "registerAs", "logger", "log"});
  }

  void Variable(Node use) {
    const std::string name(use[Field::kProperty].text());
    if (use.parent().Is(Kind::kAssignment) && use.parent()[Field::kLeft] == use) return;
    variables.emplace(name, model_.SpanOf(use));
    if (IsOptionalUse(use)) optional.insert(name);
    if (IsDirectUse(use)) direct.emplace(name, model_.SpanOf(use));
    // Asked once for each name, however often it is read.
    if (!asked_.insert(name).second || !StopsWithout(model_, name)) return;
    checked.insert(name);
    own_checks.push_back(model_.SpanOf(use));
  }

  const Model& model_;
  std::set<std::string> asked_;
};

// A variable without which a server cannot do its work: addresses of what it depends on, and secrets.
bool IsNeeded(std::string_view name) {
  for (const char* end : {"_URL", "_URI", "_DSN", "_SECRET", "_PASSWORD", "_TOKEN", "_API_KEY", "SECRET", "MONGO_URI",
                          "DATABASE_HOST", "DB_HOST"}) {
    if (name.ends_with(end)) return true;
  }
  return false;
}

enum class Port { kFromOutside, kFixed, kUnknown };

Port PortOf(const Model& model, Node port) {
  if (!port) return Port::kUnknown;
  if (!EnvironmentVariableOf(model, port).empty()) return Port::kFromOutside;
  const Value value = model.Resolve(port);
  if (value.origin.starts_with("process.env") || !VariableInFront(model, value.node).empty()) return Port::kFromOutside;
  // Fixed is only what is written at the call, or as the constant that is named there; port 0 asks for a free one.
  const Node bare = port.Bare();
  const Node declaration = bare.Is(Kind::kIdentifier) ? model.DeclarationOf(bare) : Node();
  const Node literal = declaration.Is(Kind::kDeclarator) && declaration[Field::kName].Is(Kind::kIdentifier)
                           ? declaration[Field::kValue]
                           : bare;
  const std::optional<double> number = NumberValue(literal);
  return number && *number > 0 ? Port::kFixed : Port::kUnknown;
}

Port JudgePort(const Model& model, Reporter& reporter) {
  Port result = Port::kUnknown;
  for (const Listen& listen : model.listens()) {
    const Port port = PortOf(model, listen.port);
    if (port == Port::kFromOutside) return port;
    if (port != Port::kFixed || !listen.app) continue;
    result = port;
    reporter.Find(model.SpanOf(listen.call), text::Cat({"The code suggests that the port is fixed (", Code(listen.port),
                                                        "): a platform that assigns one through `PORT` cannot."}));
  }
  return result;
}

void ConfigurationIsChecked(const Model& model, Reporter& reporter) {
  EnvironmentReader reader(model);
  reader.Read();
  if (reader.variables.empty() && !reader.schema && model.listens().empty()) {
    reporter.NotObservedYet("Nothing reads the environment.");
    return;
  }
  const Port port = JudgePort(model, reporter);
  const double for_port = port == Port::kFromOutside ? 0.1 : port == Port::kFixed ? -0.1 : 0.0;
  if (reader.schema) {
    const double value = (reader.schema_stops ? 0.9 : 0.55) + for_port;
    if (reader.schema_stops)
      reporter.Claim(*reader.schema, "refuses to start when its environment does not fit the description");
    reporter.Observe(
        value, error_of::kCrossFile,
        reader.schema_stops
            ? "The environment is checked against a description, and the process stops when it does not fit."
            : "The environment is checked against a description; that the process stops was not seen.",
        {*reader.schema});
    return;
  }
  std::string unchecked;
  size_t needed = 0;
  Span first;
  for (const auto& [name, span] : reader.direct) {
    if (!IsNeeded(name) || reader.checked.contains(name) || reader.optional.contains(name)) continue;
    if (needed++ == 0) first = span;
    if (needed <= 5) unchecked += text::Cat({needed == 1 ? "" : ", ", "`", name, "`"});
  }
  if (!reader.own_checks.empty()) {
    const double share =
        needed == 0 ? 1.0
                    : static_cast<double>(reader.checked.size()) / static_cast<double>(reader.checked.size() + needed);
    reporter.Claim(reader.own_checks[0], "refuses to start when a required variable of the environment is missing");
    std::vector<Span> evidence = reader.own_checks;
    if (evidence.size() > 8) evidence.resize(8);
    reporter.Observe(std::clamp(0.4 + 0.3 * share + for_port, 0.0, 1.0), error_of::kSinglePlace,
                     "Some variables of the environment are checked by hand, and the process stops without them.",
                     std::move(evidence));
    return;
  }
  if (needed > 0) {
    reporter.Find(first,
                  text::Cat({"The code suggests that the server starts without ", unchecked, needed > 5 ? ", …" : "",
                             " and fails only when it is used: nothing checks for it first."}));
  }
  const Span place = reader.variables.empty() ? model.Anchor() : reader.variables.begin()->second;
  reporter.Observe(std::clamp((needed > 0 ? 0.15 : 0.3) + for_port, 0.0, 1.0), error_of::kAbsence,
                   "No check of the environment before the server listens was found.", {place});
}

constexpr Check kChecks[] = {{
    .id = "J2",
    .criterion = "config.validated",
    .title = "The environment is checked before the server answers",
    .severity = Severity::kWarning,
    .help = "A missing or mistyped variable should stop the process at start, with its name, and not the first "
            "customer who needs it. Describe "
            "the environment once (zod, joi, envalid, convict), check `process.env` against it before `listen`, read "
            "settings only from the "
            "result, and take the port from `PORT`.",
    .question = "This variable is missing in the new environment. When does anybody find out, and what do they see?",
    .good_answer = "Says what happens today (a failing request, a wrong default), prefers failing at start with the "
                   "variable's name, and keeps "
                   "defaults for development away from production.",
    .run = ConfigurationIsChecked,
}};

}  // namespace

std::span<const Check> ConfigurationChecks() { return kChecks; }

}  // namespace assay::code_analysis
