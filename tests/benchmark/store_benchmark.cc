// SPDX-License-Identifier: Apache-2.0
// How far durable writes are from the disk's own limit: the store and the log against append + fdatasync of the same
// bytes, taken turn about in the same run because a shared machine's disk changes from minute to minute. Prints one
// JSON line a measurement: name, writers, per_second, p50_us, p99_us, and its rate as a part of the raw one's.
//
//   store_benchmark [FOLDER] [SECONDS]     defaults: a fresh folder under the temporary one, 1
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/base/unique_fd.h"
#include "services/common/log/embedded_log.h"
#include "services/common/store/rocks_store.h"

namespace assay {
namespace {

constexpr size_t kValueBytes = 300;
constexpr int kRounds = 5;

struct Result {
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
};

// Calls `write(writer, n)` from `writers` threads, each waiting for its own, for `length`.
Result Measure(int writers, absl::Duration length, const std::function<bool(int, int)>& write) {
  std::vector<std::vector<double>> latencies(static_cast<size_t>(writers));
  const absl::Time start = absl::Now();
  const absl::Time end = start + length;
  std::vector<std::thread> threads;
  for (int writer = 0; writer < writers; ++writer) {
    threads.emplace_back([&, writer] {
      for (int n = 0; absl::Now() < end; ++n) {
        const absl::Time before = absl::Now();
        if (!write(writer, n)) std::abort();
        latencies[static_cast<size_t>(writer)].push_back(absl::ToDoubleMicroseconds(absl::Now() - before));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  std::vector<double> all;
  for (const auto& some : latencies) all.insert(all.end(), some.begin(), some.end());
  std::sort(all.begin(), all.end());
  if (all.empty()) return {};
  return {static_cast<double>(all.size()) / seconds, all[all.size() / 2], all[all.size() * 99 / 100]};
}

// The limit: one file, one flush for everything that waits, as a group commit without any store would do it.
class RawFile {
 public:
  explicit RawFile(const std::string& path)
      : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)), flusher_([this] { Flush(); }) {}
  ~RawFile() {
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
    }
    flusher_.join();
  }
  bool Append(const std::string& value) {
    absl::MutexLock lock(&mutex_);
    pending_ += value;
    const uint64_t mine = batch_;
    const auto is_flushed = [&] { return flushed_ > mine; };
    mutex_.Await(absl::Condition(&is_flushed));
    return true;
  }

 private:
  void Flush() {
    const auto has_work = [this] { return !pending_.empty() || stopped_; };
    for (;;) {
      std::string data;
      {
        absl::MutexLock lock(&mutex_, absl::Condition(&has_work));
        if (pending_.empty()) return;
        data.swap(pending_);
        ++batch_;
      }
      if (::write(fd_.get(), data.data(), data.size()) != static_cast<ssize_t>(data.size()) ||
          ::fdatasync(fd_.get()) != 0) {
        std::abort();
      }
      absl::MutexLock lock(&mutex_);
      flushed_ = batch_;
    }
  }

  const UniqueFd fd_;
  absl::Mutex mutex_;
  std::string pending_;
  uint64_t batch_ = 0;
  uint64_t flushed_ = 0;
  bool stopped_ = false;
  std::thread flusher_;
};

Result Median(std::vector<Result> results) {
  std::sort(results.begin(), results.end(),
            [](const Result& a, const Result& b) { return a.per_second < b.per_second; });
  return results[results.size() / 2];
}

void Run(const std::string& folder, absl::Duration length) {
  const std::string value(kValueBytes, 'v');
  RawFile raw(folder + "/raw");
  UniqueFd bare(::open((folder + "/bare").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  store::RocksStoreOptions store_options;
  store_options.path = folder + "/store";
  store_options.tables = {{"rows", 0}};
  const auto store = store::RocksStore::Open(store_options).value();
  log::EmbeddedLogOptions log_options;
  log_options.path = folder + "/log";
  const auto log = log::EmbeddedLog::Open(log_options).value();

  const std::map<std::string, std::function<bool(int, int)>> contestants = {
      {"append_fdatasync_grouped", [&](int, int) { return raw.Append(value); }},
      {"rocks_store_batch",
       [&](int writer, int n) {
         store::Batch batch;
         batch.Put("rows", absl::StrCat(absl::Hex(writer, absl::kZeroPad4), absl::Hex(n, absl::kZeroPad8)), value);
         return store->Write(batch, true).ok();
       }},
      {"embedded_log_append",
       [&](int writer, int) { return log::AppendAndWait(*log, writer % 4, "candidate", value).status.ok(); }}};
  for (const int writers : {1, 64}) {
    std::map<std::string, std::vector<Result>> results;
    for (int round = 0; round < kRounds; ++round) {
      for (const auto& [name, write] : contestants) results[name].push_back(Measure(writers, length, write));
      if (writers == 1) {
        // Without even the hand-over to a flushing thread.
        results["append_fdatasync_inline"].push_back(Measure(1, length, [&](int, int) {
          return ::write(bare.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size()) &&
                 ::fdatasync(bare.get()) == 0;
        }));
      }
    }
    const double limit = Median(results["append_fdatasync_grouped"]).per_second;
    for (const auto& [name, rounds] : results) {
      const Result median = Median(rounds);
      std::printf(
          "{\"name\": \"%s\", \"writers\": %d, \"per_second\": %.0f, \"p50_us\": %.0f, \"p99_us\": %.0f, "
          "\"of_raw\": %.2f}\n",
          name.c_str(), writers, median.per_second, median.p50_us, median.p99_us, median.per_second / limit);
    }
  }
  const auto stats = log->stats();
  std::printf("{\"name\": \"embedded_log\", \"records_per_flush\": %.1f}\n",
              static_cast<double>(stats.records) / static_cast<double>(std::max<uint64_t>(stats.flushes, 1)));
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  assay::testing::TempDir fallback;
  double seconds = 1;
  if (argc > 3 || (argc == 3 && (!absl::SimpleAtod(argv[2], &seconds) || seconds <= 0))) {
    std::fprintf(stderr, "usage: %s [FOLDER] [SECONDS]\n", argv[0]);
    return 2;
  }
  const std::string folder = argc > 1 ? argv[1] : fallback.path();
  std::filesystem::create_directories(folder);
  assay::Run(folder, absl::Seconds(seconds));
  return 0;
}
