// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/facts.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace assay::load_test {
namespace {

using sdk::Json;

constexpr size_t kMaxRoutes = 2000;

bool IsPlainPath(std::string_view path) {
  return !path.empty() && path[0] == '/' && path.size() < 1024 && std::all_of(path.begin(), path.end(), [](unsigned char c) {
    return c > 0x20 && c < 0x7f && std::string_view("()[]{}*+?\\^$|\"<>").find(static_cast<char>(c)) == std::string_view::npos;
  });
}

bool PromisesSideEffect(std::string_view path) {
  std::string lower(path);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* word : {"delete", "remove", "destroy", "logout", "signout", "reset", "shutdown", "quit", "exit", "kill",
                           "restart", "drop", "purge", "send", "stream", "events", "subscribe", "socket"}) {
    if (lower.find(word) != std::string::npos) return true;
  }
  return false;
}

// Words of paths whose handlers are asked to end the server; what then ends it is no bad input.
bool MeansTheEnd(std::string_view path) {
  std::string lower(path);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* word : {"shutdown", "quit", "exit", "kill", "restart", "terminate"}) {
    if (lower.find(word) != std::string::npos) return true;
  }
  return false;
}

bool IsHealth(const Facts& facts, const std::string& path) {
  return std::find(facts.health_paths.begin(), facts.health_paths.end(), path) != facts.health_paths.end();
}

// `routes` of a task or of .assay.yaml.
void GivenRoutes(const Json& document, std::vector<Route>& out) {
  for (const Json& route : document["routes"].items()) {
    std::string method = route["method"].text().empty() ? "GET" : route["method"].text();
    std::transform(method.begin(), method.end(), method.begin(), [](unsigned char c) { return std::toupper(c); });
    if (IsPlainPath(route["path"].text())) out.push_back({method, route["path"].text(), "", 0, true});
  }
}

std::vector<Route> AllRoutes(const Facts& facts) {
  std::vector<Route> routes;
  GivenRoutes(facts.task, routes);
  GivenRoutes(facts.assay_yaml, routes);
  for (const Route& route : facts.routes) {
    if (route.exact) routes.push_back(route);
  }
  return routes;
}

}  // namespace

const Claim* Facts::FindClaim(std::string_view id) const {
  const auto found = std::find_if(claims.begin(), claims.end(), [&](const Claim& c) { return c.id == id; });
  return found == claims.end() ? nullptr : &*found;
}

void ReadServerJson(std::string_view text, Facts& facts) {
  const auto json = Json::Parse(text);
  if (!json) return;
  for (const Json& major : (*json)["node_majors"].items()) {
    const double number = major.number();
    if (number >= 4 && number <= 99) facts.node_majors.push_back(static_cast<uint32_t>(number));
  }
  facts.build_script = (*json)["build_script"].text();
  for (const Json& item : (*json)["entries"].items()) {
    Entry entry{item["file"].text(), item["source"].text(), {}};
    for (const Json& argument : item["arguments"].items()) entry.arguments.push_back(argument.text());
    if (!entry.file.empty()) facts.entries.push_back(std::move(entry));
  }
  facts.port_variable = (*json)["port_env"].text();
  const double port = (*json)["default_port"].number();
  if (port > 0 && port < 65536) facts.default_port = static_cast<uint32_t>(port);
  for (const Json& item : (*json)["environment"].items()) {
    Variable variable{item["name"].text(), item["required"].boolean(), std::nullopt};
    const Json& fallback = item["default"];
    if (fallback.kind() == Json::Kind::kString) variable.fallback = fallback.text();
    if (!variable.name.empty()) facts.variables.push_back(std::move(variable));
  }
  for (const Json& path : (*json)["health_paths"].items()) {
    if (IsPlainPath(path.text())) facts.health_paths.push_back(path.text());
  }
  facts.assay_yaml = (*json)["assay_yaml"];
}

void ReadRoutesJson(std::string_view text, Facts& facts) {
  const auto json = Json::Parse(text);
  if (!json) return;
  for (const Json& item : json->items()) {
    if (facts.routes.size() >= kMaxRoutes) return;
    Route route;
    route.method = item["method"].text();
    route.path = item["path"].text();
    route.file = item["file"].text();
    route.line = static_cast<uint32_t>(std::clamp(item["line"].number(), 0.0, 1e9));
    // protojson leaves out what is false.
    route.exact = item["path_exact"].boolean();
    facts.routes.push_back(std::move(route));
  }
}

void ReadEnvExample(std::string_view text, Facts& facts) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.substr(0, 7) == "export ") line.remove_prefix(7);
    const size_t equals = line.find('=');
    if (line.empty() || line[0] == '#' || equals == std::string_view::npos || equals == 0) continue;
    std::string_view value = line.substr(equals + 1);
    if (value.size() >= 2 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0]) value = value.substr(1, value.size() - 2);
    const std::string name(line.substr(0, equals));
    const auto found = std::find_if(facts.variables.begin(), facts.variables.end(), [&](const Variable& v) { return v.name == name; });
    if (found == facts.variables.end()) {
      facts.variables.push_back({name, false, std::string(value)});
    } else if (!found->fallback.has_value() && !value.empty()) {
      found->fallback = std::string(value);
    }
  }
}

std::string FillParameters(std::string_view path, std::string_view value) {
  std::string out;
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] != ':') {
      out += path[i];
      continue;
    }
    while (i + 1 < path.size() && (std::isalnum(static_cast<unsigned char>(path[i + 1])) || path[i + 1] == '_')) ++i;
    out += value;
  }
  return out;
}

std::vector<std::string> LoadPaths(const Facts& facts, size_t limit) {
  std::vector<std::string> paths, health;
  std::set<std::string> seen;
  for (const Route& route : AllRoutes(facts)) {
    if (route.method != "GET" && route.method != "ALL") continue;
    if (!IsPlainPath(route.path) || route.path.find(':') != std::string::npos || PromisesSideEffect(route.path)) continue;
    if (!seen.insert(route.path).second) continue;
    (IsHealth(facts, route.path) ? health : paths).push_back(route.path);
  }
  // Answering for one's health costs nothing and says little about capacity.
  paths.insert(paths.end(), health.begin(), health.end());
  if (seen.insert("/").second) paths.push_back("/");
  if (paths.size() > limit) paths.resize(limit);
  return paths;
}

std::vector<std::pair<std::string, std::string>> BodyRoutes(const Facts& facts, size_t limit) {
  std::vector<std::pair<std::string, std::string>> routes;
  for (const Route& route : AllRoutes(facts)) {
    if (route.method != "POST" && route.method != "PUT" && route.method != "PATCH") continue;
    const std::string path = FillParameters(route.path, "1");
    if (!IsPlainPath(path) || MeansTheEnd(path)) continue;
    const std::pair<std::string, std::string> pair(route.method, path);
    if (routes.size() < limit && std::find(routes.begin(), routes.end(), pair) == routes.end()) routes.push_back(pair);
  }
  return routes;
}

std::vector<std::string> LookupPaths(const Facts& facts, size_t limit) {
  const std::vector<Route> routes = AllRoutes(facts);
  std::vector<std::string> paths;
  std::set<std::string> seen;
  for (const char* value : {"999999999", "no-such-id", "%00", "__proto__"}) {
    for (const Route& route : routes) {
      if (route.method != "GET" || route.path.find(':') == std::string::npos) continue;
      const std::string path = FillParameters(route.path, value);
      if (paths.size() < limit && IsPlainPath(path) && seen.insert(path).second) paths.push_back(path);
    }
  }
  return paths;
}

}  // namespace assay::load_test
