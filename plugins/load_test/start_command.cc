// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/start_command.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <set>

namespace assay::load_test {
namespace {

using sdk::Json;
using Words = std::vector<std::string>;

constexpr int kMaxScriptDepth = 5;
constexpr size_t kMaxCandidates = 12;

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

// Only the last of commands joined by && (earlier ones build or migrate).
std::string_view LastCommand(std::string_view command) {
  const size_t joint = command.rfind("&&");
  return joint == std::string_view::npos ? command : command.substr(joint + 2);
}

// Flags of node that take their value as the next word.
bool TakesValue(std::string_view flag) {
  static const std::set<std::string_view> flags = {"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions"};
  return flags.count(flag) > 0;
}

class Finder {
 public:
  Finder(const Facts& facts, const std::function<bool(std::string_view)>& has_file, uint32_t port)
      : facts_(facts), has_file_(has_file), port_(std::to_string(port)) {}

  StartPlan Run() {
    FromCommand(facts_.assay_yaml["start"].text(), ".assay.yaml");
    FromCommand(facts_.task["start"].text(), "task.json");
    FromCommand(facts_.package["scripts"]["start"].text(), "scripts.start");
    for (const char* source : {"scripts.start", "bin"}) FromEntries(source);
    FromBin();
    FromEntries("main");
    if (!facts_.package["main"].text().empty()) FromFile(facts_.package["main"].text(), {}, "main");
    FromEntries("listen");
    for (const char* usual : {"server.js", "app.js", "index.js"}) {
      if (has_file_(usual)) FromFile(usual, {}, std::string("the usual file ") + usual);
    }
    return std::move(plan_);
  }

 private:
  void Pass(const std::string& source, std::string reason) { plan_.passed.push_back({source, std::move(reason)}); }

  void Add(Candidate candidate) {
    if (plan_.candidates.size() >= kMaxCandidates) return;
    std::string key;
    for (const std::string& word : candidate.arguments) key += word + '\0';
    if (seen_.insert(key).second) plan_.candidates.push_back(std::move(candidate));
  }

  // The submission's file that `name` means, with node's own endings tried.
  std::optional<std::string> Resolve(const std::string& name) const {
    const std::string path = Normal(name);
    for (const char* ending : {"", ".js", ".cjs", ".mjs", "/index.js", "/index.cjs", "/index.mjs"}) {
      if (has_file_(path + ending)) return path + ending;
    }
    return std::nullopt;
  }

  void FromFile(const std::string& name, Words arguments, const std::string& source, Words flags = {},
                std::vector<std::pair<std::string, std::string>> environment = {}) {
    const std::optional<std::string> file = Resolve(name);
    if (!file.has_value()) {
      std::string reason = name + " is not in the submission";
      if (!facts_.build_script.empty()) {
        reason += "; the build step \"" + facts_.build_script + "\" would make it, and this platform installs no development packages";
      }
      return Pass(source, std::move(reason));
    }
    Candidate candidate;
    candidate.source = source;
    candidate.arguments = std::move(flags);
    candidate.arguments.push_back(*file);
    candidate.arguments.insert(candidate.arguments.end(), arguments.begin(), arguments.end());
    candidate.environment = std::move(environment);
    Add(std::move(candidate));
  }

  void FromEntries(const std::string& source) {
    for (const Entry& entry : facts_.entries) {
      if (entry.source == source) FromFile(entry.file, entry.arguments, source);
    }
  }

  // Published programs are started by their bin; many want to be told the port or the verb.
  void FromBin() {
    const Json& bin = facts_.package["bin"];
    Words files;
    if (bin.kind() == Json::Kind::kString) files.push_back(bin.text());
    for (const auto& [name, file] : bin.members()) files.push_back(file.text());
    for (const std::string& file : files) {
      FromFile(file, {}, "bin");
      FromFile(file, {"--port", port_}, "bin with --port");
      FromFile(file, {"start"}, "bin with start");
      FromFile(file, {"start", "--port", port_}, "bin with start --port");
    }
  }

  void FromCommand(std::string_view command, const std::string& source, int depth = 0) {
    if (command.empty()) return;
    if (depth > kMaxScriptDepth) return Pass(source, "scripts call each other more than five times");
    Words words;
    std::string why_not;
    if (!SplitCommand(LastCommand(command), words, why_not)) return Pass(source, why_not);
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
    if (runners.count(program) == 0) return FromProgram(program, Words(words.begin() + static_cast<long>(at), words.end()), source);
    Words flags;
    while (at < words.size() && StartsWith(words[at], "-")) {
      const bool pair = TakesValue(words[at]) && at + 1 < words.size();
      // Watching, inspecting and files that are not there are for the developer's desk.
      if (!StartsWith(words[at], "--watch") && !StartsWith(words[at], "--inspect") && !StartsWith(words[at], "--env-file")) {
        flags.push_back(words[at]);
        if (pair) flags.push_back(words[at + 1]);
      }
      at += pair ? 2 : 1;
    }
    if (at >= words.size()) return FromMainOfRunner(source, flags, environment);
    const std::string file = words[at++];
    FromFile(file, Words(words.begin() + static_cast<long>(at), words.end()), source, flags, environment);
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
    FromCommand(script, source, depth + 1);
  }

  // The program may be the package's own bin.
  void FromProgram(const std::string& program, Words arguments, const std::string& source) {
    const Json& own = facts_.package["bin"][program];
    if (!own.text().empty()) return FromFile(own.text(), std::move(arguments), source);
    if (EndsWith(program, ".js") || EndsWith(program, ".mjs") || EndsWith(program, ".cjs")) {
      return FromFile(program, std::move(arguments), source);
    }
    Pass(source, "runs \"" + program + "\", which is neither node nor a file of the submission");
  }

  const Facts& facts_;
  const std::function<bool(std::string_view)>& has_file_;
  const std::string port_;
  StartPlan plan_;
  std::set<std::string> seen_;
};

}  // namespace

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
