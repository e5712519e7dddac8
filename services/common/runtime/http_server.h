// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/runtime/health.h"
#include "services/common/runtime/metrics.h"

namespace assay::runtime {

struct HttpServerOptions {
  // "address:port"; port 0: any free one. Loopback addresses only: nobody is asked who they are.
  std::string listen = "127.0.0.1:7480";
  // Further connections are closed at once.
  size_t max_connections = 64;
  // For a whole request to arrive and its answer to leave.
  absl::Duration timeout = absl::Seconds(10);
};

struct HttpAnswer {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};
// Answers a GET for `path` (without the query). Called on the server's thread; must not block.
using HttpHandler = std::function<HttpAnswer(const std::string& path)>;

// A small HTTP/1.1 server for GET and HEAD: no bodies, headers of at most 8 KiB. One thread. Thread-safe.
class HttpServer {
 public:
  // INVALID_ARGUMENT: not an address, or not a loopback one. UNAVAILABLE: the port is taken.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(HttpServerOptions options, HttpHandler handler);
  // Calls Stop().
  ~HttpServer();

  uint16_t port() const;
  // Closes every connection and ends the thread.
  void Stop();

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

// /healthz: 200 while the process lives. /readyz: 200 when ready, else 503, with a line for each part. /metrics.
// Both must outlive the server.
HttpHandler StatusPages(const Health& health, const Metrics& metrics);

}  // namespace assay::runtime
