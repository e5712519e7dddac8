// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/load_test/facts.h"

namespace assay::load_test {

// One way to start the server: `node` is run with these arguments, never a shell.
struct Candidate {
  std::vector<std::string> arguments;                            // of node
  std::vector<std::pair<std::string, std::string>> environment;  // from the command itself
  std::string source;                                            // "scripts.start", "bin", …: for the reader
};

// A way that was passed over, and why.
struct Passed {
  std::string source, reason;
};

struct StartPlan {
  std::vector<Candidate> candidates;  // in the order to try
  std::vector<Passed> passed;
};

// Finds the ways to start the server in the order of .assay.yaml, task, scripts.start, bin, main, the file that listens.
// `has_file` answers whether the submission has a file; `port` is what arguments such as --port get.
StartPlan FindStart(const Facts& facts, const std::function<bool(std::string_view)>& has_file, uint32_t port);

// Splits a command line at blanks, with single and double quotes; no variables, no globs. False when it uses what only a
// shell understands (pipes, redirections, substitutions).
bool SplitCommand(std::string_view command, std::vector<std::string>& words, std::string& why_not);

}  // namespace assay::load_test
