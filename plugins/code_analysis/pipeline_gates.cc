// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "plugins/code_analysis/repository_pipelines.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

// A script may run others; beyond this it is not followed.
constexpr int kMaxScriptDepth = 6;
constexpr size_t kMaxUses = 2'000;

struct Program {
  std::string_view name;
  Gate gate;
};

constexpr std::array<Program, 43> kPrograms = {{{"jest", Gate::kTest},
                                                {"vitest", Gate::kTest},
                                                {"mocha", Gate::kTest},
                                                {"ava", Gate::kTest},
                                                {"tap", Gate::kTest},
                                                {"tape", Gate::kTest},
                                                {"jasmine", Gate::kTest},
                                                {"lab", Gate::kTest},
                                                {"uvu", Gate::kTest},
                                                {"borp", Gate::kTest},
                                                {"supertape", Gate::kTest},
                                                {"cucumber-js", Gate::kTest},
                                                {"newman", Gate::kTest},
                                                {"playwright", Gate::kTest},
                                                {"cypress", Gate::kTest},
                                                {"wdio", Gate::kTest},
                                                {"codeceptjs", Gate::kTest},
                                                {"eslint", Gate::kLint},
                                                {"biome", Gate::kLint},
                                                {"oxlint", Gate::kLint},
                                                {"standard", Gate::kLint},
                                                {"ts-standard", Gate::kLint},
                                                {"xo", Gate::kLint},
                                                {"tslint", Gate::kLint},
                                                {"jshint", Gate::kLint},
                                                {"prettier", Gate::kLint},
                                                {"putout", Gate::kLint},
                                                {"neostandard", Gate::kLint},
                                                {"tsc", Gate::kTypes},
                                                {"vue-tsc", Gate::kTypes},
                                                {"tsd", Gate::kTypes},
                                                {"snyk", Gate::kSecurity},
                                                {"osv-scanner", Gate::kSecurity},
                                                {"semgrep", Gate::kSecurity},
                                                {"trivy", Gate::kSecurity},
                                                {"njsscan", Gate::kSecurity},
                                                {"audit-ci", Gate::kSecurity},
                                                {"better-npm-audit", Gate::kSecurity},
                                                {"gitleaks", Gate::kSecurity},
                                                {"trufflehog", Gate::kSecurity},
                                                {"retire", Gate::kSecurity},
                                                {"webpack", Gate::kBuild},
                                                {"babel", Gate::kBuild}}};

constexpr std::array<Program, 15> kActions = {{{"github/codeql-action/analyze", Gate::kSecurity},
                                               {"actions/dependency-review-action", Gate::kSecurity},
                                               {"returntocorp/semgrep-action", Gate::kSecurity},
                                               {"semgrep/semgrep-action", Gate::kSecurity},
                                               {"snyk/actions", Gate::kSecurity},
                                               {"aquasecurity/trivy-action", Gate::kSecurity},
                                               {"gitleaks/gitleaks-action", Gate::kSecurity},
                                               {"trufflesecurity/trufflehog", Gate::kSecurity},
                                               {"google/osv-scanner-action", Gate::kSecurity},
                                               {"zaproxy/action-", Gate::kSecurity},
                                               {"ajinabraham/njsscan-action", Gate::kSecurity},
                                               {"cypress-io/github-action", Gate::kTest},
                                               {"super-linter/super-linter", Gate::kLint},
                                               {"github/super-linter", Gate::kLint},
                                               {"wearerequired/lint-action", Gate::kLint}}};

// Programs that only start another one: how many words they take themselves is found by skipping options and
// assignments.
constexpr std::array<std::string_view, 20> kPrefixes = {"npx",
                                                        "sudo",
                                                        "env",
                                                        "cross-env",
                                                        "time",
                                                        "xvfb-run",
                                                        "dotenv",
                                                        "exec",
                                                        "bunx",
                                                        "nice",
                                                        "command",
                                                        "dotenvx",
                                                        "wait-on",
                                                        "--",
                                                        "ts-node",
                                                        "timeout",
                                                        "corepack",
                                                        "env-cmd",
                                                        "cross-env-shell",
                                                        "dlx"};

struct Recognised {
  Gate gate;
  std::string program;
  bool ignored = false;
};

std::string_view ProgramName(std::string_view word) {
  const size_t slash = word.rfind('/');
  if (slash != std::string_view::npos) word.remove_prefix(slash + 1);
  return word.substr(0, word.find('@', 1));
}

bool IsAssignment(std::string_view word) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  return std::all_of(word.begin(), word.begin() + static_cast<ptrdiff_t>(equals), text::IsWord);
}

std::span<const std::string> WithoutPrefixes(std::span<const std::string> words) {
  bool prefixed = false;
  while (!words.empty()) {
    const std::string& word = words.front();
    const bool prefix = text::IsOneOf(ProgramName(word), kPrefixes);
    const bool number = std::all_of(word.begin(), word.end(), text::IsDigit);
    // "dotenv -e .env.test -- jest": the file is an operand of the prefix.
    const bool operand = prefixed && (word.starts_with("-") || word.starts_with(".env") || number);
    if (!prefix && !operand && !IsAssignment(word)) break;
    prefixed |= prefix;
    words = words.subspan(1);
  }
  return words;
}

bool IsPackageManager(std::string_view word) { return text::IsOneOf(word, {"npm", "yarn", "pnpm", "bun"}); }

// Resolves commands to gates, following the scripts of the manifests.
class GateFinder {
 public:
  explicit GateFinder(std::span<const Manifest> manifests) : manifests_(manifests) {}

  std::vector<Recognised> Find(const ShellCommand& command, std::string_view directory) {
    found_.clear();
    Command(command.words, command.failure_ignored, directory, 0);
    return std::move(found_);
  }

 private:
  void Add(Gate gate, std::string_view program, bool ignored) {
    if (found_.size() < kMaxUses) found_.push_back({gate, std::string(program), ignored});
  }

  void Command(std::span<const std::string> words, bool ignored, std::string_view directory, int depth) {
    words = WithoutPrefixes(words);
    if (words.empty() || depth > kMaxScriptDepth) return;
    const std::string_view program = ProgramName(words.front());
    if (IsPackageManager(program)) {
      PackageManager(program, words.subspan(1), ignored, directory, depth);
    } else if (text::IsOneOf(program,
                             {"run-s", "run-p", "npm-run-all", "npm-run-all2", "turbo", "lerna", "nx", "redrun"})) {
      for (const std::string& word : words.subspan(1)) Script(Last(word, ':', program), ignored, directory, depth);
    } else if (program == "concurrently") {
      for (const std::string& word : words.subspan(1))
        Shell(word.starts_with("npm:") ? "npm run " + word.substr(4) : word, ignored, directory, depth);
    } else if (text::IsOneOf(program, {"bash", "sh"})) {
      for (size_t i = 1; i + 1 < words.size(); ++i) {
        if (words[i] == "-c" || words[i] == "-ec") Shell(words[i + 1], ignored, directory, depth);
      }
    } else {
      Plain(program, words, ignored, directory, depth);
    }
  }

  // nx names its targets "project:target"; elsewhere a colon belongs to the script's name.
  static std::string_view Last(std::string_view word, char separator, std::string_view program) {
    if (program != "nx") return word;
    const size_t at = word.rfind(separator);
    return at == std::string_view::npos ? word : word.substr(at + 1);
  }

  void Shell(std::string_view script, bool ignored, std::string_view directory, int depth) {
    for (const ShellCommand& command : SplitShell(script, false)) {
      Command(command.words, ignored || command.failure_ignored, directory, depth + 1);
    }
  }

  void PackageManager(std::string_view manager, std::span<const std::string> words, bool ignored,
                      std::string_view directory, int depth) {
    std::string folder(directory);
    std::vector<std::string> rest;
    for (size_t i = 0; i < words.size(); ++i) {
      const bool takes_folder = text::IsOneOf(words[i], {"--prefix", "-C", "--dir", "--cwd"});
      if (takes_folder && i + 1 < words.size()) {
        folder = JoinPath(directory, words[++i]);
      } else if (text::IsOneOf(words[i], {"-w", "--workspace", "--filter", "-F"})) {
        ++i;
      } else if (!rest.empty() || !words[i].starts_with("-")) {
        rest.push_back(words[i]);
      }
    }
    if (rest.empty()) return;
    if (rest[0] == "workspace" && rest.size() > 2) rest.erase(rest.begin(), rest.begin() + 2);
    if (text::IsOneOf(rest[0], {"workspaces", "foreach", "recursive"})) rest.erase(rest.begin());
    if (rest.empty()) return;
    const std::string_view verb = rest[0];
    if (verb == "audit") {
      if (!text::IsOneOf("fix", rest)) Add(Gate::kSecurity, text::Cat({manager, " audit"}), ignored);
    } else if (text::IsOneOf(verb, {"run", "run-script", "rum", "urn"})) {
      if (rest.size() > 1) Script(FirstName(std::span(rest).subspan(1)), ignored, folder, depth);
    } else if (text::IsOneOf(verb, {"test", "t", "tst"})) {
      if (manager == "bun") {
        Add(Gate::kTest, "bun test", ignored);
      } else {
        Script("test", ignored, folder, depth);
      }
    } else if (text::IsOneOf(verb, {"exec", "x", "dlx"})) {
      Command(std::span(rest).subspan(1), ignored, folder, depth + 1);
    } else if (manager != "npm" && !Script(verb, ignored, folder, depth)) {
      // yarn and pnpm run a program of the same name when there is no such script.
      Command(rest, ignored, folder, depth + 1);
    }
  }

  static std::string_view FirstName(std::span<const std::string> words) {
    for (const std::string& word : words) {
      if (!word.starts_with("-")) return word;
    }
    return {};
  }

  const Manifest* Holder(std::string_view directory, std::string_view script) const {
    const Manifest* any = nullptr;
    for (const Manifest& manifest : manifests_) {
      if (manifest.FindScript(script) == nullptr) continue;
      if (DirectoryOf(manifest.path) == directory) return &manifest;
      if (any == nullptr) any = &manifest;
    }
    return any;
  }

  bool Script(std::string_view name, bool ignored, std::string_view directory, int depth) {
    if (name.ends_with(":*") || name.ends_with(":**"))
      return Pattern(name.substr(0, name.find('*')), ignored, directory, depth);
    const Manifest* manifest = Holder(directory, name);
    if (manifest == nullptr || depth > kMaxScriptDepth) return false;
    const std::string_view folder = DirectoryOf(manifest->path);
    for (const std::string_view hook : {"pre", "", "post"}) {
      const auto* script = manifest->FindScript(text::Cat({hook, name}));
      if (script != nullptr) Shell(script->command, ignored, folder, depth + 1);
    }
    return true;
  }

  // "lint:*" of run-s and run-p.
  bool Pattern(std::string_view prefix, bool ignored, std::string_view directory, int depth) {
    for (const Manifest& manifest : manifests_) {
      if (DirectoryOf(manifest.path) != directory) continue;
      for (const auto& script : manifest.scripts) {
        if (script.name.starts_with(prefix)) Shell(script.command, ignored, directory, depth + 1);
      }
    }
    return true;
  }

  void Plain(std::string_view program, std::span<const std::string> words, bool ignored, std::string_view directory,
             int depth) {
    if (program == "nyc" || program == "c8") {
      Coverage(program, words, ignored, directory, depth);
      return;
    }
    if (program == "node" || program == "tsx") {
      Node(words, ignored);
      return;
    }
    if (program == "prettier" && !text::IsOneOf("--check", words) && !text::IsOneOf("-c", words) &&
        !text::IsOneOf("--list-different", words) && !text::IsOneOf("-l", words)) {
      return;
    }
    for (const Program& each : kPrograms) {
      if (each.name != program) continue;
      if (program == "cypress" && words.size() > 1 && words[1] != "run") return;
      if (program == "playwright" && words.size() > 1 && words[1] == "install") return;
      Add(each.gate, program, ignored);
      if (each.gate == Gate::kTest && CollectsCoverage(words)) Add(Gate::kCoverage, program, ignored);
      return;
    }
  }

  static bool CollectsCoverage(std::span<const std::string> words) {
    return std::any_of(words.begin(), words.end(), [](const std::string& word) {
      return word.starts_with("--coverage") || word.starts_with("--ci --coverage") || word.starts_with("--cov");
    });
  }

  void Coverage(std::string_view program, std::span<const std::string> words, bool ignored, std::string_view directory,
                int depth) {
    Add(Gate::kCoverage, program, ignored);
    // The program whose coverage is taken comes after the options, some of which take a value.
    for (size_t i = 1; i < words.size(); ++i) {
      if (words[i].starts_with("-")) continue;
      const std::string_view name = ProgramName(words[i]);
      const bool known =
          IsPackageManager(name) || name == "node" ||
          std::any_of(kPrograms.begin(), kPrograms.end(), [&](const Program& p) { return p.name == name; });
      if (!known) continue;
      Command(words.subspan(i), ignored, directory, depth + 1);
      return;
    }
  }

  void Node(std::span<const std::string> words, bool ignored) {
    for (const std::string& word : words.subspan(1)) {
      if (word == "--test" || word.starts_with("--test-")) {
        Add(Gate::kTest, "node --test", ignored);
        break;
      }
      const std::string_view program = ProgramName(word);
      for (const Program& each : kPrograms) {
        // "node node_modules/.bin/jest", "node ./node_modules/mocha/bin/mocha.js"
        if (text::Contains(word, "node_modules") && text::WithoutSuffix(program, ".js") == each.name)
          Add(each.gate, each.name, ignored);
      }
    }
    for (const std::string& word : words) {
      if (word == "--experimental-test-coverage") Add(Gate::kCoverage, "node --test", ignored);
    }
  }

  std::span<const Manifest> manifests_;
  std::vector<Recognised> found_;
};

std::string WhyNotBlocking(const PipelineJob& job, const PipelineStep& step, bool ignored) {
  if (!job.on_pull_request) return "it does not run for pull requests";
  if (!step.on_pull_request) return "its condition leaves pull requests out";
  if (job.may_fail) return "its job may fail";
  if (step.may_fail) return "its step may fail (continue-on-error)";
  if (ignored) return "its failure is passed over in the shell";
  return {};
}

bool Delivers(const PipelineStep& step) {
  for (const ShellCommand& command : step.commands) {
    for (size_t i = 0; i + 1 < command.words.size(); ++i) {
      const std::string& program = command.words[i];
      const std::string& verb = command.words[i + 1];
      if (IsPackageManager(program) && verb == "publish") return true;
      if (program == "docker" && verb == "push") return true;
      if (program == "kubectl" && text::IsOneOf(verb, {"apply", "rollout", "set"})) return true;
      if (program == "helm" && verb == "upgrade") return true;
      if (text::IsOneOf(program, {"flyctl", "fly", "vercel", "serverless", "sls", "firebase", "cdk"}) &&
          verb == "deploy")
        return true;
      if (program == "semantic-release") return true;
    }
  }
  return step.uses == "akhileshns/heroku-deploy" || step.uses.starts_with("azure/webapps-deploy") ||
         step.uses.starts_with("google-github-actions/deploy-");
}

bool Needs(const Pipeline& pipeline, const PipelineJob& job, std::string_view wanted, int depth = 0) {
  for (const std::string& need : job.needs) {
    if (need == wanted) return true;
    for (const PipelineJob& other : pipeline.jobs) {
      if (other.id == need && depth < 10 && Needs(pipeline, other, wanted, depth + 1)) return true;
    }
  }
  return false;
}

}  // namespace

std::string_view GateName(Gate gate) {
  switch (gate) {
    case Gate::kTest:
      return "tests";
    case Gate::kLint:
      return "lint";
    case Gate::kTypes:
      return "type check";
    case Gate::kCoverage:
      return "coverage";
    case Gate::kSecurity:
      return "security scan";
    case Gate::kBuild:
      return "build";
  }
  return {};
}

std::vector<GateUse> FindGates(std::span<const Pipeline> pipelines, std::span<const Manifest> manifests) {
  std::vector<GateUse> uses;
  GateFinder finder(manifests);
  const auto add = [&](const Pipeline& pipeline, const PipelineJob& job, const PipelineStep& step, uint32_t line,
                       Recognised found) {
    if (uses.size() >= kMaxUses) return;
    std::string reason = WhyNotBlocking(job, step, found.ignored);
    const bool blocking = reason.empty();
    uses.push_back({found.gate, pipeline.path, line, job.id, std::move(found.program), blocking, std::move(reason)});
  };
  for (const Pipeline& pipeline : pipelines) {
    for (const PipelineJob& job : pipeline.jobs) {
      for (const PipelineStep& step : job.steps) {
        for (const Program& action : kActions) {
          if (step.uses.starts_with(action.name)) add(pipeline, job, step, step.line, {action.gate, step.uses, false});
        }
        for (const ShellCommand& command : step.commands) {
          for (Recognised& found : finder.Find(command, step.directory)) {
            add(pipeline, job, step, command.line, std::move(found));
          }
        }
      }
    }
  }
  return uses;
}

std::vector<UngatedDelivery> FindUngatedDeliveries(std::span<const Pipeline> pipelines,
                                                   std::span<const Manifest> manifests) {
  std::vector<UngatedDelivery> deliveries;
  const std::vector<GateUse> gates = FindGates(pipelines, manifests);
  for (const Pipeline& pipeline : pipelines) {
    if (pipeline.provider != "GitHub Actions") continue;  // GitLab's stages wait by themselves
    const auto tests = std::find_if(gates.begin(), gates.end(), [&](const GateUse& use) {
      return use.gate == Gate::kTest && use.path == pipeline.path;
    });
    if (tests == gates.end()) continue;
    for (const PipelineJob& job : pipeline.jobs) {
      const bool gated = std::any_of(gates.begin(), gates.end(), [&](const GateUse& use) {
        return use.gate == Gate::kTest && use.path == pipeline.path &&
               (use.job == job.id || Needs(pipeline, job, use.job));
      });
      const auto step = std::find_if(job.steps.begin(), job.steps.end(), Delivers);
      if (!gated && step != job.steps.end()) deliveries.push_back({pipeline.path, step->line, job.id, tests->job});
    }
  }
  return deliveries;
}

}  // namespace assay::code_analysis
