// SPDX-License-Identifier: Apache-2.0
//
// assay-launcher: started by Launcher::Start with its client's socket as descriptor 3 and an empty environment. It
// proves its layers, reports them, and then starts, confines and reaps processes until the client is gone.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>

#include "services/common/base/logging.h"
#include "services/sandbox/launch_server.h"
#include "services/sandbox/layer_proof.h"

int main(int argc, char**) {
  using namespace assay::sandbox;
  int type = 0;
  socklen_t size = sizeof type;
  if (argc != 1 || getsockopt(3, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) {
    std::fputs("assay-launcher is started by the other executables of Assay; it takes no arguments\n", stderr);
    return 2;
  }
  fcntl(3, F_SETFD, FD_CLOEXEC);
  // A terminal's interrupt goes to the client, which decides what to do.
  setsid();
  auto server = LaunchServer::Create(assay::UniqueFd(3));
  if (!server.ok()) {
    assay::LogError("launcher cannot start", {{"reason", std::string(server.status().message())}});
    return 1;
  }
  Frame checks;
  checks.type = FrameType::kChecks;
  checks.checks = ProveLayers(**server);
  if (!(*server)->Send(checks).ok()) return 1;
  (*server)->Serve();
  return 0;
}
