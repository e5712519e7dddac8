// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/judge.h"
#include "plugins/load_test/judge_words.h"

namespace assay::load_test {
namespace {

using Severity = Remark::Severity;

bool IsRaw(const std::string& name) { return name.rfind("raw-", 0) == 0; }

// Express's own error page, which an application that handles errors never sends.
bool IsDefaultPage(const SampleReport& sample) {
  return sample.body.find("<title>Error</title>") != std::string::npos &&
         sample.body.find("<pre>") != std::string::npos;
}

// Of everything but the raw classes.
struct Storm {
  uint64_t sent = 0, raw = 0, server_errors = 0, hanging = 0, cut_off = 0, excused = 0, client_errors = 0;
  uint64_t error_samples = 0, json_samples = 0, default_pages = 0, leaks = 0;
  std::string leak, hanging_class, cut_off_class, broken_class;
  std::string spoilt;  // why what had no answer cannot be told from the engine's own lateness; empty: it can

  bool all_answered() const { return hanging == 0 && cut_off == 0; }
};

// Requests whose connection ended without an answer. Not counted: a server that answered such bodies early and closed,
// and a kept connection that was closed just as one of several equal requests, which were answered, went out.
uint64_t CutOff(const Counts& counts) {
  const uint64_t broken = counts.reset + counts.unanswered;
  const bool early = counts.early > 0 || counts.status_count(413, 413) > 0;
  const bool met_a_closing = broken == counts.stale && counts.answered() > 0;
  return counts.connect_error + (early || met_a_closing ? 0 : broken);
}

// "5 requests of 100 got no answer within 5 s (wrong types), 3 requests were cut off without an answer (no body)"
std::string Unanswered(const Storm& storm) {
  const std::string of = " of " + std::to_string(storm.sent);
  std::string text;
  if (storm.hanging > 0)
    text = Count(storm.hanging, "request") + of + " got no answer within 5 s (" + storm.hanging_class + ")";
  if (storm.cut_off == 0) return text;
  return text + (text.empty() ? "" : ", ") + Count(storm.cut_off, "request") + (text.empty() ? of : "") + " " +
         Were(storm.cut_off) + " cut off without an answer (" + storm.cut_off_class + ")";
}

Storm Sum(const LoadReport& report, const Aftermath& aftermath) {
  Storm storm;
  if (const PhaseReport* phase = report.Phase("storm"); phase != nullptr) {
    if (!phase->valid()) storm.spoilt = phase->reason.empty() ? phase->state : phase->reason;
    for (const Counts& counts : phase->classes) {
      if (IsRaw(counts.name)) {
        storm.raw += counts.sent;
        continue;
      }
      storm.sent += counts.sent;
      storm.server_errors += counts.status_count(500, 599);
      storm.client_errors += counts.status_count(400, 499);
      storm.hanging += counts.timeout;
      // What a process took with it is told as its end.
      const uint64_t cut_off = aftermath.alive ? CutOff(counts) : 0;
      storm.cut_off += cut_off;
      storm.excused += counts.reset + counts.unanswered + counts.connect_error - cut_off;
      if (cut_off > 0 && storm.cut_off_class.empty()) storm.cut_off_class = counts.name;
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

void RemarkUnanswered(const Storm& storm, const Judgement::Value& answers, Judgement& out) {
  if (storm.hanging > 0) {
    out.remarks.push_back({"LT1.hanging", answers.criterion,
                           "The run showed requests that are never answered: " + answers.text + ".",
                           "Every path through a handler must end in an answer or in next(error); a rejected promise "
                           "in Express 4 does neither.",
                           "What happens to the client of a request whose handler throws after an await?",
                           "It waits until its own timeout: Express 4 does not look at the promise. The answer names "
                           "wrapping handlers or Express 5, and a server-side request timeout.",
                           "async.rejections_handled", Severity::kError});
    return;
  }
  out.remarks.push_back({"LT1.cut_off", answers.criterion,
                         "The run showed requests whose connection ends without an answer: " + answers.text + ".",
                         "Answer what is wrong with a body by a status that says so; close the connection after the "
                         "answer where it must be closed.",
                         "What does a client, or the proxy before this service, make of a connection that is reset in "
                         "the middle of its request?",
                         "Neither knows whether the request was carried out, so it is retried or told as 502. A 400 "
                         "with a reason ends the matter; only what is not HTTP deserves a bare close.",
                         "errors.handler_last", Severity::kError});
}

void JudgeErrorAnswers(const Storm& storm, bool alive, Judgement& out) {
  Judgement::Value answers{"run.error_answers", std::nullopt, ""};
  const std::string every = storm.excused == 0 ? "every bad request was answered: " : "bad requests were answered: ";
  if (!storm.all_answered() && !storm.spoilt.empty()) {
    answers.text = "not settled: " + storm.spoilt;
  } else if (!storm.all_answered()) {
    answers.value = 0;
    answers.text = Unanswered(storm);
    RemarkUnanswered(storm, answers, out);
  } else if (!alive || storm.error_samples == 0) {
    answers.text = alive ? "no bad input was answered with an error, so there was no error answer to look at"
                         : "the process ended before error answers could be compared";
  } else if (storm.json_samples * 10 >= storm.error_samples * 9 && storm.leaks == 0) {
    answers.value = 1;
    answers.text = every + std::to_string(storm.json_samples) + " of " + std::to_string(storm.error_samples) +
                   " sampled errors as JSON, none showing its inside";
  } else {
    answers.value = 0.5;
    answers.text = every + std::to_string(storm.default_pages) + " of " + std::to_string(storm.error_samples) +
                   " sampled errors were Express's own page, " + std::to_string(storm.leaks) +
                   " showed a stack trace or a path";
  }
  out.values.push_back(std::move(answers));
}

void TestErrorClaims(const Storm& storm, const Aftermath& aftermath, Judgement& out) {
  const std::string sent = std::to_string(storm.sent);
  if (storm.leaks > 0) {
    out.tested.push_back({"errors.no_leak", Verdict::kRefuted,
                          std::to_string(storm.leaks) + " of " + std::to_string(storm.error_samples) +
                              " sampled error answers showed a stack trace or a path (first: " + storm.leak + ")"});
    out.remarks.push_back({"LT1.leak", "run.error_answers",
                           "The run showed an error answer with a stack trace or a file path (" + storm.leak + ").",
                           "Answer errors with a code and an id; write the stack to the log.",
                           "What does a client get to see when a handler throws, and who else reads it?",
                           "A stable code and a request id. The stack helps an attacker to find versions and paths; it "
                           "belongs to the log.",
                           "errors.no_leak", Severity::kWarning});
  } else if (storm.error_samples > 0) {
    out.tested.push_back(
        {"errors.no_leak", Verdict::kConfirmed,
         "none of " + std::to_string(storm.error_samples) + " sampled error answers showed a stack trace or a path"});
  }
  if (storm.error_samples > 0) {
    const bool own = storm.default_pages == 0;
    out.tested.push_back({"errors.handler_last", own ? Verdict::kConfirmed : Verdict::kRefuted,
                          own ? "all " + std::to_string(storm.error_samples) +
                                    " sampled errors were answered by the application, none by Express's own page"
                              : std::to_string(storm.default_pages) + " of " + std::to_string(storm.error_samples) +
                                    " sampled errors were Express's own page"});
  }
  if (!storm.all_answered() && !storm.spoilt.empty()) {
    out.tested.push_back({"async.rejections_handled", Verdict::kInconclusive, "not settled: " + storm.spoilt});
  } else if (storm.hanging > 0) {
    out.tested.push_back(
        {"async.rejections_handled", Verdict::kRefuted,
         Count(storm.hanging, "request") + " of " + sent + " got no answer (" + storm.hanging_class + ")"});
  } else if (!aftermath.alive) {
    out.tested.push_back(
        {"async.rejections_handled", Verdict::kRefuted, "bad input ended the process: " + Describe(aftermath)});
  } else if (storm.cut_off > 0) {
    out.tested.push_back({"async.rejections_handled", Verdict::kInconclusive,
                          Unanswered(storm) + "; whether a rejection did that does not show"});
  } else if (storm.server_errors > 0) {
    out.tested.push_back(
        {"async.rejections_handled", Verdict::kConfirmed,
         Count(storm.server_errors, "failing request") + " of " + sent + " got a 5xx, none was left hanging"});
  } else {
    out.tested.push_back(
        {"async.rejections_handled", Verdict::kInconclusive, "none of " + sent + " bad requests made a handler fail"});
  }
}

}  // namespace

bool LeaksStack(const std::string& body) {
  for (const char* mark :
       {"node_modules/", "    at ", "&nbsp; &nbsp;at ", "\\n    at ", "node:internal", ".js:", ".ts:"}) {
    const size_t at = body.find(mark);
    if (at == std::string::npos) continue;
    // ".js:12" is a place in code; ".js: " may be prose.
    if (mark[0] != '.') return true;
    const char next = at + 4 < body.size() ? body[at + 4] : ' ';
    if (next >= '0' && next <= '9') return true;
  }
  return false;
}

Judgement JudgeBadInput(const LoadReport& report, const Aftermath& aftermath, int status_after) {
  const Storm storm = Sum(report, aftermath);
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
    value.text = aftermath.alive ? "after " + sent + " it runs but no longer answers sound requests"
                                 : "within " + sent + " " + Describe(aftermath);
    out.remarks.push_back(
        {"LT1.crash", value.criterion, "The run showed that bad input takes the server down: " + value.text + ".",
         "Find the request in the run's record, make its handler answer, and let an error never end the process for "
         "everyone.",
         "One malformed request just ended the process for all users. Where would you catch it, and where not?",
         "At the edge: validate input and route every error to the error handler. Not with a blanket uncaughtException "
         "that goes on in an unknown state.",
         "process.fatal_errors", Severity::kError});
    out.tested.push_back({"process.fatal_errors", Verdict::kRefuted, value.text});
  } else if (!storm.all_answered() && !storm.spoilt.empty()) {
    value.text = "not settled: " + storm.spoilt;
  } else if (storm.all_answered() && storm.server_errors * 100 < storm.sent) {
    value.value = 1;
    value.text = "answered " + (storm.excused == 0 ? "all" : std::to_string(storm.sent - storm.excused)) + " of " +
                 std::to_string(storm.sent) + " bad requests, " + Count(storm.server_errors, "answer") +
                 " with 5xx, and went on serving";
    if (storm.excused > 0)
      value.text += "; " + std::to_string(storm.excused) + " met a connection that was being closed";
    if (storm.raw > 0)
      value.text += "; " + std::to_string(storm.raw) + " more were no HTTP, where closing the connection is an answer";
  } else if (storm.all_answered()) {
    value.value = 0.5;
    value.text = "survived " + sent + ", but " + Count(storm.server_errors, "answer") + " of " +
                 std::to_string(storm.sent) + " were 5xx (first: " + storm.broken_class + ")";
    out.remarks.push_back({"LT1.server_errors", value.criterion,
                           "The run showed bad input answered as a fault of the server: " + value.text + ".",
                           "Answer what the client did wrong with 4xx; 5xx wakes people up and invites retries.",
                           "Which of your alerts would this input set off, and should it?",
                           "5xx counts against the service's own objective. Input errors are 4xx, counted apart.",
                           "errors.handler_last", Severity::kWarning});
  } else {
    value.value = 0;
    value.text = "it went on serving, but " + Unanswered(storm);
  }
  out.values.push_back(std::move(value));
  JudgeErrorAnswers(storm, aftermath.alive, out);
  TestErrorClaims(storm, aftermath, out);
  return out;
}

}  // namespace assay::load_test
