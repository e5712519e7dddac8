// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/judge.h"

#include <algorithm>
#include <cstdio>

namespace assay::load_test {
namespace {

using Severity = Remark::Severity;

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2g", value);
  return text;
}

std::string Count(uint64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string Megabytes(uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

bool IsRaw(const std::string& name) { return name.rfind("raw-", 0) == 0; }

bool IsJson(const std::string& content_type) { return content_type.find("json") != std::string::npos; }

// Express's own error page, which an application that handles errors never sends.
bool IsDefaultPage(const SampleReport& sample) {
  return sample.body.find("<title>Error</title>") != std::string::npos && sample.body.find("<pre>") != std::string::npos;
}

// Of everything but the raw classes.
struct Storm {
  uint64_t sent = 0, raw = 0, server_errors = 0, hanging = 0, lost = 0, client_errors = 0;
  uint64_t error_samples = 0, json_samples = 0, default_pages = 0, leaks = 0;
  std::string leak, hanging_class, broken_class;
};

Storm Sum(const LoadReport& report) {
  Storm storm;
  if (const PhaseReport* phase = report.Phase("storm"); phase != nullptr) {
    for (const Counts& counts : phase->classes) {
      if (IsRaw(counts.name)) {
        storm.raw += counts.sent;
        continue;
      }
      storm.sent += counts.sent;
      storm.server_errors += counts.status_count(500, 599);
      storm.client_errors += counts.status_count(400, 499);
      storm.hanging += counts.timeout;
      storm.lost += counts.reset + counts.unanswered + counts.connect_error;
      if (counts.timeout > 0 && storm.hanging_class.empty()) storm.hanging_class = counts.name;
      if (counts.status_count(500, 599) > 0 && storm.broken_class.empty()) storm.broken_class = counts.name;
    }
  }
  for (const SampleReport& sample : report.samples) {
    if (sample.phase != "storm" || sample.status < 400 || IsRaw(sample.name)) continue;
    ++storm.error_samples;
    storm.json_samples += IsJson(sample.content_type);
    storm.default_pages += IsDefaultPage(sample);
    if (LeaksStack(sample.body)) {
      if (storm.leaks++ == 0) storm.leak = sample.name;
    }
  }
  return storm;
}

void JudgeErrorAnswers(const Storm& storm, bool alive, Judgement& out) {
  Judgement::Value answers{"run.error_answers", std::nullopt, ""};
  if (storm.hanging > 0) {
    answers.value = 0;
    answers.text = Count(storm.hanging, "request") + " of " + std::to_string(storm.sent) + " got no answer within 5 s (" + storm.hanging_class + ")";
    out.remarks.push_back({"LT1.hanging", answers.criterion, "The run showed requests that are never answered: " + answers.text + ".",
                           "Every path through a handler must end in an answer or in next(error); a rejected promise in Express 4 does neither.",
                           "What happens to the client of a request whose handler throws after an await?",
                           "It waits until its own timeout: Express 4 does not look at the promise. The answer names wrapping handlers or Express 5, and a server-side request timeout.",
                           "async.rejections_handled", Severity::kError});
  } else if (!alive || storm.error_samples == 0) {
    answers.text = alive ? "no bad input was answered with an error, so there was no error answer to look at"
                         : "the process ended before error answers could be compared";
  } else if (storm.json_samples * 10 >= storm.error_samples * 9 && storm.leaks == 0) {
    answers.value = 1;
    answers.text = "every bad request was answered, " + std::to_string(storm.json_samples) + " of " + std::to_string(storm.error_samples) + " sampled errors as JSON, none showing its inside";
  } else {
    answers.value = 0.5;
    answers.text = "every bad request was answered; " + std::to_string(storm.default_pages) + " of " + std::to_string(storm.error_samples) +
                   " sampled errors were Express's own page, " + std::to_string(storm.leaks) + " showed a stack trace or a path";
  }
  out.values.push_back(std::move(answers));
}

void TestErrorClaims(const Storm& storm, const Aftermath& aftermath, Judgement& out) {
  const std::string sent = std::to_string(storm.sent);
  if (storm.leaks > 0) {
    out.tested.push_back({"errors.no_leak", Verdict::kRefuted, std::to_string(storm.leaks) + " of " + std::to_string(storm.error_samples) +
                          " sampled error answers showed a stack trace or a path (first: " + storm.leak + ")"});
    out.remarks.push_back({"LT1.leak", "run.error_answers", "The run showed an error answer with a stack trace or a file path (" + storm.leak + ").",
                           "Answer errors with a code and an id; write the stack to the log.", "What does a client get to see when a handler throws, and who else reads it?",
                           "A stable code and a request id. The stack helps an attacker to find versions and paths; it belongs to the log.", "errors.no_leak", Severity::kWarning});
  } else if (storm.error_samples > 0) {
    out.tested.push_back({"errors.no_leak", Verdict::kConfirmed, "none of " + std::to_string(storm.error_samples) + " sampled error answers showed a stack trace or a path"});
  }
  if (storm.error_samples > 0) {
    const bool own = storm.default_pages == 0;
    out.tested.push_back({"errors.handler_last", own ? Verdict::kConfirmed : Verdict::kRefuted,
                          own ? "all " + std::to_string(storm.error_samples) + " sampled errors were answered by the application, none by Express's own page"
                              : std::to_string(storm.default_pages) + " of " + std::to_string(storm.error_samples) + " sampled errors were Express's own page"});
  }
  if (storm.hanging > 0) {
    out.tested.push_back({"async.rejections_handled", Verdict::kRefuted, Count(storm.hanging, "request") + " of " + sent + " got no answer (" + storm.hanging_class + ")"});
  } else if (!aftermath.alive) {
    out.tested.push_back({"async.rejections_handled", Verdict::kRefuted, "bad input ended the process: " + Describe(aftermath)});
  } else if (storm.server_errors > 0) {
    out.tested.push_back({"async.rejections_handled", Verdict::kConfirmed, Count(storm.server_errors, "failing request") + " of " + sent + " got a 5xx, none was left hanging"});
  } else {
    out.tested.push_back({"async.rejections_handled", Verdict::kInconclusive, "none of " + sent + " bad requests made a handler fail"});
  }
}

bool IsOver(const Counts& c) { return c.status_count(413, 413) > 0; }

}  // namespace

bool LeaksStack(const std::string& body) {
  for (const char* mark : {"node_modules/", "    at ", "&nbsp; &nbsp;at ", "\\n    at ", "node:internal", ".js:", ".ts:"}) {
    const size_t at = body.find(mark);
    if (at == std::string::npos) continue;
    // ".js:12" is a place in code; ".js: " may be prose.
    if (mark[0] != '.') return true;
    const char next = at + 4 < body.size() ? body[at + 4] : ' ';
    if (next >= '0' && next <= '9') return true;
  }
  return false;
}

std::string Describe(const Aftermath& aftermath) {
  if (aftermath.alive) return "it runs";
  std::string text = "the process ended with ";
  text += aftermath.out_of_memory ? "its memory used up"
          : aftermath.term_signal != 0 ? "signal " + std::to_string(aftermath.term_signal)
                                       : "exit code " + std::to_string(aftermath.exit_code);
  if (!aftermath.last_words.empty()) text += " (\"" + aftermath.last_words + "\")";
  return text;
}

Judgement JudgeBadInput(const LoadReport& report, const Aftermath& aftermath, int status_after) {
  const Storm storm = Sum(report);
  Judgement out;
  Judgement::Value value{"run.survives_bad_input", std::nullopt, ""};
  const std::string sent = std::to_string(storm.sent + storm.raw) + " bad requests";
  if (storm.sent == 0) {
    value.text = "no bad request could be sent";
    out.values.push_back(std::move(value));
    return out;
  }
  const bool answers_after = status_after > 0 && status_after < 500;
  if (!aftermath.alive || !answers_after) {
    value.value = 0;
    value.text = aftermath.alive ? "after " + sent + " it runs but no longer answers sound requests" : "within " + sent + " " + Describe(aftermath);
    out.remarks.push_back({"LT1.crash", value.criterion, "The run showed that bad input takes the server down: " + value.text + ".",
                           "Find the request in the run's record, make its handler answer, and let an error never end the process for everyone.",
                           "One malformed request just ended the process for all users. Where would you catch it, and where not?",
                           "At the edge: validate input and route every error to the error handler. Not with a blanket uncaughtException that goes on in an unknown state.",
                           "process.fatal_errors", Severity::kError});
    out.tested.push_back({"process.fatal_errors", Verdict::kRefuted, value.text});
  } else if (storm.hanging == 0 && storm.server_errors * 100 < storm.sent) {
    value.value = 1;
    value.text = "answered all of " + sent + ", " + Count(storm.server_errors, "answer") + " with 5xx, and went on serving";
  } else if (storm.hanging == 0) {
    value.value = 0.5;
    value.text = "survived " + sent + ", but " + Count(storm.server_errors, "answer") + " of " + std::to_string(storm.sent) + " were 5xx (first: " + storm.broken_class + ")";
    out.remarks.push_back({"LT1.server_errors", value.criterion, "The run showed bad input answered as a fault of the server: " + value.text + ".",
                           "Answer what the client did wrong with 4xx; 5xx wakes people up and invites retries.", "Which of your alerts would this input set off, and should it?",
                           "5xx counts against the service's own objective. Input errors are 4xx, counted apart.", "errors.handler_last", Severity::kWarning});
  } else {
    value.value = 0;
    value.text = "left " + Count(storm.hanging, "request") + " of " + sent + " without an answer";
  }
  out.values.push_back(std::move(value));
  JudgeErrorAnswers(storm, aftermath.alive, out);
  TestErrorClaims(storm, aftermath, out);
  return out;
}

Judgement WithoutBlame(Judgement judgement, const std::string& lacks) {
  if (lacks.empty()) return judgement;
  const std::string why = "not observable here: the server wants " + lacks + ", which this platform does not offer; ";
  const auto speaks_of_platform = [](const std::string& criterion) {
    return criterion == "run.survives_bad_input" || criterion == "run.error_answers" || criterion == "run.latency_under_load";
  };
  for (Judgement::Value& value : judgement.values) {
    if (!speaks_of_platform(value.criterion) || (value.value.has_value() && *value.value >= 1)) continue;
    value.value.reset();
    value.observable = false;
    value.text = why + value.text;
  }
  for (Tested& tested : judgement.tested) {
    const bool concerned = tested.claim == "async.rejections_handled" || tested.claim == "process.fatal_errors" || tested.claim == "load.shedding";
    if (!concerned || tested.verdict != Verdict::kRefuted) continue;
    tested.verdict = Verdict::kInconclusive;
    tested.reason = why + tested.reason;
  }
  std::erase_if(judgement.remarks, [](const Remark& remark) {
    return remark.check == "LT1.crash" || remark.check == "LT1.server_errors" || remark.check == "LT1.hanging" || remark.check == "LT2.growth";
  });
  return judgement;
}

Judgement JudgeBodies(const LoadReport& report, const Aftermath& aftermath, bool reads_bodies) {
  Judgement out;
  Judgement::Value value{"run.body_limits", std::nullopt, ""};
  const PhaseReport* phase = report.Phase("bodies");
  const Counts* large = phase == nullptr ? nullptr : phase->Class("20MB");
  const uint64_t growth = aftermath.peak_bytes > aftermath.peak_bytes_before ? aftermath.peak_bytes - aftermath.peak_bytes_before : 0;
  // Reading 20 MB and dropping them costs some memory too; a body that is held costs several times its size.
  constexpr uint64_t kHeld = 30 << 20;
  const bool dropped = aftermath.peak_bytes > 0 && growth < kHeld;
  const std::string grew = aftermath.peak_bytes == 0 ? "" : ", peak memory grew by " + Megabytes(growth);
  if (large == nullptr || large->sent == 0) {
    value.text = "no large body could be sent";
  } else if (!aftermath.alive) {
    value.value = 0;
    value.text = "large bodies ended the server: " + Describe(aftermath);
  } else if (!reads_bodies && !IsOver(*large)) {
    value.text = "no path was found that reads a body before it answers";
  } else if (IsOver(*large)) {
    uint64_t errors = phase->total.status_count(500, 599);
    bool json = false;
    for (const SampleReport& sample : report.samples) json |= sample.status == 413 && IsJson(sample.content_type);
    value.value = errors > 0 ? 0.5 : json ? 1 : 0.5;
    value.text = "20 MB was answered with 413" + std::string(json ? " as JSON" : "") + grew;
    if (errors > 0) value.text += "; " + Count(errors, "other body") + " got 5xx";
    out.tested.push_back({"limits.body_size", Verdict::kConfirmed, value.text});
  } else if (large->answered() == 0 && large->reset + large->unanswered > 0) {
    value.value = 0.5;
    value.text = "20 MB was cut off without an answer";
    out.tested.push_back({"limits.body_size", Verdict::kConfirmed, value.text});
  } else if (large->answered() > 0 && large->early == large->answered()) {
    value.text = "20 MB was answered with " + std::to_string(large->main_status()) + " before it was read";
    out.tested.push_back({"limits.body_size", Verdict::kInconclusive, value.text});
  } else if (large->answered() > 0 && dropped && large->main_status() >= 400) {
    // Express itself reads a refused request to its end before it answers.
    value.text = "20 MB was read and dropped, and answered with " + std::to_string(large->main_status()) + ": no path was found that keeps a body";
    out.tested.push_back({"limits.body_size", Verdict::kInconclusive, value.text});
  } else if (large->answered() > 0 && dropped) {
    value.value = 0.5;
    value.text = "20 MB was read to its end (" + std::to_string(large->main_status()) + ") without being held in memory: its peak grew by " + Megabytes(growth);
    out.tested.push_back({"limits.body_size", Verdict::kInconclusive, value.text});
  } else {
    value.value = 0;
    value.text = "20 MB was taken in whole (" + std::to_string(large->main_status()) + ")" + grew;
    out.tested.push_back({"limits.body_size", Verdict::kRefuted, value.text});
    out.remarks.push_back({"LT9.unbounded", value.criterion, "The run showed no bound on request bodies: " + value.text + ".",
                           "Give each body parser the limit its route needs; refuse with 413 before reading on.", "How many such uploads at once fit into the memory this service is given?",
                           "Memory over body size, with the copies a parser makes; then a limit per route and a bound on concurrent uploads, or streaming.", "limits.body_size", Severity::kWarning});
  }
  out.values.push_back(std::move(value));
  return out;
}

Judgement JudgeSteps(const LoadReport& report, const Aftermath& aftermath) {
  Judgement out;
  Judgement::Value value{"run.latency_under_load", std::nullopt, ""};
  // A few milliseconds more are the machine's, whatever the ratio.
  constexpr double kFloorMs = 50;
  const CapacityReport* capacity = report.capacity.empty() ? nullptr : &report.capacity.back();
  const PhaseReport* half = report.Phase("0.5C");
  const PhaseReport* most = report.Phase("0.8C");
  const PhaseReport* over = report.Phase("1.2C");
  const uint64_t limited = (half == nullptr ? 0 : half->total.status_count(429, 429)) + (capacity == nullptr ? 0 : capacity->limited_answers);
  if (capacity == nullptr) {
    value.text = "capacity was not measured";
  } else if (!aftermath.alive) {
    value.value = 0;
    value.text = "load ended the server: " + Describe(aftermath);
  } else if (capacity->rate <= 0) {
    value.text = "even the lowest rate was not answered well enough to speak of capacity";
  } else if (limited > 0 && half != nullptr && half->total.status_count(429, 429) * 20 > half->total.answered()) {
    value.text = "a limiter answered 429 before capacity was reached (" + std::to_string(limited) + " times), so latency under load says nothing";
    out.tested.push_back({"limits.rate_shared", Verdict::kInconclusive, "429 was answered " + std::to_string(limited) + " times; one instance cannot show whether counters are shared"});
  } else if (half == nullptr || most == nullptr || !half->total.measured || !most->total.measured) {
    const PhaseReport* bad = half != nullptr && !half->total.measured ? half : most;
    value.text = "not settled: " + (bad == nullptr || bad->reason.empty() ? std::string("the steps were not measured") : bad->reason);
  } else {
    const double base = half->total.p99_ms;
    const double loaded = most->total.p99_ms;
    const double errors = most->total.sent == 0 ? 0 : static_cast<double>(most->total.sent - most->total.ok) / static_cast<double>(most->total.sent);
    const bool grows = loaded > 10 * base && loaded > 4 * kFloorMs;
    value.value = errors > 0.05 || grows ? 0 : errors <= 0.01 && (loaded <= 3 * base || loaded <= kFloorMs) ? 1 : 0.5;
    value.text = "capacity " + std::string(capacity->limited_by == "target" ? "" : "at least ") + Number(capacity->rate) + " requests a second; p99 " + Number(base) +
                 " ms at half of it, " + Number(loaded) + " ms at 0.8 of it";
    if (errors > 0) value.text += ", " + Number(errors * 100) + " % errors";
    if (*value.value == 0) {
      out.certain = false;
      out.remarks.push_back({"LT2.growth", value.criterion, "The run showed latency or errors running away below capacity: " + value.text + ".",
                             "Find what queues (event loop, pool, lock) and bound it; shed load before it waits.", "At what queue length would you start refusing requests, and why there?",
                             "From the latency objective by Little's law: the longest useful queue is objective times throughput.", "load.shedding", Severity::kWarning});
    }
  }
  if (over != nullptr && over->total.sent > 0 && value.value.has_value()) {
    const uint64_t shed = over->total.status_count(503, 503) + over->total.status_count(429, 429);
    const bool sheds = shed > 0 && over->total.timeout == 0;
    out.tested.push_back({"load.shedding", sheds ? Verdict::kConfirmed : over->total.timeout > 0 ? Verdict::kRefuted : Verdict::kInconclusive,
                          "at 1.2 of capacity " + std::to_string(shed) + " of " + std::to_string(over->total.sent) + " requests were refused quickly and " +
                              std::to_string(over->total.timeout) + " waited over 5 s"});
  }
  out.values.push_back(std::move(value));
  return out;
}

double ValueOfSteps(const Judgement& judgement) {
  return judgement.values.empty() ? -1 : judgement.values[0].value.value_or(-1);
}

Judgement SeenTwice(Judgement judgement) {
  judgement.certain = true;
  for (Judgement::Value& value : judgement.values) value.text += ", and much the same in a second run";
  return judgement;
}

Judgement SettledBySteps(Judgement judgement) {
  if (judgement.certain) return judgement;
  for (Judgement::Value& value : judgement.values) {
    value.value.reset();
    value.text = "not settled by the one run there was time for: " + value.text;
  }
  judgement.remarks.clear();
  return judgement;
}

Judgement JudgeDrain(const LoadReport& report, const Aftermath& aftermath, double longest_seconds) {
  Judgement out;
  Judgement::Value value{"run.drains_on_sigterm", std::nullopt, ""};
  const ActionReport* action = report.actions.empty() ? nullptr : &report.actions[0];
  if (action == nullptr || !action->asked || !action->error.empty()) {
    value.text = "SIGTERM could not be sent" + (action == nullptr || action->error.empty() ? std::string() : ": " + action->error);
    out.values.push_back(std::move(value));
    return out;
  }
  const InFlightReport& all = action->all;
  double grace = 0;         // everything that needed up to this much longer was served
  double lost_from = -1;    // the shortest that was lost
  double previous = 0;
  uint64_t slow = 0;
  bool complete = true;
  for (const auto& [up_to, counts] : action->by_remaining) {
    if (up_to > 0.2 || up_to == 0) slow += counts.in_flight;
    if (counts.lost > 0 && lost_from < 0) lost_from = previous;
    complete &= counts.lost == 0;
    if (complete && counts.in_flight > 0) grace = up_to == 0 ? longest_seconds : std::min(up_to, longest_seconds);
    previous = up_to;
  }
  value.text = "sent SIGTERM at " + Count(all.in_flight, "request") + " in flight: " + std::to_string(all.lost) + (all.lost == 1 ? " was lost" : " were lost");
  if (all.lost > 0) value.text += lost_from > 0 ? ", all that needed over " + Number(lost_from) + " s more" : ", short ones among them";
  const bool exited = aftermath.exit_seconds >= 0;
  value.text += !exited ? "; it did not exit and had to be killed"
                : aftermath.term_signal != 0 ? "; it ended by signal " + std::to_string(aftermath.term_signal) + " without a handler of its own"
                                             : "; it exited with code " + std::to_string(aftermath.exit_code) + (aftermath.exit_at_least ? " after at least " : " after ") + Number(aftermath.exit_seconds) + " s";
  const bool clean = exited && aftermath.term_signal == 0 && aftermath.exit_code == 0 && aftermath.exit_seconds <= longest_seconds + 2;
  Verdict verdict = Verdict::kInconclusive;
  if (!exited) {
    value.value = 0;
    verdict = Verdict::kRefuted;
  } else if (all.in_flight == 0 || (all.lost == 0 && slow == 0)) {
    value.text += "; nothing was under way long enough to tell whether it waits";
  } else if (all.lost == 0 && grace >= 0.9) {
    value.value = clean ? 1 : 0.5;
    verdict = clean ? Verdict::kConfirmed : Verdict::kInconclusive;
  } else if (all.lost == 0) {
    value.value = clean ? 1 : 0.5;
    verdict = Verdict::kConfirmed;
  } else {
    value.value = lost_from > 0 && aftermath.term_signal == 0 ? 0.5 : 0;
    verdict = Verdict::kRefuted;
  }
  if (verdict == Verdict::kRefuted) {
    out.remarks.push_back({"LT7.drain", value.criterion, "The run showed requests lost at shutdown: " + value.text + ".",
                           "On SIGTERM stop accepting, let what runs finish within a grace as long as the longest sound request, then exit with 0 before the platform kills.",
                           "How long is the grace period of your deployment, and what is the longest request it must cover?",
                           "Grace of the platform > drain timeout of the server > longest request; readiness turns first so that no new request arrives.",
                           "shutdown.drains", all.lost > 0 ? Severity::kError : Severity::kWarning});
  }
  out.tested.push_back({"shutdown.drains", verdict, value.text});
  out.values.push_back(std::move(value));
  return out;
}

ExitTime TimeToExit(uint64_t started_ns, uint64_t life_ns, uint64_t load_began_ns, double asked_seconds, double last_served_seconds) {
  const double served = std::max(0.0, last_served_seconds);
  const double ended = (static_cast<double>(started_ns) + static_cast<double>(life_ns) - static_cast<double>(load_began_ns)) / 1e9;
  const double seconds = ended - asked_seconds;
  // A tenth of a second is how far the clocks of engine and platform may lie apart.
  if (asked_seconds < 0 || seconds < served - 0.1 || seconds > 60) return {served, true};
  return {std::max(seconds, served), false};
}

Judgement JudgeStartCommandSignal(bool ended, double seconds, bool still_listening, const std::string& command) {
  Judgement out;
  if (ended && !still_listening) return out;
  out.remarks.push_back({"LT7.start_command", "run.drains_on_sigterm",
                         "The run showed that SIGTERM to the start command does not end the server: " + Number(seconds) + " s after it \"" + command + "\" " +
                             (still_listening ? "still listens." : "still runs."),
                         "Start node itself (exec form, or an init that forwards signals), so that the platform's signal reaches it.",
                         "Which process gets the signal when your platform stops this container?", "Process 1 of the container; a shell or npm in between does not pass it on.",
                         "shutdown.drains", Severity::kWarning});
  return out;
}

Judgement JudgeFailFast(const WithoutVariables& seen) {
  Judgement out;
  const bool failed = seen.ended && (seen.exit_code != 0 || seen.term_signal != 0) && !seen.listened;
  if (failed) {
    out.tested.push_back({"config.validated", Verdict::kConfirmed, "started " + seen.what + " it ended after " + Number(seen.seconds) + " s with code " +
                          std::to_string(seen.exit_code) + (seen.names_it ? " and named the variable" : "")});
    return out;
  }
  const std::string what = "started " + seen.what + " it " + (seen.listened ? "listened all the same" : seen.ended ? "ended with code 0" : "was still running after " + Number(seen.seconds) + " s");
  out.tested.push_back({"config.validated", Verdict::kRefuted, what});
  out.remarks.push_back({"LT0.late_failure", "run.starts", "The run showed that wrong configuration is not noticed at the start: " + what + ".",
                         "Check all of the environment before listening and exit with a message that names what is missing.",
                         "When is a missing secret noticed here: at deployment, or at the first user who needs it?", "At the start, so that the roll-out stops by itself.",
                         "config.validated", Severity::kNote});
  return out;
}

}  // namespace assay::load_test
