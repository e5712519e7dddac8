// SPDX-License-Identifier: Apache-2.0
//
// What survives when a real server, its plugins or its disk fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/common/base/testing/status_matchers.h"
#include "tests/integration/testing/server_process.h"

namespace assay {
namespace {

using testing::Client;
using testing::RepositoryRequest;
using testing::ScorecardRequest;
using testing::ServerProcess;
using testing::StatusIs;
using testing::Tar;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using v1::Evaluation;
using v1::Submission;

constexpr int kSubmissions = 200;
constexpr int kClients = 4;
constexpr int kKills = 10;
constexpr int kCandidates = 10;
constexpr absl::Duration kPatience = absl::Minutes(4);

class ServerFaults : public ::testing::Test {
 protected:
  std::string data() const { return folder_ / "data"; }
  // The same wherever the server runs, so that clients find a restarted one.
  std::string target() const { return absl::StrCat("unix:", data(), "/assay.sock"); }

  void StartServer(std::vector<std::string> set = {}) {
    server_.reset();
    ServerProcess::Options options;
    options.data_directory = data();
    options.set = std::move(set);
    ASSAY_ASSERT_OK_AND_ASSIGN(server_, ServerProcess::Start(options));
  }

  testing::TempDir folder_;
  std::unique_ptr<ServerProcess> server_;
};

// What the clients were told, and how far they are.
class Acknowledged {
 public:
  void Add(const std::string& request_id, const std::string& submission_id) {
    absl::MutexLock lock(&mutex_);
    ids_[request_id].insert(submission_id);
  }
  // Waits until `count` requests were acknowledged.
  bool WaitFor(size_t count, absl::Duration patience) {
    absl::MutexLock lock(&mutex_);
    const auto reached = [&] {
      mutex_.AssertHeld();
      return ids_.size() >= count;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&reached), patience);
  }
  std::map<std::string, std::set<std::string>> ids() {
    absl::MutexLock lock(&mutex_);
    return ids_;
  }

 private:
  absl::Mutex mutex_;
  std::map<std::string, std::set<std::string>> ids_ ABSL_GUARDED_BY(mutex_);
};

std::string CandidateOf(int submission) { return absl::StrCat("c-", submission % kCandidates); }

// Hands in every kClients-th scorecard, each until it is acknowledged, and every fifth once more afterwards.
void SubmitShare(const std::string& target, int share, absl::Time deadline, Acknowledged& acknowledged) {
  Client client(target);
  for (int i = share; i < kSubmissions; i += kClients) {
    const std::string request_id = absl::StrCat("r-", i);
    const auto request = ScorecardRequest(request_id, CandidateOf(i), absl::StrCat("rater-", i), i % 5);
    for (int wanted = i % 5 == 0 ? 2 : 1; wanted > 0 && absl::Now() < deadline;) {
      const auto response = client.Create(request);
      if (!response.ok()) continue;
      acknowledged.Add(request_id, response->submission().id());
      --wanted;
    }
  }
}

TEST_F(ServerFaults, TenKillsDuringTwoHundredSubmissionsLoseNothingAndCountNothingTwice) {
  StartServer();
  std::mt19937 random(std::random_device{}());
  std::set<size_t> kills;
  while (kills.size() < kKills) kills.insert(1 + random() % (kSubmissions - 1));

  Acknowledged acknowledged;
  const absl::Time deadline = absl::Now() + kPatience;
  std::vector<std::thread> clients;
  for (int share = 0; share < kClients; ++share) {
    clients.emplace_back([&, share] { SubmitShare(target(), share, deadline, acknowledged); });
  }
  for (const size_t count : kills) {
    EXPECT_TRUE(acknowledged.WaitFor(count, kPatience));
    server_->Kill();
    StartServer();
  }
  for (std::thread& client : clients) client.join();

  const auto ids = acknowledged.ids();
  ASSERT_EQ(ids.size(), static_cast<size_t>(kSubmissions)) << "not all were acknowledged in time";
  std::set<std::string> all;
  for (const auto& [request, submissions] : ids) {
    EXPECT_EQ(submissions.size(), 1u) << request << " was told two ids";
    all.insert(*submissions.begin());
  }
  EXPECT_EQ(all.size(), static_cast<size_t>(kSubmissions));

  Client client(target());
  std::set<std::string> listed;
  v1::ListSubmissionsRequest list;
  list.set_page_size(500);
  while (listed.size() < all.size() && absl::Now() < deadline) {
    const auto page = client.List(list);
    if (!page.ok()) continue;
    for (const Submission& submission : page->submissions()) listed.insert(submission.id());
  }
  EXPECT_EQ(listed, all);
  for (int i = 0; i < kSubmissions; ++i) {
    const std::string& id = *ids.at(absl::StrCat("r-", i)).begin();
    ASSAY_ASSERT_OK_AND_ASSIGN(const auto updates, client.WatchUntilEnded(CandidateOf(i), id));
    ASSERT_FALSE(updates.empty());
    const Submission& last = updates.back().submission();
    EXPECT_EQ(last.state(), Submission::COMPLETED) << id << " " << last.ShortDebugString();
    EXPECT_EQ(last.evaluations_size(), 1);
  }
  // Each rating stands once in what its candidate's readiness rests on.
  for (int c = 0; c < kCandidates; ++c) {
    ASSAY_ASSERT_OK_AND_ASSIGN(const v1::EvaluationReport report, client.GetReport(absl::StrCat("c-", c)));
    EXPECT_EQ(report.observations_size(), kSubmissions / kCandidates);
  }
}

TEST_F(ServerFaults, AKilledServerGoesOnWithWhatItWasWorkingOn) {
  StartServer();
  std::string id;
  {
    Client client(target());
    ASSAY_ASSERT_OK_AND_ASSIGN(const std::string digest, client.Upload("c-1", Tar({{"do", "wait"}})));
    ASSAY_ASSERT_OK_AND_ASSIGN(const auto created, client.Create(RepositoryRequest("r-1", "c-1", digest)));
    id = created.submission().id();
    ASSAY_ASSERT_OK(client.WatchUntilRunning("c-1", id));
  }
  server_->Kill();
  StartServer();
  Client client(target());
  // It runs again, and ends as a plugin that lets its time pass: after its one retry it is parked.
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto updates, client.WatchUntilEnded("c-1", id));
  ASSERT_FALSE(updates.empty());
  const Evaluation& evaluation = updates.back().submission().evaluations(0);
  EXPECT_EQ(evaluation.state(), Evaluation::PARKED);
  EXPECT_EQ(evaluation.fault_domain(), Evaluation::PLUGIN);
  EXPECT_EQ(evaluation.attempts(), 2u) << "the attempt that the kill ended must not count";
}

class PluginFaultsInAServer : public ServerFaults, public ::testing::WithParamInterface<const char*> {};

TEST_P(PluginFaultsInAServer, CostTheAttemptsTheirClassAllowsAndEndParkedAndUnscored) {
  StartServer();
  Client client(target());
  ASSAY_ASSERT_OK_AND_ASSIGN(const std::string bad, client.Upload("c-1", Tar({{"do", GetParam()}})));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto created, client.Create(RepositoryRequest("r-1", "c-1", bad)));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto updates, client.WatchUntilEnded("c-1", created.submission().id()));
  ASSERT_FALSE(updates.empty());
  const Submission& ended = updates.back().submission();
  EXPECT_EQ(ended.state(), Submission::COMPLETED_PARTIAL);
  ASSERT_EQ(ended.evaluations_size(), 1);
  EXPECT_EQ(ended.evaluations(0).state(), Evaluation::PARKED);
  EXPECT_EQ(ended.evaluations(0).fault_domain(), Evaluation::PLUGIN);
  EXPECT_EQ(ended.evaluations(0).attempts(), 2u);
  EXPECT_NE(ended.evaluations(0).reason(), "");
  ASSAY_ASSERT_OK_AND_ASSIGN(const v1::ReadinessRecord unscored, client.GetReadiness("c-1"));
  EXPECT_EQ(unscored.readiness().coverage(), 0);

  ASSAY_ASSERT_OK_AND_ASSIGN(const std::string good, client.Upload("c-2", Tar({{"a.js", "1\n"}})));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto next, client.Create(RepositoryRequest("r-2", "c-2", good)));
  ASSAY_ASSERT_OK_AND_ASSIGN(const auto served, client.WatchUntilEnded("c-2", next.submission().id()));
  ASSERT_FALSE(served.empty());
  EXPECT_EQ(served.back().submission().state(), Submission::COMPLETED);
}

INSTANTIATE_TEST_SUITE_P(Each, PluginFaultsInAServer, ::testing::Values("abort", "loop", "garbage"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace assay
