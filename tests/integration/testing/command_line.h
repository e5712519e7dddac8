// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/base/unique_fd.h"

namespace assay::testing {

// What a command of `assay` did.
struct CommandResult {
  // Its exit code; 128 + signal when one ended it.
  int exit_code = -1;
  std::string out;
  std::string err;
};

// A running `assay`, as a person starts it. One thread at a time.
class Command {
 public:
  static absl::StatusOr<std::unique_ptr<Command>> Start(const std::vector<std::string>& arguments);
  // Kills it if it still runs.
  ~Command();

  // Waits until its output, or its errors, hold `text`; false: it ended without, or it took two minutes.
  bool WaitForOutput(const std::string& text) { return WaitFor(out_, text); }
  bool WaitForErrors(const std::string& text) { return WaitFor(err_, text); }
  // The number that follows `text` in its errors; 0: none.
  int NumberAfter(const std::string& text) const;
  void Signal(int number);
  // Waits until it has ended, and says all of it.
  CommandResult Finish();

 private:
  struct Stream {
    UniqueFd fd;
    std::string text;
  };
  Command() = default;
  bool WaitFor(Stream& stream, const std::string& text);
  // Reads what comes next from either stream; false when both have ended, or nothing came within two minutes.
  bool ReadSome();

  pid_t pid_ = -1;
  Stream out_;
  Stream err_;
};

CommandResult RunAssay(const std::vector<std::string>& arguments);

// `assay serve` on a data folder with the plugins of tests, once it serves; more arguments may follow.
absl::StatusOr<std::unique_ptr<Command>> Serve(const std::string& data, const std::string& plugins,
                                               std::vector<std::string> more = {});

// Writes a key and a certificate for 127.0.0.1 that it signed itself, as PEM.
void WriteCertificate(const std::string& certificate_file, const std::string& key_file);

}  // namespace assay::testing
