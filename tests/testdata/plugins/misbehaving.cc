// SPDX-License-Identifier: Apache-2.0
//
// One plugin with every fault a plugin can have, chosen by the parameter "do", or by the content of a file "do". With
// "good" it is a good one.
#include <sys/types.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "assay/json.hpp"
#include "assay/plugin.hpp"

namespace {

namespace sdk = assay::sdk;

sdk::Observation Good(sdk::Evaluation& evaluation) {
  sdk::Observation observation;
  observation.criterion = "test.declared";
  observation.value = 0.5;
  observation.standard_error = 0.1;
  if (!evaluation.Inputs().empty()) observation.evidence = {evaluation.Inputs()[0].evidence};
  observation.rationale = "seen";
  return observation;
}

[[noreturn]] void LoopForEver(const sdk::Evaluation& evaluation, bool logging) {
  volatile uint64_t spin = 0;
  for (;;) {
    if (logging) {
      evaluation.Log(ASSAY_LOG_INFO, "still working");
      evaluation.Progress("spinning", spin, 0);
    }
    spin = spin + 1;
  }
}

void Leak() {
  std::vector<char*> kept;
  for (;;) {
    constexpr size_t kBytes = 8 << 20;
    char* piece = static_cast<char*>(std::malloc(kBytes));
    if (piece == nullptr) std::abort();
    for (size_t i = 0; i < kBytes; i += 4096) piece[i] = 1;
    kept.push_back(piece);
  }
}

void Flood() {
  const std::string line(4000, 'x');
  for (int i = 0; i < 5000; ++i) std::printf("%s\n", line.c_str());
}

void WriteGarbage() {
  const std::string garbage(5000, '\xff');
  if (::write(3, garbage.data(), garbage.size()) < 0) std::abort();
  ::sleep(30);
}

// Leaves a child behind that would live for ever, and its number in the log.
void Fork(const sdk::Evaluation& evaluation) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  evaluation.Log(ASSAY_LOG_INFO, child < 0 ? "no child" : "child " + std::to_string(child));
}

class Misbehaving final : public sdk::Evaluator {
 public:
  static constexpr sdk::Identity kIdentity = {"misbehaving", "1.0.0", "test", ASSAY_DETERMINISM_BITWISE,
                                              ASSAY_FLAG_REUSABLE};

  sdk::Status Evaluate(sdk::Evaluation& evaluation) override {
    const std::string what = Wanted(evaluation);
    if (what == "abort") std::abort();
    if (what == "exit") std::exit(0);
    if (what == "throw") throw std::runtime_error("index 7 of 3");
    if (what == "loop") LoopForEver(evaluation, false);
    if (what == "loop_logging") LoopForEver(evaluation, true);
    if (what == "leak") Leak();
    if (what == "garbage") WriteGarbage();
    if (what == "close") {
      ::close(3);
      ::sleep(30);
    }
    if (what == "fork") Fork(evaluation);
    if (what == "flood") Flood();
    if (what == "wait") return WaitUntilStopped(evaluation);
    if (what == "submission") return sdk::SubmissionFault("package.json: missing");
    if (what == "transient") return sdk::Transient("later");
    if (what == "stopped") return sdk::Stopped();
    if (what == "late") UseHandleLate(evaluation);
    return Report(evaluation, what);
  }

 private:
  static std::string Wanted(sdk::Evaluation& evaluation) {
    const auto parameters = sdk::Json::Parse(evaluation.parameters_json());
    if (parameters && parameters->has("do")) return (*parameters)["do"].text();
    const sdk::Input* file = evaluation.File("do");
    const auto bytes = file == nullptr ? sdk::Result<std::string_view>(std::string_view()) : evaluation.Bytes(*file);
    return bytes.ok() ? std::string(*bytes) : "";
  }

  static sdk::Status WaitUntilStopped(sdk::Evaluation& evaluation) {
    evaluation.Progress("waiting");
    while (evaluation.should_stop() == ASSAY_RUN) ::usleep(2000);
    return sdk::Stopped();
  }

  // A thread that goes on after evaluate() returned gets answers, not crashes.
  static void UseHandleLate(sdk::Evaluation& evaluation) {
    const assay_host_v1* host = evaluation.host().table();
    const assay_handle handle = evaluation.handle();
    std::thread([host, handle] {
      while (host->should_stop(handle) != ASSAY_GONE) ::usleep(1000);
    }).detach();
  }

  static sdk::Status Report(sdk::Evaluation& evaluation, const std::string& what) {
    sdk::Observation observation = Good(evaluation);
    if (what == "nan") observation.value = std::numeric_limits<double>::quiet_NaN();
    if (what == "range") observation.standard_error = 0.7;
    if (what == "uncited") observation.evidence.clear();
    if (what == "undeclared") observation.criterion = "test.undeclared";
    if (what == "wrong_kind") {
      const auto artifact = evaluation.PutArtifact("a.json", "application/json", "{}");
      if (!artifact.ok()) return artifact.status();
      observation.evidence = {*artifact};
    }
    const sdk::Status status = evaluation.Observe(observation);
    if (!status.ok() || what != "everything") return status;
    return Everything(evaluation);
  }

  static sdk::Status Everything(sdk::Evaluation& evaluation) {
    const sdk::Input& file = evaluation.Inputs()[0];
    const auto span = evaluation.Span(file, 2, 2);
    if (!span.ok()) return span.status();
    const auto artifact = evaluation.PutArtifact("table.json", "application/json", "[1]");
    if (!artifact.ok()) return artifact.status();
    sdk::Claim claim;
    claim.id = claim.criterion = "test.declared";
    claim.statement = "does it";
    claim.path = std::string(file.path);
    claim.line = 2;
    claim.evidence = *span;
    sdk::Status status = evaluation.AddClaim(claim);
    if (!status.ok()) return status;
    sdk::Finding finding;
    finding.check = "T1";
    finding.criterion = "test.declared";
    finding.message = "look here";
    finding.path = std::string(file.path);
    finding.line = finding.end_line = 2;
    finding.evidence = *span;
    status = evaluation.AddFinding(finding);
    for (const sdk::PriorClaim& prior : evaluation.PriorClaims()) {
      if (!status.ok()) break;
      status = evaluation.AddExperiment(
          {std::string(prior.id), sdk::Verdict::kConfirmed, {*artifact}, "the table shows 1 of 1"});
    }
    return status;
  }
};

}  // namespace

ASSAY_PLUGIN(Misbehaving)
