// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "plugins/load_test/judge.h"
#include "plugins/load_test/judge_words.h"

namespace assay::load_test {

using Severity = Remark::Severity;

namespace {

// What the requests in flight show: everything that needed up to `grace` seconds more was served; the shortest that was
// lost needed over `lost_from` (negative: none was lost).
struct Grace {
  double seconds = 0, lost_from = -1;
  uint64_t slow = 0;  // in flight, and not over at once
};

Grace GraceOf(const ActionReport& action, double longest_seconds) {
  Grace grace;
  double previous = 0;
  bool complete = true;
  for (const auto& [up_to, counts] : action.by_remaining) {
    if (up_to > 0.2 || up_to == 0) grace.slow += counts.in_flight;
    if (counts.lost > 0 && grace.lost_from < 0) grace.lost_from = previous;
    complete &= counts.lost == 0;
    if (complete && counts.in_flight > 0)
      grace.seconds = up_to == 0 ? longest_seconds : std::min(up_to, longest_seconds);
    previous = up_to;
  }
  return grace;
}

std::string HowItEnded(const Aftermath& aftermath) {
  if (aftermath.exit_seconds < 0) return "it did not exit and had to be killed";
  if (aftermath.term_signal != 0)
    return "it ended by signal " + std::to_string(aftermath.term_signal) + " without a handler of its own";
  return "it exited with code " + std::to_string(aftermath.exit_code) +
         (aftermath.exit_at_least ? " after at least " : " after ") + Number(aftermath.exit_seconds) + " s";
}

std::string HowManyLost(const ActionReport& action, const Grace& grace) {
  std::string text = Count(action.all.in_flight, "request") + " in flight: " + std::to_string(action.all.lost) +
                     (action.all.lost == 1 ? " was lost" : " were lost");
  if (action.all.lost > 0)
    text += grace.lost_from > 0 ? ", all that needed over " + Number(grace.lost_from) + " s more"
                                : ", short ones among them";
  return text;
}

// Of requests that came after the signal, each on a connection of its own.
std::string WhatCameAfter(const ActionReport& action, const std::string& readiness) {
  std::string text;
  if (const auto found = action.after.find(kNewConnections); found != action.after.end()) {
    const AfterReport& after = found->second;
    text += "; of " + Count(after.served + after.failing + after.refused + after.lost, "new connection") +
            " after it " + std::to_string(after.served + after.failing) + " " + Were(after.served + after.failing) +
            " served, " + std::to_string(after.refused) + " refused, " + std::to_string(after.lost) + " broken";
  }
  if (readiness.empty()) return text + "; no readiness path was found to ask meanwhile";
  const auto found = action.after.find(kReadiness);
  if (found == action.after.end()) return text + "; GET " + readiness + " was not asked after it";
  const AfterReport& after = found->second;
  if (after.failing > 0) return text + "; GET " + readiness + " then answered that it is not ready";
  return text + "; GET " + readiness +
         (after.served > 0 ? " went on answering that it is ready" : " got no answer any more");
}

}  // namespace

Judgement JudgeDrain(const LoadReport& report, const Aftermath& aftermath, const UnderWay& under_way) {
  Judgement out;
  Judgement::Value value{"run.drains_on_sigterm", std::nullopt, ""};
  const ActionReport* action = report.actions.empty() ? nullptr : &report.actions[0];
  if (action == nullptr || !action->asked || !action->error.empty()) {
    value.text = "SIGTERM could not be sent" +
                 (action == nullptr || action->error.empty() ? std::string() : ": " + action->error);
    out.values.push_back(std::move(value));
    return out;
  }
  const InFlightReport& all = action->all;
  const Grace grace = GraceOf(*action, under_way.longest_seconds);
  const bool exited = aftermath.exit_seconds >= 0;
  const bool clean = exited && aftermath.term_signal == 0 && aftermath.exit_code == 0 &&
                     aftermath.exit_seconds <= under_way.longest_seconds + 2;
  value.text = "sent SIGTERM at " + HowManyLost(*action, grace) + "; " + HowItEnded(aftermath);
  Verdict verdict = Verdict::kInconclusive;
  if (!exited) {
    value.value = 0;
    verdict = Verdict::kRefuted;
  } else if (all.in_flight == 0 || (all.lost == 0 && grace.slow == 0)) {
    value.text += "; nothing was under way long enough to tell whether it waits";
  } else if (all.lost == 0) {
    value.value = clean ? 1 : 0.5;
    verdict = clean || grace.seconds < 0.9 ? Verdict::kConfirmed : Verdict::kInconclusive;
  } else if (under_way.heads_only && aftermath.term_signal == 0) {
    value.text += "; a server may drop requests whose head has not come yet, so this settles nothing";
  } else {
    value.value = grace.lost_from > 0 && aftermath.term_signal == 0 ? 0.5 : 0;
    verdict = Verdict::kRefuted;
  }
  if (under_way.heads_only)
    value.text += "; no path was found that reads a body, so requests with slow heads were kept under way";
  if (verdict == Verdict::kRefuted) {
    out.remarks.push_back(
        {"LT7.drain", value.criterion, "The run showed requests lost at shutdown: " + value.text + ".",
         "On SIGTERM stop accepting, let what runs finish within a grace as long as the longest sound request, then "
         "exit with 0 before the platform kills.",
         "How long is the grace period of your deployment, and what is the longest request it must cover?",
         "Grace of the platform > drain timeout of the server > longest request; readiness turns first so that no new "
         "request arrives.",
         "shutdown.drains", all.lost > 0 ? Severity::kError : Severity::kWarning});
  }
  out.tested.push_back({"shutdown.drains", verdict, value.text});
  value.text += WhatCameAfter(*action, under_way.readiness);
  out.values.push_back(std::move(value));
  return out;
}

ExitTime TimeToExit(uint64_t started_ns, uint64_t life_ns, uint64_t load_began_ns, double asked_seconds,
                    double last_served_seconds) {
  const double served = std::max(0.0, last_served_seconds);
  const double ended =
      (static_cast<double>(started_ns) + static_cast<double>(life_ns) - static_cast<double>(load_began_ns)) / 1e9;
  const double seconds = ended - asked_seconds;
  // A tenth of a second is how far the clocks of engine and platform may lie apart.
  if (asked_seconds < 0 || seconds < served - 0.1 || seconds > 60) return {served, true};
  return {std::max(seconds, served), false};
}

namespace {

void RemarkStartCommand(const std::string& what, Judgement& out) {
  out.remarks.push_back(
      {"LT7.start_command", "run.drains_on_sigterm",
       "The run showed what SIGTERM to the start command does: " + what + ".",
       "Start node itself (exec form, or an init that forwards signals), so that the platform's signal reaches it.",
       "Which process gets the signal when your platform stops this container?",
       "Process 1 of the container; a shell or npm in between need not pass it on.", "shutdown.drains",
       Severity::kWarning});
}

}  // namespace

Judgement JudgeStartCommandSignal(bool ended, double seconds, bool still_listening, const std::string& command) {
  Judgement out;
  if (ended && !still_listening) {
    out.notes.push_back({"run.drains_on_sigterm", "SIGTERM to the start command (\"" + command + "\") ends it too"});
    return out;
  }
  const std::string what =
      Number(seconds) + " s after it \"" + command + "\" " + (still_listening ? "still listens" : "still runs");
  out.notes.push_back({"run.drains_on_sigterm", "SIGTERM to the start command: " + what});
  RemarkStartCommand(what, out);
  return out;
}

Judgement JudgeSignalThroughShell(const LoadReport& report, const Aftermath& aftermath, const UnderWay& under_way,
                                  const std::string& command) {
  Judgement out;
  const ActionReport* action = report.actions.empty() ? nullptr : &report.actions[0];
  if (action == nullptr || !action->asked || !action->error.empty()) {
    out.notes.push_back({"run.drains_on_sigterm", "SIGTERM to \"" + command + "\" could not be sent"});
    return out;
  }
  const std::string what = "sent to \"" + command + "\" instead, at " +
                           HowManyLost(*action, GraceOf(*action, under_way.longest_seconds)) + "; " +
                           HowItEnded(aftermath);
  out.notes.push_back({"run.drains_on_sigterm", what});
  if (aftermath.exit_seconds < 0 || action->all.lost > 0) RemarkStartCommand(what, out);
  return out;
}

std::string SignalReadFromScript(const std::string& command, const std::string& script) {
  const bool several = script.find("&&") != std::string::npos || script.find_first_of("|;&") != std::string::npos;
  const std::string start = "read from the script and not run in this profile: \"" + command + "\" starts \"" + script +
                            "\" through npm and a shell, ";
  if (script.rfind("exec ", 0) == 0) return start + "which gives way to it";
  return start + (several ? "which stays between npm and node and passes no signal on"
                          : "and whether the signal gets past them depends on both");
}

}  // namespace assay::load_test
