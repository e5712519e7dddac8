// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/rpc/retry.h"
#include "services/common/rpc/status.h"

namespace assay::gateway {
namespace {

using testing::IsOk;
using testing::StatusIs;
using ::testing::HasSubstr;

class AdmissionTest : public ::testing::Test {
 protected:
  static AdmissionLimits Limits() {
    AdmissionLimits limits;
    limits.submissions_per_second = 10;
    limits.submissions_per_second_of_tenant["large"] = 100;
    limits.max_waiting_work = 1000;
    return limits;
  }

  absl::Status Submit(absl::string_view tenant, absl::string_view principal, size_t count = 1) {
    return admission_.Submit(tenant, principal, count, now_);
  }

  // How long a refusal says to wait.
  static absl::Duration WaitOf(const absl::Status& refused) {
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_TRUE(rpc::IsTransient(refused));
    return rpc::RetryDelay(refused);
  }

  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
  Admission admission_{Limits()};
};

TEST_F(AdmissionTest, AnAccountHasABurstAndThenItsRate) {
  ASSERT_THAT(Submit("t", "ann", 10), IsOk());
  const absl::Duration wait = WaitOf(Submit("t", "ann"));
  EXPECT_EQ(wait, absl::Milliseconds(200));
  now_ += wait;
  EXPECT_THAT(Submit("t", "ann"), IsOk());
  WaitOf(Submit("t", "ann"));
}

TEST_F(AdmissionTest, AccountsOfATenantShareItsRateAndLeaveOthersAlone) {
  ASSERT_THAT(Submit("t", "ann", 10), IsOk());
  ASSERT_THAT(Submit("t", "ben", 10), IsOk());
  EXPECT_THAT(Submit("t", "cat"), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("the tenant")));
  EXPECT_THAT(Submit("u", "ann"), IsOk());
}

TEST_F(AdmissionTest, ARefusalTakesNothing) {
  ASSERT_THAT(Submit("t", "ann", 10), IsOk());
  for (int i = 0; i < 100; ++i) WaitOf(Submit("t", "ann"));
  EXPECT_THAT(Submit("t", "ben", 10), IsOk());
}

TEST_F(AdmissionTest, ALargerBatchThanABurstIsLetInAndPaidOff) {
  ASSERT_THAT(Submit("t", "ann", 15), IsOk());
  now_ += absl::Seconds(1);
  WaitOf(Submit("t", "ann"));
  now_ += absl::Seconds(1);
  EXPECT_THAT(Submit("t", "ann"), IsOk());
}

TEST_F(AdmissionTest, ATenantMayHaveARateOfItsOwn) {
  EXPECT_THAT(Submit("large", "ann", 100), IsOk());
  EXPECT_THAT(Submit("large", "ben", 100), IsOk());
  WaitOf(Submit("large", "cat"));
}

TEST_F(AdmissionTest, AClockSetBackGivesNothing) {
  ASSERT_THAT(Submit("t", "ann", 10), IsOk());
  now_ -= absl::Hours(1);
  WaitOf(Submit("t", "ann"));
}

TEST_F(AdmissionTest, AccountsThatAreFullAgainAreForgotten) {
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_THAT(Submit(absl::StrCat("tenant-", i), "ann"), IsOk());
    now_ += absl::Milliseconds(10);
  }
  EXPECT_THAT(Submit("tenant-0", "ann", 10), IsOk());
}

TEST_F(AdmissionTest, AJournalThatHoldsARecordTooLongTakesNoOther) {
  EXPECT_THAT(admission_.CheckJournal(absl::Milliseconds(500)), IsOk());
  const absl::Status refused = admission_.CheckJournal(absl::Milliseconds(612));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("612ms")));
  EXPECT_GT(rpc::RetryDelay(refused), absl::ZeroDuration());
}

TEST_F(AdmissionTest, AShardWithTooMuchWaitingWorkGetsNoMore) {
  EXPECT_THAT(admission_.CheckShard(3, {.waiting_work = 1000}, now_), IsOk());
  WaitOf(admission_.CheckShard(3, {.waiting_work = 1001}, now_));
  EXPECT_THAT(admission_.CheckShard(4, {.waiting_work = 1000}, now_), IsOk());
}

TEST_F(AdmissionTest, AShardThatKeepsUpWithinTheLimitIsLetIn) {
  // It lags by a second's worth of records all the time.
  for (int64_t second = 0; second < 200; ++second) {
    EXPECT_THAT(admission_.CheckShard(0, {.applied_offset = second * 100, .lag_records = 100}, now_), IsOk());
    now_ += absl::Seconds(1);
  }
}

TEST_F(AdmissionTest, AShardThatIsTooFarBehindGetsNoMoreUntilItCatchesUp) {
  int64_t end = 100;
  for (int second = 0; second <= 30; ++second) {
    EXPECT_THAT(admission_.CheckShard(0, {.applied_offset = 10, .lag_records = static_cast<uint64_t>(end - 10)}, now_),
                IsOk());
    now_ += absl::Seconds(1);
    end += 100;
  }
  WaitOf(admission_.CheckShard(0, {.applied_offset = 10, .lag_records = static_cast<uint64_t>(end - 10)}, now_));
  EXPECT_THAT(admission_.CheckShard(0, {.applied_offset = end, .lag_records = 0}, now_), IsOk());
}

}  // namespace
}  // namespace assay::gateway
