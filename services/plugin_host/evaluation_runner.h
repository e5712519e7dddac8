// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "assay/event/v1/event.pb.h"
#include "assay/v1/evaluation.pb.h"
#include "services/archive/pack.h"
#include "services/common/base/unique_fd.h"
#include "services/plugin_host/platform_calls.h"
#include "services/plugin_host/pool.h"
#include "services/plugin_host/result_collector.h"

namespace assay::plugin_host {

// "submission.json", "framework.json", "task.json".
struct Document {
  std::string name;
  std::string media_type = "application/json";
  std::string content;
};

// What an evaluator this one depends on left.
struct PriorResult {
  std::string evaluator;
  std::vector<v1::Claim> claims;
  std::vector<Artifact> artifacts;
};

// One attempt. Everything pointed to must stay until Run returns.
struct EvaluationRequest {
  std::shared_ptr<const PluginPackage> package;
  std::string evaluator;
  std::string evaluation_id;
  uint32_t attempt = 1;
  uint64_t seed = 0;
  std::string parameters_json = "{}";
  // How long it may take from now on; a call to the platform counts.
  absl::Duration time_limit = absl::Minutes(10);
  // A repository; null for documents.
  const archive::Pack* pack = nullptr;
  // What the candidate was given; null: everything is the candidate's own.
  const archive::Pack* base = nullptr;
  std::vector<Document> documents;
  // What a document is evidence of: RATING for scorecards, PORTFOLIO_ITEM for portfolios, else ARTIFACT.
  v1::Evidence::Kind document_evidence = v1::Evidence::ARTIFACT;
  std::vector<PriorResult> prior;
};

struct EvaluationOutcome {
  event::v1::EvaluationFinished::Outcome outcome = event::v1::EvaluationFinished::PLATFORM_FAULT;
  // For readers; about the platform, the plugin or the submission. Empty when it succeeded.
  std::string reason;
  // Filled when it succeeded.
  EvaluationResult result;
  absl::Duration wall;
  absl::Duration cpu;
  uint64_t peak_bytes = 0;
  // The last 256 KiB the plugin wrote, and up to 1,000 lines it logged; for operators only.
  std::string output;
  std::vector<std::string> log;
};

// Asks a running evaluation to end. Thread-safe; usable before, while and after it runs.
class Cancellation {
 public:
  Cancellation();
  void Cancel();
  bool cancelled() const { return cancelled_.load(); }
  // Readable once cancelled.
  int fd() const { return event_.get(); }

 private:
  std::atomic<bool> cancelled_{false};
  UniqueFd event_;
};

using ProgressCallback = std::function<void(const plugin::v1::Progress&)>;
// Makes the platform's side for one run of a plugin; never null.
using PlatformFactory = std::function<std::unique_ptr<PlatformCalls>()>;

struct RunnerOptions {
  // From Cancel (a person's or the deadline's) to SIGABRT, and from there to the kill.
  absl::Duration grace = absl::Milliseconds(500);
  // Heartbeats missed for this long: the process stands still.
  absl::Duration silence = absl::Seconds(10);
};

// Runs evaluations in plugin processes of a pool. Blocks; thread-safe.
//
// How an attempt ends (plugin-sdk.md 6.5): a valid result SUCCEEDED; ASSAY_E_SUBMISSION, confirmed by a second run in a
// fresh process, SUBMISSION_FAULT; ASSAY_E_TRANSIENT TRANSIENT; a result that breaks a rule, or a status a plugin may
// not end with, PLUGIN_INVALID_RESULT; signal, exit without a result and exceptions PLUGIN_CRASHED; past the deadline
// or without heartbeat PLUGIN_HUNG; bytes that are no frames, or a closed connection, PLUGIN_PROTOCOL_FAULT; its memory
// limit PLUGIN_OUT_OF_MEMORY; no process to be had PLATFORM_FAULT; cancelled CANCELLED. Whatever the plugin writes or
// logs, no timer is reset by it. After anything but a clean end the process is killed.
class EvaluationRunner {
 public:
  explicit EvaluationRunner(HostPool& pool, RunnerOptions options = {}) : pool_(pool), options_(options) {}

  // `progress` is called on the calling thread: for every report the plugin makes, and with the last one (empty before
  // the first) for every heartbeat of its process. What `platform` makes is stopped and
  // destroyed when the plugin's run ends; a confirmed submission fault takes two.
  EvaluationOutcome Run(const EvaluationRequest& request, const PlatformFactory& platform,
                        const ProgressCallback& progress, const Cancellation& cancellation);

 private:
  EvaluationOutcome RunOnce(const EvaluationRequest& request, const PlatformFactory& platform,
                            const ProgressCallback& progress, const Cancellation& cancellation, bool fresh);

  HostPool& pool_;
  const RunnerOptions options_;
};

}  // namespace assay::plugin_host
