// What happens between a signal and the end of the process, read in the order in which it runs.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_SHUTDOWN_PATH_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_SHUTDOWN_PATH_H_

#include <set>
#include <utility>
#include <vector>

#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

struct ShutdownFacts {
  Node close;             // the server is told to take no more connections
  Node early_exit;        // the process ends before the server has drained
  Node late_exit;         // it ends after: in close's callback, or behind an await or then of it
  Node early_dependency;  // a database or cache is closed while requests may still need it
  Node late_dependency;
  Node destroys;                  // open sockets are cut while requests may be in flight
  Node timer;                     // a timer that ends the process whatever happens
  double timer_milliseconds = 0;  // 0: not known
  bool timer_unrefed = false;
  Node library;       // a package that drains
  Node unknown_stop;  // something is awaited, or called back by, that is called stop or close and could not be followed
  Node vain_await;    // `await server.close()`: close returns the server, so this waits for nothing
};

// Walks a listener of a signal and the functions of the repository that it calls. Callbacks of close() and whatever
// follows an awaited promise of it count as "after the drain"; bodies of timers count apart.
class ShutdownPath {
 public:
  explicit ShutdownPath(const Model& model) : model_(model) {}
  ShutdownFacts Read(Node listener);

 private:
  struct State {
    bool drained = false;
    bool in_timer = false;
  };
  // Returns whether the visited expression is a promise that is kept when the server has drained.
  bool Visit(Node node, State& state);
  bool VisitCall(Node call, State& state, bool awaited);
  bool VisitClose(Node call, State& state, bool awaited);
  bool VisitFunction(Node function, State& state);
  bool VisitArguments(Node call, State& state);
  void VisitTimer(Node call, State state);
  bool VisitIf(Node statement, State& state);
  void Exit(Node call, const State& state);
  bool IsServer(Node object) const;
  bool ContainsClose(Node node);

  const Model& model_;
  ShutdownFacts facts_;
  std::set<std::pair<const SyntaxTree*, uint32_t>> active_;
  int steps_ = 0;
};

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_SHUTDOWN_PATH_H_
