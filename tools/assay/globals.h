// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

namespace assay::cli {

// Options every command understands.
struct Globals {
  bool json = false;
  // HOST:PORT; empty: ASSAY_SERVER, else 127.0.0.1:7470.
  std::string server;
  // Data folder; empty: ASSAY_DATA, else ~/.local/share/assay.
  std::string data;
  // File with the caller's token, for servers that ask for one.
  std::string token_file;
  // PEM file of the authority that signed the server's certificate; empty: no TLS.
  std::string tls_ca;
};

// What the chosen command does; returns an exit code. Set by its callback.
using Action = std::function<int()>;

// Each adds one command with its options to `app`, and sets `action` when it was chosen.
void AddEvaluate(CLI::App& app, Globals& globals, Action& action);
void AddServe(CLI::App& app, Globals& globals, Action& action);
void AddSubmit(CLI::App& app, Globals& globals, Action& action);
void AddSubmissions(CLI::App& app, Globals& globals, Action& action);
void AddReadiness(CLI::App& app, Globals& globals, Action& action);
void AddEvidence(CLI::App& app, Globals& globals, Action& action);
void AddCandidates(CLI::App& app, Globals& globals, Action& action);
void AddFrameworks(CLI::App& app, Globals& globals, Action& action);
void AddTopics(CLI::App& app, Action& action);
void AddDoctor(CLI::App& app, Globals& globals, Action& action);

// Adds --json, --server, --data, --token-file and --tls-ca to a command that speaks to a server.
void AddConnectionOptions(CLI::App& command, Globals& globals);

}  // namespace assay::cli
