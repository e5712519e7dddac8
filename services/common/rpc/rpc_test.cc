// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "assay/v1/artifact_service.pb.h"
#include "assay/v1/assessment_service.pb.h"
#include "assay/v1/candidate_service.pb.h"
#include "assay/v1/decision_service.pb.h"
#include "assay/v1/evidence_service.pb.h"
#include "assay/v1/framework_service.pb.h"
#include "assay/v1/readiness_service.pb.h"
#include "assay/v1/report_service.pb.h"
#include "assay/v1/server_service.pb.h"
#include "assay/v1/submission_service.pb.h"
#include "google/rpc/error_details.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/rpc/authorization.h"
#include "services/common/rpc/call.h"
#include "services/common/rpc/executor.h"
#include "services/common/rpc/json.h"
#include "services/common/rpc/retry.h"
#include "services/common/rpc/status.h"

namespace assay::rpc {
namespace {

using ::assay::testing::StatusIs;
using ::testing::HasSubstr;

constexpr char kRead[] = "/assay.v1.SubmissionService/GetSubmission";
constexpr char kWrite[] = "/assay.v1.SubmissionService/CreateSubmission";
constexpr char kToken[] = "0123456789abcdefghij";

TEST(RpcStatus, DetailsSurviveTheWire) {
  absl::Status status = InvalidFields({{"a.b[1]", "found 3, 0 to 2 are allowed"}, {"c", "is missing"}});
  status = WithReason(WithRetryDelay(status, absl::Milliseconds(1500)), "BAD_THING", {{"k", "v"}});
  const absl::Status back = FromGrpcStatus(ToGrpcStatus(status));
  EXPECT_EQ(back, status);
  EXPECT_EQ(RetryDelay(back), absl::Milliseconds(1500));
  EXPECT_EQ(ReasonOf(back), "BAD_THING");
  ASSERT_EQ(FieldViolationsOf(back).size(), 2u);
  EXPECT_EQ(FieldViolationsOf(back)[0].field, "a.b[1]");
  EXPECT_EQ(FromRpcStatus(ToRpcStatus(status)), status);
}

TEST(RpcStatus, KeepsOkAndEveryCode) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  ASSAY_EXPECT_OK(InvalidFields({}));
  ASSAY_EXPECT_OK(WithRetryDelay(absl::OkStatus(), absl::Seconds(1)));
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "why");
    EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(status)), status);
  }
}

TEST(RpcStatus, FitsIntoHeadersHoweverMuchIsWrong) {
  std::vector<FieldViolation> violations;
  for (int i = 0; i < 1000; ++i) violations.push_back({absl::StrCat("f[", i, "]"), std::string(100, 'x')});
  const grpc::Status status = ToGrpcStatus(InvalidFields(violations));
  EXPECT_LE(status.error_details().size(), 4096u);
  EXPECT_GT(FieldViolationsOf(FromGrpcStatus(status)).size(), 10u);
  EXPECT_LE(ToGrpcStatus(absl::InternalError(std::string(100000, 'y'))).error_message().size(), 2048u);
}

TEST(RpcStatus, DoesNotBelieveDetailsThatContradictTheStatus) {
  google::rpc::Status details;
  details.set_code(3);
  details.add_details()->set_type_url("x");
  const absl::Status status =
      FromGrpcStatus(grpc::Status(grpc::StatusCode::NOT_FOUND, "gone", details.SerializeAsString()));
  EXPECT_EQ(status, absl::NotFoundError("gone"));
  EXPECT_EQ(FromGrpcStatus(grpc::Status(grpc::StatusCode::NOT_FOUND, "gone", "\xff\xff")), status);
}

TEST(Authorizer, HasARuleForEveryMethodOfThePublicApi) {
  // Naming a message of each file keeps all of them linked in.
  const google::protobuf::FileDescriptor* const files[] = {
      v1::UploadArtifactRequest::descriptor()->file(),  v1::CreateAssessmentRequest::descriptor()->file(),
      v1::DeleteCandidateRequest::descriptor()->file(), v1::ListDecisionsRequest::descriptor()->file(),
      v1::GetEvidenceRequest::descriptor()->file(),     v1::ListFrameworksRequest::descriptor()->file(),
      v1::GetReadinessRequest::descriptor()->file(),    v1::GetEvaluationReportRequest::descriptor()->file(),
      v1::GetServerInfoRequest::descriptor()->file(),   v1::GetSubmissionRequest::descriptor()->file()};
  std::vector<std::string> methods;
  for (const auto* file : files) {
    ASSERT_GT(file->service_count(), 0) << file->name();
    for (int i = 0; i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        methods.push_back(absl::StrCat("/", file->service(i)->full_name(), "/", file->service(i)->method(j)->name()));
      }
    }
  }
  std::vector<std::string> rules;
  for (const auto& [method, role] : PublicMethodRules()) rules.push_back(method);
  EXPECT_THAT(methods, ::testing::UnorderedElementsAreArray(rules));
  for (const std::string& method : methods) {
    const absl::string_view name = absl::string_view(method).substr(method.rfind('/') + 1);
    const bool reads = name.substr(0, 3) == "Get" || name.substr(0, 4) == "List" || name.substr(0, 5) == "Watch" ||
                       name.substr(0, 7) == "Explain" || name.substr(0, 8) == "Validate";
    EXPECT_EQ(PublicMethodRules().find(method)->second == Role::kReader, reads) << method;
  }
}

class TokenFile : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Authorizer>> Load(const std::string& content, mode_t mode = 0600) {
    AuthorizerOptions options;
    options.token_file = dir_ / "tokens";
    EXPECT_THAT(WriteFileAtomically(options.token_file, content), testing::IsOk());
    ::chmod(options.token_file.c_str(), mode);
    return Authorizer::Create(options);
  }
  testing::TempDir dir_;
};

TEST(Authorizer, TakesLoopbackAndUnixSocketsAsLocal) {
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto authorizer, Authorizer::Create({}));
  for (const char* peer : {"ipv4:127.0.0.1:5", "ipv6:[::1]:5", "ipv6:%5B::1%5D:5", "unix:/tmp/s", "unix:"}) {
    ASSAY_ASSERT_OK_AND_ASSIGN(const Identity identity, authorizer->Authorize(kWrite, peer, ""));
    EXPECT_EQ(identity.tenant, "local") << peer;
  }
  for (const char* peer : {"ipv4:10.0.0.1:5", "ipv6:[fe80::1]:5", "ipv4:128.0.0.1:127", "", "dns:127.0.0.1"}) {
    EXPECT_THAT(authorizer->Authorize(kWrite, peer, ""), StatusIs(absl::StatusCode::kUnauthenticated)) << peer;
  }
  EXPECT_THAT(authorizer->Authorize(kWrite, "ipv4:127.0.0.1:5", "Bearer made-up"),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(TokenFile, SaysWhoCallsAndWhatTheyMay) {
  ASSAY_ASSERT_OK_AND_ASSIGN(
      const auto authorizer,
      Load(absl::StrCat("# tokens\n\n", kToken, " acme ats ann@acme writer\n", kToken, "x other bi bob reader\n")));
  const std::string header = absl::StrCat("Bearer ", kToken);
  ASSAY_ASSERT_OK_AND_ASSIGN(const Identity ann, authorizer->Authorize(kWrite, "ipv4:10.0.0.1:5", header));
  EXPECT_EQ(ann.tenant, "acme");
  EXPECT_EQ(ann.client, "ats");
  EXPECT_EQ(ann.principal, "ann@acme");
  ASSAY_EXPECT_OK(authorizer->Authorize(kRead, "ipv4:10.0.0.1:5", header + "x"));
  EXPECT_THAT(authorizer->Authorize(kWrite, "ipv4:10.0.0.1:5", header + "x"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(authorizer->Authorize("/assay.v1.SubmissionService/Nonsense", "ipv4:10.0.0.1:5", header),
              StatusIs(absl::StatusCode::kUnimplemented));
  for (const std::string& bad : {std::string(), std::string(kToken), header + "y", std::string("Bearer "),
                                 absl::StrCat("bearer ", kToken), absl::StrCat("Basic ", kToken)}) {
    EXPECT_THAT(authorizer->Authorize(kRead, "ipv4:10.0.0.1:5", bad), StatusIs(absl::StatusCode::kUnauthenticated));
  }
  // With tokens, loopback may be a proxy.
  EXPECT_THAT(authorizer->Authorize(kRead, "ipv4:127.0.0.1:5", ""), StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(TokenFile, IsRefusedWhenItIsWrong) {
  const std::string good = absl::StrCat(kToken, " acme ats ann writer\n");
  EXPECT_THAT(Load(good, 0644), StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("0600")));
  EXPECT_THAT(Load(""), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Load(good + good), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(":2: token: is in the file")));
  EXPECT_THAT(Load("short acme ats ann writer\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(":1: token")));
  EXPECT_THAT(Load(absl::StrCat(kToken, " Acme ats ann writer\n")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tenant")));
  EXPECT_THAT(Load(absl::StrCat(kToken, " acme ats ann admin\n")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("role")));
  EXPECT_THAT(Load(absl::StrCat(kToken, " acme ats\n")), StatusIs(absl::StatusCode::kInvalidArgument));
  AuthorizerOptions options;
  options.token_file = dir_ / "missing";
  EXPECT_THAT(Authorizer::Create(options), StatusIs(absl::StatusCode::kNotFound));
}

TEST(TraceId, IsTakenFromAWellFormedHeaderAlone) {
  EXPECT_EQ(TraceIdOf("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), "4bf92f3577b34da6a3ce929d0e0e4736");
  for (const char* bad :
       {"", "00-4bf92f3577b34da6a3ce929d0e0e4736", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473x-00f067aa0ba902b7-01"}) {
    EXPECT_EQ(TraceIdOf(bad), "") << bad;
  }
}

TEST(Json, PrintsFieldNamesZeroValuesAndMapsInOrder) {
  v1::RerunSubmissionsRequest request;
  EXPECT_THAT(ToCanonicalJson(request),
              testing::IsOkAndHolds(R"({"request_id":"","candidate":"","id":"","evaluators":[],"preview":false})"));
  google::rpc::ErrorInfo info;
  for (int i = 0; i < 20; ++i) (*info.mutable_metadata())[absl::StrCat("k", i % 10, i / 10)] = "v";
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::string json, ToCanonicalJson(info));
  size_t last = 0;
  for (int i = 0; i < 10; ++i) {
    for (int j = 0; j < 2; ++j) {
      const size_t at = json.find(absl::StrCat("\"k", i, j, "\""));
      ASSERT_NE(at, std::string::npos);
      EXPECT_GT(at, last);
      last = at;
    }
  }
}

TEST(Json, ReadsWhatItPrintsAndRefusesTheRest) {
  v1::GetSubmissionRequest request;
  request.set_id("s-\xC3\xA9");
  v1::GetSubmissionRequest back;
  ASSAY_ASSERT_OK(FromJson(ToJson(request).value(), &back));
  EXPECT_EQ(back.id(), request.id());
  for (const char* bad : {"", "[]", "{\"nope\": 1}", "{\"id\": {}}", "{\"id\": \"a\"", "\xff"}) {
    EXPECT_THAT(FromJson(bad, &back), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
  EXPECT_THAT(FromJson(std::string((64 << 20) + 1, ' '), &back), StatusIs(absl::StatusCode::kResourceExhausted));
}

// Time passes only by waiting, and at once.
class LeapingClock final : public Clock {
 public:
  absl::Time TimeNow() override { return now_; }
  bool AwaitWithDeadline(absl::Mutex*, const absl::Condition&, absl::Time deadline) override {
    waits.push_back(deadline - now_);
    now_ = deadline;
    return false;
  }
  std::vector<absl::Duration> waits;

 private:
  absl::Time now_ = absl::UnixEpoch();
};

TEST(Retry, BacksOffAndEndsWithTheLastError) {
  LeapingClock clock;
  RetryPolicy policy;
  policy.max_attempts = 4;
  int calls = 0;
  const auto fail = [&] { return absl::UnavailableError(absl::StrCat("try ", ++calls)); };
  EXPECT_EQ(Retry(policy, clock, fail, [] { return 0.0; }), absl::UnavailableError("try 4"));
  EXPECT_THAT(clock.waits,
              ::testing::ElementsAre(absl::Milliseconds(100), absl::Milliseconds(200), absl::Milliseconds(400)));
}

TEST(Retry, WaitsAsLongAsTheServerSays) {
  LeapingClock clock;
  int calls = 0;
  const auto busy_once = [&]() -> absl::StatusOr<int> {
    if (++calls == 1) return WithRetryDelay(absl::ResourceExhaustedError("busy"), absl::Seconds(7));
    return 42;
  };
  EXPECT_THAT(Retry(RetryPolicy(), clock, busy_once, [] { return 0.9; }), testing::IsOkAndHolds(42));
  EXPECT_THAT(clock.waits, ::testing::ElementsAre(absl::Seconds(7)));
}

TEST(Retry, DoesNotRepeatWhatCannotHelp) {
  for (const absl::Status& status : {absl::InvalidArgumentError("x"), absl::ResourceExhaustedError("quota"),
                                     absl::InternalError("x"), absl::DeadlineExceededError("x")}) {
    LeapingClock clock;
    int calls = 0;
    EXPECT_EQ(Retry(RetryPolicy(), clock, [&] { return ++calls, status; }), status);
    EXPECT_EQ(calls, 1);
  }
}

TEST(Retry, StartsNothingAfterTheDeadline) {
  LeapingClock clock;
  RetryPolicy policy;
  policy.max_attempts = 100;
  policy.deadline = clock.TimeNow() + absl::Seconds(1);
  int calls = 0;
  EXPECT_FALSE(Retry(
                   policy, clock, [&] { return ++calls, absl::UnavailableError("x"); }, [] { return 0.0; })
                   .ok());
  EXPECT_EQ(calls, 4);  // at 0, 100, 300 and 700 ms
  EXPECT_LT(clock.TimeNow(), policy.deadline);
}

TEST(Executor, RefusesWhatDoesNotFitAndRunsWhatItTook) {
  int ran = 0;
  absl::Notification started;
  absl::Notification go;
  {
    Executor executor(1, 2);
    ASSERT_TRUE(executor.TrySubmit([&] {
      started.Notify();
      go.WaitForNotification();
      ++ran;
    }));
    started.WaitForNotification();
    EXPECT_TRUE(executor.TrySubmit([&] { ++ran; }));
    EXPECT_TRUE(executor.TrySubmit([&] { ++ran; }));
    EXPECT_FALSE(executor.TrySubmit([&] { ran += 100; }));
    go.Notify();
    executor.Stop();
    EXPECT_FALSE(executor.TrySubmit([&] { ran += 100; }));
  }
  EXPECT_EQ(ran, 3);
}

}  // namespace
}  // namespace assay::rpc
