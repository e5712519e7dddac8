// J1: state that lives in one process and decides what requests see.
#include <algorithm>
#include <cctype>
#include <unordered_map>

#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/checks/reading.h"

namespace assay::code_analysis {
namespace {

bool IsContainer(Node value) {
  value = value.Bare();
  if (value.Is(Kind::kArray) || value.Is(Kind::kObject)) return true;
  if (!value.Is(Kind::kNew)) return false;
  const std::string_view name = CalleeName(value);
  return name == "Map" || name == "Set" || name == "WeakMap" || name == "Array";
}

// Numbers that are read by metrics alone, caches with a bound, what is made once: none of them decides over another
// process's answers.
bool MeantForOneProcess(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  for (std::string_view word :
       {"metric", "counter", "histogram", "gauge", "stats", "logger", "cache", "memo", "shutting", "ready",
        "isconnected", "registry", "inflight", "activerequests", "connections", "sockets", "debug"}) {
    if (lower.find(word) != std::string::npos) return true;
  }
  return false;
}

// `if (!client) client = connect()`, `client ??= …`, `client = client || …`
bool MadeOnce(Node write) {
  if (write.Is(Kind::kAugmentedAssignment) && (write.op() == Operator::kNullish || write.op() == Operator::kOr))
    return true;
  const std::string target = PathOf(write[Field::kLeft]);
  const Node right = write[Field::kRight].Bare();
  if (right.Is(Kind::kBinary) && (right.op() == Operator::kOr || right.op() == Operator::kNullish) &&
      PathOf(right[Field::kLeft]) == target)
    return true;
  for (Node around = write.parent(); around; around = around.parent()) {
    if (around.Is(Kind::kIf) && around[Field::kCondition].text().find(target) != std::string_view::npos) return true;
    if (around.IsFunction() &&
        around.text().substr(0, 400).find("if (" + target + ") return") != std::string_view::npos)
      return true;
    if (around.IsFunction()) break;
  }
  return false;
}

// The statement that changes what the member expression's object holds; none when it only reads.
Node Mutation(Node identifier) {
  Node at = identifier;
  while ((at.parent().Is(Kind::kMember) || at.parent().Is(Kind::kSubscript)) && at.field() == Field::kObject)
    at = at.parent();
  if (at == identifier) return {};
  const Node around = at.parent();
  if ((around.Is(Kind::kAssignment) || around.Is(Kind::kAugmentedAssignment)) && at.field() == Field::kLeft)
    return around;
  if (around.Is(Kind::kUpdate)) return around;
  if (around.Is(Kind::kUnary) && around.op() == Operator::kDelete) return around;
  if (around.Is(Kind::kCall) && at.field() == Field::kFunction && at.Is(Kind::kMember) &&
      at[Field::kObject] == identifier) {
    for (std::string_view name : {"push", "set", "add", "delete", "unshift", "splice", "pop", "shift", "clear"}) {
      if (at[Field::kProperty].text() == name) return around;
    }
  }
  return {};
}

// Identifiers with the names of the variables, in one pass over the file.
std::unordered_map<std::string_view, std::vector<Node>> UsesOf(const SyntaxTree& tree,
                                                               const std::vector<Node>& variables) {
  std::unordered_map<std::string_view, std::vector<Node>> uses;
  for (Node variable : variables) uses[NameOf(variable)];
  for (uint32_t id = 1; id < tree.size(); ++id) {
    const Node node(&tree, id);
    if (!node.Is(Kind::kIdentifier)) continue;
    const auto found = uses.find(node.text());
    if (found != uses.end()) found->second.push_back(node);
  }
  return uses;
}

void Stateless(const Model& model, Reporter& reporter) {
  std::vector<Node> found;
  bool handlers = false;
  for (const Handler& handler : model.handlers()) handlers = handlers || handler.function;
  if (!handlers) return reporter.NotObservedYet("No handler could be followed.");
  for (const auto& module : model.modules()) {
    if (module->role != Role::kServer) continue;
    std::vector<Node> variables;
    for (uint32_t id : module->tree.All(Kind::kDeclarator)) {
      const Node declarator(&module->tree, id);
      const Node statement = declarator.parent();
      const bool top = statement.parent().Is(Kind::kProgram) ||
                       (statement.parent().Is(Kind::kExport) && statement.parent().parent().Is(Kind::kProgram));
      if (top && declarator[Field::kName].Is(Kind::kIdentifier) && !MeantForOneProcess(NameOf(declarator)))
        variables.push_back(declarator);
    }
    if (variables.empty()) continue;
    const auto uses = UsesOf(module->tree, variables);
    for (Node variable : variables) {
      Node place;
      for (Node write : model.WritesTo(variable)) {
        if (!place && write.EnclosingFunction() && model.OnRequestPath(write) && !MadeOnce(write)) place = write;
      }
      if (!place && IsContainer(variable[Field::kValue])) {
        for (Node node : uses.at(NameOf(variable))) {
          if (place) break;
          const Node change = Mutation(node);
          if (change && change.EnclosingFunction() && model.DeclarationOf(node) == variable &&
              model.OnRequestPath(change))
            place = change;
        }
      }
      if (!place) continue;
      found.push_back(place);
      reporter.Find(
          model.SpanOf(place),
          "Requests change `" + std::string(NameOf(variable)) + "`, which lives in this process alone (line " +
              std::to_string(variable.line()) +
              "): the code suggests that a second process answers differently and that a restart forgets it.");
    }
  }
  if (!found.empty())
    return reporter.Observe(std::max(0.05, 0.35 - 0.1 * static_cast<double>(found.size())), error_of::kCrossFile,
                            Counted(found.size(), "variable") + " of the process changed by requests.",
                            SpansOf(model, found));
  reporter.Observe(0.85, error_of::kAbsence, "No state of the process was found that requests change.",
                   {model.Anchor()});
}

constexpr Check kChecks[] = {{
    .id = "J1",
    .criterion = "state.stateless_process",
    .title = "Processes keep no state between requests",
    .severity = Severity::kWarning,
    .help = "What one request writes and another reads belongs in a store that all processes share. Keep in memory "
            "only what can be lost and rebuilt, with a bound and a lifetime.",
    .question = "Two processes run this code behind a balancer. Which request sees what this line wrote, and what is "
                "left after a deployment?",
    .good_answer = "Says that each process has its own copy, moves it to a shared store or argues why losing it is "
                   "fine, and bounds what stays in memory.",
    .run = Stateless,
}};

}  // namespace

std::span<const Check> StateChecks() { return kChecks; }

}  // namespace assay::code_analysis
