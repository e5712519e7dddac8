// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "services/common/base/testing/status_matchers.h"
#include "services/common/log/testing/fake_log.h"

namespace assay::gateway {
namespace {

using assay::testing::IsOk;
using assay::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(Journal, ARecordIsAtMost64KiB) {
  log::FakeLog log(1);
  Journal journal(log, Clock::Real(), "gateway-1");
  event::v1::Envelope small, large;
  small.set_tenant("acme");
  small.set_personal(std::string(60 << 10, 'p'));
  large.set_tenant("acme");
  large.set_personal(std::string(64 << 10, 'p'));
  const auto results = journal.WriteAll({large, small}, absl::InfiniteFuture());
  ASSERT_THAT(results, SizeIs(2));
  EXPECT_THAT(results[0].status(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65536")));
  EXPECT_THAT(results[1].status(), IsOk());
  EXPECT_THAT(log.Records(0), SizeIs(1));
}

TEST(Journal, EveryRecordHasATrace) {
  log::FakeLog log(1);
  Journal journal(log, Clock::Real(), "gateway-1");
  event::v1::Envelope given, none;
  given.set_trace_id("4bf92f3577b34da6a3ce929d0e0e4736");
  journal.WriteAll({given, none}, absl::InfiniteFuture());
  ASSERT_THAT(log.Records(0), SizeIs(2));
  event::v1::Envelope written;
  ASSERT_TRUE(written.ParseFromString(log.Records(0)[0].value));
  EXPECT_EQ(written.trace_id(), given.trace_id());
  ASSERT_TRUE(written.ParseFromString(log.Records(0)[1].value));
  EXPECT_EQ(written.trace_id().size(), 32u);
}

}  // namespace
}  // namespace assay::gateway
