// SPDX-License-Identifier: Apache-2.0
//
// What a person sees who runs `assay serve` in one terminal and other commands in another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "assay/v1/candidate_service.pb.h"
#include "assay/v1/readiness_service.pb.h"
#include "assay/v1/report.pb.h"
#include "assay/v1/submission_service.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/rpc/json.h"
#include "tests/integration/testing/command_line.h"
#include "tests/integration/testing/server_process.h"

namespace assay {
namespace {

using testing::Command;
using testing::CommandResult;
using testing::RunAssay;
using testing::Serve;
using testing::TestPlugins;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using v1::Evaluation;
using v1::Submission;

constexpr int kDone = 0, kAnswerIsNo = 1, kBadInput = 3, kUnavailable = 4, kNotFoundOrAllowed = 5;

std::string Scorecard(const std::string& candidate, const std::string& rater) {
  return absl::StrCat("kind: scorecard\ncandidate: ", candidate,
                      "\nframework: senior-express-engineer@1\nrater: {id: ", rater,
                      ", role: interviewer}\nsession: {stage: design, held_at: 2026-10-01T14:00:00Z}\nratings:\n"
                      "  - {competency: \"3.1\", rating: 3, evidence: \"Explained admission control with figures\"}\n");
}

class CommandLine : public ::testing::Test {
 protected:
  std::string data() const { return folder_ / "data"; }

  void StartServer() {
    server_.reset();
    ASSAY_ASSERT_OK_AND_ASSIGN(server_, Serve(data(), TestPlugins()));
  }

  std::string Write(const std::string& name, const std::string& content) {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << content;
    return path.string();
  }
  // A repository whose plugin does `what`.
  std::string Repository(const std::string& what) { return Path(Write(absl::StrCat(what, "/do"), what)); }

  // A command on the server of this test, and its answer.
  template <typename Message>
  Message Ask(std::vector<std::string> arguments, int exit_code = kDone) {
    arguments.insert(arguments.end(), {"--data", data(), "--json"});
    const CommandResult result = RunAssay(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << result.out << result.err;
    Message message;
    EXPECT_THAT(rpc::FromJson(result.out, &message), testing::IsOk()) << result.out;
    return message;
  }
  Submission Submit(const std::string& path, const std::string& candidate, bool wait, int exit_code = kDone) {
    std::vector<std::string> arguments = {"submit", path, "--candidate", candidate};
    if (wait) arguments.push_back("--wait");
    const auto answer = Ask<v1::ListSubmissionsResponse>(arguments, exit_code);
    EXPECT_EQ(answer.submissions_size(), 1);
    return answer.submissions_size() == 1 ? answer.submissions(0) : Submission();
  }
  Submission Get(const std::string& candidate, const std::string& id) {
    return Ask<Submission>({"submissions", "get", candidate, id});
  }
  // The evaluation of the scripted plugin that was made last.
  static Evaluation Analysis(const Submission& submission) {
    Evaluation found;
    for (const Evaluation& evaluation : submission.evaluations()) {
      if (evaluation.evaluator() == "code_analysis") found = evaluation;
    }
    return found;
  }

  static std::string Path(const std::string& file) { return std::filesystem::path(file).parent_path().string(); }

  testing::TempDir folder_;
  std::unique_ptr<Command> server_;
};

TEST_F(CommandLine, SubmittingInOneTerminalIsWatchedInAnother) {
  StartServer();
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto watch,
                             Command::Start({"submissions", "watch", "--candidate", "c-1", "--data", data()}));
  const CommandResult submitted =
      RunAssay({"submit", Write("scorecard.yaml", Scorecard("c-1", "r-1")), "--wait", "--data", data()});
  EXPECT_EQ(submitted.exit_code, kDone) << submitted.err;
  const std::string id = submitted.out.substr(0, 26);
  EXPECT_TRUE(watch->WaitForOutput("accepted"));
  EXPECT_TRUE(watch->WaitForOutput("rubric: done"));
  watch->Signal(SIGTERM);
  EXPECT_THAT(watch->Finish().out, HasSubstr(id));
}

TEST_F(CommandLine, WaitingSaysHowEachEnded) {
  StartServer();
  const auto wait = [&](const std::string& path) {
    return RunAssay({"submit", path, "--candidate", "c-1", "--wait", "--data", data()});
  };
  const CommandResult good = wait(Repository("well"));
  EXPECT_EQ(good.exit_code, kDone) << good.err;
  // The analysis has a result; that a load test is not installed here is said.
  EXPECT_THAT(good.out, ContainsRegex("[a-z2-7]{26}  COMPLETED_PARTIAL: no plugin for load_test"));

  const CommandResult parked = wait(Repository("abort"));
  EXPECT_EQ(parked.exit_code, kUnavailable) << parked.err;
  EXPECT_THAT(parked.out, HasSubstr("COMPLETED_PARTIAL: "));
  EXPECT_THAT(parked.err, AllOf(ContainsRegex("^error: .*abort: COMPLETED_PARTIAL: "), HasSubstr("submissions rerun")));

  const CommandResult bad = wait(Repository("fault"));
  EXPECT_EQ(bad.exit_code, kBadInput) << bad.err;
  EXPECT_THAT(bad.out, HasSubstr(": nothing in it can be analysed"));
  EXPECT_THAT(bad.err, ContainsRegex("^error: fault: nothing in it can be analysed; .+\n$"));
}

// What a plugin does, and how many attempts that is worth: a crash, a hang or nonsense may have been bad luck and is
// tried again; a result that breaks the rules and a process that ate its memory would do so again.
struct BadDeed {
  const char* what;
  uint32_t attempts;
  const char* reason;
};

class BadPlugin : public CommandLine, public ::testing::WithParamInterface<BadDeed> {};

TEST_P(BadPlugin, CostsItsAttemptsEndsVisiblyUnscoredAndTheNextSubmissionIsServed) {
  StartServer();
  const BadDeed& deed = GetParam();
  const Submission ended = Submit(Repository(deed.what), "c-1", /*wait=*/true, kUnavailable);
  const Evaluation analysis = Analysis(Get("c-1", ended.id()));
  EXPECT_EQ(analysis.state(), Evaluation::PARKED);
  EXPECT_EQ(analysis.fault_domain(), Evaluation::PLUGIN);
  EXPECT_EQ(analysis.attempts(), deed.attempts);
  EXPECT_THAT(analysis.reason(), HasSubstr(deed.reason));
  const CommandResult shown = RunAssay({"submissions", "get", "c-1", ended.id(), "--data", data()});
  EXPECT_THAT(shown.out, AllOf(HasSubstr("COMPLETED_PARTIAL"),
                               ContainsRegex(absl::StrCat("code_analysis +PARKED +", deed.attempts, " attempt"))));
  EXPECT_EQ(Ask<v1::ReadinessRecord>({"readiness", "get", "c-1"}).readiness().coverage(), 0);

  const Submission next = Submit(Repository("well"), "c-2", /*wait=*/true);
  EXPECT_EQ(Analysis(next).state(), Evaluation::SUCCEEDED) << next.ShortDebugString();
}

INSTANTIATE_TEST_SUITE_P(Each, BadPlugin,
                         ::testing::Values(BadDeed{"abort", 2, "signal 6"}, BadDeed{"exit", 2, ""},
                                           BadDeed{"loop", 2, ""}, BadDeed{"garbage", 2, ""}, BadDeed{"flood", 2, ""},
                                           BadDeed{"leak", 1, "memory"}, BadDeed{"nan", 1, "not a number"},
                                           BadDeed{"undeclared", 1, "does not declare"}),
                         [](const auto& info) { return std::string(info.param.what); });

TEST_F(CommandLine, AStoppedServerGoesOnWithItsWorkWhenItIsStartedAgain) {
  StartServer();
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto watch,
                             Command::Start({"submissions", "watch", "--candidate", "c-1", "--data", data()}));
  const Submission accepted = Submit(Repository("wait"), "c-1", /*wait=*/false);
  ASSERT_TRUE(watch->WaitForOutput("code_analysis: running"));
  server_->Signal(SIGTERM);
  EXPECT_EQ(server_->Finish().exit_code, 0);
  StartServer();
  // Its plugin only lets its time pass, and is parked after the retry that a plugin's fault is worth.
  const CommandResult followed =
      RunAssay({"submissions", "watch", "--candidate", "c-1", "--id", accepted.id(), "--data", data()});
  EXPECT_EQ(followed.exit_code, kDone) << followed.err;
  EXPECT_EQ(Analysis(Get("c-1", accepted.id())).state(), Evaluation::PARKED);
}

TEST_F(CommandLine, AWatchGoesOnOverACleanRestartOfTheServer) {
  StartServer();
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto watch,
                             Command::Start({"submissions", "watch", "--candidate", "c-1", "--data", data()}));
  const Submission first = Submit(Write("one.yaml", Scorecard("c-1", "r-1")), "c-1", /*wait=*/true);
  ASSERT_TRUE(watch->WaitForOutput(first.id()));
  server_->Signal(SIGTERM);
  EXPECT_EQ(server_->Finish().exit_code, 0);
  StartServer();
  const Submission second = Submit(Write("two.yaml", Scorecard("c-1", "r-2")), "c-1", /*wait=*/true);
  EXPECT_TRUE(watch->WaitForOutput(second.id()));
}

TEST_F(CommandLine, CancelRerunWithdrawAndDeleteDoWhatTheySay) {
  StartServer();
  const Submission running = Submit(Repository("wait"), "c-1", /*wait=*/false);
  EXPECT_EQ(Ask<Submission>({"submissions", "cancel", "c-1", running.id()}).state(), Submission::CANCELLED);

  const Submission good = Submit(Repository("well"), "c-1", /*wait=*/true);
  const std::vector<std::string> rerun = {"submissions", "rerun", "--filter", "candidate=c-1", "--filter",
                                          "evaluator=code_analysis"};
  const auto with = [&](const char* flag) {
    std::vector<std::string> arguments = rerun;
    arguments.push_back(flag);
    return arguments;
  };
  EXPECT_EQ(Ask<v1::RerunSubmissionsResponse>(with("--preview")).evaluations_size(), 1);
  EXPECT_EQ(Get("c-1", good.id()).evaluations_size(), good.evaluations_size());
  EXPECT_EQ(Ask<v1::RerunSubmissionsResponse>(with("--apply")).evaluations_size(), 1);
  EXPECT_EQ(Get("c-1", good.id()).evaluations_size(), good.evaluations_size() + 1);

  EXPECT_TRUE(Ask<Submission>({"submissions", "withdraw", "c-1", good.id(), "--reason", "the wrong one"}).withdrawn());
  EXPECT_EQ(Ask<v1::ReadinessRecord>({"readiness", "get", "c-1"}).readiness().coverage(), 0);
  EXPECT_EQ(Ask<v1::DeleteCandidateResponse>({"candidates", "delete", "c-1"}).submissions_erased(), 2u);
  EXPECT_EQ(RunAssay({"readiness", "get", "c-1", "--data", data()}).exit_code, kNotFoundOrAllowed);
  EXPECT_EQ(RunAssay({"candidates", "delete", "c-1", "--data", data()}).exit_code, kNotFoundOrAllowed);
}

// What `readiness get --json` prints of the readiness itself, byte for byte.
std::string ReadinessBytes(const std::string& data, const std::string& candidate) {
  const CommandResult result = RunAssay({"readiness", "get", candidate, "--data", data, "--json"});
  EXPECT_EQ(result.exit_code, kDone) << result.err;
  const size_t begin = result.out.find("\"readiness\": {");
  return begin == std::string::npos ? "" : result.out.substr(begin);
}

// The plugins that ship, on the sample that ships.
std::string ShippedPlugins(const testing::TempDir& folder) {
  const std::string plugins = folder / "plugins";
  std::filesystem::create_directories(plugins);
  for (const char* file : {"code_analysis.so", "code_analysis.json", "rubric.so", "rubric.json"}) {
    std::filesystem::copy_file(testing::Built(absl::StrCat("plugins/", file)), absl::StrCat(plugins, "/", file));
  }
  return plugins;
}

TEST_F(CommandLine, EqualInputsGiveEqualBytesOfReadinessInAnyOrderAndAfterAReplay) {
  const std::string plugins = ShippedPlugins(folder_);
  const std::string sample = "tests/testdata/sample_candidate/";
  std::vector<std::string> inputs = {sample + "repository", sample + "portfolio.yaml",
                                     sample + "scorecard-incident-review.yaml",
                                     sample + "scorecard-system-design.yaml"};
  std::vector<std::string> seen;
  for (const char* name : {"first", "second"}) {
    const std::string folder = folder_ / name;
    ASSAY_ASSERT_OK_AND_ASSIGN(server_, Serve(folder, plugins));
    for (const std::string& input : inputs) {
      const CommandResult submitted = RunAssay({"submit", input, "--candidate", "sample-candidate", "--wait", "--data", folder});
      ASSERT_EQ(submitted.exit_code, kDone) << submitted.err;
    }
    seen.push_back(ReadinessBytes(folder, "sample-candidate"));
    // Other ids, other times, other order: none of it may show.
    std::reverse(inputs.begin(), inputs.end());
    server_->Signal(SIGTERM);
    EXPECT_EQ(server_->Finish().exit_code, 0);
  }
  EXPECT_GT(seen[0].size(), 10000u);
  EXPECT_EQ(seen[0], seen[1]);

  std::filesystem::remove_all(folder_ / "second/shards");
  ASSAY_ASSERT_OK_AND_ASSIGN(server_, Serve(folder_ / "second", plugins));
  // A watcher from the beginning is told of the last evaluation when the shards stand again.
  ASSAY_ASSERT_OK_AND_ASSIGN(
      const auto watch, Command::Start({"readiness", "watch", "sample-candidate", "--data", folder_ / "second", "--json"}));
  ASSERT_TRUE(watch->WaitForOutput(seen[1].substr(0, seen[1].rfind('}'))));
  EXPECT_EQ(ReadinessBytes(folder_ / "second", "sample-candidate"), seen[1]);
}

void ExpectEverythingGiven(const v1::EvaluationReport& report) {
  EXPECT_GT(report.findings_size(), 0);
  for (const auto& finding : report.findings())
    EXPECT_EQ(finding.authorship(), v1::GIVEN) << finding.ShortDebugString();
  size_t observed = 0;
  for (const auto& observation : report.observations()) {
    if (observation.state() != v1::Observation::OBSERVED) continue;
    ++observed;
    EXPECT_EQ(observation.authorship(), v1::GIVEN) << observation.criterion();
  }
  EXPECT_GT(observed, 0u);
  EXPECT_EQ(report.readiness().coverage(), 0);
}

TEST_F(CommandLine, ARepositoryIsComparedWithWhatTheTaskOfItsAssessmentGave) {
  ASSAY_ASSERT_OK_AND_ASSIGN(server_, Serve(data(), ShippedPlugins(folder_)));
  const std::string repository = "tests/testdata/sample_candidate/repository";
  const auto evaluated = [&](const std::string& candidate) {
    return Ask<v1::EvaluationReport>({"evaluate", repository, "--candidate", candidate, "--skip", "load_test"});
  };
  // The base handed in together with the task.
  const std::string task = Write("task.yaml", "kind: task\nid: shop\nbehaviours: []\n");
  const CommandResult given = RunAssay({"submit", task, "--candidate", "c-1", "--base", repository, "--data", data()});
  ASSERT_EQ(given.exit_code, kDone) << given.err;
  ExpectEverythingGiven(evaluated("c-1"));

  // Without a task it is the candidate's own, and so it is again once the task is taken back.
  const v1::EvaluationReport own = evaluated("c-2");
  EXPECT_GT(own.readiness().coverage(), 0);
  ASSERT_EQ(RunAssay({"submissions", "withdraw", "c-1", given.out.substr(0, 26), "--data", data()}).exit_code, kDone);
  EXPECT_GT(evaluated("c-1").readiness().coverage(), 0);

  // The base named by the digest of what was uploaded before; a later task takes the place of an earlier one.
  const std::string named = Write(
      "named.yaml",
      absl::StrCat("kind: task\nid: shop-2\nbase_digest: ", Submit(repository, "c-2", true).artifact_digest(), "\n"));
  ASSERT_EQ(RunAssay({"submit", task, "--candidate", "c-2", "--wait", "--data", data()}).exit_code, kDone);
  ASSERT_EQ(RunAssay({"submit", named, "--candidate", "c-2", "--data", data()}).exit_code, kDone);
  ExpectEverythingGiven(evaluated("c-2"));
}

TEST_F(CommandLine, ATaskWhoseBaseNobodyUploadedIsRefusedByItsLine) {
  StartServer();
  const std::string digest = absl::StrCat("sha256:", std::string(64, '0'));
  const std::string task = Write("task.yaml", absl::StrCat("kind: task\nid: shop\nbase_digest: ", digest, "\n"));
  const CommandResult refused = RunAssay({"submit", task, "--candidate", "c-1", "--data", data()});
  EXPECT_EQ(refused.exit_code, kBadInput);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("task.yaml:3: base_digest"), HasSubstr(digest), HasSubstr("uploaded")));
  const CommandResult other =
      RunAssay({"submit", task, "--candidate", "c-1", "--base", Repository("well"), "--data", data()});
  EXPECT_EQ(other.exit_code, kBadInput);
  EXPECT_THAT(other.err, AllOf(HasSubstr("base_digest"), HasSubstr(digest)));
}

TEST_F(CommandLine, ASecondServerOnTheFolderIsRefusedWithTheFirstOnesAddress) {
  StartServer();
  const CommandResult second = RunAssay({"serve", "--data", data(), "--set", "listen=", "--set", "http_listen="});
  EXPECT_EQ(second.exit_code, kUnavailable);
  EXPECT_THAT(second.err, AllOf(HasSubstr("error: "), HasSubstr(data()), HasSubstr("assay.sock")));
}

TEST_F(CommandLine, ListeningForOtherMachinesWithoutTlsOrTokensIsRefused) {
  for (const char* address : {"0.0.0.0:0", "127.example.com:0", "[::]:0"}) {
    const CommandResult refused = RunAssay({"serve", "--data", data(), "--listen", address, "--set", "http_listen="});
    EXPECT_EQ(refused.exit_code, kBadInput) << address;
    EXPECT_THAT(refused.err, AllOf(HasSubstr(address), HasSubstr("tls.certificate_file"), HasSubstr("token_file")));
  }
  const CommandResult half = RunAssay({"serve", "--data", data(), "--listen", "127.0.0.1:0", "--set", "http_listen=",
                                       "--set", "tls.certificate_file=/dev/null"});
  EXPECT_EQ(half.exit_code, kBadInput);
  EXPECT_THAT(half.err, HasSubstr("key_file"));
}

TEST_F(CommandLine, OverTlsATokenSaysWhoseDataItIsAndWhatItsBearerMayDo) {
  const std::string certificate = folder_ / "certificate.pem", key = folder_ / "key.pem";
  testing::WriteCertificate(certificate, key);
  const std::string tokens = Write("tokens", "token-of-acme-0123456789 acme hr alice writer\n"
                                             "token-of-bolt-0123456789 bolt hr bob writer\n"
                                             "token-of-eyes-0123456789 acme hr eve reader\n");
  ASSERT_EQ(chmod(tokens.c_str(), 0600), 0);
  ASSAY_ASSERT_OK_AND_ASSIGN(
      server_, Serve(data(), TestPlugins(),
                     {"--listen", "0.0.0.0:0", "--set", absl::StrCat("tls.certificate_file=", certificate), "--set",
                      absl::StrCat("tls.key_file=", key), "--set", absl::StrCat("token_file=", tokens)}));
  ASSERT_TRUE(server_->WaitForErrors("\n"));
  const std::string address = absl::StrCat("127.0.0.1:", server_->NumberAfter("0.0.0.0:"));
  const auto as = [&](const std::string& person, std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--server", address, "--tls-ca", certificate});
    if (!person.empty()) {
      arguments.insert(arguments.end(),
                       {"--token-file", Write(person, absl::StrCat("token-of-", person, "-0123456789"))});
    }
    return RunAssay(arguments);
  };
  const std::string scorecard = Write("scorecard.yaml", Scorecard("c-1", "r-1"));
  const CommandResult submitted = as("acme", {"submit", scorecard, "--wait"});
  EXPECT_EQ(submitted.exit_code, kDone) << submitted.err;
  EXPECT_EQ(as("eyes", {"readiness", "get", "c-1"}).exit_code, kDone);
  EXPECT_EQ(as("eyes", {"submit", scorecard}).exit_code, kNotFoundOrAllowed);
  EXPECT_EQ(as("bolt", {"readiness", "get", "c-1"}).exit_code, kNotFoundOrAllowed);
  EXPECT_EQ(as("bolt", {"submissions", "list"}).out, "");
  EXPECT_EQ(as("", {"submissions", "list"}).exit_code, kNotFoundOrAllowed);
}

TEST_F(CommandLine, ValidatingAFrameworkSaysItIsGoodOrNamesEachLine) {
  StartServer();
  const std::string source = "services/readiness/frameworks/senior-express-engineer-1", copy = folder_ / "framework";
  std::filesystem::copy(source, copy, std::filesystem::copy_options::recursive);
  const CommandResult good = RunAssay({"frameworks", "validate", copy, "--data", data()});
  EXPECT_EQ(good.exit_code, kDone) << good.err;
  EXPECT_THAT(good.out, HasSubstr("senior-express-engineer@1 is good: 8 areas, 24 competencies, 144 behaviours"));
  const CommandResult listed = RunAssay({"frameworks", "list", "--data", data()});
  const std::string digest = good.out.substr(good.out.find("sha256:"), 71);
  EXPECT_THAT(listed.out, HasSubstr(digest)) << "what was checked is what is built in";

  std::ofstream(absl::StrCat(copy, "/zz.yaml")) << "title: Another\nno_such_key: 1\n";
  const CommandResult bad = RunAssay({"frameworks", "validate", copy, "--data", data()});
  EXPECT_EQ(bad.exit_code, kAnswerIsNo) << bad.err;
  EXPECT_THAT(bad.out, AllOf(HasSubstr("zz.yaml:2"), HasSubstr("no_such_key")));
}

}  // namespace
}  // namespace assay
