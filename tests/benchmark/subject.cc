// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmark/subject.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"

namespace assay::benchmark {
namespace {

namespace fs = std::filesystem;
using assay::testing::Client;

constexpr char kSample[] = "tests/testdata/sample_candidate/repository";
constexpr absl::Duration kPatience = absl::Minutes(2);

bool HasEnded(v1::Submission::State state) {
  return state == v1::Submission::COMPLETED || state == v1::Submission::COMPLETED_PARTIAL ||
         state == v1::Submission::FAILED || state == v1::Submission::CANCELLED;
}

}  // namespace

void OrDie(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "error: %s\n", status.ToString().c_str());
  std::exit(4);
}

Subject::Subject(const std::string& folder, std::vector<std::string> set) {
  assay::testing::ServerProcess::Options options;
  options.data_directory = folder;
  options.plugin_directory = assay::testing::Built("plugins");
  options.set = std::move(set);
  server_ = OrDie(assay::testing::ServerProcess::Start(options));
  client_ = std::make_unique<Client>(target());
}

std::string Subject::target() const { return absl::StrCat("unix:", server_->socket()); }

v1::Submission Subject::Await(const std::string& candidate, const std::string& id) {
  auto updates = OrDie(client_->WatchUntilEnded(candidate, id));
  if (updates.empty()) OrDie(absl::InternalError("the stream told nothing"));
  return std::move(*updates.back().mutable_submission());
}

void Subject::SubmitSample(const std::string& candidate) {
  const std::string archive = OrDie(client_->Upload(candidate, SampleRepository("")));
  std::vector<std::string> ids;
  for (const v1::CreateSubmissionRequest& request :
       {assay::testing::RepositoryRequest("sample-repository", candidate, archive),
        Scorecard("sample-first", candidate, "first", 12), Scorecard("sample-second", candidate, "second", 12)}) {
    ids.push_back(OrDie(client_->Create(request)).submission().id());
  }
  for (const std::string& id : ids) {
    const v1::Submission ended = Await(candidate, id);
    if (ended.state() == v1::Submission::COMPLETED) continue;
    OrDie(absl::InternalError(absl::StrCat("the sample was not evaluated: ", ended.ShortDebugString())));
  }
}

Ear::Ear(const std::string& target, const std::string& candidate) : client_(target) {
  v1::WatchSubmissionsRequest request;
  request.set_candidate(candidate);
  request.set_follow(true);
  reader_ = client_.submissions->WatchSubmissions(&context_, request);
  thread_ = std::thread([this] { Listen(); });
}

Ear::~Ear() {
  context_.TryCancel();
  thread_.join();
}

void Ear::Listen() {
  v1::SubmissionUpdate update;
  while (reader_->Read(&update)) {
    const absl::Time now = absl::Now();
    if (!HasEnded(update.submission().state())) continue;
    absl::MutexLock lock(&mutex_);
    ended_.try_emplace(update.submission().id(), Heard{now, update.submission()});
  }
  reader_->Finish();
}

Ear::Heard Ear::AwaitEnd(const std::string& id) const {
  absl::MutexLock lock(&mutex_);
  const auto heard = [&] {
    mutex_.AssertHeld();
    return ended_.contains(id);
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&heard), kPatience)) {
    OrDie(absl::DeadlineExceededError(absl::StrCat("submission ", id, " did not end")));
  }
  return ended_.at(id);
}

std::string SampleRepository(const std::string& distinction) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const auto& entry : fs::recursive_directory_iterator(kSample)) {
    if (!entry.is_regular_file()) continue;
    files.emplace_back(fs::relative(entry.path(), kSample).string(), OrDie(ReadFile(entry.path().string(), 1 << 20)));
  }
  if (!distinction.empty()) files.emplace_back("src/distinction.js", absl::StrCat("// ", distinction, "\n"));
  return assay::testing::Tar(files);
}

v1::CreateSubmissionRequest Scorecard(const std::string& request_id, const std::string& candidate,
                                      const std::string& rater, int ratings) {
  v1::CreateSubmissionRequest request = assay::testing::ScorecardRequest(request_id, candidate, rater, 3);
  v1::Scorecard& scorecard = *request.mutable_submission()->mutable_scorecard();
  for (int i = 1; i < ratings; ++i) {
    v1::Scorecard::Rating& rating = *scorecard.add_ratings();
    // The framework has three competencies in each of its areas 1 to 8.
    rating.set_competency(absl::StrCat(i / 3 + 1, ".", i % 3 + 1));
    if (rating.competency() == "3.1") rating.set_competency("8.3");
    rating.set_rating(i % 5);
    rating.set_evidence("Said how they would measure it before and after, and named the number that decides");
  }
  return request;
}

}  // namespace assay::benchmark
