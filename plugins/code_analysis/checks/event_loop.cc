// F1: synchronous calls that a request waits for, and everybody else with it.
#include <algorithm>
#include <set>

#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/checks/reading.h"

namespace assay::code_analysis {
namespace {

bool EndsWithSync(std::string_view name) { return name.size() > 4 && name.substr(name.size() - 4) == "Sync"; }

// From Node's own modules or packages known to block; a function of the repository is judged by what it calls.
bool Blocks(const std::string& origin) {
  return ComesFrom(origin, {"fs", "fs-extra", "graceful-fs", "child_process", "zlib", "crypto", "bcrypt", "bcryptjs",
                            "execa", "cross-spawn", "glob", "rimraf", "mkdirp", "node:fs", "sharp", "globby"});
}

// `if (cached) return cached;` above `cached = …`.
bool LeavesEarlierWhenSet(Node assignment, const std::string& target) {
  for (Node statement : BodyOf(assignment.EnclosingFunction()).Children()) {
    if (statement.Contains(assignment)) return false;
    if (!statement.Is(Kind::kIf)) continue;
    Node condition = statement[Field::kCondition].Bare();
    const bool compares = condition.Is(Kind::kBinary) &&
                          (condition.op() == Operator::kNotEqual || condition.op() == Operator::kStrictNotEqual);
    if (PathOf(compares ? condition[Field::kLeft] : condition) != target) continue;
    const Node first = statement[Field::kConsequence];
    if (first.Is(Kind::kReturn) || (first.Is(Kind::kBlock) && first.first_child().Is(Kind::kReturn))) return true;
  }
  return false;
}

// `if (!cached) cached = readFileSync(…)`: once in the life of the process.
bool OnlyOnce(Node call) {
  for (Node around = call.parent(); around && !around.IsFunction(); around = around.parent()) {
    if (around.Is(Kind::kAugmentedAssignment) && (around.op() == Operator::kNullish || around.op() == Operator::kOr))
      return true;
    if (!around.Is(Kind::kAssignment)) continue;
    const std::string target = PathOf(around[Field::kLeft]);
    const Node condition = around.Enclosing(Kind::kIf)[Field::kCondition].Bare();
    if (!target.empty() && condition.Is(Kind::kUnary) && condition.op() == Operator::kNot &&
        PathOf(condition[Field::kArgument]) == target)
      return true;
    if (!target.empty() && LeavesEarlierWhenSet(around, target)) return true;
  }
  return false;
}

void NoSync(const Model& model, Reporter& reporter) {
  std::vector<Node> heavy, light;
  for (const auto& module : model.modules()) {
    if (module->role != Role::kServer) continue;
    for (uint32_t id : module->tree.All(Kind::kCall)) {
      const Node call(&module->tree, id);
      const std::string_view name = CalleeName(call);
      if (!EndsWithSync(name) || !call.EnclosingFunction() || OnlyOnce(call)) continue;
      if (!Blocks(model.OriginOf(CalleeOf(call)))) continue;
      const Handler* handler = model.HandlerReaching(call);
      if (handler == nullptr) continue;
      const bool cheap = name == "existsSync" || name == "statSync" || name == "accessSync" || name == "lstatSync";
      (cheap ? light : heavy).push_back(call);
      const Node route = model.registrations()[handler->registration].call;
      reporter.Find(model.SpanOf(call), cheap ? Severity::kNote : Severity::kWarning,
                    "`" + std::string(name) + "` runs while a request waits (registered at " +
                        std::string(route.tree()->file().path) + ":" + std::to_string(route.line()) +
                        "): the code suggests that all other requests wait with it.");
    }
  }
  if (!heavy.empty())
    return reporter.Observe(std::max(0.05, 0.25 - 0.05 * static_cast<double>(heavy.size())), error_of::kCrossFile,
                            Counted(heavy.size(), "blocking call") + " on the way of requests.", SpansOf(model, heavy));
  if (!light.empty())
    return reporter.Observe(0.6, error_of::kCrossFile,
                            Counted(light.size(), "short blocking call") + " on the way of requests.",
                            SpansOf(model, light));
  const bool handlers = std::any_of(model.handlers().begin(), model.handlers().end(),
                                    [](const Handler& handler) { return static_cast<bool>(handler.function); });
  if (!handlers) return reporter.NotObservedYet("No handler could be followed.");
  reporter.Observe(0.85, error_of::kAbsence, "No blocking call was found that a request reaches.", {model.Anchor()});
}

constexpr Check kChecks[] = {{
    .id = "F1",
    .criterion = "eventloop.no_sync",
    .title = "Requests do not block the event loop",
    .severity = Severity::kWarning,
    .help = "One thread answers all requests. Use the asynchronous form (fs/promises, crypto.scrypt with a callback), "
            "read what never changes once at start, and move long computations to a worker.",
    .question = "Fifty clients call this route at once. How long does the last one wait, and who else waits with it?",
    .good_answer = "Adds up the blocking time on the single thread, tells start-up from request code, and names the "
                   "asynchronous call, a cache, or a worker.",
    .run = NoSync,
}};

}  // namespace

std::span<const Check> EventLoopChecks() { return kChecks; }

}  // namespace assay::code_analysis
