// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "assay/event/v1/announcement.pb.h"
#include "assay/plugin/v1/manifest.pb.h"
#include "services/archive/pack.h"
#include "services/common/base/clock.h"
#include "services/common/base/digest.h"
#include "services/common/blob/blob_store.h"
#include "services/common/log/log.h"
#include "services/common/log/work_queue.h"
#include "services/plugin_host/platform_calls.h"
#include "services/sandbox/launcher.h"

namespace assay::evaluator {

// Where frameworks come from. Thread-safe.
class FrameworkSource {
 public:
  virtual ~FrameworkSource() = default;
  // The framework with that digest as protojson of assay.v1.Framework. NOT_FOUND: this instance does not know it.
  virtual absl::StatusOr<std::string> FrameworkJson(const Digest& digest) = 0;
};

// What evaluations of repositories may ask of this machine: processes, dependencies, load. Thread-safe.
class PlatformSource {
 public:
  virtual ~PlatformSource() = default;
  // The platform's side for one run of one plugin on that submission. `pack` outlives what is returned. `progress` is
  // told of phases ("installing dependencies"), from the thread that Execute is called on.
  virtual std::unique_ptr<plugin_host::PlatformCalls> Make(const archive::Pack& pack,
                                                           std::function<void(absl::string_view phase)> progress) = 0;
};

struct Options {
  // Names this evaluator to the work queue and in Envelope.writer; the same name again continues its work.
  std::string instance = "evaluator";
  // Plugins that run at once in each lane, each in a process of its own.
  int fast_slots = 2;
  int slow_slots = 1;
  // Every <name>.so + <name>.json in it is offered; a pair that disagrees is refused with both values.
  std::string plugin_folder;
  // Where prepared dependency layers lie; may be deleted at any time while the server is down.
  std::string cache_folder;
  // Where assay-plugin-host and assay-unpack are; empty: beside this executable.
  std::string executable_folder;
  // Decoded submissions kept in memory, and results of pure evaluators kept for equal inputs.
  uint64_t pack_cache_bytes = 256 << 20;
  size_t result_cache_entries = 1024;
  // At most this often, besides phase changes, a running attempt tells the journal that it lives.
  absl::Duration progress_interval = absl::Seconds(5);
};

// What the server works on; everything must outlive it.
struct Dependencies {
  log::Log& journal;
  log::WorkQueue& work;
  blob::BlobStore& blobs;
  Clock& clock;
  FrameworkSource& frameworks;
  sandbox::Launcher& launcher;
  // Null: the sandbox behind `launcher` where it can run candidates' code, else nothing, with the launcher's reason.
  PlatformSource* platform = nullptr;
};

// What happens now, and what happened since the start.
struct Stats {
  struct Lane {
    // Plugins that may run at once, and those that do.
    int slots = 0;
    int running = 0;
    // Work that may be taken at once, and what is taken and not ended.
    int capacity = 0;
    int in_flight = 0;
    uint64_t taken = 0;
  };
  std::map<std::string, Lane> lanes;
  // Attempts whose end is durable, by the name of their EvaluationFinished.Outcome.
  std::map<std::string, uint64_t> outcomes;
  // Plugin processes that wait for an evaluation.
  size_t ready_processes = 0;
};

// A plugin this server can run. The aggregator pins `digest` at acceptance; work for another digest ends as
// PLATFORM_FAULT with that reason.
struct OfferedPlugin {
  std::string digest;  // "sha256:…", over the shared object and the manifest
  plugin::v1::Manifest manifest;
};

// Takes work from the lanes "fast" and "slow", runs each evaluation in a plugin host process and journals what
// happened: AttemptStarted (in the slow lane delivered before anything runs), AttemptProgress (the heartbeat) and
// exactly one EvaluationFinished for each attempt it took, unless it is killed, in which case the queue delivers the
// work again. A work item is done once its EvaluationFinished is durable.
//
// Records go to partition PartitionOf(tenant, candidate_key) under the key "<tenant>/<candidate_key>". Every record
// carries the work's capability. Retries are the aggregator's: an outcome is about one attempt. One exception: a
// SUBMISSION_FAULT has already been repeated in a fresh process and is final.
//
// Evidence, artifacts and the result document (event.v1.ResultDocument) are blobs of the candidate, durable before
// EvaluationFinished names them.
//
// Thread-safe.
class Server {
 public:
  // Starts the threads. FAILED_PRECONDITION: an executable is missing, or of another build. Plugins that are refused are logged and left
  // out.
  static absl::StatusOr<std::unique_ptr<Server>> Create(Options options, Dependencies dependencies);

  virtual ~Server() = default;

  // What the plugin folder offers; constant.
  virtual const std::vector<OfferedPlugin>& plugins() const = 0;

  virtual Stats stats() = 0;

  // Content digest of an uploaded archive; blocks. The archive stays decoded for the evaluation that follows, as long as
  // there is room. NOT_FOUND: no such blob; INVALID_ARGUMENT and RESOURCE_EXHAUSTED: the archive is unfit, or
  // `deadline` came first.
  virtual absl::StatusOr<Digest> ContentDigest(const blob::Owner& owner, const Digest& archive, absl::Time deadline) = 0;

  // Ends what runs or waits here of those evaluations, within 2 s; each attempt finishes as CANCELLED, and so does work
  // of them that comes later. Nothing there is fine. Whoever applies CancelRequested calls it, any number of times.
  virtual void Cancel(const event::v1::Cancellation& cancellation) = 0;

  // Takes no more work, lets running evaluations end for `grace`, then ends them without a record (the queue delivers
  // their work again). Called once, before destruction; the destructor calls it with no grace.
  virtual void Stop(absl::Duration grace) = 0;
};

}  // namespace assay::evaluator
