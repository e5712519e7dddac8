#include "plugins/code_analysis/model/request_data.h"

#include <algorithm>
#include <array>

namespace assay::code_analysis {
namespace {

constexpr uint32_t kMaxHops = 2;
constexpr int kMaxDepth = 40;
constexpr int kMaxSteps = 2000;

constexpr std::array<std::string_view, 16> kSources = {
    "body", "query",       "params", "headers",  "cookies", "signedCookies", "files",      "file",
    "url",  "originalUrl", "path",   "hostname", "rawBody", "fields",        "rawHeaders", "subdomains"};

bool IsSource(std::string_view name) { return std::find(kSources.begin(), kSources.end(), name) != kSources.end(); }

// Calls that make harmless text or numbers of what they are given.
bool Sanitises(std::string_view name) {
  static constexpr std::array<std::string_view, 18> kNames = {
      "parseInt",   "parseFloat", "Number",   "Boolean",  "escape",  "encodeURIComponent",
      "encodeURI",  "isValid",    "includes", "test",     "indexOf", "has",
      "startsWith", "basename",   "BigInt",   "escapeId", "hash",    "ObjectId"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace

RequestFlow::RequestFlow(Values& values, const Application& application) : values_(values) {
  for (const Handler& handler : application.handlers()) {
    const auto parameters = ParametersOf(handler.function);
    const size_t first = handler.is_error_handler ? 1 : 0;
    if (parameters.size() > first) requests_[{handler.function.tree(), parameters[first].id()}] = true;
  }
}

bool RequestFlow::IsRequest(Node object) {
  object = object.Bare();
  // ctx.req, this.req
  if (object.Is(Kind::kMember))
    return object[Field::kProperty].text() == "req" || object[Field::kProperty].text() == "request";
  if (!object.Is(Kind::kIdentifier)) return false;
  const Binding* binding = values_.BindingOf(object);
  if (binding == nullptr || binding->kind != BindingKind::kParameter) return false;
  const Node leaf(object.tree(), binding->leaf);
  if (requests_.count({leaf.tree(), leaf.id()}) != 0) return true;
  const std::string_view name = leaf.text();
  if (name == "req" || name == "request" || name == "_req") return true;
  const std::string_view type = TypeOf(leaf);
  return type == "Request" || type.substr(0, 8) == "Request<" || type.find("express.Request") != std::string_view::npos;
}

std::optional<RequestData> RequestFlow::In(Node expression) {
  steps_ = 0;
  return Find(expression, 0, 0);
}

std::optional<RequestData> RequestFlow::Find(Node expression, uint32_t hops, int depth) {
  const Node node = expression.Bare();
  if (!node || depth > kMaxDepth || ++steps_ > kMaxSteps) return std::nullopt;
  switch (node.kind()) {
    case Kind::kMember:
    case Kind::kSubscript: {
      const Node object = node[Field::kObject];
      if (IsRequest(object) && node.Is(Kind::kMember)) {
        if (IsSource(node[Field::kProperty].text())) return RequestData{.source = node, .hops = hops};
        return std::nullopt;
      }
      if (node.Is(Kind::kMember) &&
          (node[Field::kProperty].text() == "length" || node[Field::kProperty].text() == "size"))
        return std::nullopt;
      return Find(object, hops, depth + 1);
    }
    case Kind::kIdentifier:
    case Kind::kShorthand:
      return FindInLeaf(node, hops, depth);
    case Kind::kCall: {
      const Node callee = CalleeOf(node);
      const std::string_view name = CalleeName(node);
      if (Sanitises(name)) return std::nullopt;
      if (callee.Is(Kind::kMember) && IsRequest(callee[Field::kObject])) {
        if (name == "param" || name == "get" || name == "header") return RequestData{.source = node, .hops = hops};
        return std::nullopt;
      }
      // A method of tainted text, or a library function that passes text through. What a function of the repository
      // makes of it is its own affair, unless it hands its parameter back.
      if (callee.Is(Kind::kMember)) {
        if (const auto found = Find(callee[Field::kObject], hops, depth + 1)) return found;
      }
      if (values_.FunctionCalledBy(node)) return std::nullopt;
      const std::string origin = values_.Resolve(callee).origin;
      static constexpr std::array<std::string_view, 14> kPassing = {
          "String",         "decodeURIComponent", "decodeURI",    "path.join",      "path.resolve",
          "path.normalize", "util.format",        "JSON.parse",   "JSON.stringify", "Object.assign",
          "unescape",       "Buffer.from",        "lodash.merge", "url.parse"};
      if (std::find(kPassing.begin(), kPassing.end(), origin) == kPassing.end()) return std::nullopt;
      for (Node argument : ArgumentsOf(node)) {
        if (const auto found = Find(argument, hops, depth + 1)) return found;
      }
      return std::nullopt;
    }
    case Kind::kBinary:
      switch (node.op()) {
        case Operator::kPlus:
        case Operator::kOr:
        case Operator::kNullish:
        case Operator::kAnd:
          break;
        default:
          return std::nullopt;
      }
      if (const auto found = Find(node[Field::kLeft], hops, depth + 1)) return found;
      return Find(node[Field::kRight], hops, depth + 1);
    case Kind::kTernary:
      if (const auto found = Find(node[Field::kConsequence], hops, depth + 1)) return found;
      return Find(node[Field::kAlternative], hops, depth + 1);
    case Kind::kTemplate:
    case Kind::kSubstitution:
    case Kind::kObject:
    case Kind::kArray:
    case Kind::kSpread:
    case Kind::kAwait:
      for (Node child : node.Children()) {
        if (const auto found = Find(child, hops, depth + 1)) return found;
      }
      return std::nullopt;
    case Kind::kPair:
      return Find(node[Field::kValue], hops, depth + 1);
    case Kind::kNew:
      for (Node argument : ArgumentsOf(node)) {
        if (CalleeName(node) == "URL" || CalleeName(node) == "String") return Find(argument, hops, depth + 1);
      }
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<RequestData> RequestFlow::FindInLeaf(Node identifier, uint32_t hops, int depth) {
  const Binding* binding = values_.BindingOf(identifier);
  if (binding == nullptr) return std::nullopt;
  const Node leaf(identifier.tree(), binding->leaf), owner(identifier.tree(), binding->owner);
  if (binding->kind == BindingKind::kParameter) {
    // `({ body }, res) => …`
    Node pattern;
    for (Node parameter : ParametersOf(owner)) {
      if (parameter == leaf || parameter.Contains(leaf)) pattern = parameter;
    }
    if (pattern.Is(Kind::kObjectPattern) && requests_.count({pattern.tree(), pattern.id()}) != 0) {
      for (Node entry = leaf; entry && !(entry.parent() == pattern); entry = entry.parent()) {
        if (entry.parent().parent() == pattern && entry.parent().Is(Kind::kPairPattern))
          return IsSource(NameOf(entry.parent())) ? std::optional(RequestData{.source = leaf, .hops = hops})
                                                  : std::nullopt;
      }
      return IsSource(leaf.text()) ? std::optional(RequestData{.source = leaf, .hops = hops}) : std::nullopt;
    }
    if (hops >= kMaxHops) return std::nullopt;
    for (Node argument : values_.ArgumentsFor(leaf)) {
      if (const auto found = Find(argument, hops + 1, depth + 1)) return found;
    }
    return std::nullopt;
  }
  if (hops > kMaxHops) return std::nullopt;
  if (binding->kind == BindingKind::kVariable) {
    const Node initial = owner[Field::kValue];
    if (!(owner[Field::kName] == leaf) && IsRequest(initial)) {
      // const { body } = req; const { body: { name } } = req
      Node top = leaf;
      while (top && !(top.parent() == owner[Field::kName])) top = top.parent();
      const std::string_view key = top.Is(Kind::kPairPattern)         ? NameOf(top)
                                   : top.Is(Kind::kAssignmentPattern) ? top[Field::kLeft].text()
                                                                      : top.text();
      return IsSource(key) ? std::optional(RequestData{.source = leaf, .hops = hops}) : std::nullopt;
    }
    if (initial) {
      if (const auto found = Find(initial, hops + 1, depth + 1); found && found->hops <= kMaxHops) return found;
    }
    for (Node write : values_.WritesTo(owner)) {
      if (const auto found = Find(write[Field::kRight], hops + 1, depth + 1); found && found->hops <= kMaxHops)
        return found;
    }
    return std::nullopt;
  }
  if (binding->kind == BindingKind::kLoop && owner.Has(attribute::kOf))
    return Find(owner[Field::kRight], hops + 1, depth + 1);
  return std::nullopt;
}

}  // namespace assay::code_analysis
