// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/process.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/aggregator/accounting_metrics.h"
#include "services/aggregator/fellows.h"
#include "services/aggregator/quotas.h"
#include "services/aggregator/readiness_follower.h"
#include "services/aggregator/server.h"
#include "services/aggregator/shard.h"
#include "services/aggregator/shard_rpc.h"
#include "services/common/base/build_id.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/secret_key.h"
#include "services/common/base/status_macros.h"
#include "services/common/blob/folder_blob_store.h"
#include "services/common/log/kafka_configuration.h"
#include "services/common/rpc/authorization.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/executor.h"
#include "services/common/runtime/health.h"
#include "services/common/runtime/http_server.h"
#include "services/common/runtime/metrics.h"
#include "services/common/runtime/monitor.h"
#include "services/common/store/disk_guard.h"
#include "services/membership/announcements.h"
#include "services/membership/offered_plugins.h"
#include "services/readiness/framework.h"

namespace assay::aggregator {
namespace {

constexpr uint64_t kReservedDisk = 256 << 20;
constexpr size_t kThreads = 32;
constexpr size_t kQueuedCalls = 1024;
// Gateways share it, and a watch of each gateway on each shard is a call.
constexpr size_t kCallsInFlight = 2048;
constexpr absl::Duration kLastAnswers = absl::Milliseconds(500);
// Ready means: no shard lags by more.
constexpr uint64_t kReadyLag = 10'000;

absl::Status CheckConfiguration(const config::v1::Aggregator& config) {
  ASSAY_RETURN_IF_ERROR(log::CheckInstanceName(config.instance()));
  const std::pair<const char*, const std::string&> needed[] = {{"listen", config.listen()},
                                                               {"data_directory", config.data_directory()},
                                                               {"blob_directory", config.blob_directory()},
                                                               {"keys_directory", config.keys_directory()}};
  for (const auto& [field, value] : needed) {
    if (value.empty()) return absl::InvalidArgumentError(absl::StrCat(field, ": is missing"));
  }
  const auto& others = config.aggregators();
  if (!others.empty() && std::find(others.begin(), others.end(), config.instance()) == others.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("aggregators: ", config.instance(), " is missing; all of them are named, this one too"));
  }
  const absl::Duration silence =
      absl::Seconds(config.owner_silence().seconds()) + absl::Nanoseconds(config.owner_silence().nanos());
  if (config.has_owner_silence() && silence < absl::Seconds(2)) {
    return absl::InvalidArgumentError(
        absl::StrCat("owner_silence: ", absl::FormatDuration(silence), "; at least 2s are needed, for owners are heard of every second"));
  }
  return absl::OkStatus();
}

// Mutual TLS by the installation's own authority.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> CredentialsFor(const config::v1::Aggregator& config) {
  const config::v1::PeerTls& tls = config.peer_tls();
  const size_t given = !tls.authority_file().empty() + !tls.certificate_file().empty() + !tls.key_file().empty();
  if (given != 0 && given != 3) {
    return absl::InvalidArgumentError(
        "peer_tls: authority_file, certificate_file and key_file belong together; give all three, or none while every "
        "service is on this machine");
  }
  if (given == 0 && !rpc::IsLoopbackAddress(config.listen())) {
    return absl::InvalidArgumentError(absl::StrCat("listen: ", config.listen(),
                                                   " can be reached by other machines: that needs peer_tls; use "
                                                   "127.0.0.1 otherwise"));
  }
  if (given == 0) return grpc::InsecureServerCredentials();
  constexpr uint64_t kMaxPemBytes = 1 << 20;
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  ASSAY_ASSIGN_OR_RETURN(options.pem_root_certs, ReadFile(tls.authority_file(), kMaxPemBytes));
  ASSAY_ASSIGN_OR_RETURN(std::string key, ReadFile(tls.key_file(), kMaxPemBytes));
  ASSAY_ASSIGN_OR_RETURN(std::string certificate, ReadFile(tls.certificate_file(), kMaxPemBytes));
  options.pem_key_cert_pairs.push_back({std::move(key), std::move(certificate)});
  return grpc::SslServerCredentials(options);
}

std::string HostOf(const std::string& host_port) { return host_port.substr(0, host_port.rfind(':')); }

}  // namespace

// In the order of their start; destroyed backwards.
struct Process::Parts {
  Parts(const config::v1::Aggregator& given, runtime::GiveUp when_lost)
      : config(given), give_up(std::move(when_lost)) {}

  const config::v1::Aggregator config;
  const runtime::GiveUp give_up;
  Clock& clock = Clock::Real();
  std::unique_ptr<store::DiskGuard> disk;
  std::unique_ptr<blob::FolderBlobStore> blobs;
  std::unique_ptr<log::KafkaLog> owners;
  std::unique_ptr<log::KafkaLog> journal;
  std::unique_ptr<log::KafkaLog> readiness;
  std::unique_ptr<log::KafkaWorkQueue> queue;
  std::unique_ptr<membership::Announcements> announcements;
  std::unique_ptr<Fellows> fellows;
  // Of the frameworks here.
  std::vector<std::string> frameworks;
  runtime::Metrics metrics;
  std::unique_ptr<Server> server;
  std::unique_ptr<AccountingMetrics> accounting;
  std::unique_ptr<ReadinessFollower> follower;
  std::unique_ptr<rpc::Authorizer> authorizer;
  std::unique_ptr<rpc::CallGate> gate;
  std::unique_ptr<rpc::Executor> executor;
  std::unique_ptr<ShardRpc> shards;
  std::unique_ptr<grpc::Server> grpc_server;
  int port = 0;
  std::atomic<bool> is_leaving = false;
  runtime::Health health;
  // Says that it is there; and looks at what blocks when brokers are away.
  std::unique_ptr<runtime::Monitor> announcing;
  std::unique_ptr<runtime::Monitor> looking;
  std::unique_ptr<runtime::HttpServer> http;
  bool stopped = false;

  std::string Address() const { return absl::StrCat(HostOf(config.listen()), ":", port); }
  absl::Status OpenFolders();
  absl::Status OpenLogs();
  absl::Status OpenShards();
  absl::Status OpenDoor();
  absl::Status OpenStatusPages();
  void Announce();
  void Look();
  void LookAtShards();
  void LookAtLogs();
};

absl::Status Process::Parts::OpenFolders() {
  const uint64_t reserve = config.reserved_disk_bytes() == 0 ? kReservedDisk : config.reserved_disk_bytes();
  ASSAY_RETURN_IF_ERROR(MakeDirectories(config.data_directory()));
  store::DiskGuardOptions disk_options;
  disk_options.path = config.data_directory();
  disk_options.ballast_bytes = reserve;
  disk_options.enough_free_bytes = reserve;
  ASSAY_ASSIGN_OR_RETURN(disk, store::DiskGuard::Create(disk_options));
  blob::FolderBlobStoreOptions blob_options;
  blob_options.path = config.blob_directory();
  blob_options.shared_as = absl::StrCat("aggregator-", config.instance());
  ASSAY_ASSIGN_OR_RETURN(blobs, blob::FolderBlobStore::Open(std::move(blob_options)));
  return absl::OkStatus();
}

absl::Status Process::Parts::OpenLogs() {
  ASSAY_ASSIGN_OR_RETURN(const log::KafkaConfiguration kafka,
                         log::KafkaConfiguration::Create(config.kafka(), absl::StrCat("aggregator-", config.instance())));
  ASSAY_ASSIGN_OR_RETURN(owners, log::OpenWhenServed(kafka.owners()));
  ASSAY_ASSIGN_OR_RETURN(journal, log::OpenWhenServed(kafka.journal()));
  ASSAY_ASSIGN_OR_RETURN(readiness, log::OpenWhenServed(kafka.readiness()));
  ASSAY_ASSIGN_OR_RETURN(queue, log::OpenWhenServed(kafka.work_queue()));
  ASSAY_ASSIGN_OR_RETURN(announcements, membership::Announcements::Open(*owners, clock));
  Fellows::Options options;
  options.instance = config.instance();
  options.aggregators = {config.aggregators().begin(), config.aggregators().end()};
  if (config.has_owner_silence()) {
    options.owner_silence =
        absl::Seconds(config.owner_silence().seconds()) + absl::Nanoseconds(config.owner_silence().nanos());
  }
  fellows = std::make_unique<Fellows>(std::move(options), *announcements, clock);
  return absl::OkStatus();
}

absl::Status Process::Parts::OpenShards() {
  Server::Options options;
  options.directory = absl::StrCat(config.data_directory(), "/shards");
  options.shards = static_cast<uint32_t>(journal->partitions());
  options.instance = config.instance();
  ASSAY_RETURN_IF_ERROR(MakeSecretDirectory(config.keys_directory()));
  ASSAY_ASSIGN_OR_RETURN(options.capability_key, ReadOrMakeSecretKey(config.keys_directory(), "capability"));
  options.frameworks = readiness::Catalog::BuiltIn().frameworks();
  for (const auto& framework : options.frameworks) frameworks.push_back(framework->digest_text());
  options.queue_survives = true;
  options.cancel = [this](const event::v1::Cancellation& cancellation) {
    event::v1::Announcement announcement;
    announcement.set_instance(config.instance());
    *announcement.mutable_cancellation() = cancellation;
    announcements->Announce(absl::StrCat("cancel/", cancellation.submission_id()), std::move(announcement));
  };
  options.may_claim = [this](uint32_t shard, const storage::v1::ShardMeta& meta) {
    return !is_leaving && fellows->MayClaim(shard, meta);
  };
  ASSAY_ASSIGN_OR_RETURN(options.quotas, QuotasOf(config.quotas()));
  // Each shard's part of four times what all evaluators run at once. What runs for milliseconds is ended here only when
  // its record is durable and applied, and needs more in hand meanwhile.
  options.credit = [this, shards = options.shards](absl::string_view lane) {
    const size_t part = (4 * std::max<size_t>(fellows->SlotsOf(lane), 1) + shards - 1) / shards;
    return lane == "fast" ? std::max<size_t>(part, 16) : part;
  };
  options.peers_know = [this] { return fellows->Know(kStateVersion, frameworks); };
  options.plugins = [this] {
    return membership::MostOffered(announcements->evaluators(), [this](const membership::Heard& heard) {
      return announcements->IsPresent(heard);
    });
  };
  runtime::Counter applied = metrics.AddCounter("assay_aggregator_applied_records_total", "Records applied");
  runtime::Histogram write = metrics.AddHistogram("assay_aggregator_write_seconds", "Synced writes of groups of records",
                                                  runtime::SecondsBounds());
  runtime::Histogram append = metrics.AddHistogram("assay_aggregator_append_seconds",
                                                   "From an append of the relay to its delivery report",
                                                   runtime::SecondsBounds());
  options.on_group = [applied, write](size_t records, absl::Duration took) mutable {
    applied.Increment(static_cast<double>(records));
    write.Observe(absl::ToDoubleSeconds(took));
  };
  options.on_append = [append](absl::Duration took) mutable { append.Observe(absl::ToDoubleSeconds(took)); };
  ASSAY_ASSIGN_OR_RETURN(server, Server::Create(std::move(options), {.journal = journal.get(),
                                                                     .queue = queue.get(),
                                                                     .blobs = *blobs,
                                                                     .readiness = readiness.get(),
                                                                     .clock = clock}));
  follower = std::make_unique<ReadinessFollower>(
      *readiness, clock, [this](const event::v1::ReadinessPublished& published) { server->SeePublished(published); });
  accounting = std::make_unique<AccountingMetrics>(*server, metrics);
  return absl::OkStatus();
}

absl::Status Process::Parts::OpenDoor() {
  ASSAY_ASSIGN_OR_RETURN(const auto credentials, CredentialsFor(config));
  rpc::AuthorizerOptions rules;
  rules.methods = ShardMethodRules();
  // Whoever could connect showed a certificate of the installation, or is on this machine.
  rules.trusts_connections = true;
  ASSAY_ASSIGN_OR_RETURN(authorizer, rpc::Authorizer::Create(std::move(rules)));
  rpc::CallLimits limits;
  limits.in_flight = kCallsInFlight;
  limits.in_flight_per_tenant = kCallsInFlight;
  gate = std::make_unique<rpc::CallGate>(*authorizer, limits);
  executor = std::make_unique<rpc::Executor>(kThreads, kQueuedCalls);
  ShardRpc::Options options;
  options.instance = config.instance();
  options.address_of = [this](const std::string& instance) { return fellows->AddressOf(instance); };
  shards = std::make_unique<ShardRpc>(std::move(options), rpc::CallEnvironment{*gate, *executor}, *server, clock);

  grpc::ServerBuilder builder;
  rpc::ApplyServerLimits(builder);
  builder.AddListeningPort(config.listen(), credentials, &port);
  builder.RegisterService(shards.get());
  grpc_server = builder.BuildAndStart();
  if (grpc_server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat("listen: ", config.listen(),
                                               " cannot be bound; another program may have the port: choose another "
                                               "with --set listen=127.0.0.1:PORT"));
  }
  return absl::OkStatus();
}

void Process::Parts::Announce() {
  event::v1::Announcement announcement;
  announcement.set_instance(config.instance());
  announcement.set_version(std::string(BuildVersion()));
  event::v1::Aggregator& body = *announcement.mutable_aggregator();
  body.set_address(config.advertise().empty() ? Address() : config.advertise());
  body.set_is_leaving(is_leaving);
  body.set_state_version(kStateVersion);
  *body.mutable_frameworks() = {frameworks.begin(), frameworks.end()};
  for (event::v1::ShardReplica& replica : server->Replicas()) *body.add_replicas() = std::move(replica);
  announcements->Announce(absl::StrCat("aggregator/", config.instance()), std::move(announcement));
}

void Process::Parts::LookAtShards() {
  server->LookAtLag();
  absl::Status status = server->health();
  uint64_t owned = 0;
  for (const event::v1::ShardReplica& replica : server->Replicas()) {
    const runtime::Metrics::Labels labels = {{"shard", absl::StrCat(replica.shard())}};
    owned += replica.is_owner() ? 1 : 0;
    metrics.AddGauge("assay_aggregator_lag_records", "Records journaled and not applied yet", labels)
        .Set(static_cast<double>(replica.lag_records()));
    metrics.AddGauge("assay_aggregator_applied_offset", "Of the last record applied", labels)
        .Set(static_cast<double>(replica.applied_offset()));
    if (status.ok() && replica.lag_records() > kReadyLag) {
      status = absl::UnavailableError(
          absl::StrCat("shard ", replica.shard(), " has ", replica.lag_records(), " records to apply"));
    }
  }
  metrics.AddGauge("assay_aggregator_rolled_back_records", "Records lost with a damaged write-ahead log, applied again")
      .Set(static_cast<double>(server->rolled_back()));
  metrics.AddGauge("assay_aggregator_owned_shards", "Shards whose claim in force is of this process")
      .Set(static_cast<double>(owned));
  health.Set("shards", std::move(status));
}

void Process::Parts::LookAtLogs() {
  health.Set("journal", journal->health());
  health.Set("announcements", announcements->health());
  const log::KafkaLog::Stats stats = journal->stats();
  if (stats.silence > log::kGiveUpAfter) give_up(journal->health());
  const auto set = [this](const char* name, const char* help, double value) { metrics.AddGauge(name, help).Set(value); };
  set("assay_aggregator_journal_queued_records", "Records handed to the journal and not reported",
      static_cast<double>(stats.queued_records));
  set("assay_aggregator_journal_oldest_queued_seconds", "How long the oldest of them waits",
      absl::ToDoubleSeconds(stats.oldest_queued));
  set("assay_aggregator_journal_unknown_records", "Records whose outcome stayed unknown",
      static_cast<double>(stats.unknown));
}

void Process::Parts::Look() {
  health.Set("disk", disk->HasRoom());
  LookAtLogs();
  LookAtShards();
  shards->Sweep();
  accounting->Update();
}

absl::Status Process::Parts::OpenStatusPages() {
  Look();
  looking = std::make_unique<runtime::Monitor>(clock, [this] { Look(); });
  announcing = std::make_unique<runtime::Monitor>(clock, [this] { Announce(); });
  if (config.http_listen().empty()) return absl::OkStatus();
  runtime::HttpServerOptions options;
  options.listen = config.http_listen();
  ASSAY_ASSIGN_OR_RETURN(http, runtime::HttpServer::Start(std::move(options), runtime::StatusPages(health, metrics)));
  return absl::OkStatus();
}

Process::Process(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Process::~Process() { Stop(absl::ZeroDuration()); }

absl::StatusOr<std::unique_ptr<Process>> Process::Create(const config::v1::Aggregator& config,
                                                         runtime::GiveUp give_up) {
  ASSAY_RETURN_IF_ERROR(CheckConfiguration(config));
  std::unique_ptr<Process> process(new Process(std::make_unique<Parts>(config, std::move(give_up))));
  Parts& parts = *process->parts_;
  ASSAY_RETURN_IF_ERROR(parts.OpenFolders());
  ASSAY_RETURN_IF_ERROR(parts.OpenLogs());
  ASSAY_RETURN_IF_ERROR(parts.OpenShards());
  ASSAY_RETURN_IF_ERROR(parts.OpenDoor());
  parts.server->Start();
  parts.follower->Start();
  ASSAY_RETURN_IF_ERROR(Annotate(parts.OpenStatusPages(), "http_listen"));
  return process;
}

std::string Process::Addresses() const {
  const std::string http =
      parts_->http == nullptr ? "" : absl::StrCat(HostOf(parts_->config.http_listen()), ":", parts_->http->port());
  return absl::StrCat("{\"grpc\":", JsonQuote(parts_->Address()), ",\"http\":", JsonQuote(http), "}\n");
}

void Process::Stop(absl::Duration grace) {
  Parts& parts = *parts_;
  if (std::exchange(parts.stopped, true)) return;
  parts.health.BeginStop();
  parts.is_leaving = true;
  parts.announcing.reset();
  // It owns them until somebody else has claimed them, and goes on answering for what it owns meanwhile.
  if (parts.grpc_server != nullptr && parts.server != nullptr) parts.Announce();
  if (parts.shards != nullptr) parts.shards->EndWatches();
  if (parts.gate != nullptr) parts.gate->Drain(grace);
  if (parts.grpc_server != nullptr) {
    parts.grpc_server->Shutdown(absl::ToChronoTime(absl::Now() + kLastAnswers));
    parts.grpc_server->Wait();
    parts.executor->Stop();
    parts.grpc_server.reset();
  }
  parts.looking.reset();
  if (parts.http != nullptr) parts.http->Stop();
  if (parts.follower != nullptr) parts.follower->Stop();
  if (parts.server != nullptr) parts.server->Stop();
  if (parts.queue != nullptr) parts.queue->Close();
  if (parts.readiness != nullptr) parts.readiness->Close();
  if (parts.journal != nullptr) parts.journal->Close();
  if (parts.owners != nullptr) parts.owners->Close();
}

}  // namespace assay::aggregator
