// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/environment.h"

#include <algorithm>
#include <cctype>

namespace assay::load_test {
namespace {

bool HasWord(std::string_view name, std::initializer_list<std::string_view> words) {
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return upper.find(word) != std::string::npos; });
}

// 64 hex digits: enough for any minimum length, and a valid key where hex is wanted.
std::string Secret(uint64_t seed, std::string_view name) {
  uint64_t state = seed ^ 0x9e3779b97f4a7c15ULL;
  for (const char c : name) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  std::string out;
  for (int i = 0; i < 64; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    out += "0123456789abcdef"[state >> 60];
  }
  return out;
}

std::string Synthesised(const std::string& name, uint32_t port, uint64_t seed) {
  // Port 9 discards: nothing listens there, so a call fails at once instead of hanging.
  if (HasWord(name, {"MONGO"})) return "mongodb://127.0.0.1:9/app";
  if (HasWord(name, {"REDIS"}) && HasWord(name, {"URL", "URI"})) return "redis://127.0.0.1:9";
  if (HasWord(name, {"DATABASE_URL", "POSTGRES_URL", "PG_URL", "DB_URL"})) return "postgres://app:app@127.0.0.1:9/app";
  if (HasWord(name, {"SECRET", "KEY", "TOKEN", "PASSWORD", "SALT", "PASSWD"})) return Secret(seed, name);
  if (HasWord(name, {"EMAIL", "MAIL_FROM"})) return "nobody@example.invalid";
  if (HasWord(name, {"URL", "URI", "ENDPOINT", "ORIGIN"})) return "http://127.0.0.1:9";
  if (HasWord(name, {"HOST"})) return "127.0.0.1";
  if (HasWord(name, {"PORT"})) return HasWord(name, {"DB", "SMTP", "MAIL", "REDIS", "PG", "MYSQL"}) ? "9" : std::to_string(port);
  if (HasWord(name, {"MINUTES", "SECONDS", "DAYS", "HOURS", "TTL", "TIMEOUT", "LIMIT", "MAX", "MIN", "COUNT", "SIZE", "_MS", "ROUNDS"})) return "60";
  if (HasWord(name, {"ENABLE", "DISABLE", "DEBUG", "USE_"})) return "false";
  return "assay";
}

void Set(Environment& environment, const std::string& name, const std::string& value) {
  const bool sound = !name.empty() && name.find('=') == std::string::npos && name.find('\0') == std::string::npos &&
                     value.find('\0') == std::string::npos && value.size() < 4096;
  if (!sound) return;
  for (auto& [known, old] : environment) {
    if (known == name) {
      old = value;
      return;
    }
  }
  environment.emplace_back(name, value);
}

}  // namespace

Environment MakeEnvironment(const Facts& facts, const Candidate& candidate, std::string_view node, uint32_t port, uint64_t seed) {
  const std::string number = std::to_string(port);
  Environment environment;
  for (const Variable& variable : facts.variables) {
    if (variable.fallback.has_value() && !variable.fallback->empty()) {
      // A default in the code needs no help; one from .env.example does no harm.
      Set(environment, variable.name, *variable.fallback);
    } else if (variable.required || variable.fallback.has_value()) {
      Set(environment, variable.name, Synthesised(variable.name, port, seed));
    }
  }
  for (const auto& [name, value] : candidate.environment) Set(environment, name, value);
  for (const auto& [name, value] : facts.assay_yaml["env"].members()) {
    Set(environment, name, value.kind() == sdk::Json::Kind::kNumber ? std::to_string(static_cast<int64_t>(value.number())) : value.text());
  }
  const size_t slash = node.rfind('/');
  const std::string folder = slash == std::string_view::npos ? "" : std::string(node.substr(0, slash)) + ":";
  Set(environment, "PATH", folder + "/usr/local/bin:/usr/bin:/bin");
  Set(environment, "HOME", "/tmp");
  Set(environment, "NODE_ENV", "production");
  Set(environment, "HOST", "127.0.0.1");
  Set(environment, "PORT", number);
  const std::string& own = facts.assay_yaml["port_env"].text();
  if (!own.empty()) Set(environment, own, number);
  if (!facts.port_variable.empty()) Set(environment, facts.port_variable, number);
  return environment;
}

std::vector<std::string> RequiredVariables(const Facts& facts) {
  std::vector<std::string> names;
  for (const Variable& variable : facts.variables) {
    if (variable.required && variable.name != "PORT" && variable.name != "NODE_ENV") names.push_back(variable.name);
  }
  return names;
}

Environment Without(Environment environment, const std::vector<std::string>& names) {
  environment.erase(std::remove_if(environment.begin(), environment.end(),
                                   [&](const auto& pair) { return std::find(names.begin(), names.end(), pair.first) != names.end(); }),
                    environment.end());
  return environment;
}

Environment With(Environment environment, std::string name, std::string value) {
  Set(environment, name, value);
  return environment;
}

std::vector<std::string> Lines(const Environment& environment) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : environment) lines.push_back(name + "=" + value);
  return lines;
}

}  // namespace assay::load_test
