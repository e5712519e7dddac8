// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/judge.h"

#include <algorithm>

#include "plugins/load_test/judge_words.h"

namespace assay::load_test {

using Severity = Remark::Severity;

std::string Describe(const Aftermath& aftermath) {
  if (aftermath.alive) return "it runs";
  std::string text = "the process ended with ";
  text += aftermath.out_of_memory      ? "its memory used up"
          : aftermath.term_signal != 0 ? "signal " + std::to_string(aftermath.term_signal)
                                       : "exit code " + std::to_string(aftermath.exit_code);
  if (!aftermath.last_words.empty()) text += " (\"" + aftermath.last_words + "\")";
  return text;
}

Judgement WithoutBlame(Judgement judgement, const std::string& lacks) {
  if (lacks.empty()) return judgement;
  const std::string why = "not observable here: the server wants " + lacks + ", which this platform does not offer; ";
  const auto speaks_of_platform = [](const std::string& criterion) {
    return criterion == "run.survives_bad_input" || criterion == "run.error_answers" ||
           criterion == "run.latency_under_load";
  };
  for (Judgement::Value& value : judgement.values) {
    if (!speaks_of_platform(value.criterion) || (value.value.has_value() && *value.value >= 1)) continue;
    value.value.reset();
    value.observable = false;
    value.text = why + value.text;
  }
  for (Tested& tested : judgement.tested) {
    const bool concerned = tested.claim == "async.rejections_handled" || tested.claim == "process.fatal_errors" ||
                           tested.claim == "load.shedding";
    if (!concerned || tested.verdict != Verdict::kRefuted) continue;
    tested.verdict = Verdict::kInconclusive;
    tested.reason = why + tested.reason;
  }
  std::erase_if(judgement.remarks, [](const Remark& remark) {
    return remark.check == "LT1.crash" || remark.check == "LT1.server_errors" || remark.check == "LT1.hanging" ||
           remark.check == "LT1.cut_off" || remark.check == "LT2.growth";
  });
  return judgement;
}

Judgement CoveringRoutes(Judgement judgement, size_t routes, size_t all_routes) {
  if (routes >= all_routes) return judgement;
  for (Judgement::Value& value : judgement.values) {
    if (value.criterion != "run.survives_bad_input") continue;
    value.text +=
        "; bad bodies went to " + std::to_string(routes) + " of " + std::to_string(all_routes) + " writing routes";
  }
  return judgement;
}

namespace {

bool FailedFast(const WithoutVariables& seen) {
  return seen.ended && (seen.exit_code != 0 || seen.term_signal != 0) && !seen.listened;
}

}  // namespace

Judgement JudgeFailFast(const std::vector<WithoutVariables>& starts, size_t required) {
  Judgement out;
  if (starts.empty()) return out;
  const std::string bound = starts.size() < required ? " (" + std::to_string(starts.size()) + " of " +
                                                           std::to_string(required) + " required variables were tried)"
                                                     : "";
  const auto late = std::find_if_not(starts.begin(), starts.end(), FailedFast);
  if (late == starts.end()) {
    std::string what;
    double longest = 0;
    bool all_named = true;
    for (const WithoutVariables& seen : starts) {
      what += (what.empty() ? "" : ", ") + seen.what;
      longest = std::max(longest, seen.seconds);
      all_named &= seen.names_it;
    }
    const WithoutVariables& last = starts.back();
    const std::string how = last.term_signal != 0 ? "by signal " + std::to_string(last.term_signal)
                                                  : "with code " + std::to_string(last.exit_code);
    out.tested.push_back({"config.validated", Verdict::kConfirmed,
                          "started " + what + " it ended " + (starts.size() > 1 ? "each time within " : "after ") +
                              Number(longest) + " s " + how + (all_named ? " and named the variable" : "") + bound});
    return out;
  }
  const std::string what = "started " + late->what + " it " +
                           (late->listened ? "listened all the same"
                            : late->ended  ? "ended with code 0"
                                           : "was still running after " + Number(late->seconds) + " s");
  out.tested.push_back({"config.validated", Verdict::kRefuted, what + bound});
  out.remarks.push_back(
      {"LT0.late_failure", "run.starts",
       "The run showed that wrong configuration is not noticed at the start: " + what + ".",
       "Check all of the environment before listening and exit with a message that names what is missing.",
       "When is a missing secret noticed here: at deployment, or at the first user who needs it?",
       "At the start, so that the roll-out stops by itself.", "config.validated", Severity::kNote});
  return out;
}

}  // namespace assay::load_test
