// SPDX-License-Identifier: Apache-2.0
// K: which way dependencies point, cycles, and how much happens in handlers.
#include <algorithm>
#include <map>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/checks/constants.h"
#include "plugins/code_analysis/checks/layers.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

// Below these sizes a flat application is the right one.
constexpr size_t kModulesForLayers = 10;
constexpr size_t kRoutesForLayers = 5;
constexpr size_t kModulesForCycles = 6;
constexpr size_t kRoutesForHandlers = 8;
constexpr size_t kMaxEvidence = 12;

constexpr uint32_t kManyStatements = 40;
constexpr uint32_t kManyBranches = 15;

// The imports between modules of the server that are there when it runs.
std::vector<ModuleEdge> RuntimeEdges(const Model& model) {
  std::vector<bool> runs(model.modules().size());
  for (size_t i = 0; i < runs.size(); ++i)
    runs[i] = model.modules()[i]->role == Role::kServer && !HoldsOnlyTypes(*model.modules()[i]);
  std::vector<ModuleEdge> edges;
  for (const ModuleEdge& edge : model.edges()) {
    if (!edge.type_only && runs[edge.from] && runs[edge.to] && edge.from != edge.to) edges.push_back(edge);
  }
  return edges;
}

std::string PathOfModule(const Model& model, uint32_t index) {
  return std::string(model.modules()[index]->file().path);
}

// ---- K1 ----

void DependenciesPointInward(const Model& model, Reporter& reporter) {
  const std::vector<ModuleLayer> layers = ReadLayers(model);
  size_t modules = 0, web = 0, data = 0, mixed = 0, plain = 0;
  std::vector<Span> mixed_places;
  for (size_t i = 0; i < layers.size(); ++i) {
    const ModuleLayer& layer = layers[i];
    if (!layer.server) continue;
    ++modules;
    web += layer.touches_requests;
    data += layer.data;
    plain += !layer.touches_requests && !layer.data && !layer.only_exports && !layer.composes;
    if (!layer.touches_requests || !layer.data || layer.composes) continue;
    ++mixed;
    mixed_places.push_back(model.SpanOf(layer.data_site));
  }
  if (modules < kModulesForLayers || model.routes().size() < kRoutesForLayers || data == 0) {
    reporter.NotObservedYet("The application is too small for layers, or reaches no database itself.");
    return;
  }
  // Business code is what handlers use and what reaches the data; a logger, a list of settings or what puts the parts
  // together may touch both sides.
  std::vector<bool> reaches_data(layers.size()), used_by_web(layers.size());
  const std::vector<ModuleEdge> runtime_edges = RuntimeEdges(model);
  for (const ModuleEdge& edge : runtime_edges) {
    if (layers[edge.to].data) reaches_data[edge.from] = true;
    if (layers[edge.from].touches_requests && !layers[edge.from].composes) used_by_web[edge.to] = true;
  }
  size_t edges = 0, outward = 0, through = 0, direct = 0;
  std::vector<Span> evidence;
  for (const ModuleEdge& edge : runtime_edges) {
    const ModuleLayer &from = layers[edge.from], &to = layers[edge.to];
    ++edges;
    const bool between = !from.touches_requests && !from.data && !from.only_exports && !from.composes;
    if (to.data && !to.touches_requests) {
      direct += from.touches_requests && !from.composes;
      through += between;
    }
    // Data or business code that depends on what answers requests.
    const bool inner = from.data || (between && reaches_data[edge.from] && used_by_web[edge.from]);
    const bool wrong =
        to.web && !to.composes && !from.touches_requests && !from.composes && !from.only_exports && inner;
    if (!wrong) continue;
    ++outward;
    const Span span = model.SpanOf(edge.site);
    if (evidence.size() < kMaxEvidence) evidence.push_back(span);
    reporter.Find(span,
                  text::Cat({"The code suggests that ", from.data ? "code of the database" : "code without a framework",
                             " depends here on `", PathOfModule(model, edge.to), "`, which answers requests."}));
  }
  for (const Span& place : mixed_places) {
    if (evidence.size() < kMaxEvidence) evidence.push_back(place);
    reporter.Find(place, Severity::kNote,
                  "The code suggests that this file both answers requests and speaks to the database: neither can "
                  "change or be tested without the other.");
  }
  const double mixed_share = static_cast<double>(mixed) / static_cast<double>(std::max<size_t>(1, web + data - mixed));
  const double outward_share = static_cast<double>(outward) / static_cast<double>(std::max<size_t>(1, edges));
  const double indirect =
      through + direct == 0 ? 0.5 : static_cast<double>(through) / static_cast<double>(through + direct);
  const double value =
      0.45 * (1 - std::min(1.0, 2 * mixed_share)) + 0.3 * (1 - std::min(1.0, 10 * outward_share)) + 0.25 * indirect;
  if (evidence.empty()) evidence.push_back(model.Anchor());
  reporter.Observe(
      value, 0.2,
      text::Cat(
          {"Of ", std::to_string(modules), " modules ", std::to_string(web), " have to do with requests, ",
           std::to_string(data), " with the database, ", std::to_string(mixed), " with both, ", std::to_string(plain),
           " with neither; imports from inner code to code that answers requests: ", std::to_string(outward), "."}),
      std::move(evidence));
}

// ---- K2 ----

// Strongly connected components of more than one module (Tarjan, without recursion).
class CycleFinder {
 public:
  explicit CycleFinder(const Model& model)
      : next_(model.modules().size()),
        index_(next_.size(), 0),
        low_(next_.size(), 0),
        on_stack_(next_.size(), false) {
    for (const ModuleEdge& edge : RuntimeEdges(model)) {
      // What runs later may look back: by then both modules are loaded.
      if (!edge.lazy) next_[edge.from].push_back({edge.to, edge.site});
    }
  }

  struct Step {
    uint32_t to;
    Node site;
  };

  std::vector<std::vector<uint32_t>> Components() {
    for (uint32_t i = 0; i < next_.size(); ++i) {
      if (index_[i] == 0) Visit(i);
    }
    for (auto& component : components_) std::sort(component.begin(), component.end());
    std::sort(components_.begin(), components_.end());
    return components_;
  }

  // The shortest way from the first module of a component back to itself; the steps taken.
  std::vector<Step> Shortest(const std::vector<uint32_t>& component) const {
    const std::set<uint32_t> members(component.begin(), component.end());
    const uint32_t start = component.front();
    std::map<uint32_t, std::pair<uint32_t, Node>> came_from;
    std::queue<uint32_t> open;
    open.push(start);
    while (!open.empty()) {
      const uint32_t at = open.front();
      open.pop();
      for (const Step& step : next_[at]) {
        if (!members.contains(step.to) || came_from.contains(step.to)) continue;
        came_from[step.to] = {at, step.site};
        if (step.to == start) return Unwind(came_from, start);
        open.push(step.to);
      }
    }
    return {};
  }

 private:
  struct Frame {
    uint32_t module;
    size_t position;
  };

  void Visit(uint32_t root) {
    std::vector<Frame> frames;
    Enter(root, &frames);
    while (!frames.empty()) {
      Frame& frame = frames.back();
      if (frame.position < next_[frame.module].size()) {
        const uint32_t to = next_[frame.module][frame.position++].to;
        if (index_[to] == 0) {
          Enter(to, &frames);
        } else if (on_stack_[to]) {
          low_[frame.module] = std::min(low_[frame.module], index_[to]);
        }
        continue;
      }
      const uint32_t done = frame.module;
      frames.pop_back();
      if (!frames.empty()) low_[frames.back().module] = std::min(low_[frames.back().module], low_[done]);
      if (low_[done] == index_[done]) Close(done);
    }
  }

  void Enter(uint32_t module, std::vector<Frame>* frames) {
    index_[module] = low_[module] = ++counter_;
    stack_.push_back(module);
    on_stack_[module] = true;
    frames->push_back({module, 0});
  }

  void Close(uint32_t root) {
    std::vector<uint32_t> component;
    uint32_t member = 0;
    do {
      member = stack_.back();
      stack_.pop_back();
      on_stack_[member] = false;
      component.push_back(member);
    } while (member != root);
    if (component.size() > 1) components_.push_back(std::move(component));
  }

  static std::vector<Step> Unwind(const std::map<uint32_t, std::pair<uint32_t, Node>>& came_from, uint32_t start) {
    std::vector<Step> steps;
    uint32_t at = start;
    do {
      const auto& [from, site] = came_from.at(at);
      steps.push_back({at, site});
      at = from;
    } while (at != start);
    std::reverse(steps.begin(), steps.end());
    return steps;
  }

  std::vector<std::vector<Step>> next_;
  std::vector<uint32_t> index_, low_;
  std::vector<bool> on_stack_;
  std::vector<uint32_t> stack_;
  uint32_t counter_ = 0;
  std::vector<std::vector<uint32_t>> components_;
};

void NoCycles(const Model& model, Reporter& reporter) {
  const auto modules =
      static_cast<size_t>(std::count_if(model.modules().begin(), model.modules().end(),
                                        [](const auto& module) { return module->role == Role::kServer; }));
  if (modules < kModulesForCycles) {
    reporter.NotObservedYet("The server has fewer than six modules.");
    return;
  }
  CycleFinder finder(model);
  const auto components = finder.Components();
  size_t inside = 0;
  std::vector<Span> evidence;
  for (const auto& component : components) {
    inside += component.size();
    const auto steps = finder.Shortest(component);
    if (steps.empty()) continue;
    const Span span = model.SpanOf(steps.front().site);
    std::string way = text::Cat({"`", PathOfModule(model, component.front()), "`"});
    for (size_t i = 0; i < steps.size() && i < 6; ++i)
      way += text::Cat({" → `", PathOfModule(model, steps[i].to), "`"});
    if (steps.size() > 6) way += " → …";
    if (evidence.size() < kMaxEvidence) evidence.push_back(span);
    reporter.Find(span, text::Cat({"The code suggests a cycle of imports: ", way,
                                   component.size() > steps.size() ? text::Cat({"; ", std::to_string(component.size()),
                                                                                " modules hang together in it"})
                                                                   : "",
                                   "."}));
  }
  if (components.empty()) {
    reporter.Observe(1.0, error_of::kSinglePlace,
                     text::Cat({"No cycle among the imports of ", std::to_string(modules), " modules."}),
                     {model.Anchor()});
    return;
  }
  const double share = static_cast<double>(inside) / static_cast<double>(modules);
  reporter.Observe(std::clamp(0.65 - 1.5 * share, 0.05, 0.65), error_of::kHarmfulPlace,
                   text::Cat({"Cycles of imports: ", std::to_string(components.size()),
                              "; modules in them: ", std::to_string(inside), " of ", std::to_string(modules), "."}),
                   std::move(evidence));
}

// ---- K3 ----

struct HandlerSize {
  Node function;
  uint32_t statements = 0;
  uint32_t branches = 0;
  Node query;  // the first database call in it
};

bool IsStatement(Kind kind) {
  switch (kind) {
    case Kind::kExpressionStatement:
    case Kind::kVariableDeclaration:
    case Kind::kIf:
    case Kind::kFor:
    case Kind::kForIn:
    case Kind::kWhile:
    case Kind::kDoWhile:
    case Kind::kSwitch:
    case Kind::kReturn:
    case Kind::kThrow:
    case Kind::kTry:
      return true;
    default:
      return false;
  }
}

bool IsBranch(Node node) {
  switch (node.kind()) {
    case Kind::kIf:
    case Kind::kFor:
    case Kind::kForIn:
    case Kind::kWhile:
    case Kind::kDoWhile:
    case Kind::kCase:
    case Kind::kCatch:
    case Kind::kTernary:
      return true;
    case Kind::kBinary:
      return node.op() == Operator::kAnd || node.op() == Operator::kOr;
    default:
      return false;
  }
}

HandlerSize Measure(const Model& model, Node function) {
  HandlerSize size{function, 0, 0, {}};
  for (const Node node : BodyOf(function).Descendants()) {
    size.statements += IsStatement(node.kind());
    size.branches += IsBranch(node);
    if (!size.query && node.Is(Kind::kCall)) {
      const DatabaseKind kind = model.DatabaseCall(node);
      if (kind != DatabaseKind::kNone && kind != DatabaseKind::kConnect) size.query = node;
    }
  }
  return size;
}

uint32_t Quantile(std::vector<uint32_t> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

// Functions of the repository that answer routes, each once.
std::vector<Node> RouteHandlers(const Model& model) {
  std::vector<Node> functions;
  std::set<std::pair<const SyntaxTree*, uint32_t>> seen;
  for (const Route& route : model.routes()) {
    for (const uint32_t index : route.handlers) {
      const Node function = model.handlers()[index].function;
      if (function && seen.insert({function.tree(), function.id()}).second) functions.push_back(function);
    }
  }
  return functions;
}

void HandlersAreThin(const Model& model, Reporter& reporter) {
  const std::vector<Node> functions = RouteHandlers(model);
  if (model.routes().size() < kRoutesForHandlers || functions.size() < kRoutesForHandlers / 2) {
    reporter.NotObservedYet(model.routes().size() < kRoutesForHandlers
                                ? "There are fewer than eight routes; small applications are rightly flat."
                                : "Too few handlers could be followed to their functions.");
    return;
  }
  std::set<uint32_t> registering;
  for (const Registration& registration : model.registrations())
    registering.insert(model.ModuleOf(registration.call).index);
  std::vector<uint32_t> statements;
  std::vector<Span> evidence;
  std::set<uint32_t> reported;
  size_t heavy = 0, querying = 0;
  for (const Node function : functions) {
    const HandlerSize size = Measure(model, function);
    statements.push_back(size.statements);
    const Span span = model.SpanOf(function);
    const Span head{span.file, span.line, span.column, span.line, span.column + 1};
    if (size.statements > kManyStatements || size.branches > kManyBranches) {
      ++heavy;
      if (evidence.size() < kMaxEvidence) evidence.push_back(head);
      reporter.Find(head,
                    text::Cat({"The code suggests that much happens in this handler: ", std::to_string(size.statements),
                               " statements and ", std::to_string(size.branches), " branches."}));
    }
    const uint32_t module = model.ModuleOf(function).index;
    if (!size.query || !registering.contains(module)) continue;
    ++querying;
    if (evidence.size() < kMaxEvidence) evidence.push_back(model.SpanOf(size.query));
    if (reported.insert(module).second) {
      reporter.Find(model.SpanOf(size.query), Severity::kNote,
                    text::Cat({"The code suggests that the file that registers routes queries the database itself (",
                               Code(CalleeOf(size.query)), ")."}));
    }
  }
  const uint32_t median = Quantile(statements, 0.5), high = Quantile(statements, 0.95);
  const auto count = static_cast<double>(functions.size());
  double value =
      1.0 - 0.35 * static_cast<double>(querying) / count - std::min(0.35, 1.5 * static_cast<double>(heavy) / count);
  if (median > 20) value -= 0.2;
  if (high > kManyStatements) value -= 0.1;
  if (evidence.empty()) evidence.push_back(model.SpanOf(functions.front()));
  reporter.Observe(
      std::clamp(value, 0.0, 1.0), error_of::kCrossFile,
      text::Cat({"Statements in a handler: ", std::to_string(median), " at the median, ", std::to_string(high),
                 " at the 95th percentile; handlers that query the database in the file of the routes: ",
                 std::to_string(querying), " of ", std::to_string(functions.size()), "."}),
      std::move(evidence));
}

constexpr Check kChecks[] = {
    {
        .id = "K1",
        .criterion = "structure.dependency_direction",
        .title = "Dependencies point from requests to the domain to the data",
        .severity = Severity::kWarning,
        .help = "Code that decides should know neither the web framework nor the driver: then it can be tested without "
                "them and either can be "
                "replaced. Let handlers call plain functions, pass what reaches the database in as an argument, and "
                "never import a router or a "
                "request from below.",
        .question = "Which of the rules in this file could you test without starting Express and a database, and what "
                    "keeps you from the others?",
        .good_answer = "Names the import that joins the layers, moves the decision into a function with plain "
                       "arguments, passes the repository in, "
                       "and says at which size that is worth it.",
        .run = DependenciesPointInward,
    },
    {
        .id = "K2",
        .criterion = "structure.no_cycles",
        .title = "Modules do not import each other in circles",
        .severity = Severity::kWarning,
        .help = "In a cycle one module sees the other half loaded, so the order of imports decides what is undefined, "
                "and none can be understood or "
                "moved alone. Move what both need into a third module, or pass it in as an argument.",
        .question = "Which of these modules is loaded first, and what does it see of the other at that moment?",
        .good_answer = "Explains partial exports of CommonJS or the temporal dead zone of ES modules, finds the one "
                       "import that should be turned, and "
                       "moves the shared part or injects it.",
        .run = NoCycles,
    },
    {
        .id = "K3",
        .criterion = "structure.thin_handlers",
        .title = "Handlers translate, and little more",
        .severity = Severity::kNote,
        .help = "A handler reads the request, calls one function that does the work, and writes the answer. What else "
                "stands there can be reached only "
                "over HTTP and is written again for the next caller (a job, a second version of the route). Move rules "
                "and queries behind "
                "functions with plain arguments.",
        .question = "A job that runs at night needs what this handler does. What would you move, and what stays?",
        .good_answer = "Separates parsing and status codes from the rule and the query, gives the function's "
                       "signature, and keeps error translation in "
                       "one place.",
        .run = HandlersAreThin,
    },
};

}  // namespace

std::span<const Check> StructureChecks() { return kChecks; }

}  // namespace assay::code_analysis
