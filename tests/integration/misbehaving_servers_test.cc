// SPDX-License-Identifier: Apache-2.0
//
// Servers that do what they should not, through `assay evaluate` as a person runs it: each gets a sentence that names
// the place, a fault of the submission is a finding, what the platform lacks is no score, and nothing is left over.
// Where the machine cannot confine them, none of them runs, and that is said. Needs npm and its registry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "tests/integration/testing/command_line.h"
#include "tests/integration/testing/evaluation.h"
#include "tests/integration/testing/server_process.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using testing::Evaluation;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kCriteria[] = {
    "run.starts",     "run.survives_bad_input", "run.error_answers", "run.latency_under_load", "run.drains_on_sigterm",
    "run.body_limits"};
constexpr char kApp[] = R"('use strict';
const express = require('express');
const app = express();
app.use(express.json());
app.get('/items', (request, response) => response.json([]));
)";

bool InContainer() { return getenv("ASSAY_TEST_CONTAINER") != nullptr; }

class MisbehavingServers : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { data_ = new testing::TempDir; }
  static void TearDownTestSuite() {
    delete data_;
    data_ = nullptr;
  }

  // `assay evaluate` of a repository whose start script runs this code; afterwards nothing of it may be left.
  Evaluation Run(const std::string& code, const std::string& dependencies = R"("express": "^4.19.0")") {
    const testing::TempDir folder;
    // The name finds its processes again, wherever they went.
    const std::string name = absl::StrCat("server-", getpid(), "-", ++count_, ".js");
    testing::WriteFiles(
        folder / "app",
        {{"package.json", absl::StrCat(R"({"name": "app", "version": "1.0.0", "scripts": {"start": "node )", name,
                                       R"("}, "dependencies": {)", dependencies, "}}")},
         {name, code}});
    const Evaluation outcome = testing::Evaluate(folder / "app", data_->path(), "--quick");
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors << outcome.report.dump(1);
    ExpectNothingLeft(name);
    if (InContainer()) {
      EXPECT_EQ(outcome.Observation("run.starts").value("state", ""), "NOT_OBSERVABLE");
      EXPECT_THAT(outcome.Text("run.starts"), HasSubstr("To mend it"));
    }
    return outcome;
  }

  static void ExpectNothingLeft(const std::string& name) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::ifstream file(entry.path() / "cmdline");
      const std::string line((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
      EXPECT_FALSE(absl::StrContains(line, name) && absl::StrContains(line, "/node/bin/node"))
          << entry.path() << " " << line;
    }
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) EXPECT_FALSE(absl::StrContains(line, data_->path())) << line;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(data_->path() + "/cache/workspaces/work", none)) {
      ADD_FAILURE() << "left over: " << entry.path();
    }
    // A control group carries its launcher's process id; those of others that run now are theirs.
    for (const auto& entry : std::filesystem::recursive_directory_iterator(
             "/sys/fs/cgroup", std::filesystem::directory_options::skip_permission_denied, none)) {
      const std::string folder = entry.path().filename();
      int launcher = 0;
      if (!absl::StartsWith(folder, "assay-launcher-") || !absl::SimpleAtoi(folder.substr(15), &launcher)) continue;
      EXPECT_EQ(kill(launcher, 0), 0) << "left over: " << entry.path();
    }
  }

  static void ExpectNoScore(const Evaluation& outcome) {
    for (const char* criterion : kCriteria)
      EXPECT_FALSE(outcome.Observed(criterion)) << criterion << ": " << outcome.Text(criterion);
  }
  // It did not start, by its own fault: a finding at its file, a sentence, no score.
  static void ExpectFault(const Evaluation& outcome, const ::testing::Matcher<std::string>& why) {
    ExpectNoScore(outcome);
    const nlohmann::json finding = outcome.Finding("LT0.not_startable");
    ASSERT_FALSE(finding.empty()) << outcome.report.dump(1);
    EXPECT_THAT(finding.value("message", ""), why);
    EXPECT_THAT(finding.value("file", ""), HasSubstr("server-"));
    EXPECT_THAT(outcome.Text("run.starts"), why);
  }
  static void ExpectPlatformLacks(const Evaluation& outcome, const std::string& what) {
    ExpectNoScore(outcome);
    for (const auto& finding : outcome.report["findings"])
      EXPECT_THAT(finding.value("check", ""), Not(HasSubstr("LT"))) << finding;
    EXPECT_EQ(outcome.Observation("run.starts").value("state", ""), "NOT_OBSERVABLE");
    EXPECT_THAT(outcome.Text("run.starts"), HasSubstr(absl::StrCat("not observable here: the server wants ", what)));
  }

  static testing::TempDir* data_;
  static int count_;
};
testing::TempDir* MisbehavingServers::data_ = nullptr;
int MisbehavingServers::count_ = 0;

TEST_F(MisbehavingServers, NeverListens) {
  const Evaluation outcome = Run(absl::StrCat(kApp, "setInterval(() => {}, 1000);\n"));
  if (!InContainer()) ExpectFault(outcome, HasSubstr("it ran 15 s without listening on a port"));
}

TEST_F(MisbehavingServers, ListensAndDiesAtOnce) {
  const Evaluation outcome =
      Run(absl::StrCat(kApp, "app.listen(process.env.PORT, () => { throw new Error('no more'); });\n"));
  if (!InContainer()) ExpectFault(outcome, AllOf(HasSubstr("ended with code 1"), HasSubstr("no more")));
}

// Its death is not told as the work of what was sent meanwhile.
TEST_F(MisbehavingServers, ListensAndDiesAfterAWhile) {
  const Evaluation outcome = Run(absl::StrCat(
      kApp, "app.listen(process.env.PORT, () => setTimeout(() => { throw new Error('too late'); }, 1500));\n"));
  if (InContainer()) return;
  const nlohmann::json ends = outcome.Finding("LT0.ends");
  ASSERT_FALSE(ends.empty()) << outcome.report.dump(1);
  EXPECT_THAT(ends.value("message", ""), AllOf(HasSubstr("left alone after its start"), HasSubstr("too late")));
  EXPECT_TRUE(outcome.Finding("LT1.crash").empty());
  EXPECT_FALSE(outcome.Observed("run.survives_bad_input"));
}

TEST_F(MisbehavingServers, ListensOnAUnixSocketOnly) {
  const Evaluation outcome = Run(absl::StrCat(kApp, "require('http').createServer(app).listen('/tmp/app.sock');\n"));
  if (!InContainer()) ExpectFault(outcome, HasSubstr("it listens on a Unix socket only"));
}

TEST_F(MisbehavingServers, ListensElsewhereAndFloodsItsOutput) {
  const Evaluation outcome = Run(absl::StrCat(
      kApp, "app.listen(8081);\nsetInterval(() => process.stdout.write('x'.repeat(1 << 20) + '\\n'), 20);\n"));
  if (InContainer()) return;
  EXPECT_TRUE(outcome.Observed("run.starts")) << outcome.report.dump(1);
  EXPECT_THAT(outcome.Text("run.starts"),
              AllOf(HasSubstr("listens on port 8081"), HasSubstr("took no notice of PORT=")));
  EXPECT_THAT(outcome.Finding("LT0.port").value("message", ""), HasSubstr("the server listens on 8081"));
  EXPECT_TRUE(outcome.Observed("run.survives_bad_input")) << outcome.Text("run.survives_bad_input");
}

constexpr char kPostgres[] = R"("express": "^4.19.0", "pg": "^8.11.0")";

TEST_F(MisbehavingServers, EndsWithoutItsDatabase) {
  const Evaluation outcome = Run(absl::StrCat(kApp, R"(const { Pool } = require('pg');
new Pool().query('SELECT 1').then(() => app.listen(process.env.PORT), (error) => { console.error(error); process.exit(1); });
)"),
                                 kPostgres);
  if (!InContainer()) ExpectPlatformLacks(outcome, "a PostgreSQL");
}

TEST_F(MisbehavingServers, WaitsInSilenceForItsDatabase) {
  const Evaluation outcome = Run(absl::StrCat(kApp, R"(const { Pool } = require('pg');
const connect = () => new Pool().query('SELECT 1').then(() => app.listen(process.env.PORT), () => setTimeout(connect, 500));
connect();
)"),
                                 kPostgres);
  if (!InContainer()) ExpectPlatformLacks(outcome, "a PostgreSQL");
}

TEST_F(MisbehavingServers, FailsEveryRequestWithoutItsDatabase) {
  const Evaluation outcome = Run(absl::StrCat(kApp, R"(const { Pool } = require('pg');
const pool = new Pool();
app.post('/items', (request, response) => pool.query('SELECT 1').then(() => response.json({}), () => response.status(500).json({})));
app.listen(process.env.PORT);
)"),
                                 kPostgres);
  if (InContainer()) return;
  EXPECT_TRUE(outcome.Observed("run.starts")) << outcome.report.dump(1);
  EXPECT_EQ(outcome.Observation("run.survives_bad_input").value("state", ""), "NOT_OBSERVABLE");
  EXPECT_THAT(outcome.Text("run.survives_bad_input"), HasSubstr("a PostgreSQL, which this platform does not offer"));
  EXPECT_TRUE(outcome.Finding("LT1.server_errors").empty());
}

constexpr char kForks[] = R"(const { spawn } = require('child_process');
const more = () => {
  spawn(process.execPath, [__filename], { detached: true, stdio: 'ignore' }).on('error', (error) => { throw error; });
  setImmediate(more);
};
more();
)";
constexpr char kEatsMemory[] = "const held = [];\nsetInterval(() => held.push(Buffer.alloc(32 << 20, 1)), 5);\n";
constexpr char kFillsDisk[] =
    "for (let i = 0; ; ++i) require('fs').writeFileSync('/tmp/' + i, Buffer.alloc(1 << 20, 1));\n";

TEST_F(MisbehavingServers, ForksWithoutEnd) {
  const Evaluation outcome = Run(absl::StrCat(kApp, kForks));
  if (!InContainer())
    ExpectFault(outcome, AnyOf(HasSubstr("it started more than 256 processes and threads"),
                               HasSubstr("it used more than 512 MiB of memory")));
}

TEST_F(MisbehavingServers, EatsMemory) {
  const Evaluation outcome = Run(absl::StrCat(kApp, kEatsMemory));
  if (!InContainer()) ExpectFault(outcome, HasSubstr("it used more than 512 MiB of memory"));
}

TEST_F(MisbehavingServers, WritesUntilNothingIsLeft) {
  const Evaluation outcome = Run(absl::StrCat(kApp, kFillsDisk));
  if (!InContainer()) ExpectFault(outcome, HasSubstr("it filled the disk it was given"));
}

TEST_F(MisbehavingServers, ClosesEveryConnection) {
  const Evaluation outcome = Run(
      "const express = require('express');\nconst app = express();\napp.use((request) => request.socket.destroy());\n"
      "app.listen(process.env.PORT);\n");
  if (!InContainer()) ExpectFault(outcome, HasSubstr("but answers nothing below 500 (/readyz no answer"));
}

TEST_F(MisbehavingServers, SpeaksAnOldProtocolSlowly) {
  const Evaluation outcome = Run(absl::StrCat(kApp, R"(require('net').createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', () => setTimeout(() => socket.end('HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n[]'), 700));
}).listen(process.env.PORT);
)"));
  if (InContainer()) return;
  EXPECT_TRUE(outcome.Observed("run.starts")) << outcome.report.dump(1);
  EXPECT_TRUE(outcome.Observed("run.survives_bad_input")) << outcome.Text("run.survives_bad_input");
  EXPECT_FALSE(outcome.Text("run.latency_under_load").empty());
}

TEST_F(MisbehavingServers, CrashesAtBadInput) {
  const Evaluation outcome = Run(absl::StrCat(kApp, R"(app.post('/items', (request, response) => {
  setImmediate(() => response.status(201).json({ letters: request.body.name.length }));
});
app.listen(process.env.PORT);
)"));
  if (InContainer()) return;
  EXPECT_EQ(outcome.Observation("run.survives_bad_input").value("value", -1.0), 0);
  EXPECT_TRUE(outcome.Observed("run.survives_bad_input"));
  const nlohmann::json crash = outcome.Finding("LT1.crash");
  EXPECT_THAT(crash.value("message", ""), AllOf(HasSubstr("ended with exit code 1"), HasSubstr("TypeError")));
  EXPECT_THAT(crash.value("file", ""), HasSubstr("server-"));
  // One crash costs its own criterion; the others are settled by a server that was started again.
  EXPECT_TRUE(outcome.Observed("run.drains_on_sigterm")) << outcome.Text("run.drains_on_sigterm");
}

// ---- all of them at one server ----

std::string Scorecard(const std::string& rater) {
  return absl::StrCat("kind: scorecard\ncandidate: good\nframework: senior-express-engineer@1\nrater: {id: ", rater,
                      ", role: interviewer}\nsession: {stage: design, held_at: 2026-10-01T14:00:00Z}\nratings:\n"
                      "  - {competency: \"3.1\", rating: 3, evidence: \"Explained admission control with figures\"}\n");
}

// The state of the only submission of a candidate, as `assay submissions list` tells it.
std::string State(const std::string& candidate, const std::string& data) {
  const testing::CommandResult listed =
      testing::RunAssay({"submissions", "list", "--candidate", candidate, "--data", data, "--json"});
  const auto json = nlohmann::json::parse(listed.out, nullptr, false);
  if (!json.is_object() || json["submissions"].size() != 1) return listed.out + listed.err;
  return json["submissions"][0].value("state", "");
}

TEST_F(MisbehavingServers, DisturbNobodyElseOnOneServer) {
  const testing::TempDir folder;
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto server, testing::Serve(data_->path(), testing::Built("plugins")));
  std::vector<std::unique_ptr<testing::Command>> waiting;
  const std::pair<const char*, const char*> hostile[] = {
      {"eats-memory", kEatsMemory}, {"forks", kForks}, {"fills-disk", kFillsDisk}};
  for (const auto& [candidate, code] : hostile) {
    testing::WriteFiles(
        folder / candidate,
        {{"package.json",
          R"({"name": "app", "version": "1.0.0", "scripts": {"start": "node server.js"}, "dependencies": {"express": "^4.19.0"}})"},
         {"server.js", absl::StrCat(kApp, code)}});
    ASSAY_ASSERT_OK_AND_ASSIGN(auto command, testing::Command::Start({"submit", folder / candidate, "--candidate",
                                                                      candidate, "--wait", "--data", data_->path()}));
    waiting.push_back(std::move(command));
  }
  testing::WriteFiles(folder.path(), {{"during.yaml", Scorecard("r-1")}, {"after.yaml", Scorecard("r-2")}});
  const testing::CommandResult during =
      testing::RunAssay({"submit", folder / "during.yaml", "--wait", "--data", data_->path()});
  EXPECT_EQ(during.exit_code, 0) << during.err;
  for (auto& command : waiting) {
    const testing::CommandResult result = command->Finish();
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  }
  for (const auto& [candidate, code] : hostile) EXPECT_EQ(State(candidate, data_->path()), "COMPLETED") << candidate;
  const testing::CommandResult after =
      testing::RunAssay({"submit", folder / "after.yaml", "--wait", "--data", data_->path()});
  EXPECT_EQ(after.exit_code, 0) << after.err;
  server->Signal(SIGTERM);
  EXPECT_EQ(server->Finish().exit_code, 0);
}

}  // namespace
}  // namespace assay
