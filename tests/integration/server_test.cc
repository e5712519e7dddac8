// SPDX-License-Identifier: Apache-2.0
//
// What a caller of a real assay-standalone can rely on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/digest.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/rpc/json.h"
#include "services/common/rpc/status.h"
#include "tests/integration/testing/server_process.h"

namespace assay {
namespace {

using testing::Built;
using testing::Client;
using testing::RepositoryRequest;
using testing::ScorecardRequest;
using testing::ServerProcess;
using testing::StatusIs;
using testing::Tar;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using v1::Evaluation;
using v1::Submission;

// Epoch, version and the digest of the readiness, maps in order.
std::string BytesOf(const v1::ReadinessRecord& record) {
  return absl::StrCat(record.epoch(), " ", record.version(), " ",
                      Digest::Of(*rpc::ToCanonicalJson(record.readiness())).ToString());
}

class ServerTest : public ::testing::Test {
 protected:
  std::string data() const { return folder_ / "data"; }

  void StartServer(std::vector<std::string> set = {}) {
    server_.reset();
    ServerProcess::Options options;
    options.data_directory = data();
    options.set = std::move(set);
    ASSAY_ASSERT_OK_AND_ASSIGN(server_, ServerProcess::Start(options));
    client_ = std::make_unique<Client>(absl::StrCat("unix:", server_->socket()));
  }

  std::string Submit(const v1::CreateSubmissionRequest& request) {
    const auto response = client_->Create(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->submission().id() : "";
  }

  std::string SubmitRepository(const std::string& candidate, const std::string& request_id,
                               std::vector<std::pair<std::string, std::string>> files) {
    const auto digest = client_->Upload(candidate, Tar(files));
    EXPECT_TRUE(digest.ok()) << digest.status();
    return digest.ok() ? Submit(RepositoryRequest(request_id, candidate, *digest)) : "";
  }

  Submission Ended(const std::string& candidate, const std::string& id) {
    const auto updates = client_->WatchUntilEnded(candidate, id);
    EXPECT_TRUE(updates.ok()) << updates.status();
    if (!updates.ok() || updates->empty()) return {};
    return updates->back().submission();
  }

  testing::TempDir folder_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<Client> client_;
};

TEST_F(ServerTest, ASubmissionReachesReadinessWithItsEvidence) {
  StartServer();
  const std::string repository = SubmitRepository("c-1", "r-1", {{"health.js", "app.get('/healthz')\n"}});
  const std::string scorecard = Submit(ScorecardRequest("r-2", "c-1", "rater-1", 3));
  EXPECT_EQ(Ended("c-1", repository).state(), Submission::COMPLETED);
  EXPECT_EQ(Ended("c-1", scorecard).state(), Submission::COMPLETED);

  ASSAY_ASSERT_OK_AND_ASSIGN(const v1::ReadinessRecord record, client_->GetReadiness("c-1"));
  EXPECT_EQ(record.candidate(), "c-1");
  EXPECT_GT(record.version(), 0u);
  EXPECT_GT(record.readiness().coverage(), 0);
  EXPECT_EQ(record.readiness().provenance().plugins_size(), 2);

  ASSAY_ASSERT_OK_AND_ASSIGN(const v1::EvaluationReport report, client_->GetReport("c-1"));
  ASSERT_EQ(report.observations_size(), 2);
  const v1::Observation& probe = report.observations(0);
  EXPECT_EQ(probe.criterion(), "health.probes");
  EXPECT_EQ(probe.rationale(), "the code suggests a probe");
  EXPECT_GT(probe.behaviours_size(), 0);
  ASSERT_EQ(probe.evidence_size(), 1);

  v1::GetEvidenceRequest get;
  get.set_candidate("c-1");
  get.set_digest(probe.evidence(0));
  grpc::ClientContext context;
  client_->Prepare(context, absl::Seconds(30));
  const auto reader = client_->evidence->GetEvidence(&context, get);
  v1::GetEvidenceResponse chunk;
  ASSERT_TRUE(reader->Read(&chunk));
  EXPECT_EQ(chunk.evidence().kind(), v1::Evidence::SPAN);
  EXPECT_EQ(chunk.evidence().file(), "health.js");
  EXPECT_THAT(chunk.chunk(), HasSubstr("app.get('/healthz')"));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ServerTest, AReaderWithTheTokenSeesWhatItWasTold) {
  StartServer();
  for (int i = 0; i < 20; ++i) {
    ASSAY_ASSERT_OK_AND_ASSIGN(const auto created,
                               client_->Create(ScorecardRequest(absl::StrCat("r-", i), "c-1", "rater", 2)));
    ASSAY_ASSERT_OK_AND_ASSIGN(const Submission found,
                               client_->GetSubmission("c-1", created.submission().id(), created.read_token()));
    EXPECT_NE(found.state(), Submission::STATE_UNSPECIFIED);
  }
}

TEST_F(ServerTest, TheSameRequestIsTheSameSubmissionAndOtherContentIsRefused) {
  StartServer();
  const std::string first = Submit(ScorecardRequest("r-1", "c-1", "rater-1", 3));
  EXPECT_EQ(Submit(ScorecardRequest("r-1", "c-1", "rater-1", 3)), first);
  Ended("c-1", first);
  EXPECT_THAT(client_->Create(ScorecardRequest("r-1", "c-1", "rater-1", 1)),
              StatusIs(absl::StatusCode::kAlreadyExists));
  v1::ListSubmissionsRequest list;
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto all, client_->List(list));
  EXPECT_EQ(all.submissions_size(), 1);
}

TEST_F(ServerTest, EveryWrongFieldIsNamedAndNothingIsKept) {
  StartServer();
  v1::CreateSubmissionRequest request = ScorecardRequest("", "c-1\n", "rater-1", 9);
  request.mutable_submission()->mutable_scorecard()->set_candidate("someone else");
  const absl::Status refused = client_->Create(request).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
  std::vector<std::string> fields;
  for (const rpc::FieldViolation& violation : rpc::FieldViolationsOf(refused)) fields.push_back(violation.field);
  EXPECT_THAT(fields, ::testing::IsSupersetOf({"request_id", "submission.candidate", "submission.scorecard.candidate"}));

  request = ScorecardRequest("r-1", "c-1", "rater-1", 9);
  const absl::Status content = client_->Create(request).status();
  EXPECT_THAT(content, StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_THAT(rpc::FieldViolationsOf(content), SizeIs(1));
  EXPECT_EQ(rpc::FieldViolationsOf(content)[0].field, "submission.scorecard.ratings[0].rating");

  v1::CreateSubmissionRequest empty;
  empty.set_request_id("r-2");
  empty.mutable_submission()->set_candidate("c-1");
  EXPECT_THAT(client_->Create(empty), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(client_->Create(RepositoryRequest("r-3", "c-1", "sha256:" + std::string(64, '0'))),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not uploaded")));
  request = ScorecardRequest("r-4", "c-1", "rater-1", 3);
  request.mutable_submission()->mutable_scorecard()->set_framework("nobody@7");
  EXPECT_THAT(client_->Create(request), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("nobody@7")));
  v1::ListSubmissionsRequest list;
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto all, client_->List(list));
  EXPECT_THAT(all.submissions(), IsEmpty());
}

TEST_F(ServerTest, AnArchiveThatIsNoneIsRefusedBeforeAnythingIsAccepted) {
  StartServer();
  EXPECT_THAT(client_->Upload("c-1", ""), StatusIs(absl::StatusCode::kInvalidArgument));
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::string digest, client_->Upload("c-1", std::string(5000, 'x')));
  EXPECT_THAT(client_->Create(RepositoryRequest("r-1", "c-1", digest)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("artifact_digest")));
  // Another candidate's upload is nobody else's.
  EXPECT_THAT(client_->Create(RepositoryRequest("r-2", "c-2", digest)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  v1::ListSubmissionsRequest list;
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto all, client_->List(list));
  EXPECT_THAT(all.submissions(), IsEmpty());
}

TEST_F(ServerTest, AMessageThatIsTooLargeIsRefusedAndTheServerGoesOn) {
  StartServer();
  v1::CreateSubmissionRequest request = ScorecardRequest("r-1", "c-1", "rater-1", 3);
  request.mutable_submission()->mutable_scorecard()->mutable_ratings(0)->set_evidence(std::string(20 << 20, 'x'));
  EXPECT_THAT(client_->Create(request), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_NE(Submit(ScorecardRequest("r-2", "c-1", "rater-1", 3)), "");
}

TEST_F(ServerTest, ListsPageThroughAllCandidatesNewestFirst) {
  StartServer();
  std::set<std::string> ids;
  v1::BatchCreateSubmissionsRequest batch;
  for (int i = 0; i < 25; ++i) {
    *batch.add_requests() = ScorecardRequest(absl::StrCat("r-", i), absl::StrCat("c-", i % 7), "rater", 2);
  }
  *batch.add_requests() = ScorecardRequest("bad", "c-1", "rater", 17);
  const auto answered = client_->Call<v1::BatchCreateSubmissionsRequest, v1::BatchCreateSubmissionsResponse>(
      *client_->submissions, &v1::SubmissionService::Stub::BatchCreateSubmissions, batch);
  ASSERT_TRUE(answered.ok()) << answered.status();
  ASSERT_EQ(answered->results_size(), 26);
  for (int i = 0; i < 25; ++i) ids.insert(answered->results(i).response().submission().id());
  EXPECT_EQ(answered->results(25).code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  ASSERT_THAT(ids, SizeIs(25));
  for (int i = 0; i < 25; ++i) {
    const v1::CreateSubmissionResponse& response = answered->results(i).response();
    const std::string& candidate = response.submission().candidate();
    ASSAY_ASSERT_OK(client_->GetSubmission(candidate, response.submission().id(), response.read_token()));
    EXPECT_EQ(Ended(candidate, response.submission().id()).state(), Submission::COMPLETED);
  }

  std::set<std::string> listed;
  v1::ListSubmissionsRequest list;
  list.set_page_size(4);
  for (int pages = 0; pages < 10; ++pages) {
    ASSAY_ASSERT_OK_AND_ASSIGN(const auto page, client_->List(list));
    for (const Submission& submission : page.submissions()) EXPECT_TRUE(listed.insert(submission.id()).second);
    list.set_page_token(page.next_page_token());
    if (page.next_page_token().empty()) break;
  }
  EXPECT_EQ(listed, ids);
  list.set_page_token("forged");
  EXPECT_THAT(client_->List(list), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ServerTest, WatchingShowsEveryStepAndGoesOnWhereItBroke) {
  StartServer();
  const std::string id = SubmitRepository("c-1", "r-1", {{"a.js", "1\n"}});
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto updates, client_->WatchUntilEnded("c-1", id));
  std::vector<std::string> changes;
  for (const v1::SubmissionUpdate& update : updates) changes.push_back(update.change());
  EXPECT_THAT(changes, AllOf(Contains("accepted"), Contains("code_analysis: running"), Contains("code_analysis: done")));
  EXPECT_EQ(changes.front(), "accepted");

  v1::WatchSubmissionsRequest resume;
  resume.set_candidate("c-1");
  resume.add_ids(id);
  resume.set_resume_token(updates.front().resume_token());
  grpc::ClientContext context;
  client_->Prepare(context, absl::Seconds(30));
  const auto reader = client_->submissions->WatchSubmissions(&context, resume);
  std::vector<std::string> rest;
  v1::SubmissionUpdate update;
  while (reader->Read(&update)) rest.push_back(update.change());
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(rest, std::vector<std::string>(changes.begin() + 1, changes.end()));
}

TEST_F(ServerTest, CancellingEndsAPluginThatRuns) {
  StartServer();
  const std::string id = SubmitRepository("c-1", "r-1", {{"do", "wait"}});
  ASSAY_ASSERT_OK(client_->WatchUntilRunning("c-1", id));
  v1::CancelSubmissionRequest cancel;
  cancel.set_request_id("cancel-1");
  cancel.set_candidate("c-1");
  cancel.set_id(id);
  const auto cancelled = client_->Call<v1::CancelSubmissionRequest, Submission>(
      *client_->submissions, &v1::SubmissionService::Stub::CancelSubmission, cancel);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), Submission::CANCELLED);
  // Its place is free for the next one.
  EXPECT_EQ(Ended("c-1", SubmitRepository("c-1", "r-2", {{"a.js", "1\n"}})).state(), Submission::COMPLETED);
}

TEST_F(ServerTest, WithdrawingRerunningAndDeletingDoWhatTheySay) {
  StartServer();
  const std::string id = SubmitRepository("c-1", "r-1", {{"a.js", "1\n"}});
  ASSERT_EQ(Ended("c-1", id).state(), Submission::COMPLETED);
  v1::RerunSubmissionsRequest rerun;
  rerun.set_request_id("rerun-1");
  rerun.set_candidate("c-1");
  const auto made = client_->Call<v1::RerunSubmissionsRequest, v1::RerunSubmissionsResponse>(
      *client_->submissions, &v1::SubmissionService::Stub::RerunSubmissions, rerun);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(made->evaluations(), SizeIs(1));
  EXPECT_THAT(Ended("c-1", id).evaluations(), SizeIs(2));

  v1::WithdrawSubmissionRequest withdraw;
  withdraw.set_request_id("withdraw-1");
  withdraw.set_candidate("c-1");
  withdraw.set_id(id);
  const auto withdrawn = client_->Call<v1::WithdrawSubmissionRequest, Submission>(
      *client_->submissions, &v1::SubmissionService::Stub::WithdrawSubmission, withdraw);
  ASSERT_TRUE(withdrawn.ok()) << withdrawn.status();
  EXPECT_TRUE(withdrawn->withdrawn());
  ASSAY_ASSERT_OK_AND_ASSIGN(const v1::ReadinessRecord nothing, client_->GetReadiness("c-1"));
  EXPECT_EQ(nothing.readiness().coverage(), 0);

  v1::DeleteCandidateRequest erase;
  erase.set_request_id("erase-1");
  erase.set_candidate("c-1");
  const auto call = [&] {
    return client_->Call<v1::DeleteCandidateRequest, v1::DeleteCandidateResponse>(
        *client_->candidates, &v1::CandidateService::Stub::DeleteCandidate, erase);
  };
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto erased, call());
  EXPECT_EQ(erased.submissions_erased(), 1u);
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto again, call());
  EXPECT_EQ(again.submissions_erased(), 1u);
  EXPECT_THAT(client_->GetReadiness("c-1"), StatusIs(absl::StatusCode::kNotFound));
  ASSAY_ASSERT_OK_AND_ASSIGN(const Submission tombstone, client_->GetSubmission("c-1", id));
  EXPECT_EQ(tombstone.state(), Submission::ERASED);
  // Once the blobs are gone, which follows, nothing is kept that could be erased.
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  absl::Status nothing_left;
  for (int i = 2; nothing_left.ok(); ++i) {
    ASSERT_LT(absl::Now(), deadline);
    erase.set_request_id(absl::StrCat("erase-", i));
    nothing_left = call().status();
  }
  EXPECT_THAT(nothing_left, StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ServerTest, AnAssessmentHasItsOwnEvidence) {
  StartServer();
  v1::CreateAssessmentRequest create;
  create.set_request_id("a-1");
  create.mutable_assessment()->set_id("promotion 2026");
  create.mutable_assessment()->set_candidate("c-1");
  create.mutable_assessment()->set_purpose(v1::Assessment::PROMOTION);
  const auto made = client_->Call<v1::CreateAssessmentRequest, v1::Assessment>(
      *client_->assessments, &v1::AssessmentService::Stub::CreateAssessment, create);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->framework(), "senior-express-engineer@1");
  v1::CreateSubmissionRequest request = ScorecardRequest("r-1", "c-1", "rater-1", 4);
  request.mutable_submission()->set_assessment("promotion 2026");
  Ended("c-1", Submit(request));
  v1::GetReadinessRequest get;
  get.set_candidate("c-1");
  get.set_assessment("promotion 2026");
  const auto record = client_->Call<v1::GetReadinessRequest, v1::ReadinessRecord>(
      *client_->readiness, &v1::ReadinessService::Stub::GetReadiness, get);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->readiness().provenance().profile(), "promotion");
  EXPECT_THAT(client_->GetReadiness("c-1"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ServerTest, ReplayingTheJournalGivesTheSameBytesOfReadiness) {
  StartServer();
  for (int i = 0; i < 6; ++i) {
    const std::string candidate = absl::StrCat("c-", i % 3);
    Ended(candidate, Submit(ScorecardRequest(absl::StrCat("r-", i), candidate, absl::StrCat("rater-", i), i % 5)));
    Ended(candidate, SubmitRepository(candidate, absl::StrCat("x-", i), {{"a.js", absl::StrCat(i, "\n")}}));
  }
  std::map<std::string, std::string> before;
  for (int i = 0; i < 3; ++i) {
    const std::string candidate = absl::StrCat("c-", i);
    ASSAY_ASSERT_OK_AND_ASSIGN(const v1::ReadinessRecord record, client_->GetReadiness(candidate));
    before[candidate] = BytesOf(record);
  }
  ASSERT_EQ(server_->Terminate(), 0);
  std::filesystem::remove_all(data() + "/shards");
  StartServer();
  for (const auto& [candidate, bytes] : before) {
    // The shards are being built again; they get there.
    std::string now;
    const absl::Time deadline = absl::Now() + absl::Minutes(1);
    while (now != bytes && absl::Now() < deadline) {
      const auto record = client_->GetReadiness(candidate);
      if (record.ok()) now = BytesOf(*record);
    }
    EXPECT_EQ(now, bytes) << candidate;
  }
}

TEST_F(ServerTest, OneFolderHasOneServerAndTheSecondSaysWhoHoldsIt) {
  StartServer();
  ServerProcess::Options second;
  second.data_directory = data();
  EXPECT_THAT(ServerProcess::Start(second),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr(absl::StrCat("\"pid\":", server_->pid())), HasSubstr("assay.sock"))));
  EXPECT_NE(Submit(ScorecardRequest("r-1", "c-1", "rater-1", 3)), "");
}

TEST_F(ServerTest, AReaderAnswersFromTheFolderAndChangesNothing) {
  StartServer();
  const std::string id = Submit(ScorecardRequest("r-1", "c-1", "rater-1", 3));
  Ended("c-1", id);
  ASSERT_EQ(server_->Terminate(), 0);
  ServerProcess::Options options;
  options.data_directory = data();
  options.read_only = true;
  ASSAY_ASSERT_OK_AND_ASSIGN(server_, ServerProcess::Start(options));
  client_ = std::make_unique<Client>(absl::StrCat("unix:", server_->socket()));
  ASSAY_ASSERT_OK_AND_ASSIGN(const Submission found, client_->GetSubmission("c-1", id));
  EXPECT_EQ(found.state(), Submission::COMPLETED);
  EXPECT_THAT(client_->GetReadiness("c-1"), testing::IsOk());
  EXPECT_THAT(client_->Create(ScorecardRequest("r-2", "c-1", "rater-1", 3)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("read-only")));
}

TEST_F(ServerTest, ListeningForOtherMachinesNeedsCertificatesAndTokens) {
  ServerProcess::Options options;
  options.data_directory = data();
  options.set = {"listen=0.0.0.0:0"};
  EXPECT_THAT(ServerProcess::Start(options),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("tls.certificate_file"), HasSubstr("token_file"), HasSubstr("127.0.0.1"))));
}

TEST_F(ServerTest, ATakenPortIsAClearError) {
  StartServer({"listen=127.0.0.1:0"});
  ServerProcess::Options second;
  second.data_directory = folder_ / "second";
  second.set = {absl::StrCat("listen=", server_->grpc_address())};
  EXPECT_THAT(ServerProcess::Start(second),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr(server_->grpc_address()), HasSubstr("cannot be bound"))));
}

TEST_F(ServerTest, ADataFolderOfANewerProgramIsRefused) {
  std::filesystem::create_directories(data());
  std::ofstream(data() + "/format") << "assay-data 99\n";
  ServerProcess::Options options;
  options.data_directory = data();
  EXPECT_THAT(ServerProcess::Start(options), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("newer program")));
}

TEST_F(ServerTest, TenantsSeeTheirOwnAndReadersWriteNothing) {
  const std::string tokens = folder_ / "tokens";
  std::ofstream(tokens) << "token-of-acme-0123456789 acme hr alice writer\n"
                        << "token-of-bolt-0123456789 bolt hr bob writer\n"
                        << "token-of-eyes-0123456789 acme hr eve reader\n";
  ASSERT_EQ(chmod(tokens.c_str(), 0600), 0);
  StartServer({"listen=127.0.0.1:0", absl::StrCat("token_file=", tokens)});
  Client acme(server_->grpc_address(), "token-of-acme-0123456789");
  Client bolt(server_->grpc_address(), "token-of-bolt-0123456789");
  Client eyes(server_->grpc_address(), "token-of-eyes-0123456789");
  Client nobody(server_->grpc_address());
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto created, acme.Create(ScorecardRequest("r-1", "c-1", "rater-1", 3)));
  const std::string id = created.submission().id();
  ASSAY_ASSERT_OK(acme.WatchUntilEnded("c-1", id));
  EXPECT_THAT(eyes.GetSubmission("c-1", id), testing::IsOk());
  EXPECT_THAT(eyes.Create(ScorecardRequest("r-2", "c-1", "rater-1", 3)),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(bolt.GetSubmission("c-1", id), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(bolt.GetSubmission("", id), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(bolt.GetReadiness("c-1"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(bolt.GetSubmission("c-1", id, created.read_token()), StatusIs(absl::StatusCode::kInvalidArgument));
  v1::ListSubmissionsRequest list;
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto others, bolt.List(list));
  EXPECT_THAT(others.submissions(), IsEmpty());
  EXPECT_THAT(nobody.List(list), StatusIs(absl::StatusCode::kUnauthenticated));
}

}  // namespace
}  // namespace assay
