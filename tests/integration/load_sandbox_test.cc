// SPDX-License-Identifier: Apache-2.0
//
// The load engine against a server in a real sandbox: it reaches what only that sandbox's network sees, signals it, and
// tells what became of every request although the server is gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/loadgen/runner.h"
#include "services/sandbox/launcher.h"
#include "services/sandbox/runtime_mounts.h"

namespace assay {
namespace {

using ::assay::testing::StatusIs;
using ::testing::HasSubstr;

std::string Binary(const char* name) { return absl::StrCat(std::getenv("ASSAY_BUILD_DIR"), "/bin/", name); }

// Where the shell would find node.
std::string NodeFolder() {
  for (const std::string& folder : {std::string("/usr/bin"), std::string("/usr/local/bin")}) {
    if (std::filesystem::exists(folder + "/node")) return folder;
  }
  return "";
}

constexpr char kWait[] = R"({"target": {"port": 3000}, "classes": [{"name": "home", "path": "/items"}],
  "phases": [{"name": "ready", "seconds": 0.1, "rate": 20, "mix": [{"class": "home"}]}]})";

constexpr char kDrain[] = R"({"target": {"port": 3000},
  "classes": [{"name": "home", "path": "/items"},
              {"name": "upload", "method": "POST", "path": "/items", "headers": {"Content-Type": "application/json"},
               "body_fill": {"text": "x", "times": 1000}, "upload_seconds": 2}],
  "phases": [{"name": "drain", "seconds": 1.5, "rate": 40, "mix": [{"class": "home"}, {"class": "upload"}]}],
  "actions": [{"phase": "drain", "at": 1, "signal": "TERM", "to": "process"}]})";

TEST(LoadSandbox, CountsWhatAServerLosesThatEndsOnTheSignal) {
  auto launcher = sandbox::Launcher::Start(Binary("assay-launcher"));
  ASSAY_ASSERT_OK(launcher);
  ASSERT_NE(NodeFolder(), "") << "node is needed";
  sandbox::LaunchSpec spec;
  spec.argv = {NodeFolder() + "/node", std::filesystem::absolute("tests/integration/load_test/careless_server.js")};
  spec.environment = {"PORT=3000"};
  spec.isolation.new_network = spec.isolation.new_processes = true;
  auto server = (*launcher)->Launch(spec);
  if (!(*launcher)->CanRunUntrusted().ok() && !server.ok()) {
    // A machine without namespaces says which one it lacks.
    EXPECT_THAT(server, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("to mend it")));
    return;
  }
  ASSAY_ASSERT_OK(server);
  // The engine itself is what can ask: the port exists in that network alone.
  for (int attempt = 0; attempt < 100; ++attempt) {
    ASSAY_ASSERT_OK_AND_ASSIGN(const std::string text, loadgen::RunPlan(**launcher, **server, kWait, {}, Binary("assay-loadgen")));
    if (nlohmann::json::parse(text)["phases"][0]["total"]["outcomes"]["ok"] == 2) break;
  }
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::string text, loadgen::RunPlan(**launcher, **server, kDrain, {}, Binary("assay-loadgen")));
  const auto action = nlohmann::json::parse(text)["actions"][0];
  EXPECT_EQ(action["error"], "");
  // The server gives up after half a second; uploads that needed more are lost, and nobody is there for new requests.
  EXPECT_GT(action["in_flight"]["lost"], 0) << action;
  EXPECT_GT(action["after"]["connect_error"], 0) << action;
  ASSAY_ASSERT_OK_AND_ASSIGN(const sandbox::ExitInfo exit, (*server)->Wait(absl::Seconds(30)));
  EXPECT_EQ(exit.code, 1);
}

}  // namespace
}  // namespace assay
