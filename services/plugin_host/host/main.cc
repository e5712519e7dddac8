// SPDX-License-Identifier: Apache-2.0
//
// assay-plugin-host <digest>: loads the plugin in descriptor 4 (a sealed memory file with that digest) and evaluates
// what is asked over descriptor 3. Descriptor 5 is a shared page with the name of the last call. One plugin version for
// the life of the process.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/build_id.h"
#include "services/common/base/status_macros.h"
#include "services/plugin_host/host/connection.h"
#include "services/plugin_host/host/host_side.h"
#include "services/plugin_host/host/loaded_plugin.h"
#include "services/sandbox/seccomp_profile.h"

namespace assay::plugin_host {
namespace {

constexpr int kSocket = 3;
constexpr int kPlugin = 4;
constexpr int kBreadcrumb = 5;
constexpr size_t kPageBytes = 4096;

[[noreturn]] void Refuse(Connection& connection, const std::string& reason, assay_status status) {
  plugin::v1::Frame frame;
  frame.mutable_refuse()->set_reason(reason);
  frame.mutable_refuse()->set_status(status);
  connection.Send(frame);
  ::_exit(0);
}

// Reads the message in its memory file and lays out the inputs: files of the pack, then documents.
absl::StatusOr<EvaluationInputs> ReadInputs(Arrived& arrived) {
  EvaluationInputs inputs;
  if (arrived.descriptors.empty()) return absl::InvalidArgumentError("Evaluate came without its memory file");
  const int body = arrived.descriptors[0].get();
  struct stat status {};
  if (::fstat(body, &status) != 0 || !inputs.body.ParseFromFileDescriptor(body)) {
    return absl::InvalidArgumentError("Evaluate cannot be read from its memory file");
  }
  if (inputs.body.has_pack()) {
    if (arrived.descriptors.size() < 2) return absl::InvalidArgumentError("Evaluate came without its pack");
    ASSAY_ASSIGN_OR_RETURN(inputs.pack, archive::Pack::Open(std::move(arrived.descriptors[1])));
    const std::string& authorship = inputs.body.authorship();
    for (size_t i = 0; i < inputs.pack->entries().size(); ++i) {
      const archive::PackEntry& entry = inputs.pack->entries()[i];
      inputs.inputs.push_back({entry.path, "", inputs.pack->Content(entry), entry.sha256,
                               static_cast<uint32_t>(entry.is_link ? ASSAY_INPUT_LINK : ASSAY_INPUT_FILE),
                               i < authorship.size() ? static_cast<uint32_t>(authorship[i]) : 0u, entry.mode});
    }
  }
  for (const plugin::v1::PlatformInput& document : inputs.body.documents()) {
    ASSAY_ASSIGN_OR_RETURN(const Digest digest, Digest::FromBytes(document.sha256()));
    inputs.inputs.push_back(
        {document.name(), document.media_type(), document.content(), digest, ASSAY_INPUT_DOCUMENT, 0, 0644});
  }
  return inputs;
}

class Session {
 public:
  Session(Connection& connection, HostSide& side, LoadedPlugin plugin)
      : connection_(connection), side_(side), table_(HostTable(side)), plugin_(std::move(plugin)) {}

  [[noreturn]] void Run() {
    for (;;) {
      Arrived arrived = connection_.Next();
      if (arrived.frame.has_configure()) {
        Configure(arrived.frame.configure());
      } else if (arrived.frame.has_evaluate()) {
        Evaluate(arrived);
      } else {
        plugin::v1::Frame bye;
        bye.mutable_bye();
        connection_.Send(bye);
        // No destroy: whatever the plugin still does must not outlive the answer.
        ::_exit(0);
      }
    }
  }

 private:
  void Configure(const plugin::v1::Configure& configure) {
    const std::string& config = configure.config_json();
    assay_create_args args{};
    args.struct_size = ASSAY_SIZE_THROUGH(assay_create_args, config_json);
    args.host = table_;
    args.instance = side_.instance();
    args.evaluator_id = {configure.evaluator().data(), configure.evaluator().size()};
    args.config_json = {reinterpret_cast<const uint8_t*>(config.data()), config.size()};
    side_.Mark("create");
    const assay_status status = plugin_.table->create(&args, &self_);
    if (status != ASSAY_OK) {
      Refuse(connection_, absl::StrCat("create answered ", status, ": ", side_.TakeError()), status);
    }
    side_.Mark("idle");
    plugin::v1::Frame ready;
    ready.mutable_ready();
    connection_.Send(ready);
  }

  void Evaluate(Arrived& arrived) {
    const uint64_t request = arrived.frame.request_id();
    absl::StatusOr<EvaluationInputs> inputs = ReadInputs(arrived);
    if (!inputs.ok()) Refuse(connection_, std::string(inputs.status().message()), 0);
    const plugin::v1::Evaluate body = inputs->body;
    assay_evaluate_args args{};
    args.struct_size = ASSAY_SIZE_THROUGH(assay_evaluate_args, parameters_json);
    args.evaluation = side_.Begin(*std::move(inputs));
    args.evaluation_id = {body.evaluation_id().data(), body.evaluation_id().size()};
    args.attempt = body.attempt();
    args.deadline_ns = body.deadline_nanoseconds();
    args.seed = body.seed();
    args.parameters_json = {reinterpret_cast<const uint8_t*>(body.parameters_json().data()),
                            body.parameters_json().size()};
    side_.Mark("evaluate");
    const assay_status status = plugin_.table->evaluate(self_, &args);
    side_.Mark("idle");
    plugin::v1::Frame frame;
    frame.set_request_id(request);
    side_.End(status, *frame.mutable_done());
    connection_.Send(frame);
  }

  Connection& connection_;
  HostSide& side_;
  const assay_host_v1* const table_;
  const LoadedPlugin plugin_;
  void* self_ = nullptr;
};

void SayHello(Connection& connection, const LoadedPlugin& plugin, const std::string& digest) {
  plugin::v1::Frame frame;
  plugin::v1::Hello& hello = *frame.mutable_hello();
  hello.set_protocol_min(1);
  hello.set_protocol_max(1);
  hello.set_build_id(std::string(BuildId()));
  hello.set_package_digest(digest);
  hello.set_abi_major(ASSAY_ABI_MAJOR);
  hello.set_abi_minor(ASSAY_ABI_MINOR);
  for (const plugin::v1::EvaluatorDescriptor& descriptor : plugin.descriptors) {
    *hello.add_descriptors() = descriptor;
    hello.add_evaluators(descriptor.id());
  }
  hello.set_plugin_id(plugin.descriptors[0].id());
  hello.set_plugin_version(plugin.descriptors[0].version());
  connection.Send(frame);
}

[[noreturn]] void Main(const std::string& digest) {
  auto& connection = *new Connection(kSocket);
  void* page = ::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, kBreadcrumb, 0);
  auto& side = *new HostSide(connection, page == MAP_FAILED ? nullptr : static_cast<char*>(page));
  side.Mark("load");
  // From here on foreign code runs: no program, no process, no socket, no writing by path, wherever this was started.
  if (const absl::Status restricted = sandbox::RestrictStartedProcess(); !restricted.ok()) {
    Refuse(connection, std::string(restricted.message()), 0);
  }
  absl::StatusOr<LoadedPlugin> plugin = LoadPlugin(kPlugin, digest);
  if (!plugin.ok()) {
    const bool platform = absl::IsFailedPrecondition(plugin.status());
    Refuse(connection, std::string(plugin.status().message()), platform ? 0 : ASSAY_E_ABI);
  }
  SayHello(connection, *plugin, digest);
  connection.Start();
  Session(connection, side, *std::move(plugin)).Run();
}

}  // namespace
}  // namespace assay::plugin_host

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  assay::plugin_host::Main(argv[1]);
}
