// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/string_view.h"

namespace assay::loadgen::testing {

// A small HTTP server on its own loopback port and thread that does exactly what a test scripts: answers late, never,
// for ever, or with anything but HTTP.
class ScriptedServer {
 public:
  struct Reply {
    std::string bytes;
    int64_t due_ns = 0;  // on the monotonic clock; not before this
    bool close = false;  // after the bytes
    bool reset = false;  // instead of an orderly close
    bool endless = false;  // sends `bytes` again and again
  };
  // Called on the server's thread whenever bytes came; `received` is what a connection sent and no call took yet.
  using Script = std::function<std::optional<Reply>(std::string& received)>;

  explicit ScriptedServer(Script script);
  ~ScriptedServer();

  uint16_t port() const { return port_; }
  uint64_t requests() const { return requests_; }
  uint64_t reads() const { return reads_; }
  // As a process that dies: listens no more and drops every connection. Returns once that is so.
  void Die();

  static int64_t Now();
  static std::string Ok(absl::string_view body = "ok");
  // Takes one whole request off `received`, its Content-Length body included; false while it is not complete.
  static bool TakeRequest(std::string& received);

 private:
  struct Loop;
  void Serve();

  Script script_;
  int listener_ = -1;
  int wake_ = -1;
  uint16_t port_ = 0;
  std::atomic<uint64_t> requests_{0};
  std::atomic<uint64_t> reads_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace assay::loadgen::testing
