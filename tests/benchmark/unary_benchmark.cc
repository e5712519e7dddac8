// SPDX-License-Identifier: Apache-2.0
//
// How fast a reader gets an answer: GetReadiness of a real server beside an empty echo that answers as many bytes from
// memory, with the same gRPC, threads, transport and client, taken turn about.
//
//   unary_benchmark [ROUNDS] [SECONDS]     defaults: 9, 1
//   unary_benchmark --echo BYTES           the echo, started by the benchmark; its port goes to descriptor 3
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/common/base/unique_fd.h"
#include "services/common/rpc/channel.h"
#include "tests/benchmark/report.h"
#include "tests/benchmark/subject.h"
#include "tests/integration/testing/server_process.h"

extern char** environ;

namespace assay::benchmark {
namespace {

constexpr char kMethod[] = "/assay.v1.ReadinessService/GetReadiness";

// Answers every call with the same bytes, without a look at what was asked.
class Echo final : public grpc::CallbackGenericService {
 public:
  explicit Echo(const std::string& answer) {
    const grpc::Slice slice(answer);
    answer_ = grpc::ByteBuffer(&slice, 1);
  }

 private:
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    explicit Reactor(const grpc::ByteBuffer& answer) : answer_(answer) { StartRead(&request_); }
    void OnReadDone(bool ok) override {
      if (ok) {
        StartWriteAndFinish(&answer_, {}, grpc::Status::OK);
      } else {
        Finish(grpc::Status::CANCELLED);
      }
    }
    void OnDone() override { delete this; }

   private:
    grpc::ByteBuffer request_;
    grpc::ByteBuffer answer_;
  };
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new Reactor(answer_);
  }

  grpc::ByteBuffer answer_;
};

int RunEcho(size_t bytes) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Echo echo(std::string(bytes, 'x'));
  grpc::ServerBuilder builder;
  rpc::ApplyServerLimits(builder);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterCallbackGenericService(&echo);
  const auto server = builder.BuildAndStart();
  if (server == nullptr || write(3, &port, sizeof port) != sizeof port) return 1;
  pause();
  return 0;
}

class EchoProcess {
 public:
  explicit EchoProcess(size_t bytes) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    const UniqueFd read_end(ends[0]), write_end(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, write_end.get(), 3);
    std::string self = "/proc/self/exe", option = "--echo", count = absl::StrCat(bytes);
    char* argv[] = {self.data(), option.data(), count.data(), nullptr};
    if (posix_spawn(&pid_, self.c_str(), &actions, nullptr, argv, environ) != 0) std::abort();
    posix_spawn_file_actions_destroy(&actions);
    int port = 0;
    if (read(read_end.get(), &port, sizeof port) != sizeof port) std::abort();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~EchoProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  const std::string& address() const { return address_; }

 private:
  pid_t pid_ = -1;
  std::string address_;
};

// One connection with a fixed number of calls outstanding; it looks at no byte of the answers.
class Caller {
 public:
  Caller(const std::string& address, const std::string& request)
      : channel_(rpc::ConnectTo(address)), stub_(channel_), request_slice_(request), request_(&request_slice_, 1) {}
  ~Caller() { queue_.Shutdown(); }

  // Calls answered a second, over `length`.
  double Rate(int outstanding, absl::Duration length) {
    std::vector<Slot> slots(static_cast<size_t>(outstanding));
    for (Slot& slot : slots) Start(slot);
    const absl::Time start = absl::Now();
    const absl::Time end = start + length;
    size_t answered = 0;
    for (int running = outstanding; running > 0;) {
      void* tag = nullptr;
      bool ok = false;
      if (!queue_.Next(&tag, &ok)) std::abort();
      Slot& slot = *static_cast<Slot*>(tag);
      if (!slot.status.ok()) {
        std::fprintf(stderr, "error: %s\n", slot.status.error_message().c_str());
        std::exit(1);
      }
      bytes_ = slot.answer.Length();
      if (absl::Now() < end) {
        ++answered;
        Start(slot);
      } else {
        --running;
      }
    }
    return static_cast<double>(answered) / absl::ToDoubleSeconds(end - start);
  }

  // Of the last answer.
  size_t bytes() const { return bytes_; }

 private:
  struct Slot {
    std::unique_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
    grpc::ByteBuffer answer;
    grpc::Status status;
  };

  void Start(Slot& slot) {
    slot.context = std::make_unique<grpc::ClientContext>();
    slot.reader = stub_.PrepareUnaryCall(slot.context.get(), kMethod, request_, &queue_);
    slot.reader->StartCall();
    slot.reader->Finish(&slot.answer, &slot.status, &slot);
  }

  const std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  const grpc::Slice request_slice_;
  const grpc::ByteBuffer request_;
  size_t bytes_ = 0;
};

int Run(int rounds, absl::Duration length) {
  assay::testing::TempDir folder;
  Subject subject(folder / "data", {"listen=127.0.0.1:0"});
  subject.SubmitSample("reader");
  v1::GetReadinessRequest request;
  request.set_candidate("reader");
  const std::string bytes = request.SerializeAsString();

  Caller ours(subject.server().grpc_address(), bytes);
  ours.Rate(1, absl::Milliseconds(200));
  const EchoProcess echo(ours.bytes());
  Caller beside(echo.address(), bytes);
  beside.Rate(64, absl::Milliseconds(200));
  ours.Rate(64, absl::Milliseconds(200));
  PrintFigure("GetReadiness: bytes answered", "bytes", {static_cast<double>(ours.bytes())}, {});
  for (const int outstanding : {64, 1}) {
    std::vector<double> our_rates, echo_rates;
    for (int round = 0; round < rounds; ++round) {
      our_rates.push_back(ours.Rate(outstanding, length));
      echo_rates.push_back(beside.Rate(outstanding, length));
    }
    PrintRatio(absl::StrCat("GetReadiness, ", outstanding, " outstanding"), "calls/s", our_rates, "empty echo",
               echo_rates, AtLeast(0.85));
  }
  return 0;
}

}  // namespace
}  // namespace assay::benchmark

int main(int argc, char** argv) {
  size_t bytes = 0;
  if (argc == 3 && std::string(argv[1]) == "--echo" && absl::SimpleAtoi(argv[2], &bytes)) {
    return assay::benchmark::RunEcho(bytes);
  }
  int rounds = 9;
  double seconds = 1;
  if (argc > 3 || (argc > 1 && (!absl::SimpleAtoi(argv[1], &rounds) || rounds < 1)) ||
      (argc > 2 && (!absl::SimpleAtod(argv[2], &seconds) || seconds <= 0))) {
    std::fputs("usage: unary_benchmark [ROUNDS] [SECONDS]\n", stderr);
    return 2;
  }
  return assay::benchmark::Run(rounds, absl::Seconds(seconds));
}
