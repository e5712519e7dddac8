// SPDX-License-Identifier: Apache-2.0
//
// A server on a disk that runs full refuses new work, keeps what it acknowledged, and goes on when there is room.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/unique_fd.h"
#include "tests/integration/testing/server_process.h"

namespace assay {
namespace {

using testing::Client;
using testing::ScorecardRequest;
using testing::ServerProcess;
using testing::StatusIs;
using ::testing::HasSubstr;
using v1::Submission;

// Makes the file `path` so long that `left` bytes of its disk are free.
void FillUp(const std::string& path, off_t left) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(fd.is_open());
  // Others write too, so what is free now may be gone when it is asked for.
  for (int error = ENOSPC; error == ENOSPC;) {
    const auto free = static_cast<off_t>(std::filesystem::space(std::filesystem::path(path).parent_path()).available);
    const auto size = static_cast<off_t>(std::filesystem::file_size(path));
    if (free == left) return;
    error = free > left ? posix_fallocate(fd.get(), size, free - left) : ftruncate(fd.get(), size + free - left);
    ASSERT_TRUE(error == 0 || error == ENOSPC) << strerror(error);
  }
}

// A server on a small disk of its own, and what it acknowledged.
class DiskFull : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(mount("tmpfs", disk_.path().c_str(), "tmpfs", 0, "size=400m"), 0) << strerror(errno);
  }
  void TearDown() override {
    server_.reset();
    // What the server started may need a moment to let go.
    EXPECT_EQ(umount2(disk_.path().c_str(), MNT_DETACH), 0);
  }

  void StartServer(const std::string& reserved_bytes) {
    ServerProcess::Options options;
    options.data_directory = disk_ / "data";
    options.set = {absl::StrCat("limits.reserved_disk_bytes=", reserved_bytes)};
    ASSAY_ASSERT_OK_AND_ASSIGN(server_, ServerProcess::Start(options));
    client_ = std::make_unique<Client>(absl::StrCat("unix:", server_->socket()));
  }

  absl::Status Submit() {
    const std::string request_id = absl::StrCat("r-", next_++);
    const auto response = client_->Create(ScorecardRequest(request_id, "c-1", request_id, 3));
    if (response.ok()) acknowledged_.push_back(response->submission().id());
    return response.status();
  }

  // What the first one that is answered so is told; `before` is called before each.
  absl::Status SubmitUntil(absl::StatusCode code, const std::function<void()>& before) {
    absl::Status status;
    const absl::Time deadline = absl::Now() + absl::Minutes(2);
    do {
      before();
      status = Submit();
    } while (status.code() != code && absl::Now() < deadline);
    return status;
  }

  void ExpectAllCompleted() {
    const absl::Time deadline = absl::Now() + absl::Minutes(2);
    for (const std::string& id : acknowledged_) {
      Submission::State state = Submission::STATE_UNSPECIFIED;
      while (state != Submission::COMPLETED && absl::Now() < deadline) {
        const auto found = client_->GetSubmission("c-1", id);
        if (found.ok()) state = found->state();
      }
      ASSERT_EQ(state, Submission::COMPLETED) << id;
    }
  }

  const testing::TempDir disk_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<Client> client_;
  std::vector<std::string> acknowledged_;
  int next_ = 0;
};

TEST_F(DiskFull, NewWorkIsRefusedBeforeTheDiskIsFullAndTakenAgainWhenThereIsRoom) {
  ASSERT_NO_FATAL_FAILURE(StartServer("33554432"));
  ASSAY_ASSERT_OK(Submit());
  FillUp(disk_ / "filler", 30 << 20);
  const absl::Status refused = Submit();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(disk_ / "data")));
  EXPECT_THAT(client_->Upload("c-1", std::string(1000, 'x')), StatusIs(absl::StatusCode::kResourceExhausted));
  // What was taken before is worked on, and can be read.
  ExpectAllCompleted();
  ASSAY_EXPECT_OK(client_->GetReadiness("c-1"));
  std::filesystem::remove(disk_ / "filler");
  ASSAY_EXPECT_OK(Submit());
  ExpectAllCompleted();
}

TEST_F(DiskFull, AtTheEndOfTheDiskNothingAcknowledgedIsLostAndTheServerHealsWhenThereIsRoom) {
  // Nothing in reserve, so that the stores meet the end of the disk themselves.
  FillUp(disk_ / "filler", 12 << 20);
  ASSERT_NO_FATAL_FAILURE(StartServer("1"));
  ASSAY_ASSERT_OK(Submit());
  ExpectAllCompleted();
  // One page: enough for the look before and for the document, too little for what the stores write then.
  EXPECT_THAT(SubmitUntil(absl::StatusCode::kUnavailable, [&] { FillUp(disk_ / "filler", 4096); }),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(disk_ / "data")));
  // It says yes or no to what comes now, whatever still fits, and reads are answered.
  for (int i = 0; i < 20; ++i) EXPECT_NE(Submit().code(), absl::StatusCode::kDeadlineExceeded);
  ASSAY_EXPECT_OK(client_->GetSubmission("c-1", acknowledged_.front()));
  std::filesystem::remove(disk_ / "filler");
  ASSAY_EXPECT_OK(SubmitUntil(absl::StatusCode::kOk, [] {}));
  ExpectAllCompleted();
  // Else the stores never met the end of the disk, and nothing was proved.
  EXPECT_THAT(*ReadFile(disk_ / "data.log", 64 << 20), HasSubstr("the server starts again"));
}

TEST_F(DiskFull, AKilledServerStartsOnAFullDiskFromItsBallast) {
  ASSERT_NO_FATAL_FAILURE(StartServer("100663296"));
  for (int i = 0; i < 20; ++i) ASSAY_ASSERT_OK(Submit());
  FillUp(disk_ / "filler", 0);
  server_->Kill();
  ASSERT_NO_FATAL_FAILURE(StartServer("100663296"));
  ExpectAllCompleted();
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
