// The Model over a parsed repository.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_REPOSITORY_MODEL_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_REPOSITORY_MODEL_H_

#include <memory>
#include <vector>

#include "plugins/code_analysis/model/application.h"
#include "plugins/code_analysis/model/model.h"
#include "plugins/code_analysis/model/module_graph.h"
#include "plugins/code_analysis/model/request_data.h"
#include "plugins/code_analysis/model/request_path.h"
#include "plugins/code_analysis/model/values.h"

namespace assay::code_analysis {

struct ParsedRepository {
  std::vector<SourceFile> files;  // sorted by path; modules point into it
  PackageFacts package;
  VersionFacts versions;
  std::unique_ptr<ModuleGraph> graph;
  std::vector<Skipped> skipped;
};

class RepositoryModel final : public Model {
 public:
  explicit RepositoryModel(std::unique_ptr<ParsedRepository> repository);

  const std::vector<SourceFile>& files() const override { return repository_->files; }
  const SourceFile* Find(std::string_view path) const override;
  const std::vector<std::unique_ptr<Module>>& modules() const override { return repository_->graph->modules(); }
  const std::vector<Skipped>& skipped() const override { return repository_->skipped; }
  const std::vector<ModuleEdge>& edges() const override { return repository_->graph->edges(); }
  const PackageFacts& package() const override { return repository_->package; }
  const VersionFacts& versions() const override { return repository_->versions; }
  const Module& ModuleOf(Node node) const override;
  std::vector<Node> ImportsOf(std::string_view package) const override {
    return repository_->graph->PackageImports(package);
  }

  void ForEachCall(std::initializer_list<std::string_view> names, const std::function<void(Node)>& visit,
                   Role role) const override;
  void ForEachMember(std::initializer_list<std::string_view> names, const std::function<void(Node)>& visit,
                     Role role) const override;
  void ForEachProperty(std::initializer_list<std::string_view> names, const std::function<void(Node)>& visit,
                       Role role) const override;

  Value Resolve(Node expression) const override { return values_->Resolve(expression); }
  Node FunctionCalledBy(Node call) const override { return values_->FunctionCalledBy(call); }
  std::vector<Node> CallersOf(Node function) const override { return values_->CallersOf(function); }
  Node DeclarationOf(Node identifier) const override { return values_->DeclarationOf(identifier); }
  std::vector<Node> WritesTo(Node declaration) const override { return values_->WritesTo(declaration); }
  std::vector<std::string> TextsOf(Node expression) const override { return values_->TextsOf(expression).values; }
  std::optional<RequestData> RequestDataIn(Node expression) const override { return flow_->In(expression); }

  const std::vector<App>& apps() const override { return application_->apps(); }
  const std::vector<Registration>& registrations() const override { return application_->registrations(); }
  const std::vector<Handler>& handlers() const override { return application_->handlers(); }
  const std::vector<Route>& routes() const override { return application_->routes(); }
  std::vector<uint32_t> AppsOf(Node expression) const override { return application_->AppsOf(expression); }
  bool OnRequestPath(Node node) const override { return request_path_->HandlerOf(node).has_value(); }
  const Handler* HandlerReaching(Node node) const override;
  bool IsRegistered(std::initializer_list<std::string_view> origins) const override;

  DatabaseKind DatabaseCall(Node call) const override;
  std::string OutboundCall(Node call) const override;

  const std::vector<Listen>& listens() const override { return application_->listens(); }
  const std::vector<SignalHandler>& signal_handlers() const override { return signal_handlers_; }
  Guard GuardOf(Node node) const override { return GuardAround(node).guard; }

  Span SpanOf(Node node) const override { return node ? node.tree()->SpanOf(node) : Span{}; }
  Span Anchor() const override;

 private:
  template <typename Lookup>
  void ForEach(Lookup lookup, std::initializer_list<std::string_view> names, const std::function<void(Node)>& visit,
               Role role) const;
  void FindSignalHandlers();

  std::unique_ptr<ParsedRepository> repository_;
  std::unique_ptr<Values> values_;
  std::unique_ptr<Application> application_;
  std::unique_ptr<RequestPath> request_path_;
  std::unique_ptr<RequestFlow> flow_;
  std::vector<SignalHandler> signal_handlers_;
};

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_REPOSITORY_MODEL_H_
