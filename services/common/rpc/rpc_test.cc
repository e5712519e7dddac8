// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "assay/v1/report.pb.h"
#include "google/rpc/error_details.pb.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/rpc/json.h"
#include "services/common/rpc/status.h"

namespace assay::rpc {
namespace {

using ::assay::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Status, CrossesTheWireWithItsDetails) {
  const absl::Status sent = WithReason(WithRetryDelay(absl::ResourceExhaustedError("full"), absl::Milliseconds(1500)), "QUEUE_FULL");
  const absl::Status received = FromGrpcStatus(ToGrpcStatus(sent));
  EXPECT_EQ(received, sent);
  EXPECT_EQ(RetryDelay(received), absl::Milliseconds(1500));
}

TEST(Status, ListsEveryViolationAndNamesTheFirst) {
  const absl::Status status = InvalidFields({{"a.b", "found 7; allowed 0..4"}, {"c", "is missing"}});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("a.b: found 7"), HasSubstr("1 more"))));
  google::rpc::BadRequest bad_request;
  ASSERT_TRUE(bad_request.ParseFromString(std::string(*status.GetPayload("type.googleapis.com/google.rpc.BadRequest"))));
  EXPECT_EQ(bad_request.field_violations_size(), 2);
}

TEST(Status, SurvivesDetailsThatAreGarbage) {
  const absl::Status status = FromGrpcStatus(grpc::Status(grpc::StatusCode::NOT_FOUND, "gone", "\xFF\xFF garbage"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "gone"));
}

TEST(Json, PrintsZeroValuesUnderProtoNames) {
  v1::Observation observation;
  observation.set_standard_error(0);
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::string json, ToJson(observation));
  EXPECT_THAT(json, AllOf(HasSubstr("\"standard_error\": 0"), HasSubstr("\"STATE_UNSPECIFIED\"")));
}

TEST(Json, OfEqualMessagesIsEqual) {
  v1::Provenance forward, backward;
  for (int i = 0; i < 50; ++i) (*forward.mutable_plugins())["p" + std::to_string(i)] = "d";
  for (int i = 49; i >= 0; --i) (*backward.mutable_plugins())["p" + std::to_string(i)] = "d";
  EXPECT_EQ(*ToCanonicalJson(forward), *ToCanonicalJson(backward));
}

TEST(Json, ReadsBackWhatItPrinted) {
  v1::Readiness readiness, again;
  readiness.set_status(v1::Readiness::NOT_YET);
  readiness.add_areas()->mutable_interval()->set_high(3.25);
  ASSAY_ASSERT_OK(FromJson(*ToJson(readiness), &again));
  EXPECT_EQ(again.SerializeAsString(), readiness.SerializeAsString());
  EXPECT_THAT(FromJson("{\"nothing\": 1}", &again), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace assay::rpc
