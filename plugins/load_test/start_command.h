// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/load_test/facts.h"

namespace assay::load_test {

// A file the README tells its reader to write before starting.
struct ExampleFile {
  std::string name, content;  // the name is relative to the submission's root
};

// One way to start the server: `node` is run with these arguments.
struct Candidate {
  std::vector<std::string> arguments;                            // of node, or of npm where `by_npm`
  std::vector<std::pair<std::string, std::string>> environment;  // from the command itself
  std::string source;                                            // "scripts.start", "bin", …: for the reader
  std::vector<ExampleFile> files = {};
  std::string lacks = "";  // what the submission starts it with and this platform has not; it is tried without
  // How its author starts it where that goes through npm and a shell: npm's arguments and the script; empty: it does
  // not.
  std::vector<std::string> npm = {};
  std::string script = "";
  bool by_npm = false;  // npm itself is run, which starts the script by a shell
};

// "node app.js", for a reader.
std::string CommandLine(const Candidate& candidate);

// A way that was passed over, and why.
struct Passed {
  std::string source, reason;
  std::string lacks = "";  // what this platform would need for it; empty: the submission's own affair
};

struct StartPlan {
  std::vector<Candidate> candidates;  // in the order to try
  std::vector<Passed> passed;
};

// Finds the ways to start the server in the order of .assay.yaml, task, scripts.start, bin, what the README shows, bin
// with the usual arguments, main, the file that listens. `has_file` answers whether the submission has a file; `port`
// is what arguments such as --port get.
StartPlan FindStart(const Facts& facts, const std::function<bool(std::string_view)>& has_file, uint32_t port);

// $NAME, ${NAME}, ${NAME:-word} and ${NAME:=word} replaced: PORT by `port`, others by their word. What has neither
// stays.
std::string ExpandVariables(std::string_view command, std::string_view port);

// Splits a command line at blanks, with single and double quotes; no variables, no globs. False when it uses what only
// a shell understands (pipes, redirections, substitutions).
bool SplitCommand(std::string_view command, std::vector<std::string>& words, std::string& why_not);

}  // namespace assay::load_test
