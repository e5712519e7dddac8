// SPDX-License-Identifier: Apache-2.0
//
// assay/testing/fake_host.h - runs an evaluator of a plugin inside a test, without a server: inputs are in memory,
// processes and load are scripted, time stands still until something waits, and every rule of assay/plugin.h that the
// plugin breaks is written down in violations(). C++17, the standard library alone.
//
//   assay::sdk::FakeHost host(&assay_negotiate);
//   host.UseManifest(manifest_json);
//   host.AddFile("app.js", "…");
//   const assay::sdk::RunResult result = host.Run("code_analysis");
//   EXPECT_THAT(host.violations(), testing::IsEmpty());
//
// One FakeHost evaluates at a time in a process; any thread of the plugin may call in.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "assay/json.hpp"
#include "assay/plugin.h"

namespace assay::sdk {

// What one assay_evidence stands for.
struct FakeEvidence {
  std::string kind;  // "input", "span", "artifact", "exec", "loadgen"
  std::string path;  // or the artifact's name, or the program
  uint32_t line = 0, end_line = 0;
  std::string content;
};

// A process that Start() of the script made. The test decides how it behaves.
struct FakeProcess {
  std::string output, errors;
  // Set before or while it runs: a port it listens on.
  uint32_t port = 0, listener = 0;
  bool ended = false;
  uint32_t limit_hit = ASSAY_LIMIT_NONE;
  int32_t exit_code = 0, term_signal = 0;
  uint64_t wall_ns = 1'000'000, cpu_ns = 500'000, peak_bytes = 1 << 20;
  std::vector<std::string> argv, environment;
  std::string directory;
  // Called for each signal; may set `ended`. Without it any signal ends the process by that signal.
  std::function<void(FakeProcess&, int32_t number, bool to_listener)> on_signal;
};

struct FakeWorkspace {
  bool prepared = true;
  std::string directory = "/submission", node = "/usr/bin/node", node_version = "20.0.0";
  bool lockfile_present = true;
  uint32_t packages = 1;
  // When not prepared.
  std::string failure;
  uint32_t fault = ASSAY_FAULT_SUBMISSION;
};

struct FakeLoadAnswer {
  assay_status status = ASSAY_OK;
  std::string result_json;
};

// How the platform answers. What is not set is not available on this "platform".
struct FakePlatform {
  // Why submissions cannot run here; empty: they can, if `start` is set.
  std::string unavailable;
  std::function<FakeWorkspace(uint32_t node_major)> prepare;
  std::function<FakeProcess(const FakeProcess& request)> start;
  std::function<FakeLoadAnswer(std::string_view plan_json, FakeProcess& process)> load;
};

struct RecordedObservation {
  std::string criterion;
  uint32_t state = 0, method = 0, authorship = 0;
  bool unscored = false;
  double value = 0, standard_error = 0;
  std::vector<assay_evidence> evidence;
  std::string rationale;
};
struct RecordedClaim {
  std::string id, criterion, statement, path;
  uint32_t line = 0;
  assay_evidence evidence = 0;
};
struct RecordedExperiment {
  std::string claim, reason;
  uint32_t verdict = 0;
  std::vector<assay_evidence> evidence;
};
struct RecordedFinding {
  std::string check, criterion, message, path, help, question, good_answer;
  uint32_t severity = 0, line = 0, column = 0, end_line = 0, end_column = 0, authorship = 0;
  assay_evidence evidence = 0;
};
struct RecordedArtifact {
  std::string name, media_type, content;
};
struct RecordedProgress {
  std::string phase;
  uint64_t done = 0, total = 0;
};

// What the run left. Results are transactional: without ASSAY_OK the lists of results are empty.
struct RunResult {
  assay_status status = ASSAY_OK;
  std::string message;
  std::vector<RecordedObservation> observations;
  std::vector<RecordedClaim> claims;
  std::vector<RecordedExperiment> experiments;
  std::vector<RecordedFinding> findings;
  std::vector<RecordedArtifact> artifacts;
  std::vector<RecordedProgress> progress;
  std::vector<std::string> log;

  // The first one for that criterion, or null.
  const RecordedObservation* Observation(std::string_view criterion) const {
    for (const auto& observation : observations) {
      if (observation.criterion == criterion) return &observation;
    }
    return nullptr;
  }
  const RecordedClaim* Claim(std::string_view id) const {
    for (const auto& claim : claims) {
      if (claim.id == id) return &claim;
    }
    return nullptr;
  }
  const RecordedExperiment* Experiment(std::string_view claim) const {
    for (const auto& experiment : experiments) {
      if (experiment.claim == claim) return &experiment;
    }
    return nullptr;
  }
  const RecordedArtifact* Artifact(std::string_view name) const {
    for (const auto& artifact : artifacts) {
      if (artifact.name == name) return &artifact;
    }
    return nullptr;
  }
  std::vector<const RecordedFinding*> Findings(std::string_view check) const {
    std::vector<const RecordedFinding*> found;
    for (const auto& finding : findings) {
      if (finding.check == check) found.push_back(&finding);
    }
    return found;
  }
};

class FakeHost {
 public:
  using Negotiate = assay_status (*)(const assay_negotiate_in*, assay_negotiate_out*);

  // `negotiate` is the plugin's exported function: &assay_negotiate when the test links the plugin's sources.
  explicit FakeHost(Negotiate negotiate) : negotiate_(negotiate) {}
  ~FakeHost() {
    DestroyInstance();
    std::lock_guard<std::mutex> lock(registry_mutex());
    if (current() == this) current() = nullptr;
  }
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  // The manifest, as JSON: criteria must be declared in it and cite the kinds of evidence it asks for. Without a
  // manifest these two rules are not checked.
  void UseManifest(std::string_view json);
  void AddFile(std::string path, std::string content, uint32_t authorship = ASSAY_AUTHORSHIP_CANDIDATE,
               uint32_t mode = 0644) {
    files_[std::move(path)] = {std::move(content), "", ASSAY_INPUT_FILE, authorship, mode};
  }
  void AddLink(std::string path, std::string target) {
    files_[std::move(path)] = {std::move(target), "", ASSAY_INPUT_LINK, ASSAY_AUTHORSHIP_CANDIDATE, 0644};
  }
  // "submission.json", "framework.json", "task.json".
  void AddDocument(std::string name, std::string content) {
    documents_[std::move(name)] = {std::move(content), "application/json", ASSAY_INPUT_DOCUMENT, 0, 0644};
  }
  void AddPriorClaim(std::string evaluator, RecordedClaim claim, uint32_t verdict = ASSAY_VERDICT_UNTESTED) {
    prior_claims_.push_back({std::move(evaluator), std::move(claim), verdict});
  }
  void AddPriorArtifact(std::string evaluator, std::string name, std::string content) {
    prior_artifacts_[{std::move(evaluator), std::move(name)}] = std::move(content);
  }
  void SetParameters(std::string json) { parameters_ = std::move(json); }
  void SetConfig(std::string json) { config_ = std::move(json); }
  void SetSeed(uint64_t seed) { seed_ = seed; }
  void SetDeadlineAfter(uint64_t nanoseconds) { deadline_after_ = nanoseconds; }
  // should_stop() answers ASSAY_CANCELLED from its `calls`-th call on (1: at once).
  void CancelAfter(uint64_t calls) { cancel_after_ = calls; }
  // get_extension(id) answers null.
  void Withhold(std::string id) { withheld_.insert(std::move(id)); }
  FakePlatform& platform() { return platform_; }
  void AdvanceTime(uint64_t nanoseconds) { now_ += nanoseconds; }
  uint64_t now_ns() const { return now_; }

  // Negotiates and creates on first use, then evaluates. May be called again: results of each run stand alone.
  RunResult Run(std::string_view evaluator_id);

  // Rules of the contract that the plugin broke, over all runs.
  const std::vector<std::string>& violations() const { return violations_; }
  // What an evidence number of the last run stands for; null: no such evidence.
  const FakeEvidence* evidence(assay_evidence id) const {
    return id == 0 || id > evidence_.size() ? nullptr : &evidence_[static_cast<size_t>(id) - 1];
  }
  // Handle of the last run, for tests of late calls.
  assay_handle last_evaluation() const { return evaluation_; }
  const assay_host_v1* table() const { return &HostTable(); }

 private:
  struct StoredInput {
    std::string content, media_type;
    uint32_t role = 0, authorship = 0, mode = 0;
  };
  struct ListedInput {
    const std::string* path;
    const StoredInput* stored;
    assay_evidence evidence;
  };
  struct PriorClaim {
    std::string evaluator;
    RecordedClaim claim;
    uint32_t verdict;
  };
  struct RunningProcess {
    FakeProcess state;
    size_t read[2] = {0, 0};
    assay_evidence evidence = 0;
  };
  struct Declared {
    std::string id;
    std::set<std::string> needs_evidence;
  };

  static FakeHost*& current() {
    static FakeHost* host = nullptr;
    return host;
  }
  static std::mutex& registry_mutex() {
    static std::mutex mutex;
    return mutex;
  }

  // ---- checks ----
  void Violation(std::string text) {
    if (violations_.size() < 1000) violations_.push_back(std::move(text));
  }
  assay_status Refuse(std::string text, assay_status code = ASSAY_E_ARGUMENT) {
    Violation(std::move(text));
    return code;
  }
  bool Alive(assay_handle handle) {
    if (running_ && handle == evaluation_) return true;
    Violation("a call with a stale evaluation handle");
    return false;
  }
  static bool IsUtf8(std::string_view text);
  static std::string Text(assay_str text) { return text.size == 0 ? "" : std::string(text.data, text.size); }
  bool TakeText(const char* what, assay_str raw, std::string& out, size_t max_bytes);
  bool TakeEvidence(const std::string& what, const assay_evidence* raw, uint64_t count,
                    std::vector<assay_evidence>& out);
  const Declared* FindDeclared(std::string_view criterion) const;
  bool CheckCriterion(const std::string& what, const std::string& criterion);
  bool CheckPlace(const std::string& what, const std::string& path, uint32_t line, uint32_t end_line);
  assay_evidence Record(FakeEvidence evidence) {
    evidence_.push_back(std::move(evidence));
    return evidence_.size();
  }

  // ---- host functions ----
  assay_status OnObservation(const assay_observation* raw);
  assay_status OnClaim(const assay_claim* raw);
  assay_status OnExperiment(const assay_experiment* raw);
  assay_status OnFinding(const assay_finding* raw);
  assay_status OnInput(uint64_t index, assay_input* out);
  assay_status OnSpan(uint64_t index, uint32_t line, uint32_t end_line, assay_evidence* out);
  assay_status OnArtifact(assay_str name, assay_str media_type, assay_bytes content, assay_evidence* out);
  assay_status OnPriorClaim(uint64_t index, assay_prior_claim* out);
  assay_status OnPrepare(uint32_t node_major, assay_workspace* out);
  assay_status OnStart(const assay_exec_spec* spec, assay_handle* out);
  assay_status OnRead(assay_handle process, uint32_t stream, void* buffer, uint64_t capacity, uint64_t timeout,
                      uint64_t* got, uint32_t* end);
  assay_status OnWait(assay_handle process, uint64_t timeout, uint32_t for_listening, assay_exec_result* out);
  assay_status OnSignal(assay_handle process, int32_t number, uint32_t to_listener);
  RunningProcess* FindProcess(assay_handle process);
  void ListInputs();
  bool Create(std::string_view evaluator_id, RunResult& result);
  void DestroyInstance() {
    if (instance_ != nullptr) plugin_->destroy(instance_);
    instance_ = nullptr;
  }

  // Runs `body` on the host that is current, holding its lock, if `handle` is its live evaluation.
  template <typename Answer, typename Body>
  static Answer With(assay_handle handle, Answer stale, Body body) {
    std::lock_guard<std::mutex> lock(registry_mutex());
    FakeHost* host = current();
    if (host == nullptr || !host->Alive(handle)) return stale;
    return body(*host);
  }
  // The same for handles of processes.
  template <typename Body>
  static assay_status WithProcess(Body body) {
    std::lock_guard<std::mutex> lock(registry_mutex());
    FakeHost* host = current();
    return host == nullptr ? ASSAY_E_STALE : body(*host);
  }
  static const assay_host_v1& HostTable();
  static const void* Extension(const char* id);

  Negotiate negotiate_;
  const assay_plugin_v1* plugin_ = nullptr;
  void* instance_ = nullptr;
  std::string instance_id_;
  std::vector<Declared> declared_;
  bool has_manifest_ = false;
  std::map<std::string, StoredInput> files_, documents_;
  std::vector<PriorClaim> prior_claims_;
  std::map<std::pair<std::string, std::string>, std::string> prior_artifacts_;
  std::string parameters_ = "{}", config_ = "{}", unavailable_;
  uint64_t seed_ = 1, deadline_after_ = 60'000'000'000, now_ = 1'000'000'000, deadline_ = 0;
  uint64_t cancel_after_ = 0, stop_calls_ = 0;
  std::set<std::string> withheld_;
  FakePlatform platform_;

  // Of the current or last run.
  bool running_ = false;
  assay_handle evaluation_ = 0;
  uint32_t generation_ = 0;
  std::vector<ListedInput> inputs_;
  std::vector<FakeEvidence> evidence_;
  std::map<assay_handle, RunningProcess> processes_;
  std::vector<std::unique_ptr<FakeWorkspace>> workspaces_;
  std::string load_result_;
  RunResult result_;
  std::vector<std::string> violations_;
};

}  // namespace assay::sdk

#include "fake_host_impl.h"  // IWYU pragma: export
