// SPDX-License-Identifier: Apache-2.0
//
// Judging is pure: what was seen and what the code claims go in, verdicts come out. Values come from the bands of the
// scenario table (1 senior, 0.5 middle, 0 junior) with one fixed standard error, so that the noise of a measurement
// never moves a published byte; the numbers stand in the texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugins/load_test/facts.h"
#include "plugins/load_test/load_result.h"

namespace assay::load_test {

inline constexpr double kStandardError = 0.12;

enum class Verdict { kConfirmed, kRefuted, kInconclusive, kUntested };

// On one claim of code_analysis, by its id.
struct Tested {
  std::string claim;
  Verdict verdict = Verdict::kUntested;
  std::string reason;
};

struct Remark {
  enum class Severity { kNote, kWarning, kError };
  std::string check, criterion, message, help, question, good_answer;
  std::string claim;  // whose place it points at, if there is such a claim
  Severity severity = Severity::kWarning;
};

struct Judgement {
  struct Value {
    std::string criterion;
    std::optional<double> value;  // none: not settled; the text says why
    std::string text;
    bool observable = true;  // false: it cannot be settled on this platform, and the text names what is missing
  };
  std::vector<Value> values;
  std::vector<Tested> tested;
  std::vector<Remark> remarks;
  // What is added to a criterion that another run has settled.
  struct Note {
    std::string criterion, text;
  };
  std::vector<Note> notes;
  bool certain = true;  // false: one run alone may have been spoilt by the machine
};

// How the server's process was when a scenario was over.
struct Aftermath {
  bool alive = true;
  int exit_code = 0, term_signal = 0;
  bool out_of_memory = false;
  double exit_seconds = -1;    // from the signal to its end; negative: it had to be killed
  bool exit_at_least = false;  // exit_seconds is only a lower bound: the last answer it gave
  uint64_t peak_bytes_before = 0, peak_bytes = 0;
  std::string last_words;  // the end of what it printed
};
std::string Describe(const Aftermath& aftermath);

// Scenario 1, phase "storm". Classes named "raw-…" are not HTTP: closing the connection is a fine answer to them.
// `after`: the answer to a sound request afterwards (status, 0 for none).
Judgement JudgeBadInput(const LoadReport& report, const Aftermath& aftermath, int status_after);
// What remains of a judgement when the server wants something (`lacks`, "a MongoDB") this platform has not: requests
// that fail or wait then speak of the platform. Nothing good is taken away.
Judgement WithoutBlame(Judgement judgement, const std::string& lacks);
// Says how many writing routes got bad bodies where not all did.
Judgement CoveringRoutes(Judgement judgement, size_t routes, size_t all_routes);
// Scenario 9, phase "bodies", with the classes "90kB", "101kB", "1MB", "20MB", "10000-keys", "5000-deep", "gzip-10MB"
// and "cheap", the neighbour that asks for an ordinary path meanwhile. The 20 MB settle it, unless another body does
// worse. `reads_bodies`: a slow upload to that path was seen to be awaited; what is small fits into the sockets'
// buffers and shows nothing.
Judgement JudgeBodies(const LoadReport& report, const Aftermath& aftermath, bool reads_bodies);
// Scenario 2, phases "0.5C", "0.8C", "1C" (if it ran), "1.2C" after a search. A value of 0 with a server that lives
// counts only when two runs gave it: SeenTwice marks it so, and SettledBySteps takes the value from one that is not.
Judgement JudgeSteps(const LoadReport& report, const Aftermath& aftermath);
// The value in a judgement of steps; -1: none.
double ValueOfSteps(const Judgement& judgement);
Judgement SeenTwice(Judgement judgement);
Judgement SettledBySteps(Judgement judgement);
// `loaded_ms`: p99 at 0.8 of capacity in each run that measured it; said where there are several.
Judgement AmongRuns(Judgement judgement, const std::vector<double>& loaded_ms);
// What is kept under way for a signal.
struct UnderWay {
  double longest_seconds = 0;  // of the slow requests
  bool heads_only = false;     // no path reads a body: what is slow are heads
  std::string readiness;       // the path asked meanwhile; empty: none is known
};
// Classes whose requests each have a connection of their own.
inline constexpr char kNewConnections[] = "new connection";
inline constexpr char kReadiness[] = "readiness";
// Scenario 7, with SIGTERM to the listener.
Judgement JudgeDrain(const LoadReport& report, const Aftermath& aftermath, const UnderWay& under_way);
// From the signal to the end of a process, from what the platform measures: the process's whole life, the instants (ns,
// one clock) it was started and the load run began, when in that run the signal was asked for, and how long after it an
// answer still came. Too long by what the engine takes to begin (some 0.1 s). Where these disagree, only a lower bound.
struct ExitTime {
  double seconds = 0;
  bool at_least = false;
};
ExitTime TimeToExit(uint64_t started_ns, uint64_t life_ns, uint64_t load_began_ns, double asked_seconds,
                    double last_served_seconds);
// Signalling the process that was started instead of the one that listens.
Judgement JudgeStartCommandSignal(bool ended, double seconds, bool still_listening, const std::string& command);
// The same load and signal, but started as its author does, through npm and its shell (`command`), and npm signalled.
Judgement JudgeSignalThroughShell(const LoadReport& report, const Aftermath& aftermath, const UnderWay& under_way,
                                  const std::string& command);
// What can be said of that without running it.
std::string SignalReadFromScript(const std::string& command, const std::string& script);
// What starting without one of the variables the code seems to require (or with a port that is no number) did.
struct WithoutVariables {
  std::string what;  // "without JWT_SECRET"
  bool listened = false, ended = false;
  int exit_code = 0, term_signal = 0;
  double seconds = 0;
  bool names_it = false;  // what it printed names a variable
};
// Confirmed only when it failed fast each time. `required`: how many variables there are to leave out.
Judgement JudgeFailFast(const std::vector<WithoutVariables>& starts, size_t required);

// Whether a body shows where in the code something broke.
bool LeaksStack(const std::string& body);

}  // namespace assay::load_test
