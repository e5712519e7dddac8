// SPDX-License-Identifier: Apache-2.0
//
// The full profile of the load test, from start to end, on a server that does what its code says. Needs npm and its
// registry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "services/common/base/testing/temp_dir.h"
#include "tests/integration/testing/drain_app.h"
#include "tests/integration/testing/evaluation.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using testing::Evaluation;
using ::testing::HasSubstr;

TEST(FullProfile, SettlesWhatASoundServerDoes) {
  const testing::TempDir folder;
  testing::WriteFiles(folder / "app", testing::DrainApp(9000));
  const Evaluation evaluation = testing::Evaluate(folder / "app", folder / "data", "");
  ASSERT_EQ(evaluation.exit_code, 0) << evaluation.errors;
  SCOPED_TRACE(evaluation.report.dump(1));
  if (getenv("ASSAY_TEST_CONTAINER") != nullptr) {
    EXPECT_EQ(evaluation.Observation("run.starts").value("state", ""), "NOT_OBSERVABLE");
    return;
  }
  for (const char* criterion :
       {"run.starts", "run.survives_bad_input", "run.error_answers", "run.drains_on_sigterm", "run.body_limits"}) {
    EXPECT_TRUE(evaluation.Observed(criterion)) << criterion;
    EXPECT_EQ(evaluation.Observation(criterion).value("value", -1.0), 1) << criterion;
  }
  EXPECT_EQ(evaluation.Claim("shutdown.drains").value("verdict", ""), "CONFIRMED");
  // What latency does is the machine's to allow; that it was looked at is not.
  EXPECT_THAT(evaluation.Text("run.latency_under_load"),
              AnyOf(HasSubstr("requests a second"), HasSubstr("not settled")));
  // Both ways to signal it were run.
  EXPECT_THAT(evaluation.Text("run.drains_on_sigterm"),
              AllOf(HasSubstr("sent SIGTERM at"), HasSubstr("sent to \"npm start\" instead, at")));
}

}  // namespace
}  // namespace assay
