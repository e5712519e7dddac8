// SPDX-License-Identifier: Apache-2.0
// The adapters through generated stubs on an in-process channel.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "assay/v1/artifact_service.grpc.pb.h"
#include "assay/v1/readiness_service.grpc.pb.h"
#include "assay/v1/submission_service.grpc.pb.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/rpc/bytes_unary.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/client_stream.h"
#include "services/common/rpc/server_stream.h"
#include "services/common/rpc/unary.h"

namespace assay::rpc {
namespace {

using ::assay::testing::StatusIs;
using v1::SubmissionUpdate;

// Answers as the test says; counts what is alive.
struct Behaviour {
  std::function<absl::StatusOr<v1::Submission>(const Call&, const v1::GetSubmissionRequest&)> get;
  std::function<void(const Call&, const v1::WatchSubmissionsRequest&, std::shared_ptr<ServerStream<SubmissionUpdate>>)>
      watch;
  size_t fail_upload_at = SIZE_MAX;
  std::atomic<int> receivers{0};
  absl::Notification receiver_gone;
};

class Submissions final : public v1::SubmissionService::CallbackService {
 public:
  Submissions(CallEnvironment environment, Behaviour& behaviour) : environment_(environment), behaviour_(behaviour) {}
  grpc::ServerUnaryReactor* GetSubmission(grpc::CallbackServerContext* context, const v1::GetSubmissionRequest* request,
                                          v1::Submission* response) override {
    return Unary(environment_, "/assay.v1.SubmissionService/GetSubmission", context, request, response,
                 behaviour_.get);
  }
  grpc::ServerUnaryReactor* CancelSubmission(grpc::CallbackServerContext* context,
                                             const v1::CancelSubmissionRequest* request,
                                             v1::Submission* response) override {
    return Unary(environment_, "/assay.v1.SubmissionService/NotInTheRules", context, request, response,
                 [](const Call&, const v1::CancelSubmissionRequest&) { return v1::Submission(); });
  }
  grpc::ServerWriteReactor<SubmissionUpdate>* WatchSubmissions(grpc::CallbackServerContext* context,
                                                               const v1::WatchSubmissionsRequest* request) override {
    return ServerStreaming<v1::WatchSubmissionsRequest, SubmissionUpdate>(
        environment_, "/assay.v1.SubmissionService/WatchSubmissions", context, request, behaviour_.watch,
        /*buffer=*/4);
  }

 private:
  const CallEnvironment environment_;
  Behaviour& behaviour_;
};

class Readiness final
    : public v1::ReadinessService::WithRawCallbackMethod_GetReadiness<v1::ReadinessService::CallbackService> {
 public:
  explicit Readiness(CallEnvironment environment) : environment_(environment) {}
  grpc::ServerUnaryReactor* GetReadiness(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override {
    return BytesUnary<v1::GetReadinessRequest>(
        environment_, "/assay.v1.ReadinessService/GetReadiness", context, request, response,
        [](const v1::GetReadinessRequest& r) { return !r.read_token().empty(); },
        [](const Call& call, const v1::GetReadinessRequest& r) -> absl::StatusOr<std::vector<std::string>> {
          if (r.candidate().empty()) return InvalidFields({{"candidate", "is empty"}});
          v1::ReadinessRecord record, names;
          record.set_version(7);
          names.set_candidate(absl::StrCat(r.candidate(), " of ", call.identity.tenant));
          return std::vector<std::string>{record.SerializeAsString(), names.SerializeAsString()};
        });
  }

 private:
  const CallEnvironment environment_;
};

class CountingReceiver final : public StreamReceiver<v1::UploadArtifactRequest, v1::Artifact> {
 public:
  explicit CountingReceiver(Behaviour& behaviour) : behaviour_(behaviour) { ++behaviour_.receivers; }
  ~CountingReceiver() override {
    --behaviour_.receivers;
    behaviour_.receiver_gone.Notify();
  }
  absl::Status OnMessage(const v1::UploadArtifactRequest& message) override {
    if (messages_++ == behaviour_.fail_upload_at) return absl::ResourceExhaustedError("too large");
    bytes_ += message.chunk().size();
    return absl::OkStatus();
  }
  absl::StatusOr<v1::Artifact> OnEnd() override {
    v1::Artifact artifact;
    artifact.set_size(bytes_);
    return artifact;
  }

 private:
  Behaviour& behaviour_;
  size_t messages_ = 0;
  uint64_t bytes_ = 0;
};

class Artifacts final : public v1::ArtifactService::CallbackService {
 public:
  Artifacts(CallEnvironment environment, Behaviour& behaviour) : environment_(environment), behaviour_(behaviour) {}
  grpc::ServerReadReactor<v1::UploadArtifactRequest>* UploadArtifact(grpc::CallbackServerContext* context,
                                                                     v1::Artifact* response) override {
    using Receiver = StreamReceiver<v1::UploadArtifactRequest, v1::Artifact>;
    return ClientStreaming<v1::UploadArtifactRequest>(
        environment_, "/assay.v1.ArtifactService/UploadArtifact", context, response,
        [this](const Call&) -> absl::StatusOr<std::unique_ptr<Receiver>> {
          return std::make_unique<CountingReceiver>(behaviour_);
        });
  }

 private:
  const CallEnvironment environment_;
  Behaviour& behaviour_;
};

class Adapters : public ::testing::Test {
 protected:
  // A Unix socket: an in-process channel has no peer that could be told from a stranger.
  void Start(CallLimits limits = {}, size_t threads = 2, size_t queued = 16) {
    gate_ = std::make_unique<CallGate>(*authorizer_, limits);
    executor_ = std::make_unique<Executor>(threads, queued);
    const CallEnvironment environment{*gate_, *executor_};
    submissions_ = std::make_unique<Submissions>(environment, behaviour_);
    artifacts_ = std::make_unique<Artifacts>(environment, behaviour_);
    grpc::ServerBuilder builder;
    ApplyServerLimits(builder);
    const std::string address = absl::StrCat("unix:", dir_ / "socket");
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(submissions_.get());
    builder.RegisterService(artifacts_.get());
    readiness_ = std::make_unique<Readiness>(environment);
    builder.RegisterService(readiness_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    channel_ = ConnectTo(address);
  }

  ~Adapters() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }

  static void Prepare(grpc::ClientContext& context) {
    PrepareContext(context, absl::Now() + absl::Seconds(60), "");
  }

  absl::Status GetSubmission(const std::string& id, v1::Submission* response) {
    grpc::ClientContext context;
    Prepare(context);
    v1::GetSubmissionRequest request;
    request.set_id(id);
    return FromGrpcStatus(v1::SubmissionService::NewStub(channel_)->GetSubmission(&context, request, response));
  }

  testing::TempDir dir_;
  Behaviour behaviour_;
  const std::unique_ptr<Authorizer> authorizer_ = Authorizer::Create({}).value();
  std::unique_ptr<CallGate> gate_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Submissions> submissions_;
  std::unique_ptr<Artifacts> artifacts_;
  std::unique_ptr<Readiness> readiness_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(Adapters, GiveAHandlerItsCallerAndReturnItsAnswer) {
  behaviour_.get = [](const Call& call, const v1::GetSubmissionRequest& request) -> absl::StatusOr<v1::Submission> {
    EXPECT_EQ(call.identity.tenant, "local");
    EXPECT_LT(call.deadline, absl::InfiniteFuture());
    if (request.id() == "bad") return InvalidFields({{"id", "is bad"}});
    v1::Submission submission;
    submission.set_id(request.id());
    return submission;
  };
  Start();
  v1::Submission submission;
  ASSAY_ASSERT_OK(GetSubmission("s-1", &submission));
  EXPECT_EQ(submission.id(), "s-1");
  const absl::Status status = GetSubmission("bad", &submission);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(FieldViolationsOf(status).size(), 1u);
}

TEST_F(Adapters, SendAnAnswerThatLiesReadyWithoutTheExecutorUnlessItMayWait) {
  Start({}, /*threads=*/0, /*queued=*/0);
  const auto stub = v1::ReadinessService::NewStub(channel_);
  const auto get = [&](const v1::GetReadinessRequest& request, v1::ReadinessRecord& record) {
    grpc::ClientContext context;
    Prepare(context);
    return FromGrpcStatus(stub->GetReadiness(&context, request, &record));
  };
  v1::GetReadinessRequest request;
  v1::ReadinessRecord record;
  const absl::Status invalid = get(request, record);
  EXPECT_THAT(invalid, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(FieldViolationsOf(invalid).size(), 1u);
  request.set_candidate("c-1");
  ASSAY_ASSERT_OK(get(request, record));
  EXPECT_EQ(record.candidate(), "c-1 of local");
  EXPECT_EQ(record.version(), 7u);
  request.set_read_token("a token");
  EXPECT_THAT(get(request, record), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(Adapters, RefuseBytesThatAreNoRequest) {
  Start();
  grpc::ClientContext context;
  Prepare(context);
  grpc::GenericStub stub(channel_);
  grpc::CompletionQueue queue;
  const grpc::Slice slice("\xff\xff\xff");
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::Status status;
  const auto call = stub.PrepareUnaryCall(&context, "/assay.v1.ReadinessService/GetReadiness", request, &queue);
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(Adapters, RefuseMethodsWithoutARule) {
  Start();
  grpc::ClientContext context;
  Prepare(context);
  v1::Submission response;
  EXPECT_EQ(v1::SubmissionService::NewStub(channel_)->CancelSubmission(&context, {}, &response).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(Adapters, RefuseCallsBeyondTheLimitAndSayWhenToComeBack) {
  absl::Notification inside;
  absl::Notification go;
  behaviour_.get = [&](const Call&, const v1::GetSubmissionRequest& request) -> absl::StatusOr<v1::Submission> {
    if (request.id() == "slow") {
      inside.Notify();
      go.WaitForNotification();
    }
    return v1::Submission();
  };
  CallLimits limits;
  limits.in_flight_per_tenant = 1;
  Start(limits);
  std::thread slow([&] {
    v1::Submission response;
    ASSAY_EXPECT_OK(GetSubmission("slow", &response));
  });
  inside.WaitForNotification();
  v1::Submission response;
  const absl::Status status = GetSubmission("other", &response);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_GT(RetryDelay(status), absl::ZeroDuration());
  go.Notify();
  slow.join();
  ASSAY_EXPECT_OK(GetSubmission("other", &response));
}

TEST_F(Adapters, LeaveCallsTheirPlacesWhateverIsWatched) {
  absl::Mutex mutex;
  std::vector<std::shared_ptr<ServerStream<SubmissionUpdate>>> held;
  behaviour_.watch = [&](const Call&, const v1::WatchSubmissionsRequest&, auto stream) {
    SubmissionUpdate update;
    ASSAY_EXPECT_OK(stream->Write(update));
    absl::MutexLock lock(&mutex);
    held.push_back(std::move(stream));
  };
  behaviour_.get = [](const Call&, const v1::GetSubmissionRequest&) { return v1::Submission(); };
  CallLimits limits;
  limits.in_flight_per_tenant = 1;
  limits.downstreams_per_tenant = 2;
  Start(limits);
  const auto stub = v1::SubmissionService::NewStub(channel_);
  grpc::ClientContext contexts[3];
  std::vector<std::unique_ptr<grpc::ClientReader<SubmissionUpdate>>> readers;
  SubmissionUpdate update;
  for (grpc::ClientContext& context : contexts) {
    Prepare(context);
    readers.push_back(stub->WatchSubmissions(&context, {}));
    if (readers.size() <= 2) {
      EXPECT_TRUE(readers.back()->Read(&update));
    }
  }
  EXPECT_FALSE(readers[2]->Read(&update));
  EXPECT_EQ(readers[2]->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  v1::Submission response;
  ASSAY_EXPECT_OK(GetSubmission("any", &response));
  absl::MutexLock lock(&mutex);
  held.clear();
}

TEST_F(Adapters, SayWhenToComeBackWhereverThatCanHelp) {
  absl::Status answer;
  behaviour_.get = [&](const Call&, const v1::GetSubmissionRequest&) -> absl::StatusOr<v1::Submission> {
    return answer;
  };
  Start();
  const auto delay = [&](const absl::Status& status) {
    answer = status;
    v1::Submission response;
    return RetryDelay(GetSubmission("any", &response));
  };
  EXPECT_GT(delay(absl::UnavailableError("not now")), absl::ZeroDuration());
  EXPECT_GT(delay(absl::ResourceExhaustedError("the queue is full")), absl::ZeroDuration());
  EXPECT_EQ(delay(WithRetryDelay(absl::UnavailableError("not now"), absl::Seconds(7))), absl::Seconds(7));
  EXPECT_EQ(delay(WithReason(absl::ResourceExhaustedError("over the limit"), kTooLarge)), absl::ZeroDuration());
  EXPECT_EQ(delay(WithReason(absl::ResourceExhaustedError("the disk is full"), kNoRoom)), absl::ZeroDuration());
  EXPECT_EQ(delay(absl::NotFoundError("no such thing")), absl::ZeroDuration());
}

TEST_F(Adapters, StreamEverythingInOrderThroughASmallBuffer) {
  behaviour_.watch = [](const Call&, const v1::WatchSubmissionsRequest& request, auto stream) {
    for (int i = 0; i < 500; ++i) {
      SubmissionUpdate update;
      update.set_change(absl::StrCat(request.candidate(), i));
      ASSAY_EXPECT_OK(stream->Write(update));
    }
    stream->Finish(absl::AbortedError("enough"));
  };
  Start();
  grpc::ClientContext context;
  Prepare(context);
  v1::WatchSubmissionsRequest request;
  request.set_candidate("c");
  const auto reader = v1::SubmissionService::NewStub(channel_)->WatchSubmissions(&context, request);
  SubmissionUpdate update;
  int count = 0;
  while (reader->Read(&update)) EXPECT_EQ(update.change(), absl::StrCat("c", count++));
  EXPECT_EQ(count, 500);
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::ABORTED);
}

TEST_F(Adapters, LeaveAStreamWithAProducerThatHoldsNoThread) {
  absl::Mutex mutex;
  std::shared_ptr<ServerStream<SubmissionUpdate>> held;
  behaviour_.watch = [&](const Call&, const v1::WatchSubmissionsRequest&, auto stream) {
    absl::MutexLock lock(&mutex);
    held = std::move(stream);
  };
  Start({}, /*threads=*/1);
  grpc::ClientContext context;
  Prepare(context);
  const auto reader = v1::SubmissionService::NewStub(channel_)->WatchSubmissions(&context, {});
  const auto is_held = [&] { return held != nullptr; };
  mutex.LockWhen(absl::Condition(&is_held));
  SubmissionUpdate update;
  update.set_change("pushed");
  EXPECT_TRUE(held->TryWrite(update));
  held.reset();
  mutex.Unlock();
  EXPECT_TRUE(reader->Read(&update));
  EXPECT_EQ(update.change(), "pushed");
  EXPECT_FALSE(reader->Read(&update));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(Adapters, TellAProducerThatTheCallerWentAway) {
  absl::Notification over;
  absl::Notification written;
  absl::Status last;
  behaviour_.watch = [&](const Call&, const v1::WatchSubmissionsRequest&, auto stream) {
    stream->OnOver([&] { over.Notify(); });
    // The caller reads nothing: this ends only because the call does.
    SubmissionUpdate update;
    update.set_change(std::string(100000, 'x'));
    while ((last = stream->Write(update)).ok()) {
    }
    written.Notify();
  };
  Start();
  grpc::ClientContext context;
  Prepare(context);
  const auto reader = v1::SubmissionService::NewStub(channel_)->WatchSubmissions(&context, {});
  SubmissionUpdate update;
  EXPECT_TRUE(reader->Read(&update));
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(over.WaitForNotificationWithTimeout(absl::Seconds(60)));
  EXPECT_TRUE(written.WaitForNotificationWithTimeout(absl::Seconds(60)));
  EXPECT_THAT(last, StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(Adapters, ReceiveAnUploadInOrder) {
  Start();
  grpc::ClientContext context;
  Prepare(context);
  v1::Artifact artifact;
  const auto writer = v1::ArtifactService::NewStub(channel_)->UploadArtifact(&context, &artifact);
  v1::UploadArtifactRequest request;
  request.set_chunk(std::string(kUploadChunkBytes, 'x'));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(writer->Write(request));
  writer->WritesDone();
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(artifact.size(), 50 * kUploadChunkBytes);
  behaviour_.receiver_gone.WaitForNotification();
  EXPECT_EQ(behaviour_.receivers, 0);
}

TEST_F(Adapters, EndAnUploadWithTheReceiversError) {
  behaviour_.fail_upload_at = 3;
  Start();
  grpc::ClientContext context;
  Prepare(context);
  v1::Artifact artifact;
  const auto writer = v1::ArtifactService::NewStub(channel_)->UploadArtifact(&context, &artifact);
  v1::UploadArtifactRequest request;
  request.set_chunk(std::string(kUploadChunkBytes, 'x'));
  while (writer->Write(request)) {
  }
  EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(Adapters, EndAnUploadThatSendsNothing) {
  CallLimits limits;
  limits.upstream_idle = absl::Milliseconds(50);
  Start(limits);
  grpc::ClientContext context;
  Prepare(context);
  v1::Artifact artifact;
  const auto writer = v1::ArtifactService::NewStub(channel_)->UploadArtifact(&context, &artifact);
  v1::UploadArtifactRequest request;
  request.set_chunk("half");
  ASSERT_TRUE(writer->Write(request));
  EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  behaviour_.receiver_gone.WaitForNotification();
  EXPECT_EQ(behaviour_.receivers, 0);
}

TEST_F(Adapters, KeepAnUploadThatGoesOnBeyondTheTimeOfOneMessage) {
  CallLimits limits;
  limits.upstream_idle = absl::Milliseconds(400);
  Start(limits);
  grpc::ClientContext context;
  Prepare(context);
  v1::Artifact artifact;
  const auto writer = v1::ArtifactService::NewStub(channel_)->UploadArtifact(&context, &artifact);
  v1::UploadArtifactRequest request;
  request.set_chunk("x");
  uint64_t sent = 0;
  for (const absl::Time end = absl::Now() + 2 * limits.upstream_idle; absl::Now() < end; ++sent) {
    ASSERT_TRUE(writer->Write(request));
  }
  writer->WritesDone();
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(artifact.size(), sent);
}

TEST_F(Adapters, DiscardAnUploadWhoseCallerWentAway) {
  Start();
  v1::Artifact artifact;
  {
    grpc::ClientContext context;
    Prepare(context);
    const auto writer = v1::ArtifactService::NewStub(channel_)->UploadArtifact(&context, &artifact);
    v1::UploadArtifactRequest request;
    request.set_chunk("half");
    ASSERT_TRUE(writer->Write(request));
    context.TryCancel();
    EXPECT_FALSE(writer->Finish().ok());
  }
  EXPECT_EQ(artifact.size(), 0u);
  // The server may not even have seen the call; if it did, the receiver goes without OnEnd().
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  EXPECT_EQ(behaviour_.receivers, 0);
}

}  // namespace
}  // namespace assay::rpc
