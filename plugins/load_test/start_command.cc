// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/start_command.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <set>

#include "plugins/load_test/readme.h"

namespace assay::load_test {
namespace {

using sdk::Json;
using Words = std::vector<std::string>;

constexpr int kMaxScriptDepth = 5;
constexpr size_t kMaxCandidates = 12;
constexpr size_t kMaxFromReadme = 3;
constexpr size_t kMaxExampleFiles = 4;
constexpr size_t kMaxExampleBytes = 32 << 10;

bool StartsWith(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }
bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

bool IsAssignment(std::string_view word) {
  const size_t equals = word.find('=');
  return equals != std::string_view::npos && equals > 0 && std::all_of(word.begin(), word.begin() + equals, [](unsigned char c) {
    return std::isalnum(c) || c == '_';
  });
}

std::string Normal(std::string_view path) {
  while (StartsWith(path, "./")) path.remove_prefix(2);
  return std::string(path);
}

// Only the last of commands joined by && (earlier ones build or migrate), and what it prints is not piped on.
std::string_view LastCommand(std::string_view command) {
  const size_t joint = command.rfind("&&");
  if (joint != std::string_view::npos) command.remove_prefix(joint + 2);
  const size_t pipe = command.find('|');
  const bool plain = pipe != std::string_view::npos && pipe > 0 && command.find('|', pipe + 1) == std::string_view::npos;
  return plain ? command.substr(0, pipe) : command;
}

bool IsTypeScript(std::string_view file) { return EndsWith(file, ".ts") || EndsWith(file, ".mts") || EndsWith(file, ".cts"); }

// A name of a file beside package.json or below, as a command's argument.
bool LooksLikeFile(std::string_view word) {
  const size_t dot = word.rfind('.');
  return !word.empty() && word[0] != '-' && word[0] != '/' && word[0] != '~' && word.find("..") == std::string_view::npos &&
         word.find("://") == std::string_view::npos && dot != std::string_view::npos && dot > 0 && word.size() - dot >= 2 &&
         word.size() - dot <= 6 && word.size() < 200 && std::all_of(word.begin() + static_cast<long>(dot) + 1, word.end(), [](unsigned char c) {
           return std::isalnum(c) != 0;
         });
}

// Flags that take their value as the next word: node's, or those of programs that watch files and restart node.
bool TakesValue(std::string_view flag, bool watcher) {
  static const std::set<std::string_view> node = {"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions"};
  static const std::set<std::string_view> watching = {"-w", "--watch", "-e", "--ext", "-i", "--ignore", "-d", "--delay", "--config", "--signal"};
  return node.count(flag) > 0 || (watcher && watching.count(flag) > 0);
}

// Programs of development packages that translate sources while they load them.
bool Translates(const std::string& program) {
  static const std::set<std::string> programs = {"tsx", "ts-node", "ts-node-dev", "tsnd", "babel-node", "sucrase-node", "swc-node", "esno", "bun"};
  return programs.count(program) > 0;
}

class Finder {
 public:
  Finder(const Facts& facts, const std::function<bool(std::string_view)>& has_file, uint32_t port)
      : facts_(facts), has_file_(has_file), port_(std::to_string(port)) {}

  StartPlan Run() {
    FromCommand(facts_.assay_yaml["start"].text(), ".assay.yaml");
    FromCommand(facts_.task["start"].text(), "task.json");
    npm_ = {"start"};
    script_ = facts_.package["scripts"]["start"].text();
    FromCommand(script_, "scripts.start");
    npm_.clear();
    script_.clear();
    FromEntries("scripts.start");
    FromBin({{"bin", {}}});
    FromEntries("bin");
    FromReadme();
    FromBin({{"bin with --port", {"--port", port_}}, {"bin with start", {"start"}}, {"bin with start --port", {"start", "--port", port_}}});
    FromEntries("main");
    if (!facts_.package["main"].text().empty()) FromFile(facts_.package["main"].text(), {}, "main");
    FromEntries("listen");
    for (const char* usual : {"server.js", "app.js", "index.js"}) {
      if (has_file_(usual)) FromFile(usual, {}, std::string("the usual file ") + usual);
    }
    return std::move(plan_);
  }

 private:
  void Pass(const std::string& source, std::string reason, std::string lacks = "") {
    const auto same = [&](const Passed& known) { return known.source == source && known.reason == reason; };
    if (std::none_of(plan_.passed.begin(), plan_.passed.end(), same)) plan_.passed.push_back({source, std::move(reason), std::move(lacks)});
  }

  void Add(Candidate candidate) {
    if (plan_.candidates.size() >= kMaxCandidates) return;
    std::string key;
    for (const std::string& word : candidate.arguments) key += word + '\0';
    if (seen_.insert(key).second) plan_.candidates.push_back(std::move(candidate));
  }

  // The submission's file that `name` means, with node's own endings tried.
  std::optional<std::string> Resolve(const std::string& name) const {
    const std::string path = Normal(name);
    for (const char* ending : {"", ".js", ".cjs", ".mjs", "/index.js", "/index.cjs", "/index.mjs", ".ts", "/index.ts"}) {
      if (has_file_(path + ending)) return path + ending;
    }
    return std::nullopt;
  }

  void FromFile(const std::string& name, Words arguments, const std::string& source, Words flags = {},
                std::vector<std::pair<std::string, std::string>> environment = {}) {
    const std::optional<std::string> file = Resolve(name);
    if (!file.has_value()) {
      const std::string reason = name + " is not in the submission";
      if (facts_.build_script.empty()) return Pass(source, reason);
      return Pass(source, reason + "; the build step \"" + facts_.build_script + "\" would make it, and this platform installs no development packages",
                  "its build step (\"" + facts_.build_script + "\")");
    }
    Candidate candidate;
    candidate.source = source;
    // Node strips plain types itself from version 22.18 on; more than that takes a build.
    if (IsTypeScript(*file)) candidate.lacks = "a build of its TypeScript";
    candidate.arguments = std::move(flags);
    candidate.arguments.push_back(*file);
    candidate.arguments.insert(candidate.arguments.end(), arguments.begin(), arguments.end());
    candidate.environment = std::move(environment);
    candidate.npm = npm_;
    if (!npm_.empty()) candidate.script = script_;
    Add(std::move(candidate));
  }

  void FromEntries(const std::string& source) {
    for (const Entry& entry : facts_.entries) {
      if (entry.source == source) FromFile(entry.file, entry.arguments, source);
    }
  }

  // Published programs are started by their bin; many want to be told the port or the verb.
  void FromBin(const std::vector<std::pair<std::string, Words>>& ways) {
    for (const auto& [source, arguments] : ways) {
      for (const auto& [name, file] : Bins()) FromFile(file, arguments, source);
    }
  }

  // The package's own programs: (name, file).
  std::vector<std::pair<std::string, std::string>> Bins() const {
    std::vector<std::pair<std::string, std::string>> bins;
    const Json& bin = facts_.package["bin"];
    const std::string& package = facts_.package["name"].text();
    const size_t slash = package.rfind('/');
    if (!bin.text().empty()) bins.emplace_back(slash == std::string::npos ? package : package.substr(slash + 1), bin.text());
    for (const auto& [name, file] : bin.members()) bins.emplace_back(name, file.text());
    return bins;
  }

  // What the README tells its reader to type, with the files it tells them to write first.
  void FromReadme() {
    const std::vector<CodeBlock> blocks = CodeBlocks(facts_.readme);
    const auto bins = Bins();
    size_t added = 0;
    for (const std::string& line : ShellLines(blocks)) {
      if (added >= kMaxFromReadme) return;
      Words words;
      std::string ignored;
      if (!SplitCommand(ExpandVariables(LastCommand(line), port_), words, ignored)) continue;
      std::vector<std::pair<std::string, std::string>> environment;
      const size_t at = SkipPrefixes(words, environment);
      if (at >= words.size()) continue;
      std::string file;
      for (const auto& [name, path] : bins) {
        if (name == words[at]) file = path;
      }
      Words rest(words.begin() + static_cast<long>(at) + 1, words.end());
      if (file.empty() && words[at] == "node" && !rest.empty() && rest[0][0] != '-' && Resolve(rest[0]).has_value()) {
        file = rest[0];
        rest.erase(rest.begin());
      }
      const auto asks_only = [](const std::string& word) { return word == "--help" || word == "-h" || word == "--version" || word == "-v"; };
      if (file.empty() || std::any_of(rest.begin(), rest.end(), asks_only)) continue;
      std::vector<ExampleFile> files;
      if (!FindExamples(blocks, rest, files)) continue;
      const size_t before = plan_.candidates.size();
      FromFile(file, rest, "the README", {}, environment);
      if (plan_.candidates.size() == before) continue;
      plan_.candidates.back().files = std::move(files);
      ++added;
    }
  }

  // Contents for the files that `words` name and the submission has not; false when one has none.
  bool FindExamples(const std::vector<CodeBlock>& blocks, const Words& words, std::vector<ExampleFile>& files) const {
    for (const std::string& word : words) {
      if (!LooksLikeFile(word) || has_file_(Normal(word))) continue;
      const CodeBlock* example = ExampleOf(blocks, Normal(word));
      if (example == nullptr || files.size() >= kMaxExampleFiles || example->text.size() > kMaxExampleBytes) return false;
      files.push_back({Normal(word), example->text});
    }
    return true;
  }

  void FromCommand(std::string_view command, const std::string& source, int depth = 0) {
    if (command.empty()) return;
    if (depth > kMaxScriptDepth) return Pass(source, "scripts call each other more than five times");
    Words words;
    std::string why_not;
    if (!SplitCommand(ExpandVariables(LastCommand(command), port_), words, why_not)) {
      return Pass(source, why_not, "a shell for its start command");
    }
    std::vector<std::pair<std::string, std::string>> environment;
    size_t at = SkipPrefixes(words, environment);
    if (at >= words.size()) return Pass(source, "no program in \"" + std::string(command) + "\"");
    std::string program = Normal(words[at++]);
    if (program == "npm" || program == "yarn" || program == "pnpm") return FromScript(words, at, source, depth);
    if (program == "pm2" || program == "pm2-runtime" || program == "forever") {
      // A process manager takes signals for itself; the program behind it is what is tested.
      if (at < words.size() && words[at] == "start") ++at;
      program = "node";
    }
    static const std::set<std::string> runners = {"node", "nodejs", "nodemon", "node-dev", "supervisor"};
    const bool translates = Translates(program);
    if (runners.count(program) == 0 && !translates) {
      return FromProgram(program, Words(words.begin() + static_cast<long>(at), words.end()), source);
    }
    const bool watcher = translates || StartsWith(program, "node") == false || program == "nodemon" || program == "node-dev";
    Words flags;
    while (at < words.size() && StartsWith(words[at], "-")) {
      const std::string& flag = words[at++];
      const bool pair = TakesValue(flag, watcher) && at < words.size();
      if (watcher && (flag == "--exec" || flag == "-x") && at < words.size()) {
        std::string inner;
        for (; at < words.size(); ++at) inner += (inner.empty() ? "" : " ") + words[at];
        return FromCommand(inner, source, depth + 1);
      }
      // Watching, inspecting and files that are not there are for the developer's desk.
      if (!watcher && !StartsWith(flag, "--watch") && !StartsWith(flag, "--inspect") && !StartsWith(flag, "--env-file")) {
        flags.push_back(flag);
        if (pair) flags.push_back(words[at]);
      }
      if (pair) ++at;
    }
    if (translates) return FromTranslated(program, Words(words.begin() + static_cast<long>(at), words.end()), source, environment);
    if (at >= words.size()) return FromMainOfRunner(source, flags, environment);
    const std::string file = words[at++];
    FromFile(file, Words(words.begin() + static_cast<long>(at), words.end()), source, flags, environment);
  }

  // Development packages are not installed; what Node makes of the file by itself is tried.
  void FromTranslated(const std::string& program, const Words& words, const std::string& source,
                      const std::vector<std::pair<std::string, std::string>>& environment) {
    const std::string lacks = "\"" + program + "\", a development package";
    if (words.empty() || !Resolve(words[0]).has_value()) {
      return Pass(source, "runs \"" + program + "\", and this platform installs no development packages", lacks);
    }
    const size_t before = plan_.candidates.size();
    FromFile(words[0], Words(words.begin() + 1, words.end()), source + " without " + program, {}, environment);
    if (plan_.candidates.size() > before) plan_.candidates.back().lacks = lacks;
  }

  // "nodemon" alone runs main.
  void FromMainOfRunner(const std::string& source, const Words& flags,
                        const std::vector<std::pair<std::string, std::string>>& environment) {
    const std::string main = facts_.package["main"].text();
    FromFile(main.empty() ? "index.js" : main, {}, source, flags, environment);
  }

  static size_t SkipPrefixes(const Words& words, std::vector<std::pair<std::string, std::string>>& environment) {
    size_t at = 0;
    for (; at < words.size(); ++at) {
      const std::string& word = words[at];
      if (IsAssignment(word)) {
        const size_t equals = word.find('=');
        environment.emplace_back(word.substr(0, equals), word.substr(equals + 1));
      } else if (word != "cross-env" && word != "env" && word != "exec" && word != "npx" && word != "--" && word != "dotenv") {
        break;
      }
    }
    return at;
  }

  void FromScript(const Words& words, size_t at, const std::string& source, int depth) {
    if (at < words.size() && words[at] == "run") ++at;
    while (at < words.size() && StartsWith(words[at], "-")) ++at;
    if (at >= words.size()) return Pass(source, "names no script");
    const std::string& script = facts_.package["scripts"][words[at]].text();
    if (script.empty()) return Pass(source, "script \"" + words[at] + "\" is not in package.json");
    const bool outermost = npm_.empty();
    if (outermost) {
      npm_ = {"run", words[at]};
      script_ = script;
    }
    FromCommand(script, source, depth + 1);
    if (outermost) npm_.clear();
  }

  // The program may be the package's own bin.
  void FromProgram(const std::string& program, Words arguments, const std::string& source) {
    for (const auto& [name, file] : Bins()) {
      if (name == program) return FromFile(file, std::move(arguments), source);
    }
    if (EndsWith(program, ".js") || EndsWith(program, ".mjs") || EndsWith(program, ".cjs")) {
      return FromFile(program, std::move(arguments), source);
    }
    Pass(source, "runs \"" + program + "\", which is neither node nor a file of the submission", "\"" + program + "\"");
  }

  const Facts& facts_;
  const std::function<bool(std::string_view)>& has_file_;
  const std::string port_;
  StartPlan plan_;
  // Of the command that is looked through at the moment.
  std::vector<std::string> npm_;
  std::string script_;
  std::set<std::string> seen_;
};

}  // namespace

std::string CommandLine(const Candidate& candidate) {
  std::string text = candidate.by_npm ? "npm" : "node";
  for (const std::string& word : candidate.arguments) text += " " + word;
  return text;
}

std::string ExpandVariables(std::string_view command, std::string_view port) {
  std::string out;
  while (!command.empty()) {
    const size_t dollar = std::min(command.find('$'), command.size());
    out += command.substr(0, dollar);
    command.remove_prefix(dollar);
    if (command.empty()) break;
    const bool braces = command.substr(0, 2) == "${";
    size_t end = braces ? 2 : 1;
    const size_t from = end;
    while (end < command.size() && (std::isalnum(static_cast<unsigned char>(command[end])) != 0 || command[end] == '_')) ++end;
    const std::string_view name = command.substr(from, end - from);
    const size_t close = braces ? command.find('}', end) : end;
    if (name.empty() || close == std::string_view::npos) return out.append(command);
    std::string_view word = command.substr(end, close - end);
    const bool has_word = word.substr(0, 2) == ":-" || word.substr(0, 2) == ":=";
    const size_t taken = braces ? close + 1 : close;
    if (name == "PORT") {
      out += port;
    } else if (has_word) {
      out += word.substr(2);
    } else {
      out += command.substr(0, taken);
    }
    command.remove_prefix(taken);
  }
  return out;
}

bool SplitCommand(std::string_view command, std::vector<std::string>& words, std::string& why_not) {
  std::string word;
  bool open = false;
  char quote = 0;
  for (const char c : command) {
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      open = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (open) words.push_back(std::move(word));
      word.clear();
      open = false;
    } else if (std::string_view("|;&<>`$(){}*").find(c) != std::string_view::npos) {
      why_not = "\"" + std::string(command) + "\" needs a shell";
      return false;
    } else {
      word += c;
      open = true;
    }
  }
  if (quote != 0) {
    why_not = "\"" + std::string(command) + "\" has a quote without its end";
    return false;
  }
  if (open) words.push_back(std::move(word));
  return true;
}

StartPlan FindStart(const Facts& facts, const std::function<bool(std::string_view)>& has_file, uint32_t port) {
  return Finder(facts, has_file, port).Run();
}

}  // namespace assay::load_test
