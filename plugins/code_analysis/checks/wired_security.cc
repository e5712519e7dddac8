// O7: security packages that are declared and never run.
#include <array>
#include <string>
#include <vector>

#include "plugins/code_analysis/checks/check.h"

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

// A package counts as wired when something of it is called or registered anywhere in the server: `helmet()`,
// `app.use(x)`.
bool IsWired(const Model& model, std::string_view package) {
  for (const auto& module : model.modules()) {
    if (module->role != Role::kServer) continue;
    for (Kind kind : {Kind::kCall, Kind::kNew}) {
      for (uint32_t id : module->tree.All(kind)) {
        const Node call(&module->tree, id);
        const std::string origin = model.OriginOf(CalleeOf(call));
        if (origin.compare(0, package.size(), package) != 0) continue;
        if (origin.size() == package.size() || origin[package.size()] == '.' || origin[package.size()] == '(')
          return true;
      }
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
                                   "` is declared but never runs: no call and no registration of it was found.");
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
