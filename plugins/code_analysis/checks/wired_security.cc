// O7: security packages that are declared and never run.
#include <array>
#include <set>
#include <string>
#include <vector>

#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/checks/reading.h"

namespace assay::code_analysis {
namespace {

// Packages whose only use on a server is to be registered as middleware or called.
constexpr std::array<std::string_view, 20> kSecurityPackages = {"helmet",
                                                                "cors",
                                                                "express-rate-limit",
                                                                "rate-limiter-flexible",
                                                                "express-slow-down",
                                                                "csurf",
                                                                "csrf-csrf",
                                                                "csrf-sync",
                                                                "lusca",
                                                                "hpp",
                                                                "express-brute",
                                                                "toobusy-js",
                                                                "xss-clean",
                                                                "express-mongo-sanitize",
                                                                "express-jwt",
                                                                "passport",
                                                                "express-validator",
                                                                "celebrate",
                                                                "express-session",
                                                                "cookie-session"};

// Does the node stand where a name is only made or imported?
bool IsDeclaration(Node name) {
  const Node around = name.parent();
  return around.Enclosing(Kind::kImport) || around.Is(Kind::kImport) ||
         (around.Is(Kind::kDeclarator) && name.field() == Field::kName) ||
         (around.Is(Kind::kAssignment) && name.field() == Field::kLeft);
}

// A package counts as wired when a file of the server does something with it: calls it, registers it, hands it on
// (`module.exports = cors` for whoever registers policies). To import it is not enough.
bool IsWired(const Model& model, std::string_view package) {
  std::set<const SyntaxTree*> seen;
  for (Node import : model.ImportsOf(package)) {
    const SyntaxTree* tree = import.tree();
    if (model.ModuleOf(import).role != Role::kServer || !seen.insert(tree).second) continue;
    for (uint32_t id = 1; id < tree->size(); ++id) {
      const Node node(tree, id);
      const bool name = node.Is(Kind::kIdentifier) || node.Is(Kind::kShorthand);
      if (name && !IsDeclaration(node) && ComesFrom(model.OriginOf(node), {package})) return true;
      // require("helmet")() and module.exports = require("helmet")
      if (node == import && node.Is(Kind::kCall) && !node.parent().Is(Kind::kDeclarator) &&
          !node.parent().Is(Kind::kExpressionStatement))
        return true;
    }
  }
  return false;
}

void DeclaredAndWired(const Model& model, Reporter& reporter) {
  std::vector<Span> wired, idle;
  std::string idle_names;
  for (std::string_view package : kSecurityPackages) {
    if (!model.package().Depends(package)) continue;
    const Span declaration = model.package().LineOfDependency(package);
    if (IsWired(model, package)) {
      wired.push_back(declaration);
      continue;
    }
    idle.push_back(declaration);
    idle_names += (idle_names.empty() ? "" : ", ") + std::string(package);
    reporter.Find(declaration, "The code suggests that `" + std::string(package) +
                                   "` is declared but never runs: no file of the server does anything with it.");
  }
  if (wired.empty() && idle.empty()) {
    reporter.NotObservedYet("No security package is declared.");
    return;
  }
  const double share = static_cast<double>(wired.size()) / static_cast<double>(wired.size() + idle.size());
  std::vector<Span> evidence = idle.empty() ? wired : idle;
  reporter.Observe(
      share, error_of::kSinglePlace,
      idle.empty() ? "Every declared security package is called." : "Declared but never called: " + idle_names + ".",
      std::move(evidence), Method::kConfig);
}

constexpr Check kChecks[] = {{
    .id = "O7",
    .criterion = "dependencies.security_wired",
    .title = "Security packages that are declared and never run",
    .severity = Severity::kWarning,
    .help = "A package in package.json protects nothing until it is registered. Register it before the routes it "
            "should guard, "
            "or remove it, so that a reader of the dependencies is not misled and there is less to update.",
    .question = "This package is declared here. Which requests does it touch today, and how would you notice if it "
                "stopped doing so?",
    .good_answer = "Says that it is not registered (or where it is), checks with a test that asserts the effect (a "
                   "header, a 429), "
                   "and treats unused dependencies as surface to remove.",
    .run = DeclaredAndWired,
}};

}  // namespace

std::span<const Check> WiredSecurityChecks() { return kChecks; }

}  // namespace assay::code_analysis
