// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/process.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
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
#include "services/evaluator/framework_documents.h"
#include "services/evaluator/server.h"
#include "services/evaluator/server_metrics.h"
#include "services/membership/announcements.h"
#include "services/readiness/framework.h"

namespace assay::evaluator {
namespace {

// Results of what was accepted need room when uploads are refused already.
constexpr uint64_t kReservedDiskBytes = 64 << 20;

absl::Status CheckIsSet(const std::string& value, absl::string_view field) {
  if (!value.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": is empty; name a folder"));
}

}  // namespace

// In the order of their start; destroyed backwards.
struct Process::Parts {
  Parts(const config::v1::Evaluator& given, std::unique_ptr<sandbox::Launcher> starter, runtime::GiveUp when_lost)
      : config(given), launcher(std::move(starter)), give_up(std::move(when_lost)) {}

  const config::v1::Evaluator config;
  const std::unique_ptr<sandbox::Launcher> launcher;
  const runtime::GiveUp give_up;
  Clock& clock = Clock::Real();
  std::unique_ptr<blob::FolderBlobStore> blobs;
  std::unique_ptr<log::KafkaLog> journal;
  std::unique_ptr<log::KafkaLog> owners;
  std::unique_ptr<log::KafkaWorkQueue> work;
  FrameworkDocuments frameworks{readiness::Catalog::BuiltIn()};
  std::unique_ptr<Server> server;
  std::unique_ptr<membership::Announcements> announcements;
  // What this process says of itself; changed by Stop() alone, when nobody else announces any more.
  event::v1::Announcement self;
  std::shared_ptr<void> subscription;
  runtime::Health health;
  runtime::Metrics metrics;
  ServerMetrics server_metrics{metrics};
  std::unique_ptr<runtime::Monitor> monitor;
  std::unique_ptr<runtime::HttpServer> http;
  bool stopped = false;

  absl::Status OpenStorage();
  absl::Status OpenServer();
  absl::Status Join();
  absl::Status OpenStatusPages();
  void Announce() { announcements->Announce(absl::StrCat("evaluator/", config.instance()), self); }
  void Look();
};

absl::Status Process::Parts::OpenStorage() {
  ASSAY_RETURN_IF_ERROR(log::CheckInstanceName(config.instance()));
  ASSAY_RETURN_IF_ERROR(CheckIsSet(config.blob_directory(), "blob_directory"));
  ASSAY_RETURN_IF_ERROR(CheckIsSet(config.cache_directory(), "cache_directory"));
  blob::FolderBlobStoreOptions options;
  options.path = config.blob_directory();
  options.shared_as = absl::StrCat("evaluator-", config.instance());
  options.min_free_bytes = kReservedDiskBytes;
  ASSAY_ASSIGN_OR_RETURN(blobs, blob::FolderBlobStore::Open(std::move(options)));
  ASSAY_ASSIGN_OR_RETURN(
      const log::KafkaConfiguration kafka,
      log::KafkaConfiguration::Create(config.kafka(), absl::StrCat("evaluator-", config.instance())));
  ASSAY_ASSIGN_OR_RETURN(journal, log::OpenWhenServed(kafka.journal()));
  ASSAY_ASSIGN_OR_RETURN(owners, log::OpenWhenServed(kafka.owners()));
  ASSAY_ASSIGN_OR_RETURN(work, log::OpenWhenServed(kafka.work_queue()));
  return absl::OkStatus();
}

absl::Status Process::Parts::OpenServer() {
  Options options;
  options.instance = config.instance();
  if (config.fast_evaluations() > 0) options.fast_slots = static_cast<int>(config.fast_evaluations());
  if (config.slow_evaluations() > 0) options.slow_slots = static_cast<int>(config.slow_evaluations());
  options.plugin_folder = config.plugin_directory();
  if (options.plugin_folder.empty()) {
    ASSAY_ASSIGN_OR_RETURN(const std::string executables, ExecutableDirectory());
    options.plugin_folder = absl::StrCat(executables, "/../plugins");
  }
  options.cache_folder = config.cache_directory();
  event::v1::Evaluator& offer = *self.mutable_evaluator();
  (*offer.mutable_slots())["fast"] = static_cast<uint32_t>(options.fast_slots);
  (*offer.mutable_slots())["slow"] = static_cast<uint32_t>(options.slow_slots);
  ASSAY_ASSIGN_OR_RETURN(server, Server::Create(std::move(options), {.journal = *journal,
                                                                     .work = *work,
                                                                     .blobs = *blobs,
                                                                     .clock = clock,
                                                                     .frameworks = frameworks,
                                                                     .launcher = *launcher}));
  for (const OfferedPlugin& plugin : server->plugins()) {
    for (const auto& offered : plugin.manifest.evaluators()) (*offer.mutable_plugins())[offered.id()] = plugin.digest;
  }
  return absl::OkStatus();
}

absl::Status Process::Parts::Join() {
  self.set_instance(config.instance());
  self.set_version(std::string(BuildVersion()));
  ASSAY_ASSIGN_OR_RETURN(announcements, membership::Announcements::Open(*owners, clock));
  subscription = announcements->Subscribe([this](const event::v1::Announcement& announcement) {
    if (announcement.has_cancellation()) server->Cancel(announcement.cancellation());
  });
  return absl::OkStatus();
}

void Process::Parts::Look() {
  Announce();
  health.Set("journal", journal->health());
  health.Set("announcements", announcements->health());
  health.Set("plugins", server->plugins().empty()
                            ? absl::FailedPreconditionError("none can be run; see the log for why each was refused")
                            : absl::OkStatus());
  server_metrics.Show(server->stats());
  const log::KafkaLog::Stats stats = journal->stats();
  server_metrics.Show(stats);
  if (stats.silence > log::kGiveUpAfter) {
    give_up(absl::UnavailableError(
        absl::StrCat("kafka: no broker has answered for ", absl::FormatDuration(stats.silence))));
  }
}

absl::Status Process::Parts::OpenStatusPages() {
  monitor = std::make_unique<runtime::Monitor>(clock, [this] { Look(); });
  if (config.http_listen().empty()) return absl::OkStatus();
  runtime::HttpServerOptions options;
  options.listen = config.http_listen();
  ASSAY_ASSIGN_OR_RETURN(http, runtime::HttpServer::Start(std::move(options), runtime::StatusPages(health, metrics)));
  return absl::OkStatus();
}

Process::Process(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Process::~Process() { Stop(absl::ZeroDuration()); }

absl::StatusOr<std::unique_ptr<Process>> Process::Create(const config::v1::Evaluator& config,
                                                         std::unique_ptr<sandbox::Launcher> launcher,
                                                         runtime::GiveUp give_up) {
  std::unique_ptr<Process> process(
      new Process(std::make_unique<Parts>(config, std::move(launcher), std::move(give_up))));
  Parts& parts = *process->parts_;
  ASSAY_RETURN_IF_ERROR(parts.OpenStorage());
  ASSAY_RETURN_IF_ERROR(parts.OpenServer());
  ASSAY_RETURN_IF_ERROR(parts.Join());
  ASSAY_RETURN_IF_ERROR(Annotate(parts.OpenStatusPages(), "http_listen"));
  return process;
}

std::string Process::Addresses() const {
  const std::string& listen = parts_->config.http_listen();
  const std::string http =
      parts_->http == nullptr ? "" : absl::StrCat(listen.substr(0, listen.rfind(':')), ":", parts_->http->port());
  return absl::StrCat("{\"http\":", JsonQuote(http), "}\n");
}

void Process::Stop(absl::Duration grace) {
  Parts& parts = *parts_;
  if (std::exchange(parts.stopped, true)) return;
  parts.health.BeginStop();
  // Ends the thread that announces, so that leaving is the last word.
  parts.monitor.reset();
  if (parts.announcements != nullptr) {
    parts.self.mutable_evaluator()->set_is_leaving(true);
    parts.Announce();
  }
  if (parts.server != nullptr) parts.server->Stop(grace);
  parts.subscription.reset();
  if (parts.http != nullptr) parts.http->Stop();
  if (parts.work != nullptr) parts.work->Close();
  if (parts.journal != nullptr) parts.journal->Close();
  if (parts.owners != nullptr) parts.owners->Close();
}

}  // namespace assay::evaluator
