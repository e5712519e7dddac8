// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"

namespace assay::loadgen {

// Speaks with whoever may signal the target, over one descriptor, never blocking. Lines to it:
//   phase INDEX                                a phase begins
//   signal NUMBER listener|process ID          to be carried out now
// and from it:
//   done ID     or     failed ID REASON
class Control {
 public:
  using Answer = std::function<void(uint32_t id, const std::string& error)>;

  // `fd` is borrowed; negative: nobody is there, and every action fails.
  explicit Control(int fd);

  int fd() const { return fd_; }
  void PhaseBegins(uint32_t index);
  // False: nobody takes it.
  bool AskForSignal(int number, bool to_listener, uint32_t id);
  // Reads what has come and tells `answer` of each; returns false once the other side is gone.
  bool Receive(const Answer& answer);

 private:
  bool Write(const std::string& line);

  int fd_;
  std::string pending_;
};

}  // namespace assay::loadgen
