// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "services/common/base/unique_fd.h"
#include "services/loadgen/account.h"
#include "services/loadgen/plan.h"
#include "services/loadgen/response_parser.h"

namespace assay::loadgen {

// A socket address made from a plan's target.
struct Target {
  sockaddr_storage address{};
  socklen_t size = 0;
};
absl::StatusOr<Target> TargetOf(const Plan& plan);

// One connection and the request it carries, if any. All calls are non-blocking.
class Connection {
 public:
  enum class State : uint8_t { kClosed, kConnecting, kIdle, kBusy };
  enum class Io { kProgress, kBlocked, kComplete, kBroken };

  // Begins to connect; false when the system refuses at once.
  bool Open(const Target& target, bool slow_reader);
  // Called when it became writable while connecting; false: the connection failed.
  bool FinishConnecting();
  void Close();

  // Takes a request; sending begins with Send().
  void Carry(const RequestClass& request, bool keep_alive, const Sent& sent, int64_t deadline_ns,
             const ResponseParser::Bounds& bounds);
  // Sends what is due at `now_ns`. kBlocked: the socket is full. kProgress: a later piece is due at next_piece().
  Io Send(int64_t now_ns);
  int64_t next_piece() const { return next_piece_ns_; }
  // Reads at most `capacity` bytes into `buffer` and feeds them to the parser. kComplete: the response is whole (or
  // malformed). kBroken: the peer closed or reset; broken_by_reset() says which.
  Io Receive(char* buffer, size_t capacity);

  bool broken_by_reset() const { return broken_by_reset_; }
  bool Reusable() const { return keep_alive_ && sent.entirely_sent && parser.keep_alive() && !surplus_; }
  void BecomeIdle();
  bool was_used() const { return was_used_; }

  UniqueFd fd;
  State state = State::kClosed;
  uint32_t generation = 0;  // counts openings: an event for an earlier one is stale
  bool wants_write = false;  // registered for it
  Sent sent;
  int64_t deadline_ns = 0;
  const RequestClass* request = nullptr;
  ResponseParser parser;

 private:
  // How much of the body may be out at `now_ns`, and when the next piece is due.
  size_t BodyDue(int64_t now_ns);

  bool keep_alive_ = true;
  bool was_used_ = false;
  bool surplus_ = false;
  bool broken_by_reset_ = false;
  size_t head_sent_ = 0;
  size_t close_sent_ = 0;
  size_t body_sent_ = 0;
  int64_t next_piece_ns_ = 0;
};

}  // namespace assay::loadgen
