// SPDX-License-Identifier: Apache-2.0
//
// A server on a disk that runs full sheds new work, keeps what it acknowledged, and recovers after a restart with room.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/unique_fd.h"
#include "tests/integration/testing/server_process.h"

namespace assay {
namespace {

using testing::Client;
using testing::ScorecardRequest;
using testing::ServerProcess;
using v1::Submission;

// Takes all room but `left` bytes of the disk that holds `path`.
void FillUp(const std::string& path, uint64_t left) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(fd.is_open());
  // Others write too, so what is free now may be gone when it is asked for.
  for (int error = ENOSPC; error == ENOSPC;) {
    const uint64_t free = std::filesystem::space(std::filesystem::path(path).parent_path()).available;
    if (free <= left) return;
    const auto size = static_cast<off_t>(std::filesystem::file_size(path));
    error = posix_fallocate(fd.get(), size, static_cast<off_t>(free - left));
    ASSERT_TRUE(error == 0 || error == ENOSPC) << strerror(error);
  }
}

TEST(DiskFull, ShedsNewWorkKeepsWhatItAcknowledgedAndRecoversAfterARestart) {
  const testing::TempDir disk;
  ASSERT_EQ(mount("tmpfs", disk.path().c_str(), "tmpfs", 0, "size=400m"), 0) << strerror(errno);
  ServerProcess::Options options;
  options.data_directory = disk / "data";
  // The journal shall meet the end of the disk itself, not only the guard in front of it.
  options.set = {"limits.reserved_disk_bytes=1"};
  std::map<std::string, std::string> acknowledged;
  int next = 0;
  {
    ASSAY_ASSERT_OK_AND_ASSIGN(auto server, ServerProcess::Start(options));
    Client client(absl::StrCat("unix:", server->socket()));
    const auto submit = [&]() -> absl::Status {
      const std::string request_id = absl::StrCat("r-", next++);
      const auto response = client.Create(ScorecardRequest(request_id, "c-1", request_id, 3));
      if (response.ok()) acknowledged[request_id] = response->submission().id();
      return response.status();
    };
    for (int i = 0; i < 10; ++i) ASSAY_ASSERT_OK(submit());
    ASSAY_ASSERT_OK(client.WatchUntilEnded("c-1", acknowledged["r-9"]));
    FillUp(disk / "filler", 64 << 10);
    absl::Status refused;
    const absl::Time deadline = absl::Now() + absl::Minutes(2);
    while (refused.ok() && absl::Now() < deadline) refused = submit();
    EXPECT_THAT(refused.code(), ::testing::AnyOf(absl::StatusCode::kResourceExhausted, absl::StatusCode::kUnavailable))
        << refused;
    // It says yes or no to what comes now, whatever still fits, and it still answers.
    for (int i = 0; i < 20; ++i) EXPECT_NE(submit().code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_TRUE(client.GetSubmission("c-1", acknowledged["r-0"]).ok());
    server->Kill();
  }
  std::filesystem::remove(disk / "filler");
  {
    ASSAY_ASSERT_OK_AND_ASSIGN(auto server, ServerProcess::Start(options));
    Client client(absl::StrCat("unix:", server->socket()));
    ASSAY_ASSERT_OK_AND_ASSIGN(const auto last, client.Create(ScorecardRequest("last", "c-1", "last", 3)));
    acknowledged["last"] = last.submission().id();
    for (const auto& [request, id] : acknowledged) {
      ASSAY_ASSERT_OK_AND_ASSIGN(const auto updates, client.WatchUntilEnded("c-1", id));
      ASSERT_FALSE(updates.empty());
      EXPECT_EQ(updates.back().submission().state(), Submission::COMPLETED) << request;
    }
  }
  // What the server started may need a moment to let go.
  EXPECT_EQ(umount2(disk.path().c_str(), MNT_DETACH), 0);
}

}  // namespace
}  // namespace assay

// A mount namespace of its own, made before the first thread: nothing is left mounted, and no privilege is needed where
// user namespaces work.
int main(int argc, char** argv) {
  const int namespaces = CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER);
  if (unshare(namespaces) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    perror("a mount namespace is needed");
    return 1;
  }
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
