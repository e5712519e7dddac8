// SPDX-License-Identifier: Apache-2.0
// Three brokers, two gateways, two aggregators and two evaluators as processes, as a person starts them: tools/cluster.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/folder_archive.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/base/unique_fd.h"
#include "tests/integration/testing/cluster.h"
#include "tests/integration/testing/command_line.h"
#include "tests/integration/testing/server_process.h"

namespace assay {
namespace {

using testing::Client;
using testing::Cluster;
using testing::CommandResult;
using testing::RepositoryRequest;
using testing::ServerProcess;
using v1::Submission;

constexpr char kSample[] = "tests/testdata/sample_candidate/";
constexpr char kCandidate[] = "sample-candidate";

std::string PackedRepository() {
  const UniqueFd fd(::memfd_create("archive", MFD_CLOEXEC));
  EXPECT_THAT(WriteFolderArchive(absl::StrCat(kSample, "repository"), fd.get()), testing::IsOk());
  std::string bytes(static_cast<size_t>(::lseek(fd.get(), 0, SEEK_END)), '\0');
  EXPECT_EQ(::pread(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return bytes;
}

// Hands in all there is of the sample candidate, but no load test, and waits until it is evaluated. `reach` are options
// of `assay` that reach the server that `client` speaks to.
void SubmitSample(Client& client, const std::string& reach) {
  for (const char* document : {"scorecard-system-design.yaml", "scorecard-incident-review.yaml", "portfolio.yaml"}) {
    const CommandResult done = testing::RunAssay({"submit", absl::StrCat(kSample, document), reach, "--wait"});
    ASSERT_EQ(done.exit_code, 0) << done.err;
  }
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::string digest, client.Upload(kCandidate, PackedRepository()));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto created, client.Create(RepositoryRequest("repository", kCandidate, digest)));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto updates, client.WatchUntilEnded(kCandidate, created.submission().id()));
  ASSERT_FALSE(updates.empty());
  EXPECT_EQ(updates.back().submission().state(), Submission::COMPLETED);
}

// The same bytes for the same message, maps included.
std::string BytesOf(const v1::Readiness& readiness) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  readiness.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

std::string ReadinessOf(Client& client, const std::string& candidate) {
  const absl::StatusOr<v1::ReadinessRecord> record = client.GetReadiness(candidate);
  EXPECT_THAT(record, testing::IsOk());
  if (!record.ok()) return "";
  EXPECT_GT(record->readiness().areas_size(), 0);
  return BytesOf(record->readiness());
}

absl::StatusOr<std::unique_ptr<ServerProcess>> StartStandalone(const std::string& data) {
  return ServerProcess::Start({.data_directory = data, .plugin_directory = testing::Built("plugins")});
}

class ClusterTest : public ::testing::Test {
 protected:
  // One for all tests of the file; with certificates and the least rights for each service.
  static void SetUpTestSuite() { cluster_ = new Cluster("--brokers 3 --tls"); }
  static void TearDownTestSuite() { delete std::exchange(cluster_, nullptr); }

  // Evaluators whose plugin does what the submission says.
  static void ScriptEvaluators() {
    static const bool scripted = [] {
      for (const char* name : {"evaluator-1", "evaluator-2"}) {
        std::ofstream(absl::StrCat(cluster_->folder(), "/", name, "/config.yaml"), std::ios::app)
            << "plugin_directory: " << testing::TestPlugins() << "\n";
        cluster_->Do(absl::StrCat("restart ", name));
      }
      return true;
    }();
    ASSERT_TRUE(scripted);
  }
  std::string Submit(const std::string& candidate, const std::vector<std::pair<std::string, std::string>>& files) {
    const absl::StatusOr<std::string> digest = client_.Upload(candidate, testing::Tar(files));
    EXPECT_THAT(digest, testing::IsOk());
    if (!digest.ok()) return "";
    const auto created = client_.Create(RepositoryRequest("r", candidate, *digest));
    EXPECT_THAT(created, testing::IsOk());
    return created.ok() ? created->submission().id() : "";
  }
  void Cancel(const std::string& candidate, const std::string& id) {
    v1::CancelSubmissionRequest request;
    request.set_request_id("cancel");
    request.set_candidate(candidate);
    request.set_id(id);
    EXPECT_THAT((client_.Call<v1::CancelSubmissionRequest, Submission>(
                    *client_.submissions, &v1::SubmissionService::Stub::CancelSubmission, request)),
                testing::IsOk());
  }
  Submission Ended(const std::string& candidate, const std::string& id) {
    const auto updates = client_.WatchUntilEnded(candidate, id);
    EXPECT_THAT(updates, testing::IsOk());
    return updates.ok() && !updates->empty() ? updates->back().submission() : Submission();
  }

  static Cluster* cluster_;
  Client client_{cluster_->Address("gateway-1")};
};

Cluster* ClusterTest::cluster_ = nullptr;

TEST_F(ClusterTest, TheSampleCandidateIsAsReadyAsOnAStandaloneServer) {
  const testing::TempDir folder;
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto standalone, StartStandalone(folder / "data"));
  Client alone("unix:" + standalone->socket());
  SubmitSample(alone, absl::StrCat("--data=", folder / "data"));
  SubmitSample(client_, absl::StrCat("--server=", cluster_->Address("gateway-1")));
  const std::string expected = ReadinessOf(alone, kCandidate);
  EXPECT_EQ(ReadinessOf(client_, kCandidate), expected);
  Client other(cluster_->Address("gateway-2"));
  EXPECT_EQ(ReadinessOf(other, kCandidate), expected) << "whichever gateway is asked";
}

TEST_F(ClusterTest, ACancelReachesTheEvaluatorThatRunsIt) {
  ScriptEvaluators();
  const std::string id = Submit("cancelled", {{"do", "wait"}});
  ASSAY_ASSERT_OK(client_.WatchUntilRunning("cancelled", id));
  Cancel("cancelled", id);
  EXPECT_EQ(Ended("cancelled", id).state(), Submission::CANCELLED);
}

TEST_F(ClusterTest, WhatKilledEvaluatorsHeldIsDoneAgainAndCountedOnce) {
  ScriptEvaluators();
  const std::string undisturbed = Submit("undisturbed", {{"server.js", "listen()\n"}});
  ASSERT_EQ(Ended("undisturbed", undisturbed).state(), Submission::COMPLETED);
  // Two plugins run at once in each evaluator; what else it took waits there.
  std::vector<std::pair<std::string, std::string>> waiting, others;
  for (int i = 0; i < 4; ++i) waiting.emplace_back(absl::StrCat("waits-", i), "");
  for (int i = 0; i < 4; ++i) others.emplace_back(absl::StrCat("other-", i), "");
  for (auto& [candidate, id] : waiting) id = Submit(candidate, {{"do", "wait"}});
  ASSAY_ASSERT_OK(client_.WatchUntilRunning(waiting.front().first, waiting.front().second));
  for (auto& [candidate, id] : others) id = Submit(candidate, {{"server.js", "listen()\n"}});
  for (const char* name : {"evaluator-1", "evaluator-2"}) cluster_->Do(absl::StrCat("kill ", name));
  for (const char* name : {"evaluator-1", "evaluator-2"}) cluster_->Do(absl::StrCat("restart ", name));
  for (const auto& [candidate, id] : waiting) Cancel(candidate, id);
  for (const auto& [candidate, id] : waiting) EXPECT_EQ(Ended(candidate, id).state(), Submission::CANCELLED);
  const std::string expected = ReadinessOf(client_, "undisturbed");
  for (const auto& [candidate, id] : others) {
    EXPECT_EQ(Ended(candidate, id).state(), Submission::COMPLETED) << candidate;
    EXPECT_EQ(ReadinessOf(client_, candidate), expected) << candidate;
  }
}

TEST(JournalCopy, AnInstallationThatMovedToKafkaKnowsTheSame) {
  const testing::TempDir folder;
  const std::string data = folder / "data";
  std::string expected;
  {
    ASSAY_ASSERT_OK_AND_ASSIGN(const auto standalone, StartStandalone(data));
    Client alone("unix:" + standalone->socket());
    SubmitSample(alone, absl::StrCat("--data=", data));
    expected = ReadinessOf(alone, kCandidate);
    const CommandResult early = testing::RunAssay({"journal", "copy", "--data", data, "--kafka", "127.0.0.1:1"});
    EXPECT_NE(early.exit_code, 0) << "the server still runs";
    EXPECT_EQ(standalone->Terminate(), 0);
  }
  const Cluster cluster("--brokers 1 --shards 4 --only-brokers");
  for (int i = 0; i < 2; ++i) {
    const CommandResult copied = testing::RunAssay(
        {"journal", "copy", "--data", data, "--to", "kafka", "--kafka", cluster.bootstrap(), "--replication", "1"});
    ASSERT_EQ(copied.exit_code, 0) << copied.err;
    EXPECT_THAT(copied.out, ::testing::HasSubstr("records, equal"));
  }
  for (const char* shared : {"blobs", "keys"}) {
    std::filesystem::copy(data + "/" + shared, cluster.folder() + "/" + shared,
                          std::filesystem::copy_options::recursive);
  }
  std::filesystem::permissions(cluster.folder() + "/keys", std::filesystem::perms::owner_all);
  cluster.Do("up");
  Client client(cluster.Address("gateway-1"));
  EXPECT_EQ(ReadinessOf(client, kCandidate), expected);
  ASSAY_EXPECT_OK(client.GetReport(kCandidate));
}

}  // namespace
}  // namespace assay
