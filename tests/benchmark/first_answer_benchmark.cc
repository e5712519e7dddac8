// SPDX-License-Identifier: Apache-2.0
//
// From a submission to the first 200 of its server, beside plain Node on the same files: the dependencies are in the
// cache since the first round, the code is new each time. A client sees the first answer as the phase that follows it,
// so code analysis, sandbox, the look at the routes and two records of the journal are within ours. What follows is
// cancelled.
//
//   first_answer_benchmark [ROUNDS]     default: 7
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "assay/v1/submission_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/base/unique_fd.h"
#include "tests/benchmark/report.h"
#include "tests/benchmark/subject.h"

extern char** environ;

namespace assay::benchmark {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(2);

constexpr char kServer[] =
    "const express = require('express');\nconst app = express();\n"
    "app.get('/', (req, res) => res.json({ok: true}));\n"
    "const server = app.listen(process.env.PORT || 3000);\n"
    "process.on('SIGTERM', () => server.close(() => process.exit(0)));\n";
constexpr char kManifest[] =
    R"({"name": "first", "version": "1.0.0", "private": true, "main": "server.js",
        "scripts": {"start": "node server.js"}, "dependencies": {"express": "4.21.2"}})";

double MillisecondsSince(absl::Time start) { return absl::ToDoubleMilliseconds(absl::Now() - start); }

// Whether a server on that port answers "/" with 200 now.
bool Answers(int port) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return false;
  constexpr absl::string_view kRequest = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  char answer[64] = {};
  return write(fd.get(), kRequest.data(), kRequest.size()) == static_cast<ssize_t>(kRequest.size()) &&
         read(fd.get(), answer, sizeof answer - 1) > 0 && absl::StartsWith(answer, "HTTP/1.1 200");
}

// Milliseconds until Node on these files answers with 200.
double Plain(const std::string& folder, int port) {
  const std::string script = folder + "/server.js", port_text = absl::StrCat("PORT=", port);
  std::vector<char*> environment = {const_cast<char*>(port_text.c_str())};
  for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
  environment.push_back(nullptr);
  const char* argv[] = {"node", script.c_str(), nullptr};
  const absl::Time start = absl::Now();
  pid_t pid = -1;
  if (posix_spawnp(&pid, "node", nullptr, nullptr, const_cast<char**>(argv), environment.data()) != 0) return -1;
  bool answered = false;
  while (!(answered = Answers(port)) && absl::Now() - start < kPatience) usleep(500);
  const double time = MillisecondsSince(start);
  kill(pid, SIGTERM);
  waitpid(pid, nullptr, 0);
  return answered ? time : -1;
}

// Phases of the load test until its first request for readiness was answered with 200.
bool IsBeforeFirstAnswer(absl::string_view phase) {
  for (absl::string_view first : {"preparing", "installing", "starting", "load: ready"}) {
    if (absl::StartsWith(phase, first)) return true;
  }
  return false;
}

// Waits until the load test has got its first answer.
absl::Status AwaitFirstAnswer(Subject& subject, const std::string& candidate,
                              const v1::CreateSubmissionResponse& created) {
  v1::WatchSubmissionsRequest request;
  request.set_candidate(candidate);
  request.add_ids(created.submission().id());
  request.set_read_token(created.read_token());
  grpc::ClientContext context;
  subject.client().Prepare(context, kPatience);
  const auto reader = subject.client().submissions->WatchSubmissions(&context, request);
  v1::SubmissionUpdate update;
  std::string last;
  while (reader->Read(&update)) {
    last = update.change();
    for (const v1::Evaluation& evaluation : update.submission().evaluations()) {
      const std::string& phase = evaluation.phase();
      if (evaluation.evaluator() != "load_test" || evaluation.state() != v1::Evaluation::RUNNING || phase.empty())
        continue;
      if (IsBeforeFirstAnswer(phase)) continue;
      context.TryCancel();
      reader->Finish();
      return absl::OkStatus();
    }
  }
  return absl::InternalError(absl::StrCat("the server never answered: ", last));
}

double Submitted(Subject& subject, const std::string& folder, const std::string& candidate) {
  const auto file = [&](const char* name) {
    return std::pair(std::string(name), OrDie(ReadFile(folder + "/" + name, 8 << 20)));
  };
  const std::string archive = OrDie(subject.client().Upload(
      candidate, assay::testing::Tar({file("package.json"),
                                      file("package-lock.json"),
                                      file("server.js"),
                                      {"distinction.js", absl::StrCat("// ", candidate, "\n")}})));
  v1::CreateSubmissionRequest request = assay::testing::RepositoryRequest("first", candidate, archive);
  request.mutable_submission()->clear_skip_evaluators();
  request.mutable_submission()->set_quick(true);
  const absl::Time start = absl::Now();
  const v1::CreateSubmissionResponse created = OrDie(subject.client().Create(request));
  OrDie(AwaitFirstAnswer(subject, candidate, created));
  const double time = MillisecondsSince(start);
  v1::CancelSubmissionRequest cancel;
  cancel.set_request_id("cancel");
  cancel.set_candidate(candidate);
  cancel.set_id(created.submission().id());
  grpc::ClientContext context;
  subject.client().Prepare(context, kPatience);
  v1::Submission cancelled;
  OrDie(assay::testing::Client::FromGrpc(subject.client().submissions->CancelSubmission(&context, cancel, &cancelled)));
  subject.Await(candidate, created.submission().id());
  return time;
}

int Run(int rounds) {
  const assay::testing::TempDir folder;
  std::ofstream(folder / "package.json") << kManifest;
  std::ofstream(folder / "server.js") << kServer;
  const std::string install =
      absl::StrCat("cd '", folder.path(), "' && npm install --no-audit --no-fund --ignore-scripts >/dev/null");
  if (std::system(install.c_str()) != 0) {
    std::fputs("error: npm could not install express; nothing is measured\n", stderr);
    return 4;
  }
  Subject subject(folder / "data");
  std::vector<double> ours, plain;
  for (int round = -1; round < rounds; ++round) {
    const double submitted = Submitted(subject, folder.path(), absl::StrCat("first-", round + 1));
    const double bare = Plain(folder.path(), 20000 + getpid() % 10000);
    if (bare < 0) OrDie(absl::InternalError("plain node did not answer"));
    // The first round installs the dependencies and warms the processes.
    if (round < 0) continue;
    ours.push_back(submitted);
    plain.push_back(bare);
  }
  PrintRatio("submission to first 200, dependencies cached", "ms", ours, "plain node", plain, AtMost(1.1));
  return 0;
}

}  // namespace
}  // namespace assay::benchmark

int main(int argc, char** argv) {
  int rounds = 7;
  if (argc > 2 || (argc == 2 && (!absl::SimpleAtoi(argv[1], &rounds) || rounds < 1))) {
    std::fputs("usage: first_answer_benchmark [ROUNDS]\n", stderr);
    return 2;
  }
  return assay::benchmark::Run(rounds);
}
