// SPDX-License-Identifier: Apache-2.0
//
// What the code says and what a run of it showed, side by side, through `assay evaluate --quick` as a person runs it:
// the verdict, the line, the bytes behind it. Where the machine cannot confine submissions, that is said. Needs npm and
// its registry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "absl/strings/str_cat.h"
#include "services/common/base/testing/temp_dir.h"
#include "tests/integration/testing/command_line.h"
#include "tests/integration/testing/drain_app.h"
#include "tests/integration/testing/evaluation.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using testing::DrainApp;
using testing::Evaluation;
using ::testing::HasSubstr;
using testing::RunAssay;

constexpr int kShortGrace = 50, kLongGrace = 8000;

bool InContainer() { return getenv("ASSAY_TEST_CONTAINER") != nullptr; }

class ClaimsAndRuns : public ::testing::Test {
 protected:
  // The quick evaluation of the application with this grace; the data stays in the folder data().
  Evaluation Run(int grace_ms) {
    testing::WriteFiles(folder_ / "app", DrainApp(grace_ms));
    Evaluation evaluation = testing::Evaluate(folder_ / "app", data(), "--quick");
    EXPECT_EQ(evaluation.exit_code, 0) << evaluation.errors;
    if (InContainer()) {
      EXPECT_EQ(evaluation.Claim("shutdown.drains").value("verdict", ""), "UNTESTED");
    } else {
      EXPECT_LT(evaluation.By("load_test").value("wall_seconds", 1e9), 45) << "the quick profile is to stay quick";
    }
    return evaluation;
  }
  std::string data() const { return folder_ / "data"; }

  testing::TempDir folder_;
};

TEST_F(ClaimsAndRuns, ShowTheLineAndTheLossWhereAServerDoesNotDrain) {
  const Evaluation evaluation = Run(kShortGrace);
  if (InContainer()) return;
  SCOPED_TRACE(evaluation.report.dump(1));
  const nlohmann::json claim = evaluation.Claim("shutdown.drains");
  EXPECT_EQ(claim.value("verdict", ""), "REFUTED");
  EXPECT_EQ(claim.value("file", ""), "server.js");
  EXPECT_EQ(claim.value("line", 0), testing::kDrainLine);
  EXPECT_THAT(claim.value("reason", ""), ContainsRegex("sent SIGTERM at [0-9]+ requests in flight: [0-9]+ were lost"));
  // Among what it rests on is the run itself.
  std::string recorded;
  for (const auto& digest : claim["evidence"]) {
    const testing::CommandResult bytes = RunAssay({"evidence", "get", "local", digest, "--data", data()});
    EXPECT_EQ(bytes.exit_code, 0) << bytes.err;
    recorded += bytes.out;
  }
  EXPECT_THAT(recorded, AllOf(HasSubstr("assay.load-result/1"), HasSubstr("\"signal\":\"TERM\"")));
  EXPECT_EQ(evaluation.Finding("LT7.drain").value("line", 0), testing::kDrainLine);
  // Down from the competency to what was measured.
  const testing::CommandResult explained = RunAssay({"readiness", "explain", "local", "3.2", "--data", data()});
  EXPECT_EQ(explained.exit_code, 0) << explained.err;
  EXPECT_THAT(explained.out, ContainsRegex("p50 .*, p90 .*, p99 .*, max "));
  EXPECT_THAT(explained.out, HasSubstr("server.js:"));
}

TEST_F(ClaimsAndRuns, ConfirmAServerThatDrains) {
  const Evaluation evaluation = Run(kLongGrace);
  if (InContainer()) return;
  SCOPED_TRACE(evaluation.report.dump(1));
  const nlohmann::json claim = evaluation.Claim("shutdown.drains");
  EXPECT_EQ(claim.value("verdict", ""), "CONFIRMED");
  EXPECT_EQ(claim.value("line", 0), testing::kDrainLine);
  EXPECT_THAT(claim.value("reason", ""), HasSubstr("0 were lost; it exited with code 0"));
  EXPECT_TRUE(evaluation.Finding("LT7.drain").empty());
  EXPECT_THAT(evaluation.Text("run.drains_on_sigterm"),
              AllOf(HasSubstr("new connections after it"), HasSubstr("GET /readyz"), HasSubstr("\"npm start\"")));
}

// Two runs never leave the same bytes; what they amount to does. A busy machine may keep one of them from settling a
// criterion, and then that shows: runs are made until two settled the same.
TEST_F(ClaimsAndRuns, AmountToTheSameReadinessEachTime) {
  const auto settled = [](const Evaluation& evaluation) {
    std::string text;
    for (const auto& o : evaluation.report["observations"]) {
      absl::StrAppend(&text, o.value("criterion", ""), " ", o.value("state", ""), " ", o.value("value", 0.0), "\n");
    }
    for (const auto& c : evaluation.report["claims"])
      absl::StrAppend(&text, c.value("id", ""), " ", c.value("verdict", ""), "\n");
    return text;
  };
  std::map<std::string, std::string> readiness;  // by what was settled
  for (int run = 0; run < 4; ++run) {
    const Evaluation evaluation = Run(kShortGrace);
    const std::string bytes = evaluation.report["readiness"].dump();
    const auto [same, is_new] = readiness.emplace(settled(evaluation), bytes);
    if (is_new) continue;
    EXPECT_EQ(same->second, bytes);
    return;
  }
  ADD_FAILURE() << "no two of four runs settled the same";
}

}  // namespace
}  // namespace assay
