// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "services/loadgen/plan.h"
#include "services/loadgen/response_parser.h"
#include "services/loadgen/result.h"

namespace assay::loadgen {

// One request that was sent, as far as counting it needs. Times are from the phase's first instant.
struct Sent {
  uint32_t request_class = 0;
  int64_t intended_ns = 0;
  int64_t taken_ns = 0;
  int64_t upload_end_ns = 0;  // planned; the intended start when the body goes at once
  bool reused = false;        // on a connection that had carried another
  bool entirely_sent = false;
};

// The books of one phase: every arrival ends in exactly one of dropped or an outcome.
class Account {
 public:
  Account(const Plan& plan, const Phase& phase, PhaseResult& result, std::vector<ActionResult*> actions,
          std::vector<Sample>& samples);

  void Scheduled(uint32_t request_class) { ++result_.classes[request_class].scheduled; }
  void Dropped(const Sent& sent);
  void TakenUp(const Sent& sent);
  void Finished(const Sent& sent, Outcome outcome, const ResponseParser& parser, int64_t now_ns);

  uint64_t failed() const { return failed_; }
  // Requests that took longer than `limit` or failed; the limit is 0 unless set.
  void set_late_limit(int64_t limit_ns) { late_limit_ns_ = limit_ns; }
  int64_t late_limit() const { return late_limit_ns_; }
  uint64_t late() const { return late_; }
  // How many bytes of the next answer's body are worth keeping.
  uint32_t WantedSample() const;

 private:
  Second& SecondAt(int64_t at_ns);
  void CountForActions(const Sent& sent, Outcome outcome, int64_t now_ns);
  void KeepSample(uint32_t request_class, const ResponseParser& parser);

  const Plan& plan_;
  const Phase& phase_;
  PhaseResult& result_;
  std::vector<ActionResult*> actions_;
  std::vector<Sample>& samples_;
  std::map<std::pair<uint32_t, int>, uint32_t> kept_;
  uint64_t failed_ = 0;
  uint64_t late_ = 0;
  int64_t late_limit_ns_ = 0;
};

}  // namespace assay::loadgen
