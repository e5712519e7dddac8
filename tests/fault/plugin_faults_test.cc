// SPDX-License-Identifier: Apache-2.0
//
// What each fault of a plugin costs: exactly what plugin-sdk says, and never the next evaluation.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/archive/pack.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/plugin_host/evaluation_runner.h"
#include "services/plugin_host/plugin_directory.h"
#include "services/plugin_host/testing/plain_launcher.h"

namespace assay::plugin_host {
namespace {

using assay::testing::IsOk;
using assay::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using Finished = event::v1::EvaluationFinished;

std::string Built(const std::string& name) { return absl::StrCat(getenv("ASSAY_BUILD_DIR"), "/", name); }

HostOptions Options() {
  HostOptions options;
  options.executable = Built("bin/assay-plugin-host");
  options.heartbeat = absl::Milliseconds(50);
  return options;
}

// Whether a process that is no child of ours is gone, or at least dead and waiting for its parent.
bool EndsWithin(int pid, absl::Duration patience) {
  const absl::Time until = absl::Now() + patience;
  do {
    std::ifstream stat(absl::StrCat("/proc/", pid, "/stat"));
    std::string number, name, state;
    if (!(stat >> number >> name >> state) || state == "Z") return true;
    sched_yield();
  } while (absl::Now() < until);
  return false;
}

// The launcher that confines, or one that isolates nothing: what a fault costs must not depend on it.
std::unique_ptr<sandbox::Launcher> MakeLauncher(bool confined) {
  if (!confined) return std::make_unique<PlainLauncher>();
  auto launcher = sandbox::Launcher::Start(Built("bin/assay-launcher"));
  EXPECT_THAT(launcher, IsOk());
  return *std::move(launcher);
}

class PluginFaults : public ::testing::TestWithParam<bool> {
 protected:
  PluginFaults()
      : launcher_(MakeLauncher(GetParam())),
        pool_(*launcher_, {Options()}),
        runner_(pool_),
        pack_(*archive::MakePack({{"app.js", "one\ntwo\n"}})) {
    auto package = PluginPackage::Load(Built("test_plugins/misbehaving.json"));
    EXPECT_THAT(package, IsOk());
    request_.package = *package;
    request_.evaluator = "misbehaving";
    request_.evaluation_id = "e1";
    request_.pack = &pack_;
    request_.time_limit = absl::Seconds(60);
  }

  EvaluationOutcome Run(const std::string& what, PlatformFactory platform = {}) {
    request_.parameters_json = absl::StrCat("{\"do\": \"", what, "\"}");
    if (!platform) platform = [] { return std::make_unique<NoPlatformCalls>("none here"); };
    return runner_.Run(request_, platform, progress_, cancellation_);
  }

  // Runs it, and then a good one on the same pool.
  EvaluationOutcome RunThenServe(const std::string& what) {
    EvaluationOutcome outcome = Run(what);
    EXPECT_THAT(outcome.result.observations, IsEmpty());
    request_.time_limit = absl::Seconds(60);
    const EvaluationOutcome next = Run("good");
    EXPECT_EQ(next.outcome, Finished::SUCCEEDED) << next.reason;
    EXPECT_THAT(next.result.observations, SizeIs(1));
    return outcome;
  }

  const std::unique_ptr<sandbox::Launcher> launcher_;
  HostPool pool_;
  EvaluationRunner runner_;
  archive::Pack pack_;
  EvaluationRequest request_;
  ProgressCallback progress_;
  Cancellation cancellation_;
};

TEST_P(PluginFaults, AbortCostsOneCrashAndNamesTheSignal) {
  const EvaluationOutcome outcome = RunThenServe("abort");
  EXPECT_EQ(outcome.outcome, Finished::PLUGIN_CRASHED);
  EXPECT_THAT(outcome.reason, HasSubstr("signal 6"));
}

TEST_P(PluginFaults, ExitWithZeroIsACrashToo) { EXPECT_EQ(RunThenServe("exit").outcome, Finished::PLUGIN_CRASHED); }

TEST_P(PluginFaults, AnExceptionIsACrashWithItsText) {
  const EvaluationOutcome outcome = RunThenServe("throw");
  EXPECT_EQ(outcome.outcome, Finished::PLUGIN_CRASHED);
  EXPECT_THAT(outcome.reason, HasSubstr("index 7 of 3"));
}

TEST_P(PluginFaults, AnEndlessLoopHangsUntilItsDeadlineAndNoLonger) {
  request_.time_limit = absl::Milliseconds(300);
  const EvaluationOutcome outcome = RunThenServe("loop");
  EXPECT_EQ(outcome.outcome, Finished::PLUGIN_HUNG);
}

TEST_P(PluginFaults, LoggingDoesNotResetTheDeadline) {
  request_.time_limit = absl::Milliseconds(300);
  const EvaluationOutcome outcome = RunThenServe("loop_logging");
  EXPECT_EQ(outcome.outcome, Finished::PLUGIN_HUNG);
  EXPECT_LE(outcome.log.size(), 1000u);
}

TEST_P(PluginFaults, GarbageOnTheConnectionIsAProtocolFault) {
  EXPECT_EQ(RunThenServe("garbage").outcome, Finished::PLUGIN_PROTOCOL_FAULT);
}

TEST_P(PluginFaults, ClosingTheConnectionIsAProtocolFault) {
  EXPECT_EQ(RunThenServe("close").outcome, Finished::PLUGIN_PROTOCOL_FAULT);
}

TEST_P(PluginFaults, ALeakEndsAtTheMemoryLimit) {
  EXPECT_EQ(RunThenServe("leak").outcome, Finished::PLUGIN_OUT_OF_MEMORY);
}

TEST_P(PluginFaults, WrongResultsAreInvalidAndNameTheRule) {
  const std::pair<const char*, const char*> cases[] = {{"nan", "not a number"},
                                                       {"range", "standard error"},
                                                       {"uncited", "without evidence"},
                                                       {"undeclared", "does not declare"},
                                                       {"wrong_kind", "of a kind that the manifest asks for"},
                                                       {"stopped", "without being asked"}};
  for (const auto& [what, why] : cases) {
    const EvaluationOutcome outcome = RunThenServe(what);
    EXPECT_EQ(outcome.outcome, Finished::PLUGIN_INVALID_RESULT) << what;
    EXPECT_THAT(outcome.reason, HasSubstr(why)) << what;
  }
}

TEST_P(PluginFaults, ASubmissionFaultIsConfirmedInAFreshProcess) {
  const EvaluationOutcome outcome = RunThenServe("submission");
  EXPECT_EQ(outcome.outcome, Finished::SUBMISSION_FAULT);
  EXPECT_EQ(outcome.reason, "package.json: missing");
}

TEST_P(PluginFaults, TransientIsPassedOn) { EXPECT_EQ(RunThenServe("transient").outcome, Finished::TRANSIENT); }

TEST_P(PluginFaults, AFloodOfOutputIsBoundedAndTheResultCounts) {
  const EvaluationOutcome outcome = Run("flood");
  EXPECT_EQ(outcome.outcome, Finished::SUCCEEDED) << outcome.reason;
  EXPECT_LE(outcome.output.size(), size_t{512} << 10);
  EXPECT_GE(outcome.output.size(), size_t{128} << 10);
}

TEST_P(PluginFaults, WhatItForkedDoesNotOutliveItsProcess) {
  const EvaluationOutcome outcome = Run("fork");
  ASSERT_EQ(outcome.outcome, Finished::SUCCEEDED) << outcome.reason;
  ASSERT_THAT(outcome.log, SizeIs(1));
  EXPECT_EQ(Run("abort").outcome, Finished::PLUGIN_CRASHED);
  int child = 0;
  if (sscanf(outcome.log[0].c_str(), "child %d", &child) == 1) {
    EXPECT_TRUE(EndsWithin(child, absl::Seconds(20)));
  }
  EXPECT_EQ(Run("good").outcome, Finished::SUCCEEDED);
}

TEST_P(PluginFaults, AHandleUsedTooLateIsAnAnswer) {
  EXPECT_EQ(Run("late").outcome, Finished::SUCCEEDED);
  EXPECT_EQ(Run("good").outcome, Finished::SUCCEEDED);
}

TEST_P(PluginFaults, CancellingEndsAWillingPlugin) {
  progress_ = [this](const plugin::v1::Progress& report) {
    if (!report.phase().empty()) cancellation_.Cancel();
  };
  EXPECT_EQ(Run("wait").outcome, Finished::CANCELLED);
}

TEST_P(PluginFaults, CancellingEndsAnUnwillingPluginToo) {
  progress_ = [this](const plugin::v1::Progress& report) {
    if (!report.phase().empty()) cancellation_.Cancel();
  };
  EXPECT_EQ(Run("loop_logging").outcome, Finished::CANCELLED);
}

TEST_P(PluginFaults, AWillingPluginThatStopsAtItsDeadlineHasHung) {
  request_.time_limit = absl::Milliseconds(200);
  EXPECT_EQ(Run("wait").outcome, Finished::PLUGIN_HUNG);
}

TEST_P(PluginFaults, APluginThatDiesWhileLoadingHasCrashed) {
  auto package = PluginPackage::Load(Built("test_plugins/crashing_constructor.json"));
  ASSERT_THAT(package, IsOk());
  request_.package = *package;
  request_.evaluator = "crashing_constructor";
  const EvaluationOutcome outcome = Run("good");
  EXPECT_EQ(outcome.outcome, Finished::PLUGIN_CRASHED);
  EXPECT_THAT(outcome.reason, HasSubstr("last call: load"));
}

TEST_P(PluginFaults, AGoodResultCarriesResolvedEvidenceAndAuthorship) {
  v1::Claim prior;
  prior.set_id("shutdown.drains");
  prior.set_statement("drains");
  request_.prior = {{"code_analysis", {prior}, {}}};
  const archive::Pack base = *archive::MakePack({{"app.js", "one\n"}});
  request_.base = &base;
  const EvaluationOutcome outcome = Run("everything");
  ASSERT_EQ(outcome.outcome, Finished::SUCCEEDED) << outcome.reason;
  const EvaluationResult& result = outcome.result;
  EXPECT_EQ(result.observations[0].evidence(0), Digest::Of("one\ntwo\n").ToString());
  EXPECT_EQ(result.observations[0].authorship(), v1::SHARED) << "the file was changed";
  ASSERT_THAT(result.claims, SizeIs(2));
  EXPECT_EQ(result.claims[0].id(), "shutdown.drains");
  EXPECT_EQ(result.claims[0].verdict(), v1::Claim::CONFIRMED);
  EXPECT_EQ(result.claims[1].verdict(), v1::Claim::UNTESTED);
  EXPECT_EQ(result.findings[0].authorship(), v1::CANDIDATE) << "the line was added";
  ASSERT_THAT(result.artifacts, SizeIs(1));
  EXPECT_EQ(result.artifacts[0].content, "[1]");
  ASSERT_THAT(result.evidence, SizeIs(3));
  for (const EvidenceRecord& record : result.evidence) {
    EXPECT_EQ(record.info.digest(), Digest::Of(record.content).ToString());
  }
}

TEST_P(PluginFaults, EqualRunsGiveEqualResults) {
  const EvaluationOutcome first = Run("everything"), second = Run("everything");
  ASSERT_EQ(first.outcome, Finished::SUCCEEDED);
  EXPECT_EQ(first.result.findings[0].SerializeAsString(), second.result.findings[0].SerializeAsString());
  EXPECT_EQ(first.result.evidence.size(), second.result.evidence.size());
}

INSTANTIATE_TEST_SUITE_P(Launchers, PluginFaults, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "confined" : "plain"; });

TEST(EvaluationRunner, WithoutAProcessThePlatformIsAtFault) {
  PlainLauncher launcher;
  launcher.FailLaunches(absl::ResourceExhaustedError("256 processes run already"));
  HostPool pool(launcher, {Options()});
  EvaluationRequest request;
  request.package = *PluginPackage::Load(Built("test_plugins/misbehaving.json"));
  request.evaluator = "misbehaving";
  const EvaluationOutcome outcome = EvaluationRunner(pool).Run(
      request, [] { return std::make_unique<NoPlatformCalls>("none here"); }, {}, Cancellation());
  EXPECT_EQ(outcome.outcome, Finished::PLATFORM_FAULT);
  EXPECT_THAT(outcome.reason, HasSubstr("256 processes"));
}

TEST(PluginDirectory, OffersWhatAgreesAndRefusesTheRestWithBothValues) {
  PlainLauncher launcher;
  const auto directory = PluginDirectory::Load(Built("test_plugins"), launcher, Options());
  ASSERT_THAT(directory, IsOk());
  ASSERT_THAT(directory->packages(), SizeIs(1));
  EXPECT_EQ(directory->packages()[0]->manifest.id(), "misbehaving");
  EXPECT_EQ(directory->Find(directory->packages()[0]->digest), directory->packages()[0]);
  EXPECT_THAT(directory->refusals(),
              UnorderedElementsAre(HasSubstr("the binary says '1.0.0', the manifest '2.0.0'"), HasSubstr("signal 6")));
}

TEST(PluginDirectory, RefusesManifestsWithUnknownFieldsAndBinariesWithoutOne) {
  assay::testing::TempDir folder;
  std::filesystem::copy_file(Built("test_plugins/misbehaving.so"), folder / "alone.so");
  std::filesystem::copy_file(Built("test_plugins/misbehaving.so"), folder / "odd.so");
  FILE* odd = fopen((folder / "odd.json").c_str(), "w");
  fputs("{\"manifest\": 1, \"colour\": \"red\"}", odd);
  fclose(odd);
  PlainLauncher launcher;
  const auto directory = PluginDirectory::Load(folder.path(), launcher, Options());
  ASSERT_THAT(directory, IsOk());
  EXPECT_THAT(directory->packages(), IsEmpty());
  EXPECT_THAT(directory->refusals(), UnorderedElementsAre(HasSubstr("no manifest"), HasSubstr("colour")));
}

TEST(PluginDirectory, AFolderThatIsNotThereIsNotFound) {
  PlainLauncher launcher;
  EXPECT_THAT(PluginDirectory::Load("/nowhere", launcher, Options()), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace assay::plugin_host
