// SPDX-License-Identifier: Apache-2.0
#include "services/standalone/server.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "services/aggregator/accounting_metrics.h"
#include "services/aggregator/server.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"
#include "services/common/blob/folder_blob_store.h"
#include "services/common/log/embedded_log.h"
#include "services/common/log/memory_work_queue.h"
#include "services/common/runtime/health.h"
#include "services/common/runtime/http_server.h"
#include "services/common/runtime/metrics.h"
#include "services/common/runtime/monitor.h"
#include "services/common/store/disk_guard.h"
#include "services/evaluator/framework_documents.h"
#include "services/evaluator/server.h"
#include "services/gateway/limits.h"
#include "services/gateway/server.h"
#include "services/standalone/data_folder.h"
#include "services/standalone/local_shards.h"
#include "services/standalone/server_info.h"

namespace assay::standalone {
namespace {

constexpr uint32_t kShards = 4;
constexpr absl::string_view kSocketName = "assay.sock";
// What an address of a Unix socket has room for.
constexpr size_t kMaxSocketPath = 100;

template <typename T>
T Or(T value, T fallback) {
  return value == 0 ? fallback : value;
}

}  // namespace

// In the order of their start; destroyed backwards.
struct Server::Parts {
  Parts(const config::v1::Standalone& given, std::unique_ptr<sandbox::Launcher> starter,
        std::function<void()> when_to_start_again)
      : config(given),
        launcher(std::move(starter)),
        start_again(std::move(when_to_start_again)),
        instance(absl::StrCat("standalone-", getpid())) {}

  const config::v1::Standalone config;
  const std::unique_ptr<sandbox::Launcher> launcher;
  // Of the monitor's thread; empty once called.
  std::function<void()> start_again;
  const std::string instance;
  Clock& clock = Clock::Real();
  std::unique_ptr<DataFolder> folder;
  std::unique_ptr<store::DiskGuard> disk;
  std::unique_ptr<gateway::TenantKeys> keys;
  std::unique_ptr<blob::FolderBlobStore> blobs;
  std::unique_ptr<log::EmbeddedLog> log;
  std::unique_ptr<log::MemoryWorkQueue> queue;
  evaluator::FrameworkDocuments frameworks{readiness::Catalog::BuiltIn()};
  std::unique_ptr<evaluator::Server> evaluator;
  std::unique_ptr<aggregator::Server> aggregator;
  std::unique_ptr<aggregator::AccountingMetrics> accounting;
  std::unique_ptr<LocalShards> shards;
  std::unique_ptr<gateway::ContentDigests> digests;
  std::unique_ptr<gateway::Journal> journal;
  std::unique_ptr<gateway::AdmissionGate> admission;
  std::unique_ptr<gateway::Server> gateway;
  runtime::Health health;
  runtime::Metrics metrics;
  std::unique_ptr<runtime::Monitor> monitor;
  std::unique_ptr<runtime::HttpServer> http;
  std::string socket;
  // Evaluator → digest of the plugin that offers it. Constant once the evaluator is open.
  std::map<std::string, std::string> plugins;
  std::string plugin_folder;
  bool stopped = false;

  bool read_only() const { return config.read_only(); }
  absl::Status OpenStorage();
  absl::Status OpenEvaluator();
  absl::Status OpenShards();
  absl::Status OpenDoor();
  absl::Status OpenStatusPages();
  gateway::Backend MakeBackend();
  void Look();
  void LookAtDisk();
  size_t Slots(absl::string_view lane) const {
    return lane == "fast" ? Or<size_t>(config.limits().fast_evaluations(), 2)
                          : Or<size_t>(config.limits().slow_evaluations(), 1);
  }
  // A shard sees an end only when its record is durable and applied: what runs for less than that needs more in hand.
  size_t Credit(absl::string_view lane) const { return std::max<size_t>(4 * Slots(lane), lane == "fast" ? 64 : 0); }
};

absl::Status Server::Parts::OpenStorage() {
  ASSAY_ASSIGN_OR_RETURN(DataFolder opened, DataFolder::Open(config.data_directory(), read_only()));
  folder = std::make_unique<DataFolder>(std::move(opened));
  socket = folder->Path(read_only() ? absl::StrCat("reader-", getpid(), ".sock") : std::string(kSocketName));
  if (socket.size() > kMaxSocketPath) {
    return absl::InvalidArgumentError(absl::StrCat("data_directory: ", folder->path(), " is too long by ",
                                                   socket.size() - kMaxSocketPath, " bytes for a socket in it"));
  }
  ASSAY_ASSIGN_OR_RETURN(keys, gateway::TenantKeys::Open(folder->Path("keys"), read_only()));
  const uint64_t reserve = Or<uint64_t>(config.limits().reserved_disk_bytes(), 256 << 20);
  blob::FolderBlobStoreOptions blob_options;
  blob_options.path = folder->Path("blobs");
  gateway::SetBlobLimits(config.limits(), blob_options);
  // New uploads end at the door while the reserve is whole; results of what was accepted may use most of it.
  blob_options.min_free_bytes = reserve / 4;
  blob_options.read_only = read_only();
  ASSAY_ASSIGN_OR_RETURN(blobs, blob::FolderBlobStore::Open(std::move(blob_options)));
  if (read_only()) return absl::OkStatus();

  store::DiskGuardOptions disk_options;
  disk_options.path = folder->path();
  disk_options.ballast_bytes = reserve;
  disk_options.enough_free_bytes = reserve;
  ASSAY_ASSIGN_OR_RETURN(disk, store::DiskGuard::Create(disk_options));
  log::EmbeddedLogOptions log_options;
  log_options.path = folder->Path("journal");
  log_options.partitions = kShards;
  ASSAY_ASSIGN_OR_RETURN(log, log::EmbeddedLog::Open(std::move(log_options)));
  log::MemoryWorkQueueOptions queue_options;
  queue_options.max_items = Or<size_t>(config.limits().queued_work(), 4096);
  queue = std::make_unique<log::MemoryWorkQueue>(std::move(queue_options));
  return absl::OkStatus();
}

absl::Status Server::Parts::OpenEvaluator() {
  evaluator::Options options;
  // The queue is memory: a name that is the same in every process lets a restart go on under it.
  options.instance = "standalone";
  options.fast_slots = static_cast<int>(Slots("fast"));
  options.slow_slots = static_cast<int>(Slots("slow"));
  options.plugin_folder = config.plugin_directory();
  if (options.plugin_folder.empty()) {
    ASSAY_ASSIGN_OR_RETURN(const std::string executables, ExecutableDirectory());
    options.plugin_folder = absl::StrCat(executables, "/../plugins");
  }
  plugin_folder = std::filesystem::weakly_canonical(options.plugin_folder);
  options.cache_folder = folder->Path("cache");
  ASSAY_RETURN_IF_ERROR(MakeDirectories(options.cache_folder));
  ASSAY_ASSIGN_OR_RETURN(evaluator, evaluator::Server::Create(std::move(options), {.journal = *log,
                                                                                  .work = *queue,
                                                                                  .blobs = *blobs,
                                                                                  .clock = clock,
                                                                                  .frameworks = frameworks,
                                                                                  .launcher = *launcher}));
  for (const evaluator::OfferedPlugin& plugin : evaluator->plugins()) {
    for (const auto& offered : plugin.manifest.evaluators()) plugins[offered.id()] = plugin.digest;
  }
  return absl::OkStatus();
}

absl::Status Server::Parts::OpenShards() {
  aggregator::Server::Options options;
  ASSAY_ASSIGN_OR_RETURN(options.quotas, aggregator::QuotasOf(config.quotas()));
  options.credit = [this](absl::string_view lane) { return Credit(lane); };
  options.directory = folder->Path("shards");
  options.shards = kShards;
  options.read_only = read_only();
  options.instance = instance;
  options.frameworks = readiness::Catalog::BuiltIn().frameworks();
  if (!read_only()) {
    ASSAY_ASSIGN_OR_RETURN(options.capability_key, keys->Secret("capability"));
    options.plugins = [this] { return plugins; };
    options.cancel = [this](const event::v1::Cancellation& cancellation) { evaluator->Cancel(cancellation); };
  }
  ASSAY_ASSIGN_OR_RETURN(aggregator,
                         aggregator::Server::Create(std::move(options), {.journal = log.get(),
                                                                         .queue = queue.get(),
                                                                         .blobs = *blobs,
                                                                         .readiness = nullptr,
                                                                         .clock = clock}));
  aggregator->Start();
  accounting = std::make_unique<aggregator::AccountingMetrics>(*aggregator, metrics);
  shards = std::make_unique<LocalShards>(*aggregator);
  digests = std::make_unique<gateway::ContentDigests>(
      *blobs, clock, [this](const blob::Owner& owner, const Digest& archive, absl::Time deadline) {
        return evaluator->ContentDigest(owner, archive, deadline);
      });
  if (!read_only()) journal = std::make_unique<gateway::Journal>(*log, clock, instance);
  // The embedded log reports within one flush of the disk, or says that it no longer writes.
  admission = std::make_unique<gateway::AdmissionGate>(
      gateway::AdmissionLimitsOf(config.limits()), *shards, [] { return absl::ZeroDuration(); }, clock);
  return absl::OkStatus();
}

gateway::Backend Server::Parts::MakeBackend() {
  const readiness::Catalog& catalog = readiness::Catalog::BuiltIn();
  return gateway::Backend{
      .shards = *shards,
      .journal = journal.get(),
      .admission = *admission,
      .keys = *keys,
      .blobs = *blobs,
      .clock = clock,
      .find_framework = [&catalog](absl::string_view name) { return catalog.Find(name); },
      .frameworks = catalog.frameworks(),
      .plugins = [this] { return plugins; },
      .digests = *digests,
      .has_room = [this](absl::string_view tenant) -> absl::Status {
        ASSAY_RETURN_IF_ERROR(disk->HasRoom());
        return blobs->HasRoom(tenant);
      },
      .server_info = [this] {
        return DescribeServer(config, *aggregator, plugin_folder, launcher.get(), evaluator.get());
      },
      .max_artifact_bytes = Or<uint64_t>(config.limits().artifact_bytes(), 256 << 20),
      .max_artifact_bytes_of_tenant = gateway::ArtifactLimitsOfTenants(config.limits()),
      .log_identity = log == nullptr ? "" : log->identity(),
  };
}

absl::Status Server::Parts::OpenDoor() {
  gateway::Server::Options options;
  options.socket_path = socket;
  options.listen = read_only() ? "" : config.listen();
  options.certificate_file = config.tls().certificate_file();
  options.key_file = config.tls().key_file();
  options.client_ca_file = config.tls().client_ca_file();
  options.token_file = config.token_file();
  options.calls_in_flight = Or<size_t>(config.limits().calls_in_flight(), 256);
  options.calls_in_flight_per_tenant = Or<size_t>(config.limits().calls_in_flight_per_tenant(), 128);
  ASSAY_ASSIGN_OR_RETURN(gateway, gateway::Server::Create(std::move(options), MakeBackend()));
  return read_only() ? absl::OkStatus() : folder->Announce(socket);
}

void Server::Parts::LookAtDisk() {
  const bool is_full = absl::IsResourceExhausted(log->health()) || absl::IsResourceExhausted(aggregator->health());
  if (!is_full || !start_again) return;
  if (!disk->HasRoomToOpen().ok() && disk->has_ballast()) {
    const absl::Status released = disk->ReleaseBallast();
    LogWarning("the disk is full: the ballast file goes", {{"status", released.ToString()}});
  }
  if (!disk->HasRoomToOpen().ok()) return;
  LogWarning("the disk was full and has room again: the server starts again", {{"path", folder->path()}});
  std::exchange(start_again, nullptr)();
}

void Server::Parts::Look() {
  health.Set("shards", aggregator->health());
  if (log == nullptr) return;
  health.Set("journal", log->health());
  health.Set("disk", disk->HasRoom());
  LookAtDisk();
  aggregator->LookAtLag();
  metrics.AddGauge("assay_aggregator_lag_records", "Records journaled and not applied yet")
      .Set(static_cast<double>(aggregator->lag()));
  for (const char* lane : {"fast", "slow"}) {
    metrics.AddGauge("assay_aggregator_work_items", "Work put into the queue and not done", {{"lane", lane}})
        .Set(static_cast<double>(queue->Depth(lane)));
  }
  accounting->Update();
  storage::v1::Counters sum;
  for (uint32_t shard = 0; shard < kShards; ++shard) {
    const absl::StatusOr<storage::v1::ShardMeta> meta = aggregator->Meta(shard);
    if (!meta.ok()) continue;
    sum.set_submissions(sum.submissions() + meta->counters().submissions());
    sum.set_results(sum.results() + meta->counters().results());
    sum.set_late_results(sum.late_results() + meta->counters().late_results());
    sum.set_forged_results(sum.forged_results() + meta->counters().forged_results());
    sum.set_illegal_transitions(sum.illegal_transitions() + meta->counters().illegal_transitions());
    sum.set_repeated_submissions(sum.repeated_submissions() + meta->counters().repeated_submissions());
  }
  const auto set = [this](const char* name, const char* help, uint64_t value) {
    metrics.AddGauge(name, help).Set(static_cast<double>(value));
  };
  set("assay_aggregator_submissions", "Submissions applied since the data folder was made", sum.submissions());
  set("assay_aggregator_results", "Results counted", sum.results());
  set("assay_aggregator_late_results", "Results of evaluations that had ended", sum.late_results());
  set("assay_aggregator_forged_results", "Results without the capability of their attempt", sum.forged_results());
  set("assay_aggregator_illegal_transitions", "Events ignored in the state they met", sum.illegal_transitions());
  set("assay_aggregator_repeated_submissions", "Submissions journaled more than once", sum.repeated_submissions());
}

absl::Status Server::Parts::OpenStatusPages() {
  health.Listen([this](bool ready) { gateway->SetServing(ready || read_only()); });
  Look();
  monitor = std::make_unique<runtime::Monitor>(clock, [this] { Look(); });
  if (config.http_listen().empty() || read_only()) return absl::OkStatus();
  runtime::HttpServerOptions options;
  options.listen = config.http_listen();
  ASSAY_ASSIGN_OR_RETURN(http, runtime::HttpServer::Start(std::move(options), runtime::StatusPages(health, metrics)));
  return absl::OkStatus();
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() { Stop(absl::ZeroDuration()); }

absl::StatusOr<std::unique_ptr<Server>> Server::Create(const config::v1::Standalone& config,
                                                       std::unique_ptr<sandbox::Launcher> launcher,
                                                       std::function<void()> start_again) {
  std::unique_ptr<Server> server(
      new Server(std::make_unique<Parts>(config, std::move(launcher), std::move(start_again))));
  ASSAY_RETURN_IF_ERROR(server->parts_->OpenStorage());
  if (!config.read_only()) ASSAY_RETURN_IF_ERROR(server->parts_->OpenEvaluator());
  ASSAY_RETURN_IF_ERROR(server->parts_->OpenShards());
  ASSAY_RETURN_IF_ERROR(server->parts_->OpenDoor());
  ASSAY_RETURN_IF_ERROR(Annotate(server->parts_->OpenStatusPages(), "http_listen"));
  return server;
}

std::string Server::Addresses() const {
  const std::string http =
      parts_->http == nullptr
          ? ""
          : absl::StrCat(parts_->config.http_listen().substr(0, parts_->config.http_listen().rfind(':')), ":",
                         parts_->http->port());
  return absl::StrCat("{\"socket\":", JsonQuote(parts_->socket), ",\"grpc\":", JsonQuote(parts_->gateway->address()),
                      ",\"http\":", JsonQuote(http), "}\n");
}

void Server::Stop(absl::Duration grace) {
  Parts& parts = *parts_;
  if (std::exchange(parts.stopped, true)) return;
  parts.health.BeginStop();
  if (parts.gateway != nullptr) parts.gateway->Stop(grace);
  parts.monitor.reset();
  if (parts.http != nullptr) parts.http->Stop();
  if (parts.evaluator != nullptr) parts.evaluator->Stop(grace);
  if (parts.aggregator != nullptr) parts.aggregator->Stop();
  if (parts.queue != nullptr) parts.queue->Close();
  if (parts.log != nullptr) parts.log->Close();
  if (!parts.socket.empty() && parts.gateway != nullptr) unlink(parts.socket.c_str());
}

}  // namespace assay::standalone
