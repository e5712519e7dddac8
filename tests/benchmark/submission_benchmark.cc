// SPDX-License-Identifier: Apache-2.0
//
// What a submission costs beyond the work of its plugins, on a real server:
//   - new content: from CreateSubmission until its result is stored, less the time the plugin took by its own record;
//   - the same for 92 kB and 5.5 MB of published code (corpora.h), fetched with npm;
//   - the same content again: until its result is stored, beside a raw program of one call and two synced writes.
//
//   submission_benchmark [ROUNDS]     default: 31
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "assay/v1/submission_service.grpc.pb.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/base/unique_fd.h"
#include "services/common/rpc/channel.h"
#include "tests/benchmark/corpora.h"
#include "tests/benchmark/report.h"
#include "tests/benchmark/subject.h"

namespace assay::benchmark {
namespace {

// The limit: whoever answers a call only when it is durable, and stores what follows from it, does at least this.
class RawService final : public v1::SubmissionService::CallbackService {
 public:
  explicit RawService(const std::string& folder)
      : journal_(open((folder + "/journal").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)),
        state_(open((folder + "/state").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}

 private:
  static bool Append(const UniqueFd& file, const std::string& bytes) {
    return write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
           fdatasync(file.get()) == 0;
  }
  grpc::ServerUnaryReactor* CreateSubmission(grpc::CallbackServerContext* context,
                                             const v1::CreateSubmissionRequest* request,
                                             v1::CreateSubmissionResponse* response) override {
    const std::string bytes = request->SerializeAsString();
    if (!Append(journal_, bytes) || !Append(state_, bytes)) std::abort();
    response->mutable_submission()->set_id(request->request_id());
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  const UniqueFd journal_;
  const UniqueFd state_;
};

double Milliseconds(absl::Duration duration) { return absl::ToDoubleMilliseconds(duration); }

struct Timed {
  // From the call until the result is stored, and until the call was answered.
  double stored_ms = 0;
  double answered_ms = 0;
  v1::Submission submission;
  double plugin_ms() const {
    double sum = 0;
    for (const v1::Evaluation& evaluation : submission.evaluations()) sum += evaluation.wall_seconds() * 1e3;
    return sum;
  }
};

Timed Submit(Subject& subject, const Ear& ear, const v1::CreateSubmissionRequest& request) {
  const absl::Time start = absl::Now();
  const v1::CreateSubmissionResponse response = OrDie(subject.client().Create(request));
  const absl::Time answered = absl::Now();
  Ear::Heard heard = ear.AwaitEnd(response.submission().id());
  if (heard.submission.state() != v1::Submission::COMPLETED) {
    OrDie(absl::InternalError(absl::StrCat("it was not evaluated: ", heard.submission.ShortDebugString())));
  }
  return {Milliseconds(heard.time - start), Milliseconds(answered - start), std::move(heard.submission)};
}

void ReportNew(const std::string& what, const std::vector<Timed>& rounds) {
  std::vector<double> beyond, stored, plugin, answered;
  for (const Timed& round : rounds) {
    stored.push_back(round.stored_ms);
    plugin.push_back(round.plugin_ms());
    beyond.push_back(round.stored_ms - round.plugin_ms());
    answered.push_back(round.answered_ms);
  }
  PrintRatio(absl::StrCat(what, ", new: call to stored"), "ms", stored, "plugin alone", plugin, {});
  PrintFigure(absl::StrCat(what, ", new: call to answer"), "ms", answered, {});
  PrintFigure(absl::StrCat(what, ", new: stored beyond plugin"), "ms", beyond, AtMost(4));
}

// Published code as a new repository each round. The first round warms the processes.
void MeasureCorpus(Subject& subject, const std::string& what, const Corpus& corpus, int rounds) {
  std::vector<Timed> measured;
  for (int round = -1; round < rounds; ++round) {
    const std::string candidate = absl::StrCat(what, " ", round);
    const Ear ear(subject.target(), candidate);
    std::vector<std::pair<std::string, std::string>> files = corpus;
    files.emplace_back("package.json", kCorpusManifest);
    files.emplace_back("distinction.js", absl::StrCat("// ", candidate, "\n"));
    const std::string archive = OrDie(subject.client().Upload(candidate, assay::testing::Tar(files)));
    Timed timed = Submit(subject, ear, assay::testing::RepositoryRequest("first", candidate, archive));
    if (round >= 0) measured.push_back(std::move(timed));
  }
  ReportNew(what, measured);
}

void MeasureCorpora(Subject& subject, const std::string& folder, int rounds) {
  Corpus small, large;
  if (!FetchSmall(folder + "/small", small) || !FetchLarge(folder + "/large", large)) {
    std::fputs("error: npm could not fetch the corpora; 92 kB and 5.5 MB are NOT measured\n", stderr);
    return;
  }
  MeasureCorpus(subject, "92 kB repository", small, rounds);
  MeasureCorpus(subject, "5.5 MB repository", large, std::min(rounds, 7));
}

int Run(int rounds) {
  assay::testing::TempDir folder;
  Subject subject(folder / "data");

  RawService raw(folder.path());
  grpc::ServerBuilder builder;
  const std::string raw_target = absl::StrCat("unix:", folder / "raw.sock");
  builder.AddListeningPort(raw_target, grpc::InsecureServerCredentials());
  builder.RegisterService(&raw);
  const auto raw_server = builder.BuildAndStart();
  assay::testing::Client raw_client(raw_target);
  const auto submit_raw = [&](const v1::CreateSubmissionRequest& request) {
    const absl::Time start = absl::Now();
    OrDie(raw_client.Create(request).status());
    return Milliseconds(absl::Now() - start);
  };

  std::vector<Timed> repository, scorecard, repository_again, scorecard_again;
  std::vector<double> uploads, raw_repository, raw_scorecard;
  for (int round = -1; round < rounds; ++round) {
    // A candidate each, as in life: nobody hands in hundreds of repositories.
    const std::string candidate = absl::StrCat("submitter-", round);
    const Ear ear(subject.target(), candidate);
    const std::string repository_bytes = SampleRepository(candidate);
    const absl::Time upload_start = absl::Now();
    const std::string archive = OrDie(subject.client().Upload(candidate, repository_bytes));
    const double upload = Milliseconds(absl::Now() - upload_start);
    const auto request = [&](const char* id) { return assay::testing::RepositoryRequest(id, candidate, archive); };
    const auto card = [&](const char* id) { return Scorecard(id, candidate, "rater", 12); };
    Timed new_repository = Submit(subject, ear, request("first"));
    Timed old_repository = Submit(subject, ear, request("again"));
    const double raw_a = submit_raw(request("again"));
    Timed new_scorecard = Submit(subject, ear, card("first card"));
    Timed old_scorecard = Submit(subject, ear, card("card again"));
    const double raw_b = submit_raw(card("card again"));
    // The first round warms the processes.
    if (round < 0) continue;
    uploads.push_back(upload);
    repository.push_back(std::move(new_repository));
    scorecard.push_back(std::move(new_scorecard));
    repository_again.push_back(std::move(old_repository));
    scorecard_again.push_back(std::move(old_scorecard));
    raw_repository.push_back(raw_a);
    raw_scorecard.push_back(raw_b);
  }
  PrintFigure("small repository: uploaded, durable and decoded", "ms", uploads, {});
  ReportNew("small repository", repository);
  ReportNew("scorecard", scorecard);
  const auto stored = [](const std::vector<Timed>& timed) {
    std::vector<double> values;
    for (const Timed& one : timed) values.push_back(one.stored_ms);
    return values;
  };
  PrintRatio("same repository again: call to stored", "ms", stored(repository_again), "call and 2 synced writes",
             raw_repository, AtMost(1.3));
  PrintRatio("same scorecard again: call to stored", "ms", stored(scorecard_again), "call and 2 synced writes",
             raw_scorecard, AtMost(1.3));
  MeasureCorpora(subject, folder.path(), rounds);
  raw_server->Shutdown();
  return 0;
}

}  // namespace
}  // namespace assay::benchmark

int main(int argc, char** argv) {
  int rounds = 31;
  if (argc > 2 || (argc == 2 && (!absl::SimpleAtoi(argv[1], &rounds) || rounds < 1))) {
    std::fputs("usage: submission_benchmark [ROUNDS]\n", stderr);
    return 2;
  }
  return assay::benchmark::Run(rounds);
}
