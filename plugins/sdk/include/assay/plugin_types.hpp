// SPDX-License-Identifier: Apache-2.0
//
// assay/plugin_types.hpp - the values that assay/plugin.hpp speaks in: status and result, what a plugin reports, what the
// platform shows. Include plugin.hpp.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "assay/plugin.h"

namespace assay::sdk {

// How a call ended: ASSAY_OK or a negative ASSAY_E_* with a sentence.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(assay_status code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == ASSAY_OK; }
  assay_status code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  assay_status code_ = ASSAY_OK;
  std::string message_;
};

inline Status Ok() { return {}; }
// The submission itself is unfit for this evaluator. Final: it is repeated once and then reported.
inline Status SubmissionFault(std::string message) { return {ASSAY_E_SUBMISSION, std::move(message)}; }
// Trying again may help.
inline Status Transient(std::string message) { return {ASSAY_E_TRANSIENT, std::move(message)}; }
inline Status Stopped() { return {ASSAY_E_STOPPED, "stopped as asked"}; }
inline Status PluginFault(std::string message) { return {ASSAY_E_PLUGIN, std::move(message)}; }

// A value, or the status that says why there is none. value() requires ok().
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT: implicit on purpose
  Result(Status status) : status_(std::move(status)) {}  // NOLINT: implicit on purpose

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  const T& value() const& { return *value_; }
  T& value() & { return *value_; }
  T&& value() && { return *std::move(value_); }
  const T* operator->() const { return &*value_; }
  T* operator->() { return &*value_; }
  const T& operator*() const& { return *value_; }
  T& operator*() & { return *value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

// Something the platform recorded; only meaningful in the evaluation that made it. 0 is none.
using Evidence = assay_evidence;

// What an evaluator is; must equal the manifest.
struct Identity {
  std::string_view id, version, kind;
  uint32_t determinism = ASSAY_DETERMINISM_BITWISE;
  uint32_t flags = 0;
};

enum class State : uint32_t {
  kObserved = ASSAY_STATE_OBSERVED,
  kNotObservable = ASSAY_STATE_NOT_OBSERVABLE,
  kNotObservedYet = ASSAY_STATE_NOT_OBSERVED_YET,
};
enum class Method : uint32_t {
  kExperiment = ASSAY_METHOD_EXPERIMENT,
  kCode = ASSAY_METHOD_CODE,
  kConfig = ASSAY_METHOD_CONFIG,
  kHistory = ASSAY_METHOD_HISTORY,
  kDocument = ASSAY_METHOD_DOCUMENT,
  kHuman = ASSAY_METHOD_HUMAN,
};
enum class Authorship : uint32_t {
  kDerive = 0,  // the platform derives it from the evidence's files
  kCandidate = ASSAY_AUTHORSHIP_CANDIDATE,
  kGiven = ASSAY_AUTHORSHIP_GIVEN,
  kShared = ASSAY_AUTHORSHIP_SHARED,
  kUnknown = ASSAY_AUTHORSHIP_UNKNOWN,
};
enum class Verdict : uint32_t {
  kConfirmed = ASSAY_VERDICT_CONFIRMED,
  kRefuted = ASSAY_VERDICT_REFUTED,
  kInconclusive = ASSAY_VERDICT_INCONCLUSIVE,
  kUntested = ASSAY_VERDICT_UNTESTED,
};
enum class Severity : uint32_t {
  kNote = ASSAY_SEVERITY_NOTE,
  kWarning = ASSAY_SEVERITY_WARNING,
  kError = ASSAY_SEVERITY_ERROR,
};
enum class InputRole : uint32_t {
  kFile = ASSAY_INPUT_FILE,
  kDocument = ASSAY_INPUT_DOCUMENT,
  kLink = ASSAY_INPUT_LINK,
};

// One value for one criterion. kObserved needs evidence; the other states need a rationale and take neither value nor
// evidence. Limits: plugin.h.
struct Observation {
  std::string criterion;
  State state = State::kObserved;
  Method method = Method::kCode;
  Authorship authorship = Authorship::kDerive;
  bool unscored = false;
  double value = 0;
  double standard_error = 0;
  std::vector<Evidence> evidence;
  std::string rationale;
};

struct Claim {
  std::string id, criterion, statement, path;
  uint32_t line = 0;
  Evidence evidence = 0;
};

struct Experiment {
  std::string claim;
  Verdict verdict = Verdict::kUntested;
  std::vector<Evidence> evidence;
  std::string reason;
};

struct Finding {
  std::string check, criterion, message, path, help, question, good_answer;
  Severity severity = Severity::kWarning;
  uint32_t line = 0, column = 0, end_line = 0, end_column = 0;
  Authorship authorship = Authorship::kDerive;
  Evidence evidence = 0;
};

struct Input {
  uint64_t index = 0;
  std::string_view path, media_type;
  uint64_t size = 0;
  std::array<uint8_t, 32> sha256{};
  InputRole role = InputRole::kFile;
  Authorship authorship = Authorship::kCandidate;
  uint32_t mode = 0;
  Evidence evidence = 0;  // the whole file
};

struct PriorClaim {
  std::string_view evaluator, id, criterion, statement, path;
  uint32_t line = 0;
  Verdict verdict = Verdict::kUntested;
};

struct Workspace {
  assay_handle handle = 0;  // 0: could not be prepared; `failure` says why, `fault` whose it is (ASSAY_FAULT_*)
  std::string_view directory, node, node_version, failure;
  bool lockfile_present = false;
  uint32_t packages = 0, fault = 0;
  uint64_t wall_ns = 0;
  Evidence evidence = 0;
};

struct ExecSpec {
  assay_handle workspace = 0;
  // A first word "node" or "npm" means the workspace's own; npm is refused (unsupported) where nothing was installed.
  std::vector<std::string> argv, environment;
  std::string directory;
  uint64_t wall_ns = 0, memory_bytes = 0, output_bytes = 0;
  uint32_t max_processes = 0;
};

struct ProcessState {
  bool ended = false;
  uint32_t limit_hit = ASSAY_LIMIT_NONE;
  int32_t exit_code = 0, term_signal = 0;
  uint64_t wall_ns = 0, cpu_ns = 0, peak_bytes = 0;
  uint32_t port = 0, listener = 0;
  Evidence evidence = 0;
};

struct OutputChunk {
  std::string data;
  bool end = false;
};

struct LoadResult {
  std::string json;
  Evidence evidence = 0;
};

}  // namespace assay::sdk
