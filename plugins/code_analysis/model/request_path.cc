#include "plugins/code_analysis/model/request_path.h"

#include <deque>

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxFunctions = 50000;

}  // namespace

RequestPath::RequestPath(Values& values, const Application& application) {
  std::deque<Node> queue;
  const auto reach = [&](Node function, uint32_t handler) {
    if (!function.IsFunction() || reached_.size() >= kMaxFunctions) return;
    if (reached_.emplace(Key(function.tree(), function.id()), handler).second) queue.push_back(function);
  };
  for (uint32_t i = 0; i < application.handlers().size(); ++i) reach(application.handlers()[i].function, i);
  while (!queue.empty()) {
    const Node function = queue.front();
    queue.pop_front();
    const uint32_t handler = reached_.at(Key(function.tree(), function.id()));
    for (Kind kind : {Kind::kCall, Kind::kNew}) {
      for (Node call : function.tree()->AllInside(kind, function)) {
        reach(values.FunctionCalledBy(call), handler);
        // A function that is handed on by name is taken as called.
        for (Node argument : ArgumentsOf(call)) {
          if (argument.Is(Kind::kIdentifier)) reach(values.Resolve(argument).node, handler);
        }
      }
    }
  }
}

std::optional<uint32_t> RequestPath::HandlerOf(Node node) const {
  Node function = node.IsFunction() ? node : node.EnclosingFunction();
  for (; function; function = function.EnclosingFunction()) {
    const auto found = reached_.find(Key(function.tree(), function.id()));
    if (found != reached_.end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace assay::code_analysis
