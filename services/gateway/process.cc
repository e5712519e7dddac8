// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/process.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/archive/decoder.h"
#include "services/common/base/build_id.h"
#include "services/common/base/file.h"
#include "services/common/base/logging.h"
#include "services/common/base/status_macros.h"
#include "services/common/blob/folder_blob_store.h"
#include "services/common/log/kafka_configuration.h"
#include "services/common/runtime/health.h"
#include "services/common/runtime/http_server.h"
#include "services/common/runtime/metrics.h"
#include "services/common/runtime/monitor.h"
#include "services/gateway/limits.h"
#include "services/gateway/pinned_plugins.h"
#include "services/gateway/remote_shards.h"
#include "services/gateway/server.h"

namespace assay::gateway {
namespace {

constexpr uint64_t kReservedDisk = 256 << 20;
constexpr absl::Duration kRecount = absl::Minutes(1);
// A journal that has not taken a record for so long takes none at the moment.
constexpr absl::Duration kJournalPatience = absl::Seconds(5);
constexpr size_t kThreads = 64;

absl::Status CheckFolder(absl::string_view option, const std::string& path) {
  if (!path.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(option, ": found nothing; name a folder"));
}

absl::Status CheckConfiguration(const config::v1::Gateway& config) {
  ASSAY_RETURN_IF_ERROR(log::CheckInstanceName(config.instance()));
  ASSAY_RETURN_IF_ERROR(CheckFolder("blob_directory", config.blob_directory()));
  ASSAY_RETURN_IF_ERROR(CheckFolder("keys_directory", config.keys_directory()));
  const config::v1::PeerTls& peer = config.peer_tls();
  const bool any = !peer.authority_file().empty() || !peer.certificate_file().empty() || !peer.key_file().empty();
  const bool all = !peer.authority_file().empty() && !peer.certificate_file().empty() && !peer.key_file().empty();
  if (any == all) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "peer_tls: authority_file, certificate_file and key_file belong together; give all three, or none while every "
      "service is on this machine");
}

}  // namespace

// In the order of their start; destroyed backwards.
struct Process::Parts {
  Parts(const config::v1::Gateway& given, std::unique_ptr<sandbox::Launcher> starter, runtime::GiveUp when_to_give_up)
      : config(given),
        launcher(std::move(starter)),
        give_up(std::move(when_to_give_up)),
        name(absl::StrCat("gateway-", config.instance())) {}

  const config::v1::Gateway config;
  const std::unique_ptr<sandbox::Launcher> launcher;
  const runtime::GiveUp give_up;
  const std::string name;
  Clock& clock = Clock::Real();
  uint64_t reserved_disk = 0;
  std::unique_ptr<TenantKeys> keys;
  std::unique_ptr<blob::FolderBlobStore> blobs;
  std::unique_ptr<ContentDigests> digests;
  std::unique_ptr<log::KafkaLog> owners;
  std::unique_ptr<log::KafkaLog> log;
  std::unique_ptr<membership::Announcements> announcements;
  std::unique_ptr<RemoteShards> shards;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<AdmissionGate> admission;
  std::unique_ptr<Server> server;
  runtime::Metrics metrics;
  runtime::Health health;
  absl::Time recounted = absl::InfinitePast();
  std::unique_ptr<runtime::Monitor> monitor;
  std::unique_ptr<runtime::HttpServer> http;
  bool stopped = false;

  absl::Status OpenFolders();
  absl::Status OpenLogs();
  absl::Status OpenDoor();
  absl::Status OpenStatusPages();
  absl::StatusOr<Digest> Decode(const blob::Owner& owner, const Digest& archive, absl::Time deadline);
  absl::Status HasRoom(absl::string_view tenant) const;
  std::map<std::string, std::string> Plugins() const;
  v1::ServerInfo Describe() const;
  Backend MakeBackend();
  void Look();
  void LookAtCalls();
  void LookAtJournal();
  void LookAtShards();
};

absl::Status Process::Parts::OpenFolders() {
  ASSAY_ASSIGN_OR_RETURN(const std::string executables, ExecutableDirectory());
  ASSAY_RETURN_IF_ERROR(CheckSameBuild(absl::StrCat(executables, "/assay-unpack")));
  ASSAY_ASSIGN_OR_RETURN(keys, TenantKeys::Open(config.keys_directory(), /*read_only=*/false));
  reserved_disk =
      config.limits().reserved_disk_bytes() == 0 ? kReservedDisk : config.limits().reserved_disk_bytes();
  blob::FolderBlobStoreOptions options;
  options.path = config.blob_directory();
  options.shared_as = name;
  options.min_free_bytes = reserved_disk / 4;
  SetBlobLimits(config.limits(), options);
  ASSAY_ASSIGN_OR_RETURN(blobs, blob::FolderBlobStore::Open(std::move(options)));
  digests = std::make_unique<ContentDigests>(
      *blobs, clock, [this](const blob::Owner& owner, const Digest& archive, absl::Time deadline) {
        return Decode(owner, archive, deadline);
      });
  return absl::OkStatus();
}

absl::StatusOr<Digest> Process::Parts::Decode(const blob::Owner& owner, const Digest& archive, absl::Time deadline) {
  ASSAY_ASSIGN_OR_RETURN(const UniqueFd file, blobs->Open(owner, archive));
  archive::DecodeOptions options;
  options.wall = std::min(options.wall, std::max(deadline - clock.TimeNow(), absl::Milliseconds(1)));
  ASSAY_ASSIGN_OR_RETURN(const archive::DecodedArchive decoded, archive::DecodeArchive(*launcher, file, options));
  return decoded.pack.content_digest();
}

absl::Status Process::Parts::OpenLogs() {
  ASSAY_ASSIGN_OR_RETURN(const log::KafkaConfiguration kafka, log::KafkaConfiguration::Create(config.kafka(), name));
  ASSAY_ASSIGN_OR_RETURN(owners, log::OpenWhenServed(kafka.owners()));
  ASSAY_ASSIGN_OR_RETURN(log, log::OpenWhenServed(kafka.journal()));
  ASSAY_ASSIGN_OR_RETURN(announcements, membership::Announcements::Open(*owners, clock));
  const rpc::ChannelOptions tls{.tls_authority_file = config.peer_tls().authority_file(),
                                .tls_certificate_file = config.peer_tls().certificate_file(),
                                .tls_key_file = config.peer_tls().key_file()};
  shards = std::make_unique<RemoteShards>(static_cast<uint32_t>(log->partitions()), tls, *announcements, clock);
  journal = std::make_unique<Journal>(*log, clock, name);
  admission = std::make_unique<AdmissionGate>(
      AdmissionLimitsOf(config.limits()), *shards, [this] { return log->stats().oldest_queued; }, clock);
  return absl::OkStatus();
}

absl::Status Process::Parts::HasRoom(absl::string_view tenant) const {
  ASSAY_ASSIGN_OR_RETURN(const DiskSpace space, GetDiskSpace(config.blob_directory()));
  if (space.available < reserved_disk) {
    return absl::ResourceExhaustedError(absl::StrCat("disk of ", config.blob_directory(), ": ", space.available,
                                                     " bytes free, ", reserved_disk, " needed"));
  }
  return blobs->HasRoom(tenant);
}

std::map<std::string, std::string> Process::Parts::Plugins() const {
  return PinnedPlugins(announcements->evaluators(),
                       [this](const membership::Heard& heard) { return announcements->IsPresent(heard); });
}

v1::ServerInfo Process::Parts::Describe() const {
  v1::ServerInfo info;
  info.set_version(std::string(BuildVersion()));
  info.set_build_id(std::string(BuildId()));
  info.set_shards(shards->count());
  for (const auto& [evaluator, digest] : Plugins()) {
    v1::ServerInfo::Plugin& plugin = *info.add_plugins();
    plugin.set_evaluator(evaluator);
    plugin.set_digest(digest);
  }
  return info;
}

Backend Process::Parts::MakeBackend() {
  const readiness::Catalog& catalog = readiness::Catalog::BuiltIn();
  return Backend{
      .shards = *shards,
      .journal = journal.get(),
      .admission = *admission,
      .keys = *keys,
      .blobs = *blobs,
      .clock = clock,
      .find_framework = [&catalog](absl::string_view framework) { return catalog.Find(framework); },
      .frameworks = catalog.frameworks(),
      .plugins = [this] { return Plugins(); },
      .digests = *digests,
      .has_room = [this](absl::string_view tenant) { return HasRoom(tenant); },
      .server_info = [this] { return Describe(); },
      .max_artifact_bytes = config.limits().artifact_bytes() == 0 ? Backend::kMaxArtifactBytes
                                                                   : config.limits().artifact_bytes(),
      .max_artifact_bytes_of_tenant = ArtifactLimitsOfTenants(config.limits()),
      .log_identity = log->identity(),
  };
}

absl::Status Process::Parts::OpenDoor() {
  Server::Options options;
  options.listen = config.listen();
  options.certificate_file = config.tls().certificate_file();
  options.key_file = config.tls().key_file();
  options.client_ca_file = config.tls().client_ca_file();
  options.token_file = config.token_file();
  if (config.limits().calls_in_flight() != 0) options.calls_in_flight = config.limits().calls_in_flight();
  if (config.limits().calls_in_flight_per_tenant() != 0) {
    options.calls_in_flight_per_tenant = config.limits().calls_in_flight_per_tenant();
  }
  options.threads = kThreads;
  ASSAY_ASSIGN_OR_RETURN(server, Server::Create(std::move(options), MakeBackend()));
  return absl::OkStatus();
}

void Process::Parts::LookAtJournal() {
  const log::KafkaLog::Stats stats = log->stats();
  absl::Status status = log->health();
  // A topic that was made again under this process: nothing of it may be answered from here on.
  if (absl::IsFailedPrecondition(status)) give_up(status);
  if (status.ok() && stats.oldest_queued > kJournalPatience) {
    status = absl::UnavailableError(
        absl::StrCat("no record was delivered for ", absl::FormatDuration(stats.oldest_queued)));
  }
  if (stats.silence > log::kGiveUpAfter) give_up(status);
  health.Set("journal", std::move(status));
  const auto set = [this](const char* metric, const char* help, double value) {
    metrics.AddGauge(metric, help).Set(value);
  };
  set("assay_gateway_journal_queued_records", "Records handed to the journal and not reported",
      static_cast<double>(stats.queued_records));
  set("assay_gateway_journal_queued_bytes", "Their bytes", static_cast<double>(stats.queued_bytes));
  set("assay_gateway_journal_oldest_queued_seconds", "How long the oldest of them waits",
      absl::ToDoubleSeconds(stats.oldest_queued));
  set("assay_gateway_journal_silence_seconds", "How long no broker has answered", absl::ToDoubleSeconds(stats.silence));
  set("assay_gateway_journal_delivered_records", "Records reported as durable since the start",
      static_cast<double>(stats.delivered));
  set("assay_gateway_journal_unknown_records", "Records whose outcome stayed unknown",
      static_cast<double>(stats.unknown));
  set("assay_gateway_journal_refused_records", "Records that were refused", static_cast<double>(stats.refused));
  set("assay_gateway_journal_rebuilt_producers", "Producers given up after a fatal error",
      static_cast<double>(stats.rebuilt));
}

void Process::Parts::LookAtShards() {
  health.Set("shards", shards->health());
  uint32_t without_owner = 0;
  for (uint32_t shard = 0; shard < shards->count(); ++shard) without_owner += shards->RouteOf(shard).owner ? 0 : 1;
  metrics.AddGauge("assay_gateway_shards_without_owner", "Shards that nobody present owns").Set(without_owner);
}

void Process::Parts::LookAtCalls() {
  const rpc::CallGate::Stats calls = server->calls();
  const char* const kinds[rpc::kCallKinds] = {"read", "write", "watch", "upload"};
  for (size_t kind = 0; kind < rpc::kCallKinds; ++kind) {
    metrics.AddGauge("assay_gateway_calls_in_progress", "Calls in progress", {{"kind", kinds[kind]}})
        .Set(static_cast<double>(calls.in_progress[kind]));
  }
  metrics.AddGauge("assay_gateway_calls_refused", "Calls refused for want of a place since the start")
      .Set(static_cast<double>(calls.refused));
}

void Process::Parts::Look() {
  LookAtCalls();
  LookAtJournal();
  LookAtShards();
  metrics.AddGauge("assay_gateway_blob_bytes", "Bytes of all blobs").Set(static_cast<double>(blobs->used_bytes()));
  if (clock.TimeNow() - recounted < kRecount) return;
  recounted = clock.TimeNow();
  const absl::Status counted = blobs->Recount();
  if (!counted.ok()) LogWarning("blobs were not counted", {{"status", counted.ToString()}});
}

absl::Status Process::Parts::OpenStatusPages() {
  health.Listen([this](bool ready) { server->SetServing(ready); });
  recounted = clock.TimeNow();
  Look();
  monitor = std::make_unique<runtime::Monitor>(clock, [this] { Look(); });
  if (config.http_listen().empty()) return absl::OkStatus();
  runtime::HttpServerOptions options;
  options.listen = config.http_listen();
  ASSAY_ASSIGN_OR_RETURN(http, runtime::HttpServer::Start(std::move(options), runtime::StatusPages(health, metrics)));
  return absl::OkStatus();
}

Process::Process(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Process::~Process() { Stop(absl::ZeroDuration()); }

absl::StatusOr<std::unique_ptr<Process>> Process::Create(const config::v1::Gateway& config,
                                                         std::unique_ptr<sandbox::Launcher> launcher,
                                                         runtime::GiveUp give_up) {
  ASSAY_RETURN_IF_ERROR(CheckConfiguration(config));
  std::unique_ptr<Process> process(
      new Process(std::make_unique<Parts>(config, std::move(launcher), std::move(give_up))));
  ASSAY_RETURN_IF_ERROR(process->parts_->OpenFolders());
  ASSAY_RETURN_IF_ERROR(process->parts_->OpenLogs());
  ASSAY_RETURN_IF_ERROR(process->parts_->OpenDoor());
  ASSAY_RETURN_IF_ERROR(Annotate(process->parts_->OpenStatusPages(), "http_listen"));
  return process;
}

std::string Process::Addresses() const {
  const std::string& listen = parts_->config.http_listen();
  const std::string http =
      parts_->http == nullptr ? "" : absl::StrCat(listen.substr(0, listen.rfind(':')), ":", parts_->http->port());
  return absl::StrCat("{\"grpc\":", JsonQuote(parts_->server->address()), ",\"http\":", JsonQuote(http), "}\n");
}

void Process::Stop(absl::Duration grace) {
  Parts& parts = *parts_;
  if (std::exchange(parts.stopped, true)) return;
  parts.health.BeginStop();
  if (parts.server != nullptr) parts.server->Stop(grace);
  parts.monitor.reset();
  if (parts.http != nullptr) parts.http->Stop();
  if (parts.log != nullptr) parts.log->Close();
}

}  // namespace assay::gateway
