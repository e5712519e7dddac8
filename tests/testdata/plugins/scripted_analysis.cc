// SPDX-License-Identifier: Apache-2.0
//
// A plugin whose behaviour is written in the submission: the file "do" holds abort, exit, loop, garbage, flood, leak,
// nan, undeclared, wait or fault; without it, the plugin observes one criterion and cites the submission's first file.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>

#include "assay/plugin.hpp"

namespace {

namespace sdk = assay::sdk;

class ScriptedAnalysis final : public sdk::Evaluator {
 public:
  static constexpr sdk::Identity kIdentity = {"code_analysis", "1.0.0", "test", ASSAY_DETERMINISM_BITWISE, 0};

  sdk::Status Evaluate(sdk::Evaluation& evaluation) override {
    const std::string what = Wanted(evaluation);
    if (what == "abort") std::abort();
    if (what == "exit") std::exit(0);
    if (what == "loop") LoopForEver();
    if (what == "garbage") WriteGarbage();
    if (what == "flood") FloodForEver();
    if (what == "leak") LeakForEver();
    if (what == "fault") return sdk::SubmissionFault("nothing in it can be analysed");
    if (what == "wait") return WaitUntilStopped(evaluation);
    const sdk::Input& file = evaluation.Inputs()[0];
    const auto span = evaluation.Span(file, 1, 1);
    if (!span.ok()) return span.status();
    sdk::Observation observation;
    observation.criterion = "health.probes";
    observation.value = 1;
    observation.standard_error = 0.12;
    observation.evidence = {*span};
    observation.rationale = "the code suggests a probe";
    if (what == "nan") observation.value = std::numeric_limits<double>::quiet_NaN();
    if (what == "undeclared") observation.criterion = "health.undeclared";
    return evaluation.Observe(observation);
  }

 private:
  static std::string Wanted(sdk::Evaluation& evaluation) {
    const sdk::Input* file = evaluation.File("do");
    if (file == nullptr) return "";
    const auto bytes = evaluation.Bytes(*file);
    return bytes.ok() ? std::string(*bytes) : "";
  }

  [[noreturn]] static void LoopForEver() {
    volatile unsigned long spin = 0;
    for (;;) spin = spin + 1;
  }

  [[noreturn]] static void FloodForEver() {
    const std::string line(4000, 'x');
    for (;;) std::printf("%s\n", line.c_str());
  }

  [[noreturn]] static void LeakForEver() {
    for (;;) {
      constexpr size_t kBytes = 8 << 20;
      volatile char* piece = static_cast<char*>(std::malloc(kBytes));
      if (piece == nullptr) std::abort();
      for (size_t i = 0; i < kBytes; i += 4096) piece[i] = 1;
    }
  }

  static void WriteGarbage() {
    const std::string garbage(5000, '\xff');
    if (::write(3, garbage.data(), garbage.size()) < 0) std::abort();
    ::sleep(30);
  }

  static sdk::Status WaitUntilStopped(sdk::Evaluation& evaluation) {
    evaluation.Progress("waiting");
    while (evaluation.should_stop() == ASSAY_RUN) ::usleep(2000);
    return sdk::Stopped();
  }
};

}  // namespace

ASSAY_PLUGIN(ScriptedAnalysis)
