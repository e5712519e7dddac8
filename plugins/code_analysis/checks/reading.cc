#include "plugins/code_analysis/checks/reading.h"

#include <algorithm>
#include <array>

namespace assay::code_analysis {
namespace {

constexpr std::array<std::string_view, 11> kAnswers = {"send",     "json",     "end",        "render",
                                                       "redirect", "sendFile", "sendStatus", "jsonp",
                                                       "download", "sendfile", "writeHead"};

bool IsResponseName(std::string_view name) {
  return name == "res" || name == "response" || name == "_res" || name == "resp" || name == "reply";
}

Setting FindSetting(const Model& model, Node options, std::string_view key, int depth) {
  const Node object = model.Resolve(options).node;
  if (!object.Is(Kind::kObject)) return {.value = {}, .known = !options};
  if (const Node direct = PropertyOf(object, key)) return {.value = direct, .known = true};
  Setting result;
  for (Node child : object.Children()) {
    if (!child.Is(Kind::kSpread) || depth > 4) continue;
    const Setting inner = FindSetting(model, child.first_child(), key, depth + 1);
    if (inner) return inner;
    result.known = result.known && inner.known;
  }
  return result;
}

}  // namespace

bool ComesFrom(std::string_view origin, std::initializer_list<std::string_view> packages) {
  return std::any_of(packages.begin(), packages.end(), [&](std::string_view package) {
    if (origin.substr(0, package.size()) != package) return false;
    return origin.size() == package.size() || origin[package.size()] == '.' || origin[package.size()] == '(';
  });
}

bool Answers(const Model& model, Node call) {
  if (!call.Is(Kind::kCall)) return false;
  const std::string_view name = CalleeName(call);
  if (std::find(kAnswers.begin(), kAnswers.end(), name) == kAnswers.end()) return false;
  Node object = CalleeOf(call)[Field::kObject].Bare();
  for (int i = 0; i < 16 && object.Is(Kind::kCall); ++i) object = CalleeOf(object)[Field::kObject].Bare();
  if (object.Is(Kind::kMember)) return IsResponseName(object[Field::kProperty].text());
  if (!object.Is(Kind::kIdentifier)) return false;
  if (IsResponseName(object.text())) return true;
  const Node function = model.DeclarationOf(object).EnclosingFunction();
  const Handler* handler = function ? model.HandlerReaching(function) : nullptr;
  return handler != nullptr && handler->function == function && handler->response == object.text();
}

int StatusOf(Node call) {
  if (CalleeName(call) == "sendStatus") return static_cast<int>(NumberValue(ArgumentOf(call, 0)).value_or(0));
  Node object = CalleeOf(call)[Field::kObject].Bare();
  for (int i = 0; i < 16 && object.Is(Kind::kCall); ++i) {
    if (CalleeName(object) == "status") return static_cast<int>(NumberValue(ArgumentOf(object, 0)).value_or(0));
    object = CalleeOf(object)[Field::kObject].Bare();
  }
  return 0;
}

Setting SettingOf(const Model& model, Node options, std::string_view key) {
  return FindSetting(model, options, key, 0);
}

std::vector<Span> SpansOf(const Model& model, const std::vector<Node>& nodes) {
  std::vector<Span> spans;
  for (Node node : nodes) {
    if (node && spans.size() < 16) spans.push_back(model.SpanOf(node));
  }
  return spans;
}

std::vector<uint32_t> MainApps(const Model& model) {
  std::vector<uint32_t> listening, others;
  for (uint32_t i = 0; i < model.apps().size(); ++i) {
    if (model.apps()[i].listens) listening.push_back(i);
    if (!model.apps()[i].is_router) others.push_back(i);
  }
  return listening.empty() ? others : listening;
}

std::vector<const Registration*> RegistrationsOn(const Model& model, uint32_t app) {
  std::vector<const Registration*> found;
  for (const Registration& registration : model.registrations()) {
    if (registration.app == app) found.push_back(&registration);
  }
  return found;
}

bool BringsRoutes(const Model& model, const Registration& registration) {
  if (registration.method != "USE" && registration.method != "PARAM" && registration.method != "OPTIONS") return true;
  for (uint32_t mount : registration.mounts) {
    for (const Registration& inner : model.registrations()) {
      if (inner.app == mount && (inner.method != "USE" || !inner.mounts.empty())) return true;
    }
  }
  return false;
}

std::vector<std::string> OriginsOf(const Model& model, const Registration& registration) {
  std::vector<std::string> origins;
  for (uint32_t index : registration.handlers) {
    const Handler& handler = model.handlers()[index];
    if (!handler.origin.empty()) origins.push_back(handler.origin);
    for (Node wrapper : handler.wrappers) origins.push_back(model.OriginOf(wrapper));
  }
  return origins;
}

}  // namespace assay::code_analysis
