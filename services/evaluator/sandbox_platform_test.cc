// SPDX-License-Identifier: Apache-2.0
//
// A small server of a candidate, run, loaded and drained as a plugin would ask for it. Needs npm and its registry for
// the pinned Node.
#include "services/evaluator/sandbox_platform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "assay/plugin.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/sandbox/testing/sandbox_fixture.h"

namespace assay::evaluator {
namespace {

using plugin::v1::Call;
using plugin_host::CallOutcome;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr char kServer[] = R"(const http = require('http');
const server = http.createServer((request, response) => response.end('hello'));
server.listen(process.env.PORT, () => console.log('listening'));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
)";

class SandboxPlatformTest : public sandbox::SandboxTest {
 protected:
  void SetUp() override {
    sandbox::SandboxTest::SetUp();
    pack_ = std::make_unique<archive::Pack>(
        *archive::MakePack({{"package.json", R"({"name": "x", "version": "1.0.0"})"},
                            {"server.js", kServer},
                            {"loop.js", "const f = () => { console.log('x'.repeat(9999)); setImmediate(f); }; f();"}}));
    source_ =
        MakeSandboxPlatform(*launcher_, folder_.path() + "/cache", sandbox::BuildDirectory() + "/bin/assay-loadgen");
    platform_ = source_->Make(*pack_, [this](absl::string_view phase) { phases_.emplace_back(phase); });
  }

  CallOutcome Prepare() {
    Call call;
    call.mutable_prepare()->set_node_major(20);
    return platform_->Execute(call);
  }
  uint64_t Start(uint64_t workspace, const std::string& script) {
    Call call;
    call.mutable_exec_start()->set_workspace(workspace);
    call.mutable_exec_start()->add_argv("node");
    call.mutable_exec_start()->add_argv(script);
    call.mutable_exec_start()->add_environment("PORT=3000");
    call.mutable_exec_start()->set_output_bytes(1 << 20);
    const CallOutcome outcome = platform_->Execute(call);
    EXPECT_EQ(outcome.reply.status(), ASSAY_OK) << outcome.reply.message();
    return outcome.reply.exec_start().process();
  }
  CallOutcome Wait(uint64_t process, bool for_listening, absl::Duration timeout = absl::Seconds(60)) {
    Call call;
    call.mutable_exec_wait()->set_process(process);
    call.mutable_exec_wait()->set_for_listening(for_listening);
    call.mutable_exec_wait()->set_timeout_nanoseconds(static_cast<uint64_t>(absl::ToInt64Nanoseconds(timeout)));
    return platform_->Execute(call);
  }

  testing::TempDir folder_;
  std::unique_ptr<archive::Pack> pack_;
  std::unique_ptr<PlatformSource> source_;
  std::unique_ptr<plugin_host::PlatformCalls> platform_;
  std::vector<std::string> phases_;
};

TEST_F(SandboxPlatformTest, RunsLoadsAndDrainsAServer) {
  const CallOutcome prepared = Prepare();
  ASSERT_EQ(prepared.reply.status(), ASSAY_OK) << prepared.reply.message();
  ASSERT_TRUE(prepared.evidence.has_value());
  EXPECT_EQ(prepared.evidence->kind, v1::Evidence::DEPENDENCIES);
  if (sandbox::InContainer()) {
    EXPECT_EQ(prepared.reply.prepare().fault_domain(), v1::Evaluation::PLATFORM);
    EXPECT_NE(prepared.reply.prepare().failure(), "");
    return;
  }
  ASSERT_EQ(prepared.reply.prepare().failure(), "");
  EXPECT_THAT(prepared.reply.prepare().node_version(), ::testing::StartsWith("20."));

  const uint64_t process = Start(prepared.reply.prepare().workspace(), "server.js");
  const CallOutcome listening = Wait(process, true);
  ASSERT_EQ(listening.reply.exec_wait().ports_size(), 1);
  EXPECT_EQ(listening.reply.exec_wait().ports(0).port(), 3000u);
  EXPECT_FALSE(listening.evidence.has_value());

  Call read;
  read.mutable_exec_read()->set_process(process);
  read.mutable_exec_read()->set_stream(1);
  read.mutable_exec_read()->set_max_bytes(1000);
  read.mutable_exec_read()->set_timeout_nanoseconds(10'000'000'000);
  EXPECT_EQ(platform_->Execute(read).reply.exec_read().data(), "listening\n");

  Call load;
  load.mutable_load_run()->set_process(process);
  load.mutable_load_run()->set_plan_json(
      R"({"target": {"port": 3000}, "classes": [{"name": "home"}],
          "phases": [{"name": "steady", "seconds": 1, "rate": 50, "mix": [{"class": "home", "weight": 1}]}]})");
  const CallOutcome loaded = platform_->Execute(load);
  ASSERT_EQ(loaded.reply.status(), ASSAY_OK) << loaded.reply.message();
  EXPECT_THAT(loaded.reply.load_run().result_json(), HasSubstr("assay.load-result/1"));
  EXPECT_EQ(loaded.evidence->content, loaded.reply.load_run().result_json());
  EXPECT_THAT(phases_, Contains(HasSubstr("load: steady (1 of 1)")));

  Call terminate;
  terminate.mutable_exec_signal()->set_process(process);
  terminate.mutable_exec_signal()->set_signal(15);
  terminate.mutable_exec_signal()->set_to_listener(true);
  EXPECT_EQ(platform_->Execute(terminate).reply.status(), ASSAY_OK);
  const CallOutcome ended = Wait(process, false);
  EXPECT_TRUE(ended.reply.exec_wait().ended());
  EXPECT_EQ(ended.reply.exec_wait().exit_code(), 0);
  ASSERT_TRUE(ended.evidence.has_value());
  EXPECT_THAT(ended.evidence->content, HasSubstr("\"output\":\"listening"));
}

TEST_F(SandboxPlatformTest, EndsAProcessThatWritesWithoutEnd) {
  const CallOutcome prepared = Prepare();
  if (prepared.reply.prepare().workspace() == 0) {
    EXPECT_TRUE(sandbox::InContainer()) << prepared.reply.prepare().failure();
    return;
  }
  const CallOutcome ended = Wait(Start(prepared.reply.prepare().workspace(), "loop.js"), false);
  EXPECT_TRUE(ended.reply.exec_wait().ended());
  EXPECT_EQ(ended.reply.exec_wait().limit_hit(), ASSAY_LIMIT_OUTPUT);
}

TEST_F(SandboxPlatformTest, StoppingEndsAWaitAndRefusesMore) {
  const CallOutcome prepared = Prepare();
  if (prepared.reply.prepare().workspace() == 0) {
    EXPECT_TRUE(sandbox::InContainer()) << prepared.reply.prepare().failure();
    return;
  }
  const uint64_t process = Start(prepared.reply.prepare().workspace(), "server.js");
  ASSERT_GE(Wait(process, true).reply.exec_wait().ports_size(), 1);
  const absl::Time start = absl::Now();
  std::thread stopper([this] { platform_->Stop(); });
  Wait(process, false, absl::Hours(1));
  stopper.join();
  EXPECT_LT(absl::Now() - start, absl::Minutes(5));
  EXPECT_EQ(Prepare().reply.status(), ASSAY_E_STOPPED);
}

TEST(NoPlatform, SaysWhy) {
  const auto pack = *archive::MakePack({});
  const auto platform = MakeNoPlatform("this machine lacks network namespaces")->Make(pack, [](absl::string_view) {});
  Call call;
  call.mutable_platform();
  const CallOutcome outcome = platform->Execute(call);
  EXPECT_FALSE(outcome.reply.platform().can_execute());
  EXPECT_THAT(outcome.reply.platform().reason(), HasSubstr("network namespaces"));
  call.mutable_prepare();
  EXPECT_EQ(platform->Execute(call).reply.status(), ASSAY_E_UNSUPPORTED);
}

}  // namespace
}  // namespace assay::evaluator
