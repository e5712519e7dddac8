// SPDX-License-Identifier: Apache-2.0
//
// What a platform gets from one standalone server: many clients hand in small scorecards, each its next one as soon as
// the last is accepted, until the server has judged them all. Beside it the raw limit: the same number of threads that
// append as many bytes to two journals which flush in groups.
//
//   throughput_benchmark [SECONDS]     of handing in, for each number of clients; default 5
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/testing/temp_dir.h"
#include "tests/benchmark/grouped_file.h"
#include "tests/benchmark/report.h"
#include "tests/benchmark/subject.h"

namespace assay::benchmark {
namespace {

constexpr int kRounds = 3;

struct Flood {
  std::vector<double> accept_ms;
  double accepted_per_second = 0;
  // Until the last one is stored, the wait for it included.
  double judged_per_second = 0;
};

// Hands in from `clients` connections for `length`; waits until everything is judged.
Flood HandIn(Subject& subject, int clients, absl::Duration length, const std::string& name) {
  std::vector<std::vector<double>> waits(static_cast<size_t>(clients));
  std::vector<absl::Time> ends(static_cast<size_t>(clients));
  const absl::Time start = absl::Now();
  std::vector<std::thread> threads;
  for (int client = 0; client < clients; ++client) {
    threads.emplace_back([&, client] {
      assay::testing::Client caller(subject.target());
      auto& mine = waits[static_cast<size_t>(client)];
      std::string candidate, id;
      for (int n = 0; absl::Now() < start + length; ++n) {
        candidate = absl::StrCat(name, "-", client, "-", n);
        const absl::Time before = absl::Now();
        const auto answer = OrDie(caller.Create(Scorecard("card", candidate, "rater", 3)));
        mine.push_back(absl::ToDoubleMilliseconds(absl::Now() - before));
        id = answer.submission().id();
      }
      ends[static_cast<size_t>(client)] = absl::Now();
      // Work goes out in order of arrival, so the last ones of all clients are among the last.
      OrDie(caller.WatchUntilEnded(candidate, id).status());
    });
  }
  for (std::thread& thread : threads) thread.join();
  Flood flood;
  for (const auto& some : waits) flood.accept_ms.insert(flood.accept_ms.end(), some.begin(), some.end());
  const double count = static_cast<double>(flood.accept_ms.size());
  flood.accepted_per_second = count / absl::ToDoubleSeconds(*std::max_element(ends.begin(), ends.end()) - start);
  flood.judged_per_second = count / absl::ToDoubleSeconds(absl::Now() - start);
  return flood;
}

// The same with nothing but two journals: accepted when the first has it, judged when the second has it.
double RawPerSecond(const std::string& folder, int threads_count, absl::Duration length) {
  GroupedFile journal(folder + "/raw-journal"), state(folder + "/raw-state");
  const std::string record(700, 'r');
  std::atomic<uint64_t> done{0};
  const absl::Time end = absl::Now() + length;
  std::vector<std::thread> threads;
  for (int i = 0; i < threads_count; ++i) {
    threads.emplace_back([&] {
      while (absl::Now() < end) {
        journal.Append(record);
        state.Append(record);
        ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(done) / absl::ToDoubleSeconds(length);
}

double ResidentMegabytes(pid_t pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(status, line);) {
    double kilobytes = 0;
    if (absl::StartsWith(line, "VmRSS:") && std::sscanf(line.c_str(), "VmRSS: %lf", &kilobytes) == 1) return kilobytes / 1e3;
  }
  return 0;
}

int Run(absl::Duration length) {
  assay::testing::TempDir folder;
  Subject subject(folder / "data");
  subject.SubmitSample("warm");
  for (const int clients : {1, 16, 64}) {
    std::vector<double> accepted, judged, raw, p50, p99;
    for (int round = 0; round < kRounds; ++round) {
      const Flood flood = HandIn(subject, clients, length, absl::StrCat("flood-", clients, "-", round));
      accepted.push_back(flood.accepted_per_second);
      judged.push_back(flood.judged_per_second);
      p50.push_back(Quantile(flood.accept_ms, 0.5));
      p99.push_back(Quantile(flood.accept_ms, 0.99));
      raw.push_back(RawPerSecond(folder.path(), clients, length / 4));
    }
    const std::string who = absl::StrCat(clients, clients == 1 ? " client" : " clients");
    PrintRatio(absl::StrCat(who, ": scorecards accepted"), "1/s", accepted, "two grouped journals", raw, {});
    PrintRatio(absl::StrCat(who, ": scorecards judged"), "1/s", judged, "two grouped journals", raw, {});
    PrintFigure(absl::StrCat(who, ": call to answer, p50"), "ms", p50, {});
    PrintFigure(absl::StrCat(who, ": call to answer, p99"), "ms", p99, {});
  }
  PrintFigure("server resident after the floods", "MB", {ResidentMegabytes(subject.server().pid())}, {});
  return 0;
}

}  // namespace
}  // namespace assay::benchmark

int main(int argc, char** argv) {
  double seconds = 5;
  if (argc > 2 || (argc == 2 && (!absl::SimpleAtod(argv[1], &seconds) || seconds <= 0))) {
    std::fputs("usage: throughput_benchmark [SECONDS]\n", stderr);
    return 2;
  }
  return assay::benchmark::Run(absl::Seconds(seconds));
}
