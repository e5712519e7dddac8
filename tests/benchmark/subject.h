// SPDX-License-Identifier: Apache-2.0
// The server under measurement and what is asked of it.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "tests/integration/testing/server_process.h"

namespace assay::benchmark {

// The value, or the end of the program with what went wrong: a benchmark has nothing to say of a broken run.
template <typename T>
T OrDie(absl::StatusOr<T> value);
void OrDie(const absl::Status& status);

// A real server with the plugins that are shipped, on a folder of its own, and a client of it.
class Subject {
 public:
  // `set`: more "path=value" of its configuration.
  explicit Subject(const std::string& folder, std::vector<std::string> set = {});

  assay::testing::ServerProcess& server() { return *server_; }
  assay::testing::Client& client() { return *client_; }
  // The server's socket as a target of channels.
  std::string target() const;
  // Submits a small repository (analysed, not run), two scorecards and waits for their results.
  void SubmitSample(const std::string& candidate);
  // Follows the submission until its last result is stored; it as it is then.
  v1::Submission Await(const std::string& candidate, const std::string& id);

 private:
  std::unique_ptr<assay::testing::ServerProcess> server_;
  std::unique_ptr<assay::testing::Client> client_;
};

// Hears of every change of one candidate's submissions as it is stored, over a stream that was open before.
class Ear {
 public:
  Ear(const std::string& target, const std::string& candidate);
  // Ends the stream.
  ~Ear();

  struct Heard {
    absl::Time time;
    v1::Submission submission;
  };
  // The first news that a submission has ended.
  Heard AwaitEnd(const std::string& id) const;

 private:
  void Listen();

  assay::testing::Client client_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::SubmissionUpdate>> reader_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Heard> ended_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

// The sample repository, made unlike every other by `distinction` in one of its files; as a tar.
std::string SampleRepository(const std::string& distinction);
// A scorecard with as many ratings.
v1::CreateSubmissionRequest Scorecard(const std::string& request_id, const std::string& candidate,
                                      const std::string& rater, int ratings);

template <typename T>
T OrDie(absl::StatusOr<T> value) {
  OrDie(value.status());
  return *std::move(value);
}

}  // namespace assay::benchmark
