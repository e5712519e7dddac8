// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/server.h"

#include <algorithm>
#include <cctype>

#include "assay/json.hpp"
#include "plugins/load_test/load_result.h"

namespace assay::load_test {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kSecond = 1'000 * kMillisecond;
constexpr size_t kTail = 8192;
constexpr uint64_t kMemory = uint64_t{512} << 20;
constexpr uint32_t kProcesses = 256;  // threads are counted, and every node has some ten
constexpr int kSigKill = 9;
constexpr char kSomeService[] = "a service on the network";
// What it prints is drained and dropped; a server that logs every request prints gigabytes under load, and that is no fault.
constexpr uint64_t kMostOutput = uint64_t{1} << 40;

std::string OneLine(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 160)) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return out;
}

// The most telling line: the last error's own (what an error was caused by stands indented below it), else the last that is
// not blank nor part of a stack.
std::string TellingLine(const std::string& text) {
  std::string last, error, cause;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    const size_t first = line.find_first_not_of(" \t\r^");
    if (first == std::string_view::npos || line.substr(first, 3) == "at " || line.substr(0, 8) == "Node.js ") continue;
    if (line[first] == '}' || line[first] == '{') continue;
    last = OneLine(line.substr(first));
    const size_t word = line.find("Error");
    if (word == std::string_view::npos || word >= 40) continue;
    if (first == 0) error = last;
    if (first != 0 && cause.empty()) cause = last;
  }
  return !error.empty() ? error : !cause.empty() ? cause : last;
}

bool Contains(const std::string& text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(), [](unsigned char a, unsigned char b) {
           return std::tolower(a) == std::tolower(b);
         }) != text.end();
}

sdk::ExecSpec SpecOf(const sdk::Workspace& workspace, const Candidate& candidate, const Environment& environment) {
  sdk::ExecSpec spec;
  spec.workspace = workspace.handle;
  spec.argv.emplace_back(candidate.by_npm ? "npm" : workspace.node);
  if (const std::string module = WritingModule(candidate.files); !module.empty()) spec.argv.insert(spec.argv.end(), {"--import", module});
  spec.argv.insert(spec.argv.end(), candidate.arguments.begin(), candidate.arguments.end());
  spec.environment = Lines(environment);
  spec.memory_bytes = kMemory;
  spec.max_processes = kProcesses;
  spec.output_bytes = kMostOutput;
  return spec;
}

}  // namespace

std::string WantedService(const std::string& words) {
  const bool cannot_reach = Contains(words, "ECONNREFUSED") || Contains(words, "ENOTFOUND") || Contains(words, "EAI_AGAIN") ||
                            Contains(words, "ETIMEDOUT") || Contains(words, "ENETUNREACH") || Contains(words, "MongoNetworkError") ||
                            Contains(words, "MongooseServerSelectionError") || Contains(words, "Can't reach database server") ||
                            Contains(words, "ConnectionRefusedError") || Contains(words, "Connection is closed");
  if (!cannot_reach) return "";
  static constexpr std::pair<const char*, const char*> kServices[] = {
      {"mongo", "a MongoDB"},      {":27017", "a MongoDB"},   {"redis", "a Redis"},       {":6379", "a Redis"},
      {"postgres", "a PostgreSQL"}, {":5432", "a PostgreSQL"}, {"mysql", "a MySQL"},       {":3306", "a MySQL"},
      {"mariadb", "a MySQL"},      {"amqp", "a RabbitMQ"},    {":5672", "a RabbitMQ"},    {"kafka", "a Kafka"},
      {":9092", "a Kafka"},        {"elastic", "an Elasticsearch"}, {"sequelize", "a database"}, {"prisma", "a database"},
  };
  for (const auto& [mark, service] : kServices) {
    if (Contains(words, mark)) return service;
  }
  return kSomeService;
}

std::string WantedNativePart(const std::string& words) {
  if (Contains(words, "@prisma/client did not initialize")) return "the client that Prisma's install script generates";
  const bool native = Contains(words, "Could not locate the bindings file") || Contains(words, "No native build was found") ||
                      Contains(words, "was compiled against a different Node.js version") ||
                      (Contains(words, "Cannot find module") && Contains(words, ".node'")) || Contains(words, "Could not load the \"sharp\" module");
  if (!native) return "";
  // The package nearest to the complaint; "bindings" and the like only look for another's part.
  static constexpr std::string_view kFolder = "node_modules/";
  for (size_t at = words.find(kFolder); at != std::string::npos; at = words.find(kFolder, at + 1)) {
    const size_t from = at + kFolder.size();
    size_t end = words.find_first_of("/'\"\n ", from);
    if (words[from] == '@' && end != std::string::npos && words[end] == '/') end = words.find_first_of("/'\"\n ", end + 1);
    const std::string name = OneLine(std::string_view(words).substr(from, std::min(end, words.size()) - from));
    if (name != "bindings" && name != "node-gyp-build" && name != "prebuild-install" && name != "@mapbox/node-pre-gyp") {
      return "the native part of \"" + name + "\", which an install script makes";
    }
  }
  return "the native part of a package, which an install script makes";
}

std::string ServiceOfPackage(const sdk::Json& package) {
  static constexpr std::pair<const char*, const char*> kClients[] = {
      {"mongoose", "a MongoDB"},     {"mongodb", "a MongoDB"},         {"pg", "a PostgreSQL"},        {"pg-promise", "a PostgreSQL"},
      {"postgres", "a PostgreSQL"},  {"mysql", "a MySQL"},             {"mysql2", "a MySQL"},         {"mariadb", "a MySQL"},
      {"ioredis", "a Redis"},        {"redis", "a Redis"},             {"bullmq", "a Redis"},         {"bull", "a Redis"},
      {"amqplib", "a RabbitMQ"},     {"kafkajs", "a Kafka"},           {"@elastic/elasticsearch", "an Elasticsearch"},
      {"sequelize", "a database"},   {"typeorm", "a database"},        {"@prisma/client", "a database"}, {"@mikro-orm/core", "a database"},
      {"cassandra-driver", "a Cassandra"}, {"neo4j-driver", "a Neo4j"}, {"mssql", "an SQL Server"},   {"oracledb", "an Oracle database"},
  };
  for (const auto& [client, service] : kClients) {
    if (package["dependencies"].has(client)) return service;
  }
  return "";
}

std::string WritingModule(const std::vector<ExampleFile>& files) {
  if (files.empty()) return "";
  std::string code = "import fs from 'node:fs';import path from 'node:path';";
  for (const ExampleFile& file : files) {
    code += "fs.mkdirSync(path.dirname(" + sdk::QuoteJson(file.name) + "),{recursive:true});";
    code += "fs.writeFileSync(" + sdk::QuoteJson(file.name) + "," + sdk::QuoteJson(file.content) + ");";
  }
  return "data:text/javascript;base64," + Base64(code);
}

std::string ExplainEnd(const sdk::ProcessState& state, const std::string& errors, const std::string& last_words) {
  const std::string said = last_words.empty() ? "" : ": " + last_words;
  if (state.limit_hit == ASSAY_LIMIT_MEMORY) return "it used more than 512 MiB of memory" + said;
  if (state.limit_hit == ASSAY_LIMIT_PROCESSES) return "it started more than " + std::to_string(kProcesses) + " processes and threads" + said;
  if (state.limit_hit == ASSAY_LIMIT_DISK) return "it filled the disk it was given" + said;
  if (state.limit_hit == ASSAY_LIMIT_OUTPUT) return "it printed without end" + said;
  if (state.limit_hit == ASSAY_LIMIT_CPU || state.limit_hit == ASSAY_LIMIT_WALL) return "it used up its time" + said;
  for (const std::string_view complaint : {"Cannot find module '", "Cannot find package '"}) {
    const size_t missing = errors.find(complaint);
    if (missing == std::string::npos) continue;
    const size_t from = missing + complaint.size();
    const std::string name = OneLine(std::string_view(errors).substr(from, errors.find('\'', from) - from));
    if (!name.empty() && name[0] != '.' && name[0] != '/') return "package \"" + name + "\" is not among the dependencies that were installed";
    return kWantsFile + name;
  }
  if (state.term_signal != 0) return "it ended by signal " + std::to_string(state.term_signal) + said;
  return "it ended with code " + std::to_string(state.exit_code) + said;
}

void Server::ReadOutput() {
  for (uint32_t stream = 1; stream <= 2; ++stream) {
    // As much as a flood may bring in one look; the rest is read at the next.
    for (int i = 0; i < 64; ++i) {
      const auto chunk = evaluation_.Read(process_, stream, 0);
      if (!chunk.ok() || chunk->data.empty()) break;
      std::string& tail = tails_[stream - 1];
      tail += chunk->data;
      if (tail.size() > kTail) tail.erase(0, tail.size() - kTail);
    }
  }
}

std::string Server::LastWords() const {
  const std::string words = TellingLine(tails_[1]);
  return words.empty() ? TellingLine(tails_[0]) : words;
}

bool Server::Printed(const std::string& text) const { return Contains(tails_[0], text) || Contains(tails_[1], text); }

sdk::ProcessState Server::Await(uint64_t timeout_ns, bool for_listening) {
  const uint64_t until = evaluation_.now_ns() + timeout_ns;
  sdk::ProcessState state;
  for (;;) {
    const uint64_t now = evaluation_.now_ns();
    const uint64_t step = std::min(200 * kMillisecond, until > now ? until - now : 0);
    const auto seen = evaluation_.Wait(process_, step, for_listening);
    if (!seen.ok()) return state;
    state = *seen;
    ReadOutput();
    if (state.ended) {
      ended_ = true;
      evidence_ = state.evidence;
    }
    if (state.ended || (for_listening && state.port != 0)) return state;
    if (evaluation_.now_ns() >= until || evaluation_.should_stop() != ASSAY_RUN) return state;
  }
}

Aftermath Server::Look(uint64_t peak_before) {
  const sdk::ProcessState state = Await(100 * kMillisecond, false);
  Aftermath out;
  out.alive = !state.ended;
  out.exit_code = state.exit_code;
  out.term_signal = state.term_signal;
  out.out_of_memory = state.limit_hit == ASSAY_LIMIT_MEMORY;
  out.peak_bytes_before = peak_before;
  out.peak_bytes = state.peak_bytes;
  if (state.ended) out.last_words = LastWords();
  return out;
}

sdk::Evidence Server::End() {
  if (ended_) return evidence_;
  ended_ = true;
  if (!evaluation_.Signal(process_, kSigKill).ok()) return 0;
  const auto state = evaluation_.Wait(process_, 2 * kSecond);
  if (state.ok()) evidence_ = state->evidence;
  return evidence_;
}

namespace {

// Asks until one path answers below 500; prefers one that is found.
bool AskUntilReady(sdk::Evaluation& evaluation, Started& started, const std::vector<std::string>& paths, uint64_t until) {
  const std::string plan = ReadyPlan(started.server->port, paths);
  for (;;) {
    const auto load = evaluation.RunLoad(started.server->process(), plan);
    if (!load.ok()) {
      started.failure.stopped = load.status().code() == ASSAY_E_STOPPED;
      started.failure.platform_lacks = "load: " + load.status().message();
      return false;
    }
    started.evidence = load->evidence;
    const auto report = ReadLoadResult(load->json);
    const PhaseReport* phase = report ? report->Phase("ready") : nullptr;
    started.answers.clear();
    for (size_t i = 0; phase != nullptr && i < paths.size(); ++i) {
      const Counts* counts = phase->Class(std::to_string(i));
      started.answers.push_back({paths[i], counts == nullptr ? 0 : counts->main_status()});
    }
    for (const int bound : {400, 500}) {
      for (const ReadyPath& answer : started.answers) {
        if (answer.status == 0 || answer.status >= bound) continue;
        started.ready = answer;
        return true;
      }
    }
    if (started.server->Await(500 * kMillisecond, false).ended) return false;
    if (evaluation.should_stop() != ASSAY_RUN) {
      started.failure.stopped = true;
      return false;
    }
    if (evaluation.now_ns() >= until) return false;
  }
}

std::string NotReady(const Started& started) {
  std::string text = "it listens on port " + std::to_string(started.server->port) + " but answers nothing below 500 (";
  for (const ReadyPath& answer : started.answers) {
    text += answer.path + " " + (answer.status == 0 ? "no answer" : std::to_string(answer.status)) + (&answer == &started.answers.back() ? "" : ", ");
  }
  return text + ")";
}

// `service`: what a server that waits in silence waits for, if it is known.
void Explain(sdk::Evaluation& evaluation, Started& started, const sdk::ProcessState& state, const std::string& otherwise,
             const std::string& service) {
  Server& server = *started.server;
  if (evaluation.should_stop() != ASSAY_RUN) started.failure.stopped = true;
  started.failure.reason = state.ended ? ExplainEnd(state, server.printed_errors(), server.LastWords()) : otherwise;
  if (started.failure.platform_lacks.empty()) {
    const std::string words = server.printed_errors() + server.printed_output();
    started.failure.platform_lacks = WantedService(words);
    if (started.failure.platform_lacks == kSomeService && !service.empty()) started.failure.platform_lacks = service;
    if (started.failure.platform_lacks.empty()) started.failure.platform_lacks = WantedNativePart(words);
    if (started.failure.platform_lacks.empty() && !state.ended) started.failure.platform_lacks = service;
  }
  started.failure.evidence = server.End();
  started.server.reset();
}

}  // namespace

Started StartServer(sdk::Evaluation& evaluation, const sdk::Workspace& workspace, const Candidate& candidate, const Environment& environment,
                    const std::vector<std::string>& paths, const Profile& profile, const std::string& service) {
  Started started;
  const uint64_t begin = evaluation.now_ns();
  const auto process = evaluation.Start(SpecOf(workspace, candidate, environment));
  if (!process.ok()) {
    started.failure.stopped = process.status().code() == ASSAY_E_STOPPED;
    started.failure.reason = process.status().message();
    started.failure.platform_lacks = "a process in the sandbox: " + process.status().message();
    return started;
  }
  started.server = std::make_unique<Server>(evaluation, *process, begin);
  const uint64_t until = evaluation.now_ns() + profile.ready_seconds() * kSecond;
  sdk::ProcessState state = started.server->Await(profile.ready_seconds() * kSecond, true);
  if (!state.ended && state.port != 0 && state.port != kPort) {
    // Some open a port for measurements first; the one they were told to take may follow.
    if (const sdk::ProcessState later = started.server->Await(300 * kMillisecond, false); later.ended || later.port != 0) state = later;
  }
  if (state.ended || state.port == 0) {
    const bool elsewhere = state.port == 0 && state.listener != 0;
    const std::string ran = "it ran " + std::to_string(profile.ready_seconds()) + " s without listening on a port";
    Explain(evaluation, started, state, elsewhere ? ran + "; it listens on a Unix socket only" : ran, elsewhere ? "" : service);
    return started;
  }
  started.server->port = state.port;
  if (AskUntilReady(evaluation, started, paths, until)) return started;
  state = started.server->Await(0, false);
  Explain(evaluation, started, state, NotReady(started), service);
  if (state.ended) started.failure.reason = "it listened and then ended: " + started.failure.reason;
  return started;
}

WithoutVariables WatchStart(sdk::Evaluation& evaluation, const sdk::Workspace& workspace, const Candidate& candidate,
                            const Environment& environment, const std::vector<std::string>& names, sdk::Evidence& evidence) {
  WithoutVariables seen;
  const uint64_t begin = evaluation.now_ns();
  const auto process = evaluation.Start(SpecOf(workspace, candidate, environment));
  if (!process.ok()) return seen;
  Server server(evaluation, *process, begin);
  sdk::ProcessState state = server.Await(4 * kSecond, true);
  seen.listened = state.port != 0;
  // Some listen first and look at their configuration afterwards.
  if (seen.listened) state = server.Await(500 * kMillisecond, false);
  seen.ended = state.ended;
  seen.exit_code = state.exit_code;
  seen.term_signal = state.term_signal;
  seen.seconds = static_cast<double>(evaluation.now_ns() - begin) / 1e9;
  seen.names_it = std::any_of(names.begin(), names.end(), [&](const std::string& name) { return server.Printed(name); });
  evidence = server.End();
  return seen;
}

}  // namespace assay::load_test
