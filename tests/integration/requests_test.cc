// SPDX-License-Identifier: Apache-2.0
//
// What a caller can rely on when it sends a request again, many at once, or asks for long lists.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/rpc/status.h"
#include "tests/integration/testing/server_process.h"

namespace assay {
namespace {

using testing::Client;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::RepositoryRequest;
using testing::ScorecardRequest;
using testing::ServerProcess;
using ::testing::SizeIs;
using testing::StatusIs;
using testing::Tar;
using ::testing::UnorderedElementsAre;
using v1::Submission;

constexpr absl::StatusCode kAlreadyExists = absl::StatusCode::kAlreadyExists;

class RequestsTest : public ::testing::Test {
 protected:
  RequestsTest() {
    ServerProcess::Options options;
    options.data_directory = folder_ / "data";
    auto server = ServerProcess::Start(options);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_ = std::make_unique<Client>(absl::StrCat("unix:", server_->socket()));
  }

  std::string Submit(const v1::CreateSubmissionRequest& request) {
    const auto response = client_->Create(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->submission().id() : "";
  }
  std::string SubmitScorecard(const std::string& request_id) {
    const std::string id = Submit(ScorecardRequest(request_id, "c-1", request_id, 3));
    EXPECT_TRUE(client_->WatchUntilEnded("c-1", id).ok());
    return id;
  }
  absl::StatusOr<Submission> Cancel(const std::string& request_id, const std::string& id) {
    v1::CancelSubmissionRequest request;
    request.set_request_id(request_id);
    request.set_candidate("c-1");
    request.set_id(id);
    return client_->Call<v1::CancelSubmissionRequest, Submission>(
        *client_->submissions, &v1::SubmissionService::Stub::CancelSubmission, request);
  }
  absl::StatusOr<v1::RerunSubmissionsResponse> Rerun(const std::string& request_id, const std::string& id,
                                                     const std::string& evaluator = "") {
    v1::RerunSubmissionsRequest request;
    request.set_request_id(request_id);
    request.set_candidate("c-1");
    request.set_id(id);
    if (!evaluator.empty()) request.add_evaluators(evaluator);
    return client_->Call<v1::RerunSubmissionsRequest, v1::RerunSubmissionsResponse>(
        *client_->submissions, &v1::SubmissionService::Stub::RerunSubmissions, request);
  }
  absl::StatusOr<v1::Assessment> CreateAssessment(const std::string& request_id, const std::string& id) {
    v1::CreateAssessmentRequest request;
    request.set_request_id(request_id);
    request.mutable_assessment()->set_id(id);
    request.mutable_assessment()->set_candidate("c-1");
    return client_->Call<v1::CreateAssessmentRequest, v1::Assessment>(
        *client_->assessments, &v1::AssessmentService::Stub::CreateAssessment, request);
  }
  absl::StatusOr<v1::DeleteCandidateResponse> Delete(const std::string& request_id, const std::string& candidate) {
    v1::DeleteCandidateRequest request;
    request.set_request_id(request_id);
    request.set_candidate(candidate);
    return client_->Call<v1::DeleteCandidateRequest, v1::DeleteCandidateResponse>(
        *client_->candidates, &v1::CandidateService::Stub::DeleteCandidate, request);
  }
  absl::StatusOr<v1::BatchCreateSubmissionsResponse> CreateAll(const v1::BatchCreateSubmissionsRequest& batch) {
    return client_->Call<v1::BatchCreateSubmissionsRequest, v1::BatchCreateSubmissionsResponse>(
        *client_->submissions, &v1::SubmissionService::Stub::BatchCreateSubmissions, batch, absl::Seconds(60));
  }
  // Files that are blobs, in the whole data folder.
  size_t Blobs() const {
    size_t blobs = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "data/blobs")) {
      if (entry.is_regular_file() && entry.path().filename().string().size() == 64) ++blobs;
    }
    return blobs;
  }

  testing::TempDir folder_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<Client> client_;
};

TEST_F(RequestsTest, ACancelledSubmissionRunsAgainWhenAsked) {
  const auto digest = client_->Upload("c-1", Tar({{"do", "wait"}}));
  ASSERT_TRUE(digest.ok()) << digest.status();
  const std::string id = Submit(RepositoryRequest("r-1", "c-1", *digest));
  ASSAY_ASSERT_OK(client_->WatchUntilRunning("c-1", id));
  ASSAY_ASSERT_OK(Cancel("cancel-1", id).status());
  ASSAY_ASSERT_OK(Rerun("rerun-1", id).status());
  // A late retry of the first cancel ends nothing of it.
  ASSAY_ASSERT_OK(Cancel("cancel-1", id).status());
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  for (;;) {
    ASSAY_ASSERT_OK_AND_ASSIGN(const Submission now, client_->GetSubmission("c-1", id));
    if (now.state() == Submission::RUNNING) break;
    ASSERT_TRUE(now.state() == Submission::QUEUED) << Submission::State_Name(now.state());
    ASSERT_LT(absl::Now(), deadline);
  }
  ASSAY_ASSERT_OK_AND_ASSIGN(const Submission ended, Cancel("cancel-2", id));
  EXPECT_EQ(ended.state(), Submission::CANCELLED);
}

TEST_F(RequestsTest, ARequestIdIsForOneContent) {
  const std::string one = SubmitScorecard("r-1"), other = SubmitScorecard("r-2");
  ASSAY_ASSERT_OK(Cancel("same", one).status());
  EXPECT_THAT(Cancel("same", other), StatusIs(kAlreadyExists));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto first, Rerun("rerun", one));
  ASSERT_THAT(first.evaluations(), SizeIs(1));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto again, Rerun("rerun", one));
  EXPECT_THAT(again.evaluations(), ElementsAreArray(first.evaluations())) << "a retry is told what the first one did";
  EXPECT_THAT(Rerun("rerun", other), StatusIs(kAlreadyExists));
  ASSAY_ASSERT_OK(CreateAssessment("assessment", "a-1").status());
  ASSAY_ASSERT_OK(CreateAssessment("assessment", "a-1").status());
  EXPECT_THAT(CreateAssessment("assessment", "a-2"), StatusIs(kAlreadyExists));
  EXPECT_THAT(Rerun("typo", one, "rubrik"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rubric")));
}

TEST_F(RequestsTest, EachResultOfABatchHasTheDetailsOfASingleCall) {
  v1::BatchCreateSubmissionsRequest batch;
  *batch.add_requests() = ScorecardRequest("r-1", "c-1", "rater-1", 3);
  *batch.add_requests() = ScorecardRequest("r-1", "c-1", "rater-1", 3);
  *batch.add_requests() = ScorecardRequest("r-1", "c-1", "rater-1", 4);
  *batch.add_requests() = ScorecardRequest("r-2", "", "rater-1", 4);
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto answer, CreateAll(batch));
  ASSERT_THAT(answer.results(), SizeIs(4));
  EXPECT_TRUE(answer.results(0).has_response());
  EXPECT_EQ(answer.results(1).response().submission().id(), answer.results(0).response().submission().id());
  EXPECT_EQ(answer.results(2).code(), static_cast<int>(kAlreadyExists)) << "neither accepted nor silently dropped";
  EXPECT_EQ(answer.results(3).status().code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  const auto violations = rpc::FieldViolationsOf(rpc::FromRpcStatus(answer.results(3).status()));
  ASSERT_FALSE(violations.empty());
  EXPECT_EQ(violations[0].field, "submission.candidate");
}

TEST_F(RequestsTest, ThePageOfTheLargestSizeIsNotTheEndOfAList) {
  v1::BatchCreateSubmissionsRequest batch;
  for (int i = 0; i < 500; ++i) {
    *batch.add_requests() = ScorecardRequest(absl::StrCat("r-", i), "c-1", absl::StrCat("rater-", i), 3);
  }
  ASSAY_ASSERT_OK(CreateAll(batch).status());
  // What came before it is applied when it has ended.
  ASSAY_ASSERT_OK(
      client_->WatchUntilEnded("c-1", Submit(ScorecardRequest("r-last", "c-1", "rater-last", 3))).status());
  std::set<std::string> seen;
  v1::ListSubmissionsRequest list;
  list.set_page_size(500);
  do {
    ASSAY_ASSERT_OK_AND_ASSIGN(const auto page, client_->List(list));
    for (const Submission& submission : page.submissions()) seen.insert(submission.id());
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_THAT(seen, SizeIs(501));
}

TEST_F(RequestsTest, LabelsAndSourcesComeBack) {
  for (const char* source : {"service", "library"}) {
    const auto digest = client_->Upload("c-1", Tar({{"a.js", absl::StrCat("// ", source, "\n")}}));
    ASSERT_TRUE(digest.ok()) << digest.status();
    v1::CreateSubmissionRequest request = RepositoryRequest(source, "c-1", *digest);
    request.mutable_submission()->set_source(source);
    (*request.mutable_submission()->mutable_labels())["team"] = "blue";
    ASSAY_ASSERT_OK_AND_ASSIGN(const auto updates, client_->WatchUntilEnded("c-1", Submit(request)));
    EXPECT_THAT(updates.back().submission().labels(), UnorderedElementsAre(Pair("team", "blue")));
  }
  v1::ListSubmissionsRequest list;
  list.set_candidate("c-1");
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto all, client_->List(list));
  ASSERT_THAT(all.submissions(), SizeIs(2));
  EXPECT_EQ(all.submissions(0).source(), "library");
  EXPECT_EQ(all.submissions(1).superseded_by(), "") << "another source counts beside it";
}

TEST_F(RequestsTest, WhoHasOnlyUploadsCanBeDeleted) {
  ASSERT_TRUE(client_->Upload("c-1", Tar({{"a.js", "1\n"}})).ok());
  ASSERT_EQ(Blobs(), 1u);
  ASSAY_ASSERT_OK(Delete("delete-1", "c-1").status());
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  while (Blobs() > 0) ASSERT_LT(absl::Now(), deadline) << "the upload stays";
  EXPECT_THAT(Delete("delete-2", "c-1"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RequestsTest, AnUploadUnderAnotherDigestLeavesNothing) {
  grpc::ClientContext context;
  client_->Prepare(context, absl::Seconds(30));
  v1::Artifact artifact;
  const auto writer = client_->artifacts->UploadArtifact(&context, &artifact);
  v1::UploadArtifactRequest message;
  message.mutable_metadata()->set_candidate("c-1");
  message.mutable_metadata()->set_digest("sha256:" + std::string(64, 'a'));
  writer->Write(message);
  message.set_chunk("other bytes");
  writer->Write(message);
  writer->WritesDone();
  EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Blobs(), 0u);
}

TEST_F(RequestsTest, AWatcherOfReadinessIsToldOfAnErasure) {
  SubmitScorecard("r-1");
  v1::WatchReadinessRequest request;
  request.set_candidate("c-1");
  grpc::ClientContext context;
  client_->Prepare(context, absl::Minutes(1));
  const auto reader = client_->readiness->WatchReadiness(&context, request);
  v1::WatchReadinessResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_FALSE(response.erased());
  ASSAY_ASSERT_OK(Delete("delete-1", "c-1").status());
  while (!response.erased()) ASSERT_TRUE(reader->Read(&response)) << "it was never told";
  EXPECT_FALSE(response.has_record());
  context.TryCancel();
}

}  // namespace
}  // namespace assay
