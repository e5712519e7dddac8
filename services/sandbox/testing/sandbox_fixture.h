// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/unique_fd.h"
#include "services/sandbox/launcher.h"
#include "services/sandbox/runtime_mounts.h"

namespace assay::sandbox {

inline std::string BuildDirectory() { return std::getenv("ASSAY_BUILD_DIR"); }
inline std::string LauncherPath() { return BuildDirectory() + "/bin/assay-launcher"; }

// In an ordinary container the layers are missing; there the tests prove how a launch is refused instead.
inline bool InContainer() {
  const char* value = std::getenv("ASSAY_TEST_CONTAINER");
  return value != nullptr && std::string(value) == "1";
}

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
  UniqueFd read_end;
  UniqueFd write_end;

  // The next bytes, or "" at the end of the stream or after a minute.
  std::string Read(size_t most = 4096) {
    pollfd state{read_end.get(), POLLIN, 0};
    if (poll(&state, 1, 60'000) != 1) return "";
    std::string text(most, '\0');
    ssize_t size = read(read_end.get(), text.data(), text.size());
    text.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return text;
  }
  // Whether every copy of the write end is closed, that is: every process that held one has ended.
  bool AllWritersGone() {
    write_end.reset();
    for (;;) {
      pollfd state{read_end.get(), POLLIN, 0};
      if (poll(&state, 1, 60'000) != 1) return false;
      char buffer[4096];
      if (read(read_end.get(), buffer, sizeof buffer) == 0) return true;
    }
  }
};

class SandboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto launcher = Launcher::Start(LauncherPath());
    ASSERT_TRUE(launcher.ok()) << launcher.status();
    launcher_ = *std::move(launcher);
    if (InContainer()) {
      EXPECT_FALSE(launcher_->CanRunUntrusted().ok()) << "ASSAY_TEST_CONTAINER=1 is set outside of a container";
    } else {
      ASSERT_TRUE(launcher_->CanRunUntrusted().ok())
          << launcher_->CanRunUntrusted() << "\nset ASSAY_TEST_CONTAINER=1 to test the behaviour without these layers";
    }
  }

  // A fully confined run of one trick of the misbehaving program.
  static LaunchSpec Confined(std::vector<std::string> words) {
    LaunchSpec spec;
    spec.argv = {"/program/sandbox_misbehave"};
    spec.argv.insert(spec.argv.end(), words.begin(), words.end());
    spec.isolation.new_network = spec.isolation.new_mounts = spec.isolation.new_processes = true;
    spec.isolation.mounts = SystemLibraryMounts();
    spec.isolation.mounts.push_back({BuildDirectory() + "/tests", "/program"});
    spec.limits.wall = absl::Minutes(2);
    spec.limits.memory_bytes = 128 << 20;
    spec.limits.max_processes = 64;
    spec.limits.disk_bytes = 8 << 20;
    return spec;
  }

  // Null in a container, after proving that the launch is refused with a way to mend it. Else a running process.
  std::unique_ptr<Process> Launch(const LaunchSpec& spec) {
    auto process = launcher_->Launch(spec);
    if (InContainer()) {
      EXPECT_THAT(process.status(), assay::testing::StatusIs(absl::StatusCode::kFailedPrecondition));
      EXPECT_THAT(std::string(process.status().message()), ::testing::HasSubstr("to mend it"));
      return nullptr;
    }
    EXPECT_TRUE(process.ok()) << process.status();
    return process.ok() ? *std::move(process) : nullptr;
  }

  // Runs to the end. In a container: a plain success, after the proof of refusal.
  ExitInfo Run(const LaunchSpec& spec) {
    std::unique_ptr<Process> process = Launch(spec);
    if (process == nullptr) return ExitInfo{.code = InContainer() ? kRefused : -1};
    auto exit = process->Wait(absl::Minutes(3));
    EXPECT_TRUE(exit.ok()) << exit.status();
    return exit.value_or(ExitInfo{.code = -1});
  }

  static constexpr int kRefused = -1000;
  std::unique_ptr<Launcher> launcher_;
};

}  // namespace assay::sandbox
