// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/sandbox_platform.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "assay/plugin.h"
#include "services/common/base/logging.h"
#include "services/evaluator/stoppable_launcher.h"
#include "services/loadgen/runner.h"
#include "services/sandbox/process_view.h"
#include "services/sandbox/workspace.h"

namespace assay::evaluator {
namespace {

using plugin_host::CallOutcome;
using plugin_host::MadeEvidence;

constexpr absl::Duration kLookEvery = absl::Milliseconds(20);
constexpr absl::Duration kDefaultWall = absl::Minutes(10);
constexpr uint64_t kDefaultMemoryBytes = uint64_t{1} << 30;
constexpr uint64_t kDefaultOutputBytes = 8 << 20;
constexpr uint64_t kDiskBytes = 64 << 20;
constexpr uint32_t kDefaultProcesses = 128;
constexpr size_t kMaxWorkspaces = 4;
constexpr size_t kMaxProcesses = 64;
constexpr size_t kEvidenceOutputBytes = 64 << 10;

CallOutcome Refused(assay_status status, absl::string_view why) {
  CallOutcome outcome;
  outcome.reply.set_status(status);
  outcome.reply.set_message(std::string(why));
  return outcome;
}

CallOutcome FromStatus(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kCancelled:
      return Refused(ASSAY_E_STOPPED, status.message());
    case absl::StatusCode::kInvalidArgument:
      return Refused(ASSAY_E_ARGUMENT, status.message());
    case absl::StatusCode::kResourceExhausted:
      return Refused(ASSAY_E_LIMIT, status.message());
    case absl::StatusCode::kFailedPrecondition:
      return Refused(ASSAY_E_UNSUPPORTED, status.message());
    default:
      return Refused(ASSAY_E_TRANSIENT, status.message());
  }
}

absl::Duration Nanoseconds(uint64_t count) {
  return absl::Nanoseconds(static_cast<int64_t>(std::min<uint64_t>(count, INT64_MAX / 2)));
}

uint64_t Count(absl::Duration duration) {
  return static_cast<uint64_t>(std::max<int64_t>(0, absl::ToInt64Nanoseconds(duration)));
}

std::string Tail(const std::string& text, size_t bytes) {
  return text.size() <= bytes ? text : text.substr(text.size() - bytes);
}

std::string JsonList(const std::vector<sandbox::Failure>& failures) {
  return absl::StrCat("[",
                      absl::StrJoin(failures, ",",
                                    [](std::string* out, const sandbox::Failure& failure) {
                                      absl::StrAppend(out, "{\"step\":", JsonQuote(failure.step),
                                                      ",\"package\":", JsonQuote(failure.package),
                                                      ",\"text\":", JsonQuote(failure.text), "}");
                                    }),
                      "]");
}

// Keys of an npm lockfile's list of packages.
uint32_t CountPackages(const std::string& lockfile) {
  uint32_t count = 0;
  for (size_t at = lockfile.find("\"node_modules/"); at != std::string::npos;
       at = lockfile.find("\"node_modules/", at + 1))
    ++count;
  return count;
}

// What a load plan aims at.
struct PlanTarget {
  google::protobuf::Struct plan;
  uint32_t port = 0;  // 0: it names none
  bool names_address = false;
};

PlanTarget ReadTarget(const std::string& plan_json) {
  PlanTarget out;
  if (!google::protobuf::util::JsonStringToMessage(plan_json, &out.plan).ok()) return {};
  const auto target = out.plan.fields().find("target");
  if (target == out.plan.fields().end()) return out;
  const auto& members = target->second.struct_value().fields();
  out.names_address = members.contains("address");
  const auto port = members.find("port");
  const double value = port == members.end() ? 0 : port->second.number_value();
  if (value >= 1 && value <= 65535) out.port = static_cast<uint32_t>(value);
  return out;
}

// The port the environment asks for; 0: it asks for none.
uint32_t WantedPort(const plugin::v1::ExecStartCall& call) {
  uint32_t port = 0;
  for (absl::string_view variable : call.environment()) {
    if (absl::ConsumePrefix(&variable, "PORT=") && absl::SimpleAtoi(variable, &port) && port <= 65535) return port;
  }
  return 0;
}

struct Running {
  // The drains end with the last writer and may still want to end the process.
  ~Running() {
    if (process != nullptr) process->Kill();
    output.reset();
    errors.reset();
  }

  std::vector<std::string> argv;
  std::string node_version;
  uint32_t wanted_port = 0;
  std::unique_ptr<sandbox::Process> process;
  std::unique_ptr<sandbox::OutputDrain> output, errors;
  uint64_t read[2] = {0, 0};
  std::atomic<bool> too_much_output{false};
  bool ended = false;
  sandbox::ExitInfo exit;
};

class SandboxPlatform final : public plugin_host::PlatformCalls {
 public:
  SandboxPlatform(sandbox::Launcher& launcher, const std::string& cache_folder, const std::string& engine,
                  const archive::Pack& pack, std::function<void(absl::string_view)> progress)
      : launcher_(launcher),
        cache_folder_(cache_folder),
        engine_(engine),
        pack_(pack),
        progress_(std::move(progress)) {}

  ~SandboxPlatform() override { Stop(); }

  void Stop() override { launcher_.Stop(); }

  CallOutcome Execute(const plugin::v1::Call& call) override {
    if (launcher_.stopped()) return Refused(ASSAY_E_STOPPED, "the evaluation ends");
    switch (call.request_case()) {
      case plugin::v1::Call::kPlatform:
        return Platform();
      case plugin::v1::Call::kPrepare:
        return Prepare(call.prepare());
      case plugin::v1::Call::kExecStart:
        return Start(call.exec_start());
      case plugin::v1::Call::kExecRead:
        return Read(call.exec_read());
      case plugin::v1::Call::kExecWait:
        return Wait(call.exec_wait());
      case plugin::v1::Call::kExecSignal:
        return Signal(call.exec_signal());
      case plugin::v1::Call::kLoadRun:
        return LoadRun(call.load_run());
      default:
        return Refused(ASSAY_E_UNSUPPORTED, "this platform does not know the call");
    }
  }

 private:
  static CallOutcome Platform() {
    CallOutcome outcome;
    outcome.reply.mutable_platform()->set_can_execute(true);
    for (const uint32_t major : {18, 20, 22, 24}) outcome.reply.mutable_platform()->add_node_majors(major);
    return outcome;
  }

  CallOutcome Prepare(const plugin::v1::PrepareCall& call) {
    if (workspaces_.size() >= kMaxWorkspaces)
      return Refused(ASSAY_E_LIMIT, absl::StrCat("more than ", kMaxWorkspaces, " workspaces"));
    progress_("preparing the submission and its dependencies");
    sandbox::WorkspaceOptions options;
    options.cache_directory = cache_folder_;
    // Made for each evaluation, so that stopping it ends an installation too.
    auto maker = sandbox::WorkspaceMaker::Create(std::move(options), launcher_);
    if (!maker.ok()) return FromStatus(maker.status());
    std::vector<sandbox::SourceFile> files;
    for (const archive::PackEntry& entry : pack_.entries()) {
      files.push_back({entry.path, entry.mode, entry.is_link, pack_.Content(entry)});
    }
    const absl::Time start = absl::Now();
    sandbox::WorkspaceMaker::Request request;
    request.files = files;
    request.node_major = static_cast<int>(std::min<uint32_t>(call.node_major(), 1000));
    sandbox::WorkspaceMaker::Result made = (*maker)->Make(request);
    if (launcher_.stopped()) return Refused(ASSAY_E_STOPPED, "the evaluation ends");
    return Prepared(std::move(made), absl::Now() - start);
  }

  CallOutcome Prepared(sandbox::WorkspaceMaker::Result made, absl::Duration wall) {
    CallOutcome outcome;
    plugin::v1::PrepareReply& reply = *outcome.reply.mutable_prepare();
    reply.set_seconds(absl::ToDoubleSeconds(wall));
    std::string lockfile, notes = "[]", version;
    bool missing = false;
    if (made.workspace != nullptr) {
      const sandbox::Workspace& workspace = *made.workspace;
      lockfile = workspace.lockfile;
      notes = JsonList(workspace.notes);
      version = workspace.node_version;
      missing = workspace.lockfile_missing;
      reply.set_directory("/app");
      reply.set_node(sandbox::Workspace::kNodePath);
      reply.set_node_version(version);
      reply.set_lockfile_present(!missing && !lockfile.empty());
      reply.set_packages(CountPackages(lockfile));
      workspaces_.push_back(std::move(made.workspace));
      reply.set_workspace(workspaces_.size());
    } else {
      bool platform = made.failures.empty();
      for (const sandbox::Failure& failure : made.failures) {
        platform = platform || failure.fault_domain == sandbox::Failure::FaultDomain::kPlatform;
        absl::StrAppend(reply.mutable_failure(), reply.failure().empty() ? "" : "; ", failure.step,
                        failure.package.empty() ? "" : " ", failure.package, ": ", failure.text);
      }
      // A mixture is nobody's fault for certain, and only the submission's may ever count.
      reply.set_fault_domain(platform ? v1::Evaluation::PLATFORM : v1::Evaluation::SUBMISSION);
    }
    outcome.evidence = MadeEvidence{
        v1::Evidence::DEPENDENCIES, "application/json", "how the dependencies were resolved",
        absl::StrCat("{\"node_version\":", JsonQuote(version), ",\"lockfile_missing\":", missing ? "true" : "false",
                     ",\"notes\":", notes, ",\"failures\":", JsonList(made.failures),
                     ",\"lockfile\":", JsonQuote(lockfile), "}\n")};
    return outcome;
  }

  CallOutcome Start(const plugin::v1::ExecStartCall& call) {
    if (call.workspace() == 0 || call.workspace() > workspaces_.size())
      return Refused(ASSAY_E_STALE, "no such workspace");
    if (processes_.size() >= kMaxProcesses)
      return Refused(ASSAY_E_LIMIT, absl::StrCat("more than ", kMaxProcesses, " processes"));
    const sandbox::Workspace& workspace = *workspaces_[call.workspace() - 1];
    auto running = std::make_unique<Running>();
    running->argv.assign(call.argv().begin(), call.argv().end());
    if (running->argv.empty()) return Refused(ASSAY_E_ARGUMENT, "argv: empty");
    sandbox::LaunchSpec spec = workspace.ServerSpec();
    if (running->argv[0] == "node") running->argv[0] = sandbox::Workspace::kNodePath;
    if (running->argv[0] == "npm") {
      if (workspace.npm_directory.empty())
        return Refused(ASSAY_E_UNSUPPORTED, "npm: not needed by this submission, so not here");
      running->argv[0] = sandbox::Workspace::kNpmPath;
      running->argv.insert(running->argv.begin(), sandbox::Workspace::kNodePath);
      spec.isolation.mounts.push_back({workspace.npm_directory, sandbox::Workspace::kNpmMount});
    }
    running->node_version = workspace.node_version;
    running->wanted_port = WantedPort(call);
    spec.argv = running->argv;
    spec.environment.insert(spec.environment.end(), call.environment().begin(), call.environment().end());
    if (!call.directory().empty()) spec.directory = call.directory();
    spec.limits.memory_bytes = call.memory_bytes() == 0 ? kDefaultMemoryBytes : call.memory_bytes();
    spec.limits.max_processes = call.max_processes() == 0 ? kDefaultProcesses : call.max_processes();
    spec.limits.wall = call.wall_nanoseconds() == 0 ? kDefaultWall : Nanoseconds(call.wall_nanoseconds());
    spec.limits.disk_bytes = kDiskBytes;
    auto output = sandbox::OutputDrain::Create(), errors = sandbox::OutputDrain::Create();
    if (!output.ok()) return FromStatus(output.status());
    if (!errors.ok()) return FromStatus(errors.status());
    running->output = *std::move(output);
    running->errors = *std::move(errors);
    spec.descriptors = {{running->output->write_end(), 1}, {running->errors->write_end(), 2}};
    auto process = launcher_.Launch(spec);
    if (!process.ok()) return FromStatus(process.status());
    running->process = *std::move(process);
    const uint64_t most = call.output_bytes() == 0 ? kDefaultOutputBytes : call.output_bytes();
    const auto on_excess = [raw = running.get()] {
      raw->too_much_output.store(true);
      raw->process->Kill();
    };
    running->output->Start(most, on_excess);
    running->errors->Start(most, on_excess);
    processes_.push_back(std::move(running));
    CallOutcome outcome;
    outcome.reply.mutable_exec_start()->set_process(processes_.size());
    return outcome;
  }

  Running* Find(uint64_t process) {
    return process == 0 || process > processes_.size() ? nullptr : processes_[process - 1].get();
  }

  CallOutcome Read(const plugin::v1::ExecReadCall& call) {
    Running* const running = Find(call.process());
    if (running == nullptr || call.stream() < 1 || call.stream() > 2)
      return Refused(ASSAY_E_ARGUMENT, "no such process or stream");
    const sandbox::OutputDrain& drain = call.stream() == 1 ? *running->output : *running->errors;
    uint64_t& position = running->read[call.stream() - 1];
    const absl::Time until = absl::Now() + Nanoseconds(call.timeout_nanoseconds());
    CallOutcome outcome;
    plugin::v1::ExecReadReply& reply = *outcome.reply.mutable_exec_read();
    for (;;) {
      const bool end = drain.WaitEnd(absl::ZeroDuration());
      // What was written between the two looks is read next time.
      const uint64_t total = drain.total_bytes();
      std::string tail = drain.Tail();
      const uint64_t after = drain.total_bytes();
      if (after == total && total > position) {
        // Beyond what is kept, the oldest is gone.
        position = std::max<uint64_t>(position, total - tail.size());
        const std::string fresh = tail.substr(tail.size() - (total - position));
        reply.set_data(fresh.substr(0, call.max_bytes()));
        position += reply.data().size();
      }
      reply.set_end(end && position >= after);
      if (!reply.data().empty() || reply.end() || absl::Now() >= until || launcher_.stopped()) return outcome;
      drain.WaitEnd(std::min(kLookEvery, until - absl::Now()));
    }
  }

  // Listening sockets of the process's sandbox, the port it was told to take first, then by number; none when it is gone.
  static std::vector<sandbox::ListeningSocket> Listening(const Running& running) {
    auto sockets = sandbox::FindListeningSockets(running.process->pid());
    if (!sockets.ok()) return {};
    std::stable_partition(sockets->begin(), sockets->end(), [&](const sandbox::ListeningSocket& socket) {
      return socket.port == running.wanted_port;
    });
    return *std::move(sockets);
  }

  CallOutcome Wait(const plugin::v1::ExecWaitCall& call) {
    Running* const running = Find(call.process());
    if (running == nullptr) return Refused(ASSAY_E_STALE, "no such process");
    const absl::Time until = absl::Now() + Nanoseconds(call.timeout_nanoseconds());
    CallOutcome outcome;
    plugin::v1::ExecWaitReply& reply = *outcome.reply.mutable_exec_wait();
    for (;;) {
      if (!running->ended) {
        auto exit = running->process->Wait(std::clamp(until - absl::Now(), absl::ZeroDuration(), kLookEvery));
        if (exit.ok()) {
          running->ended = true;
          running->exit = *exit;
        } else if (!absl::IsDeadlineExceeded(exit.status())) {
          return FromStatus(exit.status());
        }
      }
      if (running->ended) return Ended(*running);
      if (launcher_.stopped()) return Refused(ASSAY_E_STOPPED, "the evaluation ends");
      const bool over = absl::Now() >= until;
      if (!over && !call.for_listening()) continue;
      const auto sockets = Listening(*running);
      if (sockets.empty() && !over) continue;
      if (!call.for_listening()) reply.set_peak_bytes(sandbox::PeakResidentBytes(running->process->pid()));
      for (const sandbox::ListeningSocket& socket : sockets) {
        plugin::v1::ListeningPort& port = *reply.add_ports();
        port.set_port(socket.port);
        port.set_process_id(static_cast<uint32_t>(std::max(0, socket.inner_pid)));
        port.set_address(absl::StrCat(socket.ipv6 ? "ipv6" : "ipv4", socket.loopback_only ? " loopback" : ""));
      }
      if (sockets.empty() && sandbox::ListensOnUnixSocket(running->process->pid())) {
        plugin::v1::ListeningPort& port = *reply.add_ports();
        port.set_process_id(1);
        port.set_address("unix");
      }
      return outcome;
    }
  }

  static uint32_t LimitHit(const Running& running) {
    if (running.too_much_output.load()) return ASSAY_LIMIT_OUTPUT;
    switch (running.exit.limit) {
      case sandbox::ExitInfo::Limit::kNone:
        return ASSAY_LIMIT_NONE;
      case sandbox::ExitInfo::Limit::kWall:
        return ASSAY_LIMIT_WALL;
      case sandbox::ExitInfo::Limit::kCpu:
        return ASSAY_LIMIT_CPU;
      case sandbox::ExitInfo::Limit::kMemory:
        return ASSAY_LIMIT_MEMORY;
      case sandbox::ExitInfo::Limit::kOutput:
        return ASSAY_LIMIT_OUTPUT;
      case sandbox::ExitInfo::Limit::kProcesses:
        return ASSAY_LIMIT_PROCESSES;
      case sandbox::ExitInfo::Limit::kDisk:
        return ASSAY_LIMIT_DISK;
    }
    return ASSAY_LIMIT_NONE;
  }

  static CallOutcome Ended(const Running& running) {
    CallOutcome outcome;
    plugin::v1::ExecWaitReply& reply = *outcome.reply.mutable_exec_wait();
    reply.set_ended(true);
    reply.set_exit_code(running.exit.signalled ? 0 : running.exit.code);
    reply.set_term_signal(running.exit.signalled ? running.exit.code : 0);
    reply.set_limit_hit(LimitHit(running));
    reply.set_wall_nanoseconds(Count(running.exit.wall));
    reply.set_cpu_nanoseconds(Count(running.exit.cpu));
    reply.set_peak_bytes(running.exit.peak_bytes);
    const auto quote = [](std::string* out, const std::string& text) { absl::StrAppend(out, JsonQuote(text)); };
    outcome.evidence = MadeEvidence{
        v1::Evidence::EXEC, "application/json", absl::StrCat("run of ", running.argv[0]),
        absl::StrCat("{\"argv\":[", absl::StrJoin(running.argv, ",", quote),
                     "],\"node_version\":", JsonQuote(running.node_version), ",\"exit_code\":", reply.exit_code(),
                     ",\"term_signal\":", reply.term_signal(), ",\"limit_hit\":", reply.limit_hit(),
                     ",\"wall_seconds\":", absl::ToDoubleSeconds(running.exit.wall),
                     ",\"cpu_seconds\":", absl::ToDoubleSeconds(running.exit.cpu),
                     ",\"peak_bytes\":", running.exit.peak_bytes, ",\"output_bytes\":", running.output->total_bytes(),
                     ",\"output\":", JsonQuote(Tail(running.output->Tail(), kEvidenceOutputBytes)),
                     ",\"error_bytes\":", running.errors->total_bytes(),
                     ",\"errors\":", JsonQuote(Tail(running.errors->Tail(), kEvidenceOutputBytes)), "}\n")};
    return outcome;
  }

  // The process that listens on `port` (0: on the first of Listening), as it is numbered inside; 0: the one that was started.
  static int Listener(const Running& running, uint32_t port) {
    for (const sandbox::ListeningSocket& socket : Listening(running)) {
      if ((port == 0 || socket.port == port) && socket.inner_pid > 0) return socket.inner_pid;
    }
    return 0;
  }

  CallOutcome Signal(const plugin::v1::ExecSignalCall& call) {
    Running* const running = Find(call.process());
    if (running == nullptr) return Refused(ASSAY_E_STALE, "no such process");
    if (call.signal() < 1 || call.signal() > 31)
      return Refused(ASSAY_E_ARGUMENT, absl::StrCat("signal ", call.signal(), "; 1 to 31"));
    if (running->ended) return {};
    const absl::Status sent = running->process->Signal(call.signal(), call.to_listener() ? Listener(*running, 0) : 0);
    // It may have ended by itself meanwhile.
    return sent.ok() || absl::IsNotFound(sent) ? CallOutcome() : FromStatus(sent);
  }

  // "localhost" may be ::1 alone; the engine's own default is 127.0.0.1.
  static std::string AtItsAddress(const Running& running, PlanTarget& target, const std::string& plan_json) {
    if (target.names_address || target.port == 0) return plan_json;
    const auto sockets = Listening(running);
    const auto at_port = [&](const sandbox::ListeningSocket& socket) { return socket.port == target.port; };
    const auto only_ipv6 = [&](const sandbox::ListeningSocket& socket) {
      return !at_port(socket) || (socket.ipv6 && socket.loopback_only);
    };
    if (std::none_of(sockets.begin(), sockets.end(), at_port) || !std::all_of(sockets.begin(), sockets.end(), only_ipv6)) {
      return plan_json;
    }
    google::protobuf::Struct& members = *(*target.plan.mutable_fields())["target"].mutable_struct_value();
    (*members.mutable_fields())["address"].set_string_value("::1");
    std::string changed;
    const auto written = google::protobuf::util::MessageToJsonString(target.plan, &changed);
    return written.ok() ? changed : plan_json;
  }

  CallOutcome LoadRun(const plugin::v1::LoadRunCall& call) {
    Running* const running = Find(call.process());
    if (running == nullptr || running->ended) return Refused(ASSAY_E_STALE, "no such process, or it has ended");
    PlanTarget target = ReadTarget(call.plan_json());
    const std::string plan = AtItsAddress(*running, target, call.plan_json());
    loadgen::ActionSink sink;
    sink.listener = [&] { return Listener(*running, target.port); };
    sink.phase_began = [&](absl::string_view phase, uint64_t index, uint64_t count) {
      progress_(absl::StrCat("load: ", phase, " (", index + 1, " of ", count, ")"));
    };
    sink.should_stop = [&] { return launcher_.stopped(); };
    absl::StatusOr<std::string> result =
        loadgen::RunPlan(launcher_, *running->process, plan, sink, engine_);
    if (!result.ok()) return FromStatus(result.status());
    CallOutcome outcome;
    outcome.reply.mutable_load_run()->set_result_json(*result);
    outcome.evidence = MadeEvidence{v1::Evidence::LOAD_RUN, "application/json", "a load run", *std::move(result)};
    return outcome;
  }

  StoppableLauncher launcher_;
  const std::string& cache_folder_;
  const std::string& engine_;
  const archive::Pack& pack_;
  const std::function<void(absl::string_view)> progress_;
  // Processes end before the folders they run in go.
  std::vector<std::unique_ptr<sandbox::Workspace>> workspaces_;
  std::vector<std::unique_ptr<Running>> processes_;
};

class SandboxPlatformSource final : public PlatformSource {
 public:
  SandboxPlatformSource(sandbox::Launcher& launcher, std::string cache_folder, std::string engine)
      : launcher_(launcher), cache_folder_(std::move(cache_folder)), engine_(std::move(engine)) {}
  std::unique_ptr<plugin_host::PlatformCalls> Make(const archive::Pack& pack,
                                                   std::function<void(absl::string_view)> progress) override {
    return std::make_unique<SandboxPlatform>(launcher_, cache_folder_, engine_, pack, std::move(progress));
  }

 private:
  sandbox::Launcher& launcher_;
  const std::string cache_folder_;
  const std::string engine_;
};

class NoPlatformSource final : public PlatformSource {
 public:
  explicit NoPlatformSource(std::string reason) : reason_(std::move(reason)) {}
  std::unique_ptr<plugin_host::PlatformCalls> Make(const archive::Pack&,
                                                   std::function<void(absl::string_view)>) override {
    return std::make_unique<plugin_host::NoPlatformCalls>(reason_);
  }

 private:
  const std::string reason_;
};

}  // namespace

std::unique_ptr<PlatformSource> MakeSandboxPlatform(sandbox::Launcher& launcher, std::string cache_folder,
                                                    std::string engine) {
  return std::make_unique<SandboxPlatformSource>(launcher, std::move(cache_folder), std::move(engine));
}

std::unique_ptr<PlatformSource> MakeNoPlatform(std::string reason) {
  return std::make_unique<NoPlatformSource>(std::move(reason));
}

}  // namespace assay::evaluator
