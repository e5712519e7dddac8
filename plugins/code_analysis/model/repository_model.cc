#include "plugins/code_analysis/model/repository_model.h"

#include <algorithm>

#include "plugins/code_analysis/model/calls.h"

namespace assay::code_analysis {
namespace {

bool StartsWithOrigin(std::string_view origin, std::string_view prefix) {
  if (origin.substr(0, prefix.size()) != prefix) return false;
  return origin.size() == prefix.size() || origin[prefix.size()] == '.' || origin[prefix.size()] == '(';
}

}  // namespace

RepositoryModel::RepositoryModel(std::unique_ptr<ParsedRepository> repository)
    : repository_(std::move(repository)),
      values_(std::make_unique<Values>(*repository_->graph)),
      application_(std::make_unique<Application>(*values_)),
      request_path_(std::make_unique<RequestPath>(*values_, *application_)),
      flow_(std::make_unique<RequestFlow>(*values_, *application_)) {
  FindSignalHandlers();
}

const SourceFile* RepositoryModel::Find(std::string_view path) const {
  const auto& files = repository_->files;
  const auto at = std::lower_bound(files.begin(), files.end(), path,
                                   [](const SourceFile& file, std::string_view p) { return file.path < p; });
  return at != files.end() && at->path == path ? &*at : nullptr;
}

const Module& RepositoryModel::ModuleOf(Node node) const {
  return repository_->graph->at(repository_->graph->IndexOf(node.tree()));
}

template <typename Lookup>
void RepositoryModel::ForEach(Lookup lookup, std::initializer_list<std::string_view> names,
                              const std::function<void(Node)>& visit, Role role) const {
  for (const auto& module : modules()) {
    if (module->role != role) continue;
    std::vector<Node> found;
    for (std::string_view name : names) {
      const std::vector<Node> some = lookup(module->tree, name);
      found.insert(found.end(), some.begin(), some.end());
    }
    std::sort(found.begin(), found.end(), [](Node a, Node b) { return a.id() < b.id(); });
    for (Node node : found) visit(node);
  }
}

void RepositoryModel::ForEachCall(std::initializer_list<std::string_view> names, const std::function<void(Node)>& visit,
                                  Role role) const {
  ForEach([](const SyntaxTree& tree, std::string_view name) { return tree.CallsNamed(name); }, names, visit, role);
}
void RepositoryModel::ForEachMember(std::initializer_list<std::string_view> names,
                                    const std::function<void(Node)>& visit, Role role) const {
  ForEach([](const SyntaxTree& tree, std::string_view name) { return tree.MembersNamed(name); }, names, visit, role);
}
void RepositoryModel::ForEachProperty(std::initializer_list<std::string_view> names,
                                      const std::function<void(Node)>& visit, Role role) const {
  ForEach([](const SyntaxTree& tree, std::string_view name) { return tree.PropertiesNamed(name); }, names, visit, role);
}

const Handler* RepositoryModel::HandlerReaching(Node node) const {
  const auto handler = request_path_->HandlerOf(node);
  return handler ? &handlers()[*handler] : nullptr;
}

bool RepositoryModel::IsRegistered(std::initializer_list<std::string_view> origins) const {
  const auto matches = [&](std::string_view origin) {
    return std::any_of(origins.begin(), origins.end(), [&](std::string_view o) { return StartsWithOrigin(origin, o); });
  };
  for (const Handler& handler : handlers()) {
    if (matches(handler.origin)) return true;
    for (Node wrapper : handler.wrappers) {
      if (matches(values_->Resolve(CalleeOf(wrapper)).origin)) return true;
    }
    if (!handler.function) continue;
    for (Node call : handler.function.tree()->AllInside(Kind::kCall, handler.function)) {
      if (matches(values_->Resolve(CalleeOf(call)).origin)) return true;
    }
  }
  return false;
}

DatabaseKind RepositoryModel::DatabaseCall(Node call) const {
  return DatabaseKindOf(values_->Resolve(CalleeOf(call)).origin, call);
}
std::string RepositoryModel::OutboundCall(Node call) const {
  return OutboundOrigin(values_->Resolve(CalleeOf(call)).origin);
}

// process.on("SIGTERM", f), also in a loop over names.
void RepositoryModel::FindSignalHandlers() {
  ForEachCall(
      {"on", "once", "addListener", "prependListener"},
      [&](Node call) {
        const Node callee = CalleeOf(call);
        if (!callee.Is(Kind::kMember)) return;
        const std::string origin = values_->Resolve(callee[Field::kObject]).origin;
        if (origin != "process" && origin.compare(0, 10, "process.on") != 0) return;
        const Node listener = ArgumentOf(call, 1);
        Value value = values_->Resolve(listener);
        // `(…) => shutdown("SIGTERM")` and factories that return the listener are followed by whoever reads it.
        for (const std::string& event : values_->TextsOf(ArgumentOf(call, 0)).values) {
          signal_handlers_.push_back({.event = event,
                                      .function = value.node.IsFunction() ? value.node : Node(),
                                      .call = call,
                                      .guard = GuardAround(call).guard});
        }
      },
      Role::kServer);
}

Span RepositoryModel::Anchor() const {
  for (const Listen& listen : listens()) {
    if (listen.app && apps()[*listen.app].creation) return SpanOf(apps()[*listen.app].creation);
  }
  for (const App& app : apps()) {
    if (!app.is_router) return SpanOf(app.creation);
  }
  if (!apps().empty()) return SpanOf(apps()[0].creation);
  if (package().file != nullptr) return LineOf(*package().file, 1);
  return files().empty() ? Span{} : WholeFile(files()[0]);
}

}  // namespace assay::code_analysis
