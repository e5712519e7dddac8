// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "assay/event/v1/event.pb.h"
#include "assay/event/v1/work.pb.h"
#include "assay/v1/report.pb.h"
#include "services/common/base/folder_archive.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/blob/result_document.h"
#include "services/common/blob/testing/fake_blob_store.h"
#include "services/common/log/memory_work_queue.h"
#include "services/common/log/testing/fake_log.h"
#include "services/evaluator/lru_cache.h"
#include "services/evaluator/result_writer.h"
#include "services/evaluator/work_intake.h"
#include "services/plugin_host/testing/plain_launcher.h"

namespace assay::evaluator {
namespace {

using assay::testing::IsOk;
using assay::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Finished = event::v1::EvaluationFinished;

std::string Built(const std::string& name) { return absl::StrCat(getenv("ASSAY_BUILD_DIR"), "/", name); }

class FixedFramework final : public FrameworkSource {
 public:
  absl::StatusOr<std::string> FrameworkJson(const Digest& digest) override {
    if (digest != Digest::Of("framework")) return absl::NotFoundError("no such framework");
    return "{\"id\": \"f\"}";
  }
};

// Of the submission that NewWork makes up for it.
event::v1::Cancellation CancellationOf(const std::string& evaluation) {
  event::v1::Cancellation cancellation;
  cancellation.set_submission_id("s-" + evaluation);
  cancellation.add_evaluation_ids(evaluation);
  return cancellation;
}

class EvaluatorTest : public ::testing::Test {
 protected:
  EvaluatorTest() : journal_(4), queue_({}) {
    for (const char* plugin : {"example_license", "misbehaving"}) {
      const std::string from =
          absl::StrCat(plugin == std::string("misbehaving") ? "test_plugins/" : "example_plugins/", plugin);
      for (const char* end : {".so", ".json"}) {
        std::filesystem::copy_file(Built(from + end), folder_ / (std::string(plugin) + end));
      }
    }
  }

  void StartServer(Options options = {}) {
    options.plugin_folder = folder_.path();
    options.cache_folder = folder_ / "cache";
    options.executable_folder = Built("bin");
    auto server = Server::Create(options, {journal_, queue_, blobs_, Clock::Real(), frameworks_, launcher_});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }

  std::string PluginDigest(const std::string& id) {
    for (const OfferedPlugin& plugin : server_->plugins()) {
      if (plugin.manifest.id() == id) return plugin.digest;
    }
    ADD_FAILURE() << "no plugin " << id;
    return "";
  }

  // A repository with these files, as a blob.
  std::string Upload(const std::vector<std::pair<std::string, std::string>>& files) {
    assay::testing::TempDir repository;
    for (const auto& [path, content] : files) std::ofstream(repository / path) << content;
    UniqueFd fd(::memfd_create("archive", MFD_CLOEXEC));
    EXPECT_THAT(WriteFolderArchive(repository.path(), fd.get()), IsOk());
    std::string bytes(static_cast<size_t>(::lseek(fd.get(), 0, SEEK_END)), '\0');
    EXPECT_EQ(::pread(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    return blob::Put(blobs_, owner_, bytes)->ToString();
  }

  event::v1::Work NewWork(const std::string& plugin, const std::string& blob, const std::string& evaluation = "e1") {
    event::v1::Work work;
    work.set_tenant(owner_.tenant);
    work.set_candidate_key(owner_.candidate_key);
    work.set_assessment_key("a1");
    work.set_submission_id("s-" + evaluation);
    work.set_evaluation_id(evaluation);
    work.set_attempt(1);
    work.set_evaluator(plugin);
    work.set_plugin_digest(PluginDigest(plugin));
    work.set_lane("slow");
    work.set_kind(v1::Submission::REPOSITORY);
    work.set_blob_digest(blob);
    work.set_digest("sha256:content");
    work.set_framework_digest(Digest::Of("framework").ToString());
    work.set_capability("permit");
    return work;
  }

  void Give(const event::v1::Work& work) {
    queue_.Put(work.lane(), work.evaluation_id(), work.SerializeAsString(),
               [](const log::Delivery& delivery) { EXPECT_THAT(delivery.status, IsOk()); });
  }

  std::vector<event::v1::Envelope> Facts() {
    std::vector<event::v1::Envelope> facts;
    for (const log::Record& record : journal_.Records(log::PartitionOf(owner_.tenant, owner_.candidate_key, 4))) {
      EXPECT_TRUE(facts.emplace_back().ParseFromString(record.value));
      EXPECT_EQ(record.key, "t1/c1");
    }
    return facts;
  }

  // Waits until `found` is true of the facts.
  template <typename Found>
  void WaitFor(Found found) {
    const absl::Time until = absl::Now() + absl::Seconds(60);
    while (!found()) {
      ASSERT_LT(absl::Now(), until) << "it did not happen in time";
      sched_yield();
    }
  }

  Finished FinishOf(const std::string& evaluation) {
    Finished finished;
    WaitFor([&] {
      for (const event::v1::Envelope& fact : Facts()) {
        if (!fact.has_evaluation_finished() || fact.evaluation_finished().evaluation_id() != evaluation) continue;
        finished = fact.evaluation_finished();
        return true;
      }
      return false;
    });
    return finished;
  }

  v1::EvaluationReport ReportOf(const Finished& finished) {
    event::v1::ResultDocument document;
    v1::EvaluationReport report;
    const auto bytes = blob::Get(blobs_, owner_, *Digest::Parse(finished.result_digest()), 1 << 20);
    EXPECT_THAT(bytes, IsOk());
    EXPECT_TRUE(document.ParseFromString(*bytes) && report.ParseFromString(document.report()));
    return report;
  }

  const blob::Owner owner_ = {"t1", "c1"};
  assay::testing::TempDir folder_;
  log::FakeLog journal_;
  log::MemoryWorkQueue queue_;
  blob::FakeBlobStore blobs_;
  FixedFramework frameworks_;
  plugin_host::PlainLauncher launcher_;
  std::unique_ptr<Server> server_;
};

TEST_F(EvaluatorTest, EvaluatesARepositoryAndStoresWhatTheJournalNames) {
  StartServer();
  Give(NewWork("example_license", Upload({{"package.json", "{\"license\": \"MIT\"}\n"}, {"LICENSE", "Permission"}})));
  const Finished finished = FinishOf("e1");
  ASSERT_EQ(finished.outcome(), Finished::SUCCEEDED) << finished.reason();
  EXPECT_EQ(finished.capability(), "permit");
  EXPECT_EQ(finished.plugin_digest(), PluginDigest("example_license"));
  ASSERT_THAT(finished.observations(), SizeIs(1));
  EXPECT_EQ(finished.observations(0).criterion(), "documents.license");
  EXPECT_THAT(finished.observations(0).evidence(), SizeIs(2));
  ASSERT_THAT(finished.claims(), SizeIs(1));

  const auto facts = Facts();
  EXPECT_TRUE(facts.front().has_attempt_started());
  EXPECT_TRUE(facts.back().has_evaluation_finished());
  EXPECT_EQ(facts.front().event_id().size(), 26u);

  const v1::EvaluationReport report = ReportOf(finished);
  EXPECT_EQ(report.claims(0).statement(), "published under MIT");
  ASSERT_THAT(report.evidence(), SizeIs(3));
  const auto document = blob::GetResult(blobs_, owner_, *Digest::Parse(finished.result_digest()));
  ASSERT_THAT(document, IsOk());
  for (const v1::Evidence& evidence : report.evidence()) {
    const auto bytes = blob::ContentOf(*document, *Digest::Parse(evidence.digest()));
    ASSERT_THAT(bytes, IsOk());
    EXPECT_EQ(bytes->size(), evidence.size());
  }
  WaitFor([&] { return queue_.Depth("slow") == 0; });
}

TEST_F(EvaluatorTest, EqualContentOfAPureEvaluatorIsNotEvaluatedAgain) {
  StartServer();
  const std::string blob = Upload({{"package.json", "{\"license\": \"MIT\"}\n"}});
  Give(NewWork("example_license", blob, "e1"));
  const Finished first = FinishOf("e1");
  launcher_.FailLaunches(absl::UnavailableError("no more processes"));
  Give(NewWork("example_license", blob, "e2"));
  const Finished second = FinishOf("e2");
  EXPECT_EQ(second.outcome(), Finished::SUCCEEDED) << second.reason();
  EXPECT_EQ(second.result_digest(), first.result_digest());
}

TEST_F(EvaluatorTest, EqualContentInOtherBytesOrOfAnotherSourceIsAnotherQuestion) {
  StartServer();
  const event::v1::Work asked =
      NewWork("example_license", Upload({{"package.json", "{\"license\": \"MIT\"}\n"}}), "e1");
  Give(asked);
  ASSERT_GT(FinishOf("e1").cpu_seconds(), 0);
  event::v1::Work same = asked;
  same.set_evaluation_id("same");
  Give(same);
  ASSERT_EQ(FinishOf("same").cpu_seconds(), 0) << "what is kept costs nothing";
  event::v1::Work moved = asked;
  moved.set_evaluation_id("moved");
  moved.set_blob_digest(Upload({{"package.json", "\n{\"license\": \"MIT\"}\n"}}));
  event::v1::Work other_source = asked;
  other_source.set_evaluation_id("other source");
  other_source.set_source_key("another");
  event::v1::Work other_rater = asked;
  other_rater.set_evaluation_id("other rater");
  other_rater.set_rater_key("another");
  for (const event::v1::Work& work : {moved, other_source, other_rater}) {
    Give(work);
    EXPECT_GT(FinishOf(work.evaluation_id()).cpu_seconds(), 0) << work.evaluation_id() << " got another one's answer";
  }
}

TEST_F(EvaluatorTest, AnArchiveThatIsNoneIsTheSubmissionsFault) {
  StartServer();
  Give(NewWork("example_license", blob::Put(blobs_, owner_, "no archive")->ToString()));
  const Finished finished = FinishOf("e1");
  EXPECT_EQ(finished.outcome(), Finished::SUBMISSION_FAULT);
  EXPECT_THAT(finished.reason(), HasSubstr("archive"));
}

TEST_F(EvaluatorTest, WhatThePlatformLacksIsThePlatformsFault) {
  StartServer();
  event::v1::Work work = NewWork("example_license", Digest::Of("lost").ToString(), "lost_blob");
  Give(work);
  EXPECT_EQ(FinishOf("lost_blob").outcome(), Finished::PLATFORM_FAULT);
  const std::string blob = Upload({{"package.json", "{}"}});
  work = NewWork("example_license", blob, "no_framework");
  work.set_framework_digest(Digest::Of("another").ToString());
  Give(work);
  EXPECT_EQ(FinishOf("no_framework").outcome(), Finished::PLATFORM_FAULT);
  work = NewWork("example_license", blob, "no_plugin");
  work.set_plugin_digest(Digest::Of("another").ToString());
  Give(work);
  EXPECT_THAT(FinishOf("no_plugin").reason(), HasSubstr("has no plugin"));
}

TEST_F(EvaluatorTest, AJournalThatIsAwayForAWhileGetsTheRecordLater) {
  StartServer();
  journal_.FailNext(absl::UnavailableError("away"), 3);
  Give(NewWork("example_license", Upload({{"package.json", "{}"}})));
  EXPECT_EQ(FinishOf("e1").outcome(), Finished::SUCCEEDED);
}

TEST_F(EvaluatorTest, ABlobStoreThatIsFullLeavesNoHalfResult) {
  StartServer();
  const std::string blob = Upload({{"package.json", "{}"}});
  // Stays decoded, so that only storing goes to the disk afterwards.
  ASSERT_THAT(server_->ContentDigest(owner_, *Digest::Parse(blob), absl::InfiniteFuture()), IsOk());
  blobs_.FailNext(absl::ResourceExhaustedError("disk quota"));
  Give(NewWork("example_license", blob, "e1"));
  const Finished finished = FinishOf("e1");
  EXPECT_EQ(finished.outcome(), Finished::PLATFORM_FAULT);
  EXPECT_EQ(finished.result_digest(), "");
}

TEST_F(EvaluatorTest, DuplicatesAndExpiredWorkLeaveNoSecondRecord) {
  StartServer();
  const event::v1::Work work = NewWork("example_license", Upload({{"package.json", "{}"}}));
  Give(work);
  FinishOf("e1");
  Give(work);
  event::v1::Work expired = NewWork("example_license", "sha256:none", "expired");
  expired.mutable_deadline()->set_seconds(1);
  Give(expired);
  WaitFor([&] { return queue_.Depth("slow") == 0; });
  int finishes = 0;
  for (const event::v1::Envelope& fact : Facts()) finishes += fact.has_evaluation_finished() ? 1 : 0;
  EXPECT_EQ(finishes, 1);
}

TEST_F(EvaluatorTest, CancellingEndsWhatRuns) {
  StartServer();
  for (const char* what : {"wait", "loop_logging"}) {
    Give(NewWork("misbehaving", Upload({{"do", what}}), what));
    WaitFor([&] {
      for (const event::v1::Envelope& fact : Facts()) {
        if (fact.has_attempt_progress() && fact.attempt_progress().evaluation_id() == what) return true;
      }
      return false;
    });
    server_->Cancel(CancellationOf(what));
    EXPECT_EQ(FinishOf(what).outcome(), Finished::CANCELLED);
  }
}

TEST_F(EvaluatorTest, AResultOnItsWayToTheDiskHoldsUpNoPlugin) {
  Options options;
  options.fast_slots = 1;
  StartServer(options);
  journal_.Cork();
  for (const char* name : {"e1", "e2", "e3"}) {
    event::v1::Work work = NewWork("example_license", Upload({{"package.json", absl::StrCat("{\"a\": \"", name, "\"}")}}),
                                   name);
    work.set_lane("fast");
    work.set_digest(absl::StrCat("sha256:content of ", name));
    Give(work);
  }
  // Three archives and three results, with no record delivered.
  WaitFor([&] { return blobs_.List(owner_)->size() == 6; });
  journal_.Uncork();
  for (const char* name : {"e1", "e2", "e3"}) EXPECT_EQ(FinishOf(name).outcome(), Finished::SUCCEEDED);
}

TEST_F(EvaluatorTest, NoMorePluginsRunThanThereAreSlotsAndWaitingCanBeCancelled) {
  Options options;
  options.fast_slots = 1;
  options.progress_interval = absl::ZeroDuration();
  StartServer(options);
  const auto reported = [&](const std::string& name) {
    const std::vector<event::v1::Envelope> facts = Facts();
    return std::any_of(facts.begin(), facts.end(), [&](const event::v1::Envelope& fact) {
      return fact.has_attempt_progress() && fact.attempt_progress().evaluation_id() == name;
    });
  };
  for (const char* name : {"first", "second"}) {
    event::v1::Work work = NewWork("misbehaving", Upload({{"do", "wait"}, {name, ""}}), name);
    work.set_lane("fast");
    Give(work);
    WaitFor([&] { return reported(name); });
  }
  for (const event::v1::Envelope& fact : Facts()) {
    if (!fact.has_attempt_progress() || fact.attempt_progress().evaluation_id() != "second") continue;
    EXPECT_EQ(fact.attempt_progress().phase(), "") << "it only waits";
  }
  server_->Cancel(CancellationOf("second"));
  EXPECT_EQ(FinishOf("second").outcome(), Finished::CANCELLED);
  server_->Cancel(CancellationOf("first"));
  EXPECT_EQ(FinishOf("first").outcome(), Finished::CANCELLED);
}

TEST_F(EvaluatorTest, CancelledWorkThatComesLaterDoesNotRun) {
  StartServer();
  server_->Cancel(CancellationOf("e1"));
  Give(NewWork("misbehaving", "sha256:none", "e1"));
  EXPECT_EQ(FinishOf("e1").outcome(), Finished::CANCELLED);
}

TEST_F(EvaluatorTest, ARerunOfACancelledSubmissionRunsWhateverOrderTheCancelArrivesIn) {
  StartServer();
  const std::string blob = Upload({{"package.json", "{\"license\": \"MIT\"}\n"}});
  event::v1::Work running = NewWork("misbehaving", Upload({{"do", "wait"}}), "rerun that runs");
  running.set_submission_id("s-e1");
  Give(running);
  WaitFor([&] { return !Facts().empty() && Facts().back().has_attempt_progress(); });
  server_->Cancel(CancellationOf("e1"));
  event::v1::Work later = NewWork("example_license", blob, "rerun that comes later");
  later.set_submission_id("s-e1");
  later.set_lane("fast");
  Give(later);
  EXPECT_EQ(FinishOf("rerun that comes later").outcome(), Finished::SUCCEEDED);
  for (const event::v1::Envelope& fact : Facts()) {
    EXPECT_NE(fact.evaluation_finished().evaluation_id(), "rerun that runs") << "nobody cancelled it";
  }
}

TEST_F(EvaluatorTest, ACancelThatNamesNoEvaluationEndsWhatRunsOfTheSubmission) {
  StartServer();
  Give(NewWork("misbehaving", Upload({{"do", "wait"}}), "e1"));
  WaitFor([&] { return !Facts().empty() && Facts().back().has_attempt_progress(); });
  event::v1::Cancellation all;
  all.set_submission_id("s-e1");
  server_->Cancel(all);
  EXPECT_EQ(FinishOf("e1").outcome(), Finished::CANCELLED);
}

TEST_F(EvaluatorTest, APluginThatCrashesCostsItsAttemptAlone) {
  StartServer();
  Give(NewWork("misbehaving", Upload({{"do", "abort"}}), "bad"));
  Give(NewWork("misbehaving", Upload({{"do", "good"}}), "good"));
  const Finished crashed = FinishOf("bad");
  EXPECT_EQ(crashed.outcome(), Finished::PLUGIN_CRASHED);
  EXPECT_THAT(crashed.reason(), HasSubstr("signal 6"));
  EXPECT_THAT(crashed.observations(), IsEmpty());
  EXPECT_EQ(FinishOf("good").outcome(), Finished::SUCCEEDED);
}

TEST_F(EvaluatorTest, StoppingEndsWhatRunsWithoutARecord) {
  StartServer();
  Give(NewWork("misbehaving", Upload({{"do", "wait"}}), "e1"));
  WaitFor([&] { return !Facts().empty() && Facts().back().has_attempt_progress(); });
  server_->Stop(absl::ZeroDuration());
  for (const event::v1::Envelope& fact : Facts()) EXPECT_FALSE(fact.has_evaluation_finished());
  EXPECT_EQ(queue_.Depth("slow"), 1u);
}

TEST_F(EvaluatorTest, AMissingExecutableIsSaidAtTheStart) {
  Options options;
  options.plugin_folder = folder_.path();
  options.cache_folder = folder_ / "cache";
  options.executable_folder = "/nowhere";
  EXPECT_THAT(Server::Create(options, {journal_, queue_, blobs_, Clock::Real(), frameworks_, launcher_}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("assay-plugin-host")));
}

TEST_F(EvaluatorTest, APriorResultIsReadBackWhole) {
  StartServer();
  Give(NewWork("example_license", Upload({{"package.json", "{\"license\": \"MIT\"}\n"}, {"LICENSE", "x"}})));
  const Finished finished = FinishOf("e1");
  const auto prior = ReadPriorResult(blobs_, owner_, "example_license", finished.result_digest());
  ASSERT_THAT(prior, IsOk());
  EXPECT_THAT(prior->claims, SizeIs(1));
  ASSERT_THAT(prior->artifacts, SizeIs(1));
  EXPECT_EQ(prior->artifacts[0].name, "license.json");
  EXPECT_EQ(prior->artifacts[0].content, "{\"file\": \"LICENSE\"}");
}

event::v1::Work Attempt(const std::string& evaluation, uint32_t attempt = 1, const std::string& submission = "s") {
  event::v1::Work work;
  work.set_evaluation_id(evaluation);
  work.set_attempt(attempt);
  work.set_submission_id(submission);
  return work;
}

TEST(WorkIntake, TakesAndGivesBackSlots) {
  WorkIntake intake({{"fast", 2}, {"slow", 1}});
  const absl::Time now = absl::UnixEpoch() + absl::Hours(1);
  EXPECT_EQ(intake.Offer("slow", Attempt("a"), now), WorkIntake::Decision::kStart);
  EXPECT_EQ(intake.FreeSlots("slow"), 0);
  EXPECT_EQ(intake.FreeSlots("fast"), 2);
  EXPECT_EQ(intake.Offer("slow", Attempt("a"), now), WorkIntake::Decision::kDuplicate);
  intake.Ended("slow", Attempt("a"));
  EXPECT_EQ(intake.FreeSlots("slow"), 1);
  EXPECT_EQ(intake.Offer("slow", Attempt("a"), now), WorkIntake::Decision::kDuplicate) << "it ran lately";
  EXPECT_EQ(intake.Offer("slow", Attempt("a", 2), now), WorkIntake::Decision::kStart) << "a retry is another attempt";
}

TEST(WorkIntake, KnowsCancelledAndExpiredWork) {
  WorkIntake intake({{"fast", 2}});
  const absl::Time now = absl::FromUnixSeconds(1000);
  intake.Cancel(CancellationOf("gone"));
  EXPECT_EQ(intake.Offer("fast", Attempt("gone"), now), WorkIntake::Decision::kCancelled);
  EXPECT_EQ(intake.Offer("fast", Attempt("gone", 2), now), WorkIntake::Decision::kCancelled);
  event::v1::Work late = Attempt("b");
  late.mutable_deadline()->set_seconds(1000);
  EXPECT_EQ(intake.Offer("fast", late, now), WorkIntake::Decision::kExpired);
  late = Attempt("c");
  late.mutable_capability_expiry()->set_seconds(999);
  EXPECT_EQ(intake.Offer("fast", late, now), WorkIntake::Decision::kExpired);
  EXPECT_EQ(intake.FreeSlots("fast"), 2);
}

TEST(LruCache, DropsWhatWasUsedLongestAgo) {
  LruCache<int> cache(2, 100);
  cache.Insert("a", std::make_shared<int>(1), 10);
  cache.Insert("b", std::make_shared<int>(2), 10);
  EXPECT_NE(cache.Find("a"), nullptr);
  cache.Insert("c", std::make_shared<int>(3), 10);
  EXPECT_EQ(cache.Find("b"), nullptr);
  cache.Insert("d", std::make_shared<int>(4), 95);
  EXPECT_EQ(cache.Find("a"), nullptr) << "bytes are bounded too";
  cache.Insert("e", std::make_shared<int>(5), 101);
  EXPECT_EQ(cache.Find("e"), nullptr);
}

}  // namespace
}  // namespace assay::evaluator
