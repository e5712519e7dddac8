// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/frame.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/sandbox/cgroup.h"

namespace assay::sandbox {
namespace {

using ::assay::testing::StatusIs;

Frame FullLaunch() {
  Frame frame;
  frame.type = FrameType::kLaunch;
  frame.id = 7;
  frame.spec.argv = {"/bin/true", "a b", ""};
  frame.spec.environment = {"A=1"};
  frame.spec.directory = "/app";
  frame.spec.descriptors = {{-1, 1}, {-1, 9}};
  frame.spec.limits = {.memory_bytes = 1, .max_processes = 2, .cpus = 0.5, .wall = absl::Seconds(3), .disk_bytes = 4};
  frame.spec.isolation.new_network = true;
  frame.spec.isolation.profile = Profile::kDecoder;
  frame.spec.isolation.mounts = {{"/a", "/b", true, Mount::Kind::kOverlay}};
  frame.spec.join_process = 5;
  return frame;
}

TEST(Frame, CarriesALaunchUnchanged) {
  auto bytes = EncodeFrame(FullLaunch());
  ASSERT_TRUE(bytes.ok());
  auto frame = DecodeFrame(*bytes);
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(frame->spec.argv, FullLaunch().spec.argv);
  EXPECT_EQ(frame->spec.limits.wall, absl::Seconds(3));
  EXPECT_EQ(frame->spec.limits.cpu_time, absl::InfiniteDuration());
  EXPECT_EQ(frame->spec.isolation.profile, Profile::kDecoder);
  EXPECT_EQ(frame->spec.isolation.mounts[0].kind, Mount::Kind::kOverlay);
  EXPECT_EQ(frame->spec.descriptors[1].second, 9);
  EXPECT_EQ(*EncodeFrame(*frame), *bytes);
}

TEST(Frame, RefusesEveryTruncationAndAppendix) {
  const std::string bytes = *EncodeFrame(FullLaunch());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeFrame(absl::string_view(bytes).substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(DecodeFrame(bytes + "x").ok());
}

TEST(Frame, SurvivesEveryChangedByte) {
  const std::string bytes = *EncodeFrame(FullLaunch());
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int change : {1, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ change);
      auto frame = DecodeFrame(changed);
      if (frame.ok()) {
        EXPECT_TRUE(EncodeFrame(*frame).ok());
      }
    }
  }
}

TEST(Frame, RefusesWhatIsTooLargeToSend) {
  Frame frame = FullLaunch();
  frame.spec.environment.push_back(std::string(kMaxFrameBytes, 'x'));
  EXPECT_THAT(EncodeFrame(frame), StatusIs(absl::StatusCode::kResourceExhausted));
}

constexpr char kHybridMounts[] =
    "30 20 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct\n"
    "31 20 0:27 / /sys/fs/cgroup/memory rw shared:2 - cgroup cgroup rw,memory\n"
    "32 20 0:28 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    "33 20 0:29 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw\n"
    "34 20 0:30 / /tmp rw - tmpfs tmpfs rw\n"
    "short line\n";

TEST(Controllers, AreFoundInAHybridSetup) {
  auto places = FindControllers(kHybridMounts,
                                "4:cpu,cpuacct:/a\n3:memory:/group/x\n2:pids:/docker/abc/inner\n0::/init.scope\n", "");
  ASSERT_EQ(places.size(), 4u);
  EXPECT_EQ(places["memory"].own, "/sys/fs/cgroup/memory/group/x");
  EXPECT_EQ(places["pids"].own, "/sys/fs/cgroup/pids/inner");
  EXPECT_EQ(places["cpu"].own, places["cpuacct"].own);
  EXPECT_FALSE(places["cpu"].version2);
}

TEST(Controllers, AreFoundInVersion2) {
  auto places = FindControllers("30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
                                "0::/system.slice/assay.service\n", "cpuset cpu io memory pids\n");
  ASSERT_EQ(places.size(), 3u);
  EXPECT_TRUE(places["memory"].version2);
  EXPECT_EQ(places["memory"].own, "/sys/fs/cgroup/system.slice/assay.service");
}

TEST(Controllers, AGroupOutsideOfWhatIsMountedFallsBackToTheMount) {
  auto places = FindControllers("31 20 0:27 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
                                "3:memory:/elsewhere\n", "");
  EXPECT_EQ(places["memory"].own, "/sys/fs/cgroup/memory");
  places = FindControllers("31 20 0:27 / /m rw - cgroup cgroup rw,memory\n", "3:memory:/../../outside\n", "");
  EXPECT_EQ(places["memory"].own, "/m");
}

}  // namespace
}  // namespace assay::sandbox
