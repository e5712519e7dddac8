// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/checks/api_tests.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr std::string_view kVerbs[] = {"get", "post", "put", "patch", "delete", "del", "head", "options"};
// What a path segment that is computed stands for.
constexpr char kAnything = '*';

struct Request {
  std::string method;  // upper case; empty when unknown
  std::string path;    // computed pieces as "*"; empty when unknown
};

std::string UpperVerb(std::string_view verb) {
  std::string upper;
  for (const char c : verb == "del" ? std::string_view("delete") : verb)
    upper.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
  return upper;
}

// The path of a string or template argument: what stands before the first "/" (a host, a base address) is dropped.
std::string PathOfArgument(Node argument) {
  argument = argument.Bare();
  std::string text;
  if (const auto value = StringValue(argument)) {
    text = *value;
  } else if (argument.Is(Kind::kTemplate)) {
    uint32_t from = argument.begin() + 1;
    for (const Node part : argument.Children()) {
      if (!part.Is(Kind::kSubstitution)) continue;
      text += argument.text().substr(from - argument.begin(), part.begin() - from);
      text.push_back(kAnything);
      from = part.end();
    }
    text += argument.text().substr(from - argument.begin(), argument.end() - 1 - from);
  } else if (argument.Is(Kind::kBinary) && argument.op() == Operator::kPlus) {
    const std::string left = PathOfArgument(argument[Field::kLeft]), right = PathOfArgument(argument[Field::kRight]);
    text = (left.empty() ? "*" : left) + (right.empty() ? "*" : right);
  }
  const size_t scheme = text.find("://");
  if (scheme != std::string::npos) text.erase(0, scheme + 3);
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return argument.Is(Kind::kBinary) ? text : std::string();
  text.erase(0, slash);
  return text.substr(0, text.find_first_of("?#"));
}

// Whether a request's path fits a route's: parameters and computed pieces fit anything.
bool Fits(std::string_view route, std::string_view path) {
  const auto parts = text::Split(text::WithoutSuffix(path, "/"), '/');
  const auto wanted = text::Split(text::WithoutSuffix(route, "/"), '/');
  if (parts.size() != wanted.size()) return false;
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool open = text::Contains(wanted[i], ":") || text::Contains(wanted[i], "*") || text::Contains(parts[i], "*");
    if (!open && parts[i] != wanted[i]) return false;
  }
  return true;
}

bool IsLocalAddress(Node argument) {
  const std::string text = text::Lower(argument.text());
  for (const char* sign : {"localhost", "127.0.0.1", "base", "url", "port", "address", "server", "origin", "host"}) {
    if (text::Contains(text, sign)) return true;
  }
  return false;
}

// Whether a call sends a request to the application under test.
std::optional<Request> RequestOf(const Model& model, Node call) {
  const std::string_view name = CalleeName(call);
  const bool verb = text::IsOneOf(name, kVerbs);
  const Node argument = ArgumentOf(call, 0);
  if (!verb && !text::IsOneOf(name, {"fetch", "request", "inject", "axios", "got"})) return std::nullopt;
  const std::string origin = model.OriginOf(CalleeOf(call));
  const std::string_view package = std::string_view(origin).substr(0, origin.find_first_of(".("));
  if (verb && text::IsOneOf(package, {"supertest", "supertest-as-promised", "chai", "chai-http", "pactum", "frisby",
                                      "supertest-session", "superagent"})) {
    return Request{UpperVerb(name), PathOfArgument(argument)};
  }
  if (text::IsOneOf(package, {"fetch", "node-fetch", "axios", "got", "undici", "http", "cross-fetch", "globalThis"}) &&
      (IsLocalAddress(argument) || PathOfArgument(argument).starts_with('/'))) {
    const auto method = StringValue(PropertyOf(ArgumentOf(call, 1), "method"));
    return Request{verb ? UpperVerb(name) : method ? *method : "GET", PathOfArgument(argument)};
  }
  // `api.get("/x")` on something a helper made, when the file or a helper it imports brought supertest: the chain
  // tells.
  if (verb && StringValue(argument).value_or("").starts_with("/")) {
    const Node chained = call.parent().parent();
    if (chained.Is(Kind::kCall) && text::IsOneOf(CalleeName(chained), {"expect", "send", "set", "query"}))
      return Request{UpperVerb(name), PathOfArgument(argument)};
  }
  return std::nullopt;
}

bool IsAssertion(Node call) {
  const std::string_view name = CalleeName(call);
  if (text::IsOneOf(name,
                    {"expect",   "assert", "should",  "equal",        "deepEqual",  "strictEqual",   "deepStrictEqual",
                     "notEqual", "throws", "rejects", "ok",           "match",      "toBe",          "toEqual",
                     "is",       "like",   "same",    "expectStatus", "expectJson", "expectJsonLike"})) {
    return true;
  }
  for (const char* word : {"expect", "assert", "verify", "check", "should", "ensure"}) {
    if (name.starts_with(word)) return true;
  }
  const std::string path = PathOf(CalleeOf(call));
  return path.starts_with("assert.") || path.starts_with("t.");
}

bool ChecksAnErrorStatus(Node call) {
  for (const Node argument : ArgumentsOf(call)) {
    const std::optional<double> number = NumberValue(argument);
    if (number && *number >= 400 && *number < 600) return true;
  }
  return false;
}

bool IsTestCase(Node call) {
  const std::string path = PathOf(CalleeOf(call));
  return text::IsOneOf(path, {"it", "test", "it.only", "test.only", "specify", "t.test", "test.serial", "it.concurrent",
                              "test.concurrent"});
}

class ApiTestReader {
 public:
  explicit ApiTestReader(const Model& model) : model_(model) {}

  ApiTests Read() {
    for (const auto& module : model_.modules()) {
      if (module->role == Role::kTest) File(*module);
    }
    Routes();
    return std::move(tests_);
  }

 private:
  void File(const Module& module) {
    bool holds_tests = false;
    for (const uint32_t id : module.tree.All(Kind::kCall)) {
      const Node call(&module.tree, id);
      if (IsTestCase(call)) {
        holds_tests = true;
        Case(call);
      }
      const std::string path = PathOf(CalleeOf(call));
      if (text::IsOneOf(path, {"it.only", "test.only", "describe.only", "context.only", "suite.only"}))
        tests_.exclusive.push_back(call);
      if (const auto request = RequestOf(model_, call)) requests_.push_back(*request);
    }
    if (!holds_tests) return;
    if (tests_.test_files++ == 0) tests_.first_file = WholeFile(module.file());
  }

  void Case(Node test) {
    bool requests = false, asserts = false, calls_own = false;
    for (const Node node : test.Descendants()) {
      if (!node.Is(Kind::kCall)) continue;
      requests = requests || RequestOf(model_, node).has_value();
      if (IsAssertion(node)) {
        asserts = true;
        tests_.error_answers += ChecksAnErrorStatus(node);
      } else if (!calls_own) {
        calls_own = static_cast<bool>(model_.FunctionCalledBy(node));
      }
    }
    if (!requests) return;
    if (asserts) {
      tests_.checked.push_back(test);
    } else if (!calls_own) {
      tests_.unchecked.push_back(test);
    }
  }

  void Routes() {
    std::set<std::string> seen;
    for (const Route& route : model_.routes()) {
      if (!route.path_exact || !seen.insert(route.method + " " + route.path).second) continue;
      ++tests_.routes;
      tests_.routes_reached += std::any_of(requests_.begin(), requests_.end(), [&](const Request& request) {
        const bool method = request.method.empty() || route.method == "ALL" || route.method == request.method;
        return method && Fits(route.path, request.path);
      });
    }
  }

  const Model& model_;
  ApiTests tests_;
  std::vector<Request> requests_;
};

}  // namespace

ApiTests FindApiTests(const Model& model) { return ApiTestReader(model).Read(); }

}  // namespace assay::code_analysis
