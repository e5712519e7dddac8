// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugins/load_test/load_result.h"
#include "plugins/load_test/report.h"
#include "plugins/load_test/server.h"
#include "plugins/load_test/start_command.h"

namespace assay::load_test {

// One evaluation from the first start to the last scenario. Each scenario stands alone: what one cannot do is said of
// its own criterion, and the next begins with a server that runs.
class Scenarios {
 public:
  Scenarios(sdk::Evaluation& evaluation, const Facts& facts, const Profile& profile);

  // Not OK only when the evaluation is to stop.
  sdk::Status Run(Report& report);
  // The file the server is started from; package.json while none is known.
  const std::string& entry() const { return entry_; }

 private:
  // Of progress.
  static constexpr size_t kSteps = 6;

  bool Prepare(Report& report);
  bool StartFirst(Report& report);
  void JudgeStart(Report& report, const Started& started, size_t place);
  void NoStart(Report& report, const StartPlan& plan, const std::vector<StartFailure>& failures);
  // The submission's file among a candidate's arguments.
  std::string FileOf(const Candidate& candidate) const;
  // After a server ended under load: whether a fresh one ends within so many seconds all the same. Then `report` says
  // so.
  bool EndsByItself(Report& report, double seconds);
  void Probe();
  void BadInput(Report& report);
  void Bodies(Report& report);
  void Steps(Report& report);
  void DrainOnSignal(Report& report);
  // What a signal to the start command does, by a run (full) or read from the script (quick).
  void SignalStartCommand(Report& report);
  void SignalThroughNpm(Report& report);
  void FailFast(Report& report);
  // Waits for the end of a server that was signalled in a load run; `began`: just before that run.
  Aftermath AwaitEnd(Server& server, const LoadReport& result, uint64_t began);

  // A server that runs; a new one when `fresh` or when the last one is gone. Null: it did not start again.
  Server* Serve(bool fresh);
  // The result of a plan, or nothing and `why`.
  std::optional<LoadReport> Load(Server& server, const std::string& plan, sdk::Evidence& evidence, std::string& why);
  // What `server` wants from outside and did not get, as far as its words and the dependencies tell; a server that
  // ended must have said so itself.
  std::string Lacking(Server& server, bool alive) const;
  bool MustStop() const { return evaluation_.should_stop() != ASSAY_RUN; }
  // Whether a scenario that takes this long ends before the deadline.
  bool TimeFor(double seconds) const;

  sdk::Evaluation& evaluation_;
  const Facts& facts_;
  const Profile profile_;
  sdk::Workspace workspace_;
  Candidate candidate_;
  Environment environment_;
  std::vector<std::string> ready_paths_;
  std::unique_ptr<Server> server_;
  std::string entry_ = "package.json";
  Steady ready_;
  std::string readiness_;  // the health path a platform would ask; empty: none answered
  std::string service_;    // what the dependencies are clients of
  bool scripted_ = false;  // there is a start script that could be tried
  std::vector<Steady> steady_;
  BodyPath body_;
  double capacity_ = 0;
  bool reads_port_ = false;  // it listens where PORT said, which is nobody's default
  bool ends_by_itself_ = false;
  uint64_t began_ = 0;
};

}  // namespace assay::load_test
