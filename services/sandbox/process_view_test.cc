// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/process_view.h"

#include <sys/socket.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include "services/sandbox/testing/sandbox_fixture.h"

namespace assay::sandbox {
namespace {

using ::testing::SizeIs;

TEST(ParseListening, TakesListeningSocketsOnly) {
  auto sockets = ParseListening(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0\n"
      "   1: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4243 1 0 100 0\n"
      "   2: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 4244 1 0 100 0\n"
      "   3: garbage\n   4: 00000000:FFFFFF 0 0A 0 0 0 0 0 1\n");
  ASSERT_THAT(sockets, SizeIs(2));
  EXPECT_EQ(sockets[0].port, 8080);
  EXPECT_EQ(sockets[0].inode, 4242u);
  EXPECT_TRUE(sockets[0].loopback_only);
  EXPECT_EQ(sockets[1].port, 3000);
  EXPECT_FALSE(sockets[1].loopback_only);
}

TEST(FindListeningSockets, SaysWhenTheProcessHasEnded) {
  EXPECT_THAT(FindListeningSockets(999'999'999), assay::testing::StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(SandboxTest, FindsWhoListensInside) {
  Pipe output;
  LaunchSpec spec = Confined({"listen", "8080"});
  spec.descriptors = {{output.write_end.get(), 1}};
  auto process = Launch(spec);
  if (process == nullptr) return;
  ASSERT_EQ(output.Read(5), "ready");
  auto sockets = FindListeningSockets(process->pid());
  ASSERT_TRUE(sockets.ok()) << sockets.status();
  ASSERT_THAT(*sockets, SizeIs(1));
  EXPECT_EQ(sockets->front().port, 8080);
  EXPECT_EQ(sockets->front().pid, process->pid());
  EXPECT_EQ(sockets->front().inner_pid, 2);
  EXPECT_FALSE(sockets->front().loopback_only);
  EXPECT_GT(PeakResidentBytes(process->pid()), 100u << 10);
  process->Kill();
  ASSERT_TRUE(process->Wait(absl::Minutes(1)).ok());
  EXPECT_EQ(PeakResidentBytes(process->pid()), 0u);
}

TEST(ListensOnUnixSocket, SeesOneThatAccepts) {
  UniqueFd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  ASSERT_EQ(bind(socket_fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name.sun_family), 0);
  ASSERT_EQ(listen(socket_fd.get(), 1), 0);
  EXPECT_TRUE(ListensOnUnixSocket(getpid()));
  EXPECT_FALSE(ListensOnUnixSocket(999'999'999));
}

TEST_F(SandboxTest, DrainsOutputAndKeepsItsEnd) {
  auto drain = OutputDrain::Create();
  ASSERT_TRUE(drain.ok());
  LaunchSpec spec = Confined({"flood-output", "67108864"});
  spec.descriptors = {{(*drain)->write_end(), 1}};
  auto process = Launch(spec);
  (*drain)->Start();
  if (process == nullptr) return;
  auto exit = process->Wait(absl::Minutes(2));
  ASSERT_TRUE(exit.ok());
  EXPECT_EQ(exit->code, 0);
  ASSERT_TRUE((*drain)->WaitEnd(absl::Minutes(1)));
  EXPECT_EQ((*drain)->total_bytes(), 67'108'864u + 7);
  EXPECT_EQ((*drain)->Tail().size(), OutputDrain::kKeptBytes);
  EXPECT_TRUE((*drain)->Tail().ends_with("xxthe end"));
}

// 100 GiB of it: what a program writes costs no memory, and whoever asked for a cap learns of the excess at once.
TEST_F(SandboxTest, TellsOfExcessiveOutput) {
  auto drain = OutputDrain::Create();
  ASSERT_TRUE(drain.ok());
  LaunchSpec spec = Confined({"flood-output", "107374182400"});
  spec.descriptors = {{(*drain)->write_end(), 1}};
  auto process = Launch(spec);
  if (process == nullptr) return;
  (*drain)->Start(8 << 20, [&process] { process->Kill(); });
  auto exit = process->Wait(absl::Minutes(2));
  ASSERT_TRUE(exit.ok()) << exit.status();
  EXPECT_TRUE(exit->signalled);
  EXPECT_TRUE((*drain)->WaitEnd(absl::Minutes(1)));
}

TEST(OutputDrain, EndsThoughAWriterStays) {
  auto drain = OutputDrain::Create();
  ASSERT_TRUE(drain.ok());
  UniqueFd writer(dup((*drain)->write_end()));
  (*drain)->Start();
  EXPECT_FALSE((*drain)->WaitEnd(absl::ZeroDuration()));
}

}  // namespace
}  // namespace assay::sandbox
