// SPDX-License-Identifier: Apache-2.0
// How far durable writes are from the limits below them: the store and the log beside append + fdatasync of the same
// bytes, and beside RocksDB called directly with the settings it comes with, taken turn about in the same run because a
// shared machine's disk changes from minute to minute.
//
//   store_benchmark [FOLDER] [SECONDS]     defaults: a fresh folder under the temporary one, 1
#include <fcntl.h>
#include <rocksdb/db.h>
#include <unistd.h>

#include <algorithm>
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
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/base/unique_fd.h"
#include "services/common/log/embedded_log.h"
#include "services/common/store/rocks_store.h"
#include "tests/benchmark/grouped_file.h"
#include "tests/benchmark/report.h"

namespace assay::benchmark {
namespace {

constexpr size_t kValueBytes = 300;
constexpr int kRounds = 7;

struct Result {
  double per_second = 0;
  double p99_us = 0;
};

using Write = std::function<bool(int writer, int n)>;

// Calls `write(writer, n)` from `writers` threads, each waiting for its own, for `length`.
Result Measure(int writers, absl::Duration length, const Write& write) {
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
  return {static_cast<double>(all.size()) / seconds, Quantile(std::move(all), 0.99)};
}

std::string Key(int writer, int n) {
  return absl::StrCat(absl::Hex(writer, absl::kZeroPad4), absl::Hex(n, absl::kZeroPad8));
}

struct Rounds {
  std::vector<double> per_second, p99_us;
};

void Run(const std::string& folder, absl::Duration length) {
  const std::string value(kValueBytes, 'v');
  GroupedFile grouped(folder + "/grouped");
  const UniqueFd bare(::open((folder + "/bare").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  rocksdb::DB* opened = nullptr;
  rocksdb::Options plain_options;
  plain_options.create_if_missing = true;
  if (!rocksdb::DB::Open(plain_options, folder + "/plain", &opened).ok()) std::abort();
  const std::unique_ptr<rocksdb::DB> plain(opened);
  store::RocksStoreOptions store_options;
  store_options.path = folder + "/store";
  store_options.tables = {{"rows", 0}};
  const auto store = store::RocksStore::Open(store_options).value();
  log::EmbeddedLogOptions log_options;
  log_options.path = folder + "/log";
  const auto log = log::EmbeddedLog::Open(log_options).value();

  const auto append_grouped = [&](int, int) {
    grouped.Append(value);
    return true;
  };
  // Without even the hand-over to a flushing thread; for one writer only.
  const auto append_inline = [&](int, int) {
    return ::write(bare.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size()) &&
           ::fdatasync(bare.get()) == 0;
  };
  const auto put_plain = [&](int writer, int n) {
    rocksdb::WriteOptions write;
    write.sync = true;
    return plain->Put(write, Key(writer, n), value).ok();
  };
  const std::map<std::string, Write> ours = {
      {"store", [&](int writer, int n) {
         store::Batch batch;
         batch.Put("rows", Key(writer, n), value);
         return store->Write(batch, true).ok();
       }},
      {"log", [&](int writer, int) { return log::AppendAndWait(*log, writer % 4, "candidate", value).status.ok(); }}};
  for (const int writers : {1, 64}) {
    const std::string disk = writers == 1 ? "append + fdatasync" : "append + fdatasync, grouped";
    const Write limit = writers == 1 ? Write(append_inline) : Write(append_grouped);
    std::map<std::string, Rounds> found;
    const auto measure = [&](const std::string& name, const Write& write) {
      const Result result = Measure(writers, length, write);
      found[name].per_second.push_back(result.per_second);
      found[name].p99_us.push_back(result.p99_us);
    };
    for (int round = 0; round < kRounds; ++round) {
      measure("disk", limit);
      for (const auto& [name, write] : ours) measure(name, write);
      measure("plain", put_plain);
    }
    for (const auto& [name, write] : ours) {
      const std::string what =
          absl::StrCat(name, ", ", writers, writers == 1 ? " writer" : " writers", ": durable writes");
      PrintRatio(what, "1/s", found[name].per_second, disk, found["disk"].per_second,
                 writers == 1 ? AtLeast(0.85) : Goal{});
      PrintRatio(what, "1/s", found[name].per_second, "RocksDB as it comes", found["plain"].per_second, {});
      PrintRatio(absl::StrCat(what, ", p99"), "us", found[name].p99_us, disk, found["disk"].p99_us, {});
    }
  }
  const auto stats = log->stats();
  PrintFigure("log: records per flush over all", "",
              {static_cast<double>(stats.records) / static_cast<double>(std::max<uint64_t>(stats.flushes, 1))}, {});
}

}  // namespace
}  // namespace assay::benchmark

int main(int argc, char** argv) {
  assay::testing::TempDir fallback;
  double seconds = 1;
  if (argc > 3 || (argc == 3 && (!absl::SimpleAtod(argv[2], &seconds) || seconds <= 0))) {
    std::fprintf(stderr, "usage: %s [FOLDER] [SECONDS]\n", argv[0]);
    return 2;
  }
  const std::string folder = argc > 1 ? argv[1] : fallback.path();
  std::filesystem::create_directories(folder);
  assay::benchmark::Run(folder, absl::Seconds(seconds));
  return 0;
}
