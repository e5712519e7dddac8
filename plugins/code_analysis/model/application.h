// The Express application: apps and routers, what is registered on them in which order, and what runs for a request.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_APPLICATION_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_APPLICATION_H_

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "plugins/code_analysis/model/guards.h"
#include "plugins/code_analysis/model/model.h"
#include "plugins/code_analysis/model/values.h"

namespace assay::code_analysis {

class Application {
 public:
  // Reads everything; `values` must outlive it.
  explicit Application(Values& values);

  const std::vector<App>& apps() const { return apps_; }
  const std::vector<Registration>& registrations() const { return registrations_; }
  const std::vector<Handler>& handlers() const { return handlers_; }
  const std::vector<Route>& routes() const { return routes_; }
  const std::vector<Listen>& listens() const { return listens_; }

  // The apps an expression can stand for; empty when it is none.
  std::vector<uint32_t> AppsOf(Node expression);

 private:
  // Where code runs, outermost first: (module, node) pairs compared in order.
  using Position = std::vector<std::pair<uint32_t, uint32_t>>;

  void FindApps();
  uint32_t AddApp(Node creation, bool is_router);
  void AppendApps(Node expression, int depth, std::vector<uint32_t>& out);
  std::optional<uint32_t> UncalledParameter(Node leaf);
  void FindRegistrations();
  void ReadRegistration(Node call, std::string_view name);
  void Register(uint32_t app, Node call, std::string method, Node path_holder, std::vector<Node> arguments);
  bool LooksLikePath(Node argument, bool verb, size_t remaining);
  void AddHandler(Node argument, Registration& registration, int depth);
  Handler HandlerOf(Node argument);
  Position PositionOf(Node node);
  void SortRegistrations();
  void FindListens();
  void ComposeRoutes();
  void Compose(uint32_t app, const std::vector<std::string>& prefixes, bool exact, std::vector<uint32_t> before,
               std::vector<uint32_t>& path);

  Values& values_;
  const ModuleGraph& graph_;
  std::vector<App> apps_;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> app_at_;  // (module, node of creation)
  std::vector<Registration> registrations_;
  std::vector<Position> positions_;  // of registrations, while they are sorted
  std::vector<Handler> handlers_;
  std::vector<Route> routes_;
  std::vector<Listen> listens_;
  std::vector<std::vector<uint32_t>> registrations_of_;
  std::vector<bool> mounted_;
  uint32_t compositions_ = 0;
};

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_APPLICATION_H_
