// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/launcher.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/sandbox/testing/sandbox_fixture.h"

namespace assay::sandbox {
namespace {

using ::assay::testing::StatusIs;
using ::assay::testing::TempDir;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::IsEmpty;
using Result = Launcher::Check::Result;

// The launchers that this process has started.
std::set<int> LauncherChildren() {
  std::set<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    int pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    std::ifstream file(entry.path() / "status");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    if (absl::StrContains(text, absl::StrCat("PPid:\t", getpid(), "\n")) &&
        absl::StartsWith(text, "Name:\tassay-launcher\n")) {
      found.insert(pid);
    }
  }
  return found;
}

std::set<std::string> LauncherFolders(int launcher) {
  std::set<std::string> found;
  const std::string name = absl::StrCat("assay-launcher-", launcher, "-");
  std::error_code error;
  auto options = std::filesystem::directory_options::skip_permission_denied;
  for (std::filesystem::recursive_directory_iterator entry("/sys/fs/cgroup", options, error), end; entry != end && !error;
       entry.increment(error)) {
    if (absl::StrContains(entry->path().string(), name)) found.insert(entry->path().string());
  }
  return found;
}

TEST_F(SandboxTest, ProvesEveryLayerAtStart) {
  std::map<std::string, Result> results;
  for (const Launcher::Check& check : launcher_->checks()) {
    results[check.id] = check.result;
    EXPECT_NE(check.result, Result::kBroken) << check.id << ": " << check.detail;
    EXPECT_FALSE(check.detail.empty()) << check.id;
    EXPECT_EQ(check.mend.empty(), check.result == Result::kEnforced) << check.id;
  }
  for (const char* id : {"network", "mounts", "processes", "disk"}) {
    EXPECT_EQ(results.at(id), InContainer() ? Result::kAbsent : Result::kEnforced) << id;
  }
  EXPECT_EQ(results.at("privileges"), Result::kEnforced);
  EXPECT_EQ(results.at("system_calls"), Result::kEnforced);
  EXPECT_EQ(results.size(), 9u);
}

TEST_F(SandboxTest, EndsAForkBombWithItsWallClock) {
  LaunchSpec spec = Confined({"fork-bomb"});
  spec.limits.wall = absl::Seconds(1);
  ExitInfo exit = Run(spec);
  if (InContainer()) return;
  EXPECT_TRUE(exit.signalled);
  EXPECT_EQ(exit.limit, ExitInfo::Limit::kWall);
}

TEST_F(SandboxTest, KillsAMemoryEaterAtItsLimit) {
  ExitInfo exit = Run(Confined({"eat-memory"}));
  if (InContainer()) return;
  EXPECT_EQ(exit.limit, ExitInfo::Limit::kMemory);
  EXPECT_LE(exit.peak_bytes, uint64_t{130} << 20);
  EXPECT_GE(exit.peak_bytes, uint64_t{64} << 20);
}

TEST_F(SandboxTest, RefusesWritesBeyondTheDiskLimit) {
  for (const char* folder : {"/tmp", "/home/app", "/dev/shm"}) {
    ExitInfo exit = Run(Confined({"fill-disk", folder}));
    if (InContainer()) return;
    EXPECT_EQ(exit.code, 9) << folder;
    EXPECT_EQ(exit.limit, ExitInfo::Limit::kDisk) << folder;
  }
}

TEST_F(SandboxTest, KillsDetachedChildrenThatIgnoreSignals) {
  Pipe output, held;
  LaunchSpec spec = Confined({"daemonise", "200", "stay"});
  spec.limits.max_processes = 250;
  spec.descriptors = {{output.write_end.get(), 1}, {held.write_end.get(), 5}};
  auto process = Launch(spec);
  if (process == nullptr) return;
  ASSERT_EQ(output.Read(5), "ready");
  process->Kill();
  ASSERT_TRUE(process->Wait(absl::Minutes(1)).ok());
  EXPECT_TRUE(held.AllWritersGone());
}

TEST_F(SandboxTest, WhatAnotherLauncherRunsCountsForNoLimitHere) {
  Pipe many_output, one_output;
  LaunchSpec many = Confined({"daemonise", "20", "stay"});
  many.descriptors = {{many_output.write_end.get(), 1}};
  auto process = Launch(many);
  if (process == nullptr) return;
  ASSERT_EQ(many_output.Read(5), "ready");

  auto other = Launcher::Start(LauncherPath());
  ASSERT_TRUE(other.ok()) << other.status();
  LaunchSpec one = Confined({"await-term"});
  one.limits.max_processes = 1;
  one.descriptors = {{one_output.write_end.get(), 1}};
  auto alone = (*other)->Launch(one);
  ASSERT_TRUE(alone.ok()) << alone.status();
  EXPECT_EQ(one_output.Read(5), "ready");
}

TEST_F(SandboxTest, EndsWhatAProgramLeftBehindWhenItExits) {
  Pipe held;
  LaunchSpec spec = Confined({"daemonise", "20"});
  spec.descriptors = {{held.write_end.get(), 1}, {held.write_end.get(), 5}};
  ExitInfo exit = Run(spec);
  if (InContainer()) return;
  EXPECT_EQ(exit.code, 0);
  EXPECT_TRUE(held.AllWritersGone());
}

TEST_F(SandboxTest, ReachesNoSocketOutside) {
  UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener.get(), 4), 0);
  ASSERT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  EXPECT_THAT(Run(Confined({"connect", "127.0.0.1", absl::StrCat(ntohs(address.sin_port))})).code, AnyOf(0, kRefused));
  EXPECT_THAT(Run(Confined({"connect", "192.0.2.1", "80"})).code, AnyOf(0, kRefused));
}

TEST_F(SandboxTest, SeesNoFileOfTheMachine) {
  EXPECT_THAT(Run(Confined({"read", "/etc/shadow", "/root", "/sys", "/var", "/boot", "/dev/vda", "/dev/mem",
                            "/proc/1/environ", "/proc/1/mem", "/proc/1/root/etc/shadow", "/proc/kcore",
                            absl::StrCat("/proc/", getpid(), "/environ")}))
                  .code,
              AnyOf(0, kRefused));
  EXPECT_THAT(Run(Confined({"write", "/usr/lib/new"})).code, AnyOf(0, kRefused));
  EXPECT_THAT(Run(Confined({"write", "/new"})).code, AnyOf(0, kRefused));
  EXPECT_THAT(Run(Confined({"write", "/proc/sys/kernel/hostname"})).code, AnyOf(0, kRefused));
}

TEST_F(SandboxTest, CannotTraceOrKillOthers) {
  EXPECT_THAT(Run(Confined({"trace", "1"})).code, AnyOf(0, kRefused));
  EXPECT_THAT(Run(Confined({"trace", absl::StrCat(getpid())})).code, AnyOf(0, kRefused));
}

TEST_F(SandboxTest, CannotMakeNamespacesOfItsOwn) { EXPECT_THAT(Run(Confined({"nest"})).code, AnyOf(0, kRefused)); }

TEST_F(SandboxTest, InheritsNothing) {
  ASSERT_EQ(setenv("SECRET_OF_THE_SERVICE", "value", 1), 0);
  LaunchSpec spec = Confined({"look-around", "1", "with 7"});
  spec.environment = {"PORT=1"};
  Pipe pipe;
  spec.descriptors = {{pipe.write_end.get(), 7}};
  EXPECT_THAT(Run(spec).code, AnyOf(0, kRefused));
}

TEST_F(SandboxTest, WritesIntoAnOverlayLeaveItsSourceUnchanged) {
  TempDir folder;
  ASSERT_TRUE(WriteFileAtomically(folder.path() + "/db.json", "original").ok());
  std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
  std::filesystem::permissions(folder.path() + "/db.json", std::filesystem::perms(0666));
  LaunchSpec spec = Confined({"write", "/app/db.json"});
  spec.isolation.mounts.push_back({folder.path(), "/app", true, Mount::Kind::kOverlay});
  EXPECT_THAT(Run(spec).code, AnyOf(1, kRefused));  // 1: written
  EXPECT_EQ(*ReadFile(folder.path() + "/db.json"), "original");
  spec.argv[1] = "link-away";
  spec.argv[2] = "/app";
  EXPECT_THAT(Run(spec).code, AnyOf(0, kRefused));
  EXPECT_FALSE(std::filesystem::is_symlink(folder.path() + "/link"));
  spec.argv[1] = "fill-disk";
  EXPECT_THAT(Run(spec).code, AnyOf(9, kRefused));
}

TEST_F(SandboxTest, RefusesAMountTargetThatLeadsThroughALink) {
  TempDir folder;
  std::filesystem::create_symlink("/tmp", folder.path() + "/node_modules");
  LaunchSpec spec = Confined({"nest"});
  spec.isolation.mounts.push_back({folder.path(), "/app", true, Mount::Kind::kOverlay});
  spec.isolation.mounts.push_back({"/usr/lib", "/app/node_modules"});
  EXPECT_FALSE(launcher_->Launch(spec).ok());
}

TEST_F(SandboxTest, PassesSignalsToTheProgram) {
  Pipe output;
  LaunchSpec spec = Confined({"await-term"});
  spec.descriptors = {{output.write_end.get(), 1}};
  auto process = Launch(spec);
  if (process == nullptr) return;
  ASSERT_EQ(output.Read(5), "ready");
  EXPECT_THAT(process->Signal(SIGTERM, 31'000), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_TRUE(process->Signal(SIGTERM).ok());
  auto exit = process->Wait(absl::Minutes(1));
  ASSERT_TRUE(exit.ok()) << exit.status();
  EXPECT_EQ(exit->code, 17);
  EXPECT_FALSE(exit->signalled);
  EXPECT_EQ(exit->limit, ExitInfo::Limit::kNone);
  EXPECT_THAT(process->Signal(SIGTERM), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(SandboxTest, EndsAtTheProcessorTimeLimit) {
  LaunchSpec spec = Confined({"spin"});
  spec.limits.cpu_time = absl::Milliseconds(300);
  ExitInfo exit = Run(spec);
  if (InContainer()) return;
  EXPECT_EQ(exit.limit, ExitInfo::Limit::kCpu);
  EXPECT_GE(exit.cpu, absl::Milliseconds(250));
}

TEST_F(SandboxTest, AJoinedProcessSharesTheNetworkAndEndsWithIt) {
  Pipe output, joined_output;
  LaunchSpec server = Confined({"listen", "8080"});
  server.descriptors = {{output.write_end.get(), 1}};
  auto process = Launch(server);
  if (process == nullptr) return;
  ASSERT_EQ(output.Read(5), "ready");
  LaunchSpec client = Confined({"connect", "127.0.0.1", "8080"});
  client.isolation.profile = Profile::kLoadEngine;
  client.join_process = process->id();
  EXPECT_EQ(Run(client).code, 1);  // 1: connected
  client.argv = {client.argv[0], "await-term"};
  client.descriptors = {{joined_output.write_end.get(), 1}};
  auto joined = Launch(client);
  ASSERT_NE(joined, nullptr);
  ASSERT_EQ(joined_output.Read(5), "ready");
  process->Kill();
  auto exit = joined->Wait(absl::Minutes(1));
  ASSERT_TRUE(exit.ok()) << exit.status();
  EXPECT_TRUE(exit->signalled);
}

TEST_F(SandboxTest, AProcessThatJoinsTheNetworkAloneOutlivesIt) {
  Pipe output, joined_output;
  LaunchSpec server = Confined({"listen", "8080"});
  server.descriptors = {{output.write_end.get(), 1}};
  auto process = Launch(server);
  if (process == nullptr) return;
  ASSERT_EQ(output.Read(5), "ready");
  LaunchSpec client = Confined({"connect", "127.0.0.1", "8080"});
  client.isolation.profile = Profile::kLoadEngine;
  client.join_process = process->id();
  client.join_network_only = true;
  EXPECT_EQ(Run(client).code, 1);  // 1: connected
  client.argv = {client.argv[0], "await-term"};
  client.descriptors = {{joined_output.write_end.get(), 1}};
  auto joined = Launch(client);
  ASSERT_NE(joined, nullptr);
  ASSERT_EQ(joined_output.Read(5), "ready");
  process->Kill();
  ASSERT_TRUE(process->Wait(absl::Minutes(1)).ok());
  EXPECT_THAT(joined->Wait(absl::ZeroDuration()), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(SandboxTest, RunsSeveralAtOnceApart) {
  Pipe first_output, second_output;
  LaunchSpec spec = Confined({"listen", "8080"});
  spec.descriptors = {{first_output.write_end.get(), 1}};
  auto first = Launch(spec);
  if (first == nullptr) return;
  spec.descriptors = {{second_output.write_end.get(), 1}};
  auto second = Launch(spec);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(first_output.Read(5), "ready");
  EXPECT_EQ(second_output.Read(5), "ready");
  second->Kill();
  ASSERT_TRUE(second->Wait(absl::Minutes(1)).ok());
  EXPECT_THAT(first->Wait(absl::ZeroDuration()), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(SandboxTest, SaysWhyAProgramCannotStart) {
  LaunchSpec spec = Confined({});
  spec.argv = {"/program/missing"};
  auto process = launcher_->Launch(spec);
  EXPECT_THAT(process.status(),
              StatusIs(InContainer() ? absl::StatusCode::kFailedPrecondition : absl::StatusCode::kNotFound));
  spec.argv = {"relative"};
  EXPECT_THAT(launcher_->Launch(spec).status(), StatusIs(absl::StatusCode::kInvalidArgument));
  spec.argv = {};
  EXPECT_THAT(launcher_->Launch(spec).status(), StatusIs(absl::StatusCode::kInvalidArgument));
}

// Plugin hosts and the decoder are our own code on foreign bytes: they run in a container too, confined by what is there.
TEST_F(SandboxTest, BestEffortLaunchesRunEverywhereAndSayWhatIsMissing) {
  LaunchSpec spec = Confined({"nest"});
  spec.argv[0] = BuildDirectory() + "/tests/sandbox_misbehave";
  spec.isolation.mounts.clear();
  spec.isolation.new_mounts = false;
  spec.isolation.best_effort = true;
  auto process = launcher_->Launch(spec);
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_THAT((*process)->left_out(), Contains("network").Times(InContainer() ? 1 : 0));
  auto exit = (*process)->Wait(absl::Minutes(1));
  ASSERT_TRUE(exit.ok());
  EXPECT_EQ(exit->code, 0);

  spec.argv[1] = "fork-bomb";
  spec.isolation.profile = Profile::kPluginHost;
  spec.limits.wall = absl::Milliseconds(300);
  process = launcher_->Launch(spec);
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_EQ((*process)->Wait(absl::Minutes(1))->limit, ExitInfo::Limit::kWall);

  spec.argv[1] = "eat-memory";
  spec.limits.wall = absl::Minutes(1);
  process = launcher_->Launch(spec);
  ASSERT_TRUE(process.ok()) << process.status();
  exit = (*process)->Wait(absl::Minutes(2));
  ASSERT_TRUE(exit.ok());
  EXPECT_NE(exit->limit, ExitInfo::Limit::kWall);
}

TEST_F(SandboxTest, LeavesNoProcessAndNoFolderBehind) {
  std::set<int> launchers = LauncherChildren();
  ASSERT_EQ(launchers.size(), 1u);
  Pipe output;
  LaunchSpec spec = Confined({"daemonise", "10", "stay"});
  spec.descriptors = {{output.write_end.get(), 1}};
  std::unique_ptr<Process> process = Launch(spec);
  if (process != nullptr) {
    EXPECT_EQ(output.Read(5), "ready");
  }
  process.reset();
  launcher_.reset();
  EXPECT_THAT(LauncherChildren(), IsEmpty());
  EXPECT_THAT(LauncherFolders(*launchers.begin()), IsEmpty());
  EXPECT_TRUE(output.AllWritersGone());
}

TEST_F(SandboxTest, ItsProcessesEndWhenTheLauncherIsKilled) {
  Pipe output;
  LaunchSpec spec = Confined({"daemonise", "10", "stay"});
  spec.descriptors = {{output.write_end.get(), 1}};
  auto process = Launch(spec);
  if (process == nullptr) return;
  ASSERT_EQ(output.Read(5), "ready");
  const int launcher = *LauncherChildren().begin();
  kill(launcher, SIGKILL);
  EXPECT_TRUE(output.AllWritersGone());
  EXPECT_THAT(process->Wait(absl::Minutes(1)), StatusIs(absl::StatusCode::kUnavailable));
  spec.descriptors.clear();
  EXPECT_THAT(launcher_->Launch(spec).status(), StatusIs(absl::StatusCode::kUnavailable));
  process.reset();
  launcher_.reset();
  // The next launcher sweeps what the killed one could not remove.
  auto next = Launcher::Start(LauncherPath());
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_THAT(LauncherFolders(launcher), IsEmpty());
}

TEST_F(SandboxTest, ItsProcessesEndWhenTheClientIsKilled) {
  launcher_.reset();
  Pipe output;
  pid_t client = fork();
  ASSERT_GE(client, 0);
  if (client == 0) {
    auto launcher = Launcher::Start(LauncherPath());
    LaunchSpec spec = Confined({"daemonise", "10", "stay"});
    spec.descriptors = {{output.write_end.get(), 1}};
    auto process = (*launcher)->Launch(spec);
    if (!process.ok() && write(output.write_end.get(), "ready", 5) != 5) _exit(1);
    for (;;) pause();
  }
  ASSERT_EQ(output.Read(5), "ready");
  kill(client, SIGKILL);
  waitpid(client, nullptr, 0);
  EXPECT_TRUE(output.AllWritersGone());
}

}  // namespace
}  // namespace assay::sandbox
