// SPDX-License-Identifier: Apache-2.0
// What the log costs over Kafka: `kafka_log_benchmark HOST:PORT[,…]` against a cluster that tools/kafka/kafka started.
// Prints the first append after opening, acknowledgement and append-to-read times of a lone writer, and the rates of many
// writers and of a replay.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "services/common/base/digest.h"
#include "services/common/log/kafka_log.h"
#include "services/common/log/kafka_topics.h"

namespace assay::log {
namespace {

constexpr int kSingles = 2000;
constexpr int kMany = 200000;

void PrintPercentiles(const char* what, std::vector<absl::Duration> times) {
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) {
    return absl::ToDoubleMilliseconds(times[static_cast<size_t>(share * static_cast<double>(times.size() - 1))]);
  };
  std::printf("%-24s p50 %.3f ms  p99 %.3f ms  max %.3f ms\n", what, at(0.5), at(0.99), at(1));
}

absl::Status Replay(Log& log, Offset end) {
  const absl::Time start = absl::Now();
  absl::StatusOr<std::unique_ptr<Reader>> reader = log.OpenReader(1, 0);
  if (!reader.ok()) return reader.status();
  for (Offset next = 0; next < end;) {
    const absl::StatusOr<std::vector<Record>> records = (*reader)->Read(1000, absl::Seconds(10));
    if (!records.ok()) return records.status();
    if (records->empty()) return absl::UnavailableError("nothing came");
    next = records->back().offset + 1;
  }
  std::printf("%-24s %.0f records/s\n", "replay", static_cast<double>(end) / absl::ToDoubleSeconds(absl::Now() - start));
  return absl::OkStatus();
}

absl::Status Measure(Log& log) {
  const std::string value(300, 'v');
  absl::StatusOr<std::unique_ptr<Reader>> reader = log.OpenReader(0, 0);
  if (!reader.ok()) return reader.status();
  std::vector<absl::Duration> acknowledged;
  std::vector<absl::Duration> read;
  for (int i = 0; i < kSingles; ++i) {
    const absl::Time start = absl::Now();
    const Delivery delivery = AppendAndWait(log, 0, "k", value);
    if (!delivery.status.ok()) return delivery.status;
    acknowledged.push_back(absl::Now() - start);
    if (i == 0) std::printf("%-24s %.3f ms\n", "first append", absl::ToDoubleMilliseconds(acknowledged[0]));
    const absl::StatusOr<std::vector<Record>> records = (*reader)->Read(1, absl::Seconds(10));
    if (!records.ok()) return records.status();
    read.push_back(absl::Now() - start);
  }
  PrintPercentiles("append to acknowledged", acknowledged);
  PrintPercentiles("append to read", read);
  const absl::Time start = absl::Now();
  for (int done = 0; done < kMany;) {
    const int batch = std::min(5000, kMany - done);
    absl::BlockingCounter left(batch);
    for (int i = 0; i < batch; ++i) log.Append(1, "k", value, [&](const Delivery&) { left.DecrementCount(); });
    left.Wait();
    done += batch;
  }
  std::printf("%-24s %.0f records/s\n", "many appends", kMany / absl::ToDoubleSeconds(absl::Now() - start));
  return Replay(log, kMany);
}

absl::Status Run(const std::string& servers) {
  KafkaLogOptions options;
  options.connection.bootstrap_servers = servers;
  options.topic.name = absl::StrCat("benchmark-", absl::BytesToHexString(RandomBytes(6)));
  options.topic.partitions = 2;
  options.topic.replication = static_cast<int>(std::count(servers.begin(), servers.end(), ',')) + 1;
  options.topic.has_identity = true;
  absl::StatusOr<std::unique_ptr<KafkaTopics>> topics = KafkaTopics::Connect(options.connection);
  if (!topics.ok()) return topics.status();
  if (const auto made = (*topics)->Create({options.topic}, absl::Seconds(30)); !made.ok()) return made.status();
  const absl::Time start = absl::Now();
  absl::StatusOr<std::unique_ptr<KafkaLog>> log = KafkaLog::Open(options);
  if (!log.ok()) return log.status();
  std::printf("%-24s %.3f ms\n", "open", absl::ToDoubleMilliseconds(absl::Now() - start));
  absl::Status status = Measure(**log);
  log->reset();
  status.Update((*topics)->Delete(options.topic.name));
  return status;
}

}  // namespace
}  // namespace assay::log

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: kafka_log_benchmark HOST:PORT[,HOST:PORT…]\n");
    return 2;
  }
  const absl::Status status = assay::log::Run(argv[1]);
  if (status.ok()) return 0;
  std::fprintf(stderr, "error: %s\n", status.ToString().c_str());
  return 4;
}
