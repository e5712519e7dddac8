// The model of one repository that every check reads: files, modules, where names come from, the Express application
// (apps, ordered registrations, routes, handlers), the process around it, packages and versions.
//
// Built once by AnalyseRepository (analyser.h); immutable afterwards. Checks run one after another on one thread; the
// answers of Resolve and friends are cached inside.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_MODEL_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_MODEL_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/code_analysis/model/package.h"
#include "plugins/code_analysis/source/source_file.h"
#include "plugins/code_analysis/syntax/syntax_tree.h"

namespace assay::code_analysis {

// What a module is for. Only kServer modules are the application; most checks read nothing else.
enum class Role : uint8_t { kServer, kTest, kTool, kBrowser, kConfiguration, kDeclaration };

struct Module {
  explicit Module(const SourceFile* file) : tree(file) {}
  SyntaxTree tree;
  Role role = Role::kServer;
  uint32_t index = 0;  // in Model::modules()
  const SourceFile& file() const { return tree.file(); }
};

// A file that was not analysed, and why: "larger than 8 MiB", "not UTF-8", "minified or bundled", …
struct Skipped {
  const SourceFile* file = nullptr;
  std::string reason;
  bool ordinary = false;  // nobody expects it to be read: a dependency, compiled from another file, minified
};

// An import edge. Order: by (from, line).
struct ModuleEdge {
  uint32_t from = 0;
  uint32_t to = 0;
  Node site;
  bool type_only = false;
  bool lazy = false;  // inside a function, or `await import()`: it runs later than the importing module's top level
};

// Where a value comes from.
struct Value {
  // The expression or declaration that makes it: function, class, object, array, literal, call, `new`, parameter. None
  // when unknown.
  Node node;
  // For what comes from a package or from Node: its path there, calls as "()": "express", "express.Router()",
  // "fs.readFileSync", "pg.Pool()" for `new Pool()`, "axios.create().get", "process.env.PORT". "node:" and ".default"
  // are dropped, and require("util").promisify(f) and f.bind() are f. Empty for what the repository defines itself.
  std::string origin;
  // For require() and namespace imports of a file of the repository: that file's root node.
  Node exports;
};

enum class DatabaseKind : uint8_t { kNone, kRead, kWrite, kRaw, kConnect };

// A function that answers requests: registered on an app or router.
struct Handler {
  Node function;   // none when it could not be followed (`reference` says what was registered)
  Node reference;  // the argument at the registration
  uint32_t registration = 0;
  bool is_error_handler = false;             // arity 4
  bool is_middleware = false;                // registered by use()
  std::vector<Node> wrappers;                // calls around it at the registration, outermost first: asyncHandler(f)
  std::string_view request, response, next;  // parameter names; empty when destructured or absent
  std::string origin;                        // for functions of packages: "helmet()", "cors()"
};

// Under which condition something happens.
enum class Guard : uint8_t { kNone, kProductionOnly, kDevelopmentOnly, kConfigurable };

struct App {
  Node creation;  // express(), Router(), the factory's call
  bool is_router = false;
  bool listens = false;  // it, or a server made of it, is the one that listens
  std::string name;      // for messages: the variable's name
};

// One call of use, get, post, all, param, route(…).get, in the order Express sees them within its app.
struct Registration {
  uint32_t app = 0;
  std::string method;              // "USE", "ALL", "GET", …
  std::vector<std::string> paths;  // as written on this app; "" for use() without a path
  bool path_exact = true;          // false: part of a path is computed at run time; that part stands as nothing
  std::vector<uint32_t> handlers;  // in Model::handlers()
  std::vector<uint32_t> mounts;    // in Model::apps(): routers given as handlers
  Node call;
  uint32_t order = 0;  // position within its app
  Guard guard = Guard::kNone;
  std::string guard_text;
};

struct Route {
  std::string method;  // upper case, or "ALL"
  std::string path;    // every mount prefix applied
  bool path_exact = true;
  uint32_t registration = 0;
  std::vector<uint32_t> handlers;  // those of the registration itself
  // Registrations of use() that run before the route, outermost app first, in order.
  std::vector<uint32_t> before;
};

struct SignalHandler {
  std::string event;  // "SIGTERM", "uncaughtException", …
  Node function;      // none when it could not be followed
  Node call;          // process.on(…)
  Guard guard = Guard::kNone;
};

struct Listen {
  Node call;                    // x.listen(…)
  Node server;                  // the expression in front of .listen
  std::optional<uint32_t> app;  // in Model::apps()
  Node port;                    // the first argument
};

struct RequestData {
  Node source;        // `req.query.name`, or the destructured name's declaration
  uint32_t hops = 0;  // variables and parameters in between
};

class Model {
 public:
  virtual ~Model() = default;

  // ---- files ----
  virtual const std::vector<SourceFile>& files() const = 0;  // all, sorted by path
  virtual const SourceFile* Find(std::string_view path) const = 0;
  virtual const std::vector<std::unique_ptr<Module>>& modules()
      const = 0;  // analysed JavaScript and TypeScript, sorted by path
  virtual const std::vector<Skipped>& skipped() const = 0;
  virtual const std::vector<ModuleEdge>& edges() const = 0;
  virtual const PackageFacts& package() const = 0;
  virtual const VersionFacts& versions() const = 0;
  virtual const Module& ModuleOf(Node node) const = 0;
  // Where a package is imported: import statements, require() and import() calls, in order.
  virtual std::vector<Node> ImportsOf(std::string_view package) const = 0;

  // ---- looking things up over all modules of a role, in order of path and position ----
  virtual void ForEachCall(std::initializer_list<std::string_view> names, const std::function<void(Node call)>& visit,
                           Role role = Role::kServer) const = 0;
  virtual void ForEachMember(std::initializer_list<std::string_view> names,
                             const std::function<void(Node member)>& visit, Role role = Role::kServer) const = 0;
  virtual void ForEachProperty(std::initializer_list<std::string_view> names,
                               const std::function<void(Node property)>& visit, Role role = Role::kServer) const = 0;

  // ---- values ----
  virtual Value Resolve(Node expression) const = 0;
  std::string OriginOf(Node expression) const { return Resolve(expression).origin; }
  // The function a call runs, when the repository defines it.
  virtual Node FunctionCalledBy(Node call) const = 0;
  // Where a function of the repository is called in server modules; at most 64 places.
  virtual std::vector<Node> CallersOf(Node function) const = 0;
  // The declaration an identifier names inside its file: declarator, parameter, function, class, import specifier. None
  // for globals.
  virtual Node DeclarationOf(Node identifier) const = 0;
  // Assignments to a variable declared in a file, the initialiser excluded.
  virtual std::vector<Node> WritesTo(Node declaration) const = 0;
  // The strings an expression can stand for: literals, constants, templates, tables that a loop runs over. Parts that
  // are known only at run time stand as nothing.
  virtual std::vector<std::string> TextsOf(Node expression) const = 0;
  // Does the expression hold data of a request (body, query, params, headers, cookies, files, url)? Follows local
  // variables, destructuring and parameters of functions over two hops.
  virtual std::optional<RequestData> RequestDataIn(Node expression) const = 0;

  // ---- the application ----
  virtual const std::vector<App>& apps() const = 0;
  virtual const std::vector<Registration>& registrations() const = 0;  // grouped by app, ordered within
  virtual const std::vector<Handler>& handlers() const = 0;
  virtual const std::vector<Route>& routes() const = 0;  // sorted by path, method
  // The apps and routers an expression can stand for.
  virtual std::vector<uint32_t> AppsOf(Node expression) const = 0;
  // Does a request reach this code: is it inside a handler, or in a function that a handler calls (in)directly?
  virtual bool OnRequestPath(Node node) const = 0;
  // One handler from which the node is reached; null when none.
  virtual const Handler* HandlerReaching(Node node) const = 0;
  // Is something registered whose origin starts with one of these: a package ("helmet"), a path in it ("express.json")?
  // Looks at what is registered, at wrappers around it and at calls inside registered functions of the repository.
  virtual bool IsRegistered(std::initializer_list<std::string_view> origins) const = 0;

  // ---- calls with an effect ----
  virtual DatabaseKind DatabaseCall(Node call) const = 0;
  // The origin of a call to another service ("axios.get", "fetch", "http.request", …); empty when it is none.
  virtual std::string OutboundCall(Node call) const = 0;

  // ---- the process ----
  virtual const std::vector<Listen>& listens() const = 0;
  virtual const std::vector<SignalHandler>& signal_handlers() const = 0;
  // Under which condition on the environment the node runs: enclosing if, ternary, && and early returns.
  virtual Guard GuardOf(Node node) const = 0;

  // ---- places ----
  virtual Span SpanOf(Node node) const = 0;
  // Where to point when something is not there: the creation of the listening app, else the entry, else package.json.
  virtual Span Anchor() const = 0;
};

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_MODEL_H_
