// SPDX-License-Identifier: Apache-2.0
//
// The analysis of a repository beside a bare parse of the same bytes by the same parser on as many threads, and beside
// the linters people use, in the same run.
//
//   analysis_benchmark [ROUNDS [PEERS]]
//
// The corpora are those of corpora.h. Each measurement is a process of its own: the two differ in how the parser
// allocates.
//
// PEERS is a folder whose node_modules holds eslint, @eslint/js, eslint-plugin-security, eslint-plugin-n, oxlint and
// @ast-grep/cli; those that are there are measured, as whole commands over the same files; the others are named on
// standard error. ESLint's goals are for its recommended rules with both plugins.
#include <sys/wait.h>
#include <tree_sitter/api.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "plugins/code_analysis/artifacts.h"
#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/model/analyser.h"
#include "plugins/code_analysis/syntax/grammar.h"
#include "tests/benchmark/corpora.h"
#include "tests/benchmark/report.h"

namespace {

namespace fs = std::filesystem;
using assay::benchmark::AtMost;
using assay::benchmark::Corpus;
using assay::benchmark::FetchLarge;
using assay::benchmark::FetchSmall;
using assay::benchmark::PrintRatio;
using assay::code_analysis::AnalyseRepository;
using assay::code_analysis::GrammarOf;
using assay::code_analysis::Language;
using assay::code_analysis::SourceFile;

constexpr uint32_t kThreads = 2;

// What every analysis with this parser costs at least.
void BareParse(const Corpus& corpus, uint32_t threads) {
  std::atomic<size_t> next = 0;
  const TSLanguage* language = GrammarOf(Language::kJavaScript).language;
  const auto work = [&] {
    TSParser* parser = ts_parser_new();
    ts_parser_set_language(parser, language);
    for (size_t i = next++; i < corpus.size(); i = next++) {
      TSTree* tree = ts_parser_parse_string(parser, nullptr, corpus[i].second.data(),
                                            static_cast<uint32_t>(corpus[i].second.size()));
      ts_tree_delete(tree);
    }
    ts_parser_delete(parser);
  };
  std::vector<std::thread> others;
  for (uint32_t i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
}

void Analyse(const Corpus& corpus, uint32_t threads) {
  std::vector<SourceFile> files;
  for (const auto& [path, text] : corpus) files.push_back({.path = path, .bytes = text});
  files.push_back({.path = "package.json", .bytes = assay::benchmark::kCorpusManifest});
  const auto model = AnalyseRepository(std::move(files), {.threads = threads});
  const auto report = assay::code_analysis::RunChecks(*model, nullptr, nullptr);
  if (report.observations.empty() || assay::code_analysis::RoutesJson(*model).size() < 1000) std::abort();
  if (assay::code_analysis::ServerJson(*model).empty()) std::abort();
}

// Seconds of the fastest of three in a child process; the first one warms the caches.
double Measure(const std::function<void()>& work) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    double best = 1e9;
    for (int i = 0; i < 3; ++i) {
      const auto start = std::chrono::steady_clock::now();
      work();
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    if (write(ends[1], &best, sizeof best) != sizeof best) _exit(1);
    _exit(0);
  }
  double seconds = 0;
  if (read(ends[0], &seconds, sizeof seconds) != sizeof seconds) std::abort();
  close(ends[0]);
  close(ends[1]);
  waitpid(child, nullptr, 0);
  return seconds;
}

struct Peer {
  std::string name;
  std::string command;  // of the shell, in the corpus's folder
  assay::benchmark::Goal small_goal, large_goal;
};

// The peers that are installed in `folder`.
std::vector<Peer> PeersIn(const fs::path& folder, const fs::path& scratch) {
  std::vector<Peer> peers;
  if (folder.empty()) return peers;
  const fs::path modules = fs::absolute(folder) / "node_modules";
  if (fs::exists(modules / "eslint") && fs::exists(modules / "@eslint/js")) {
    const fs::path configuration = scratch / "eslint.config.mjs";
    const bool plugins = fs::exists(modules / "eslint-plugin-security") && fs::exists(modules / "eslint-plugin-n");
    std::ofstream(configuration) << "import { createRequire } from 'node:module';\nconst load = createRequire('"
                                 << modules.string()
                                 << "/x.js');\nexport default [load('@eslint/js').configs.recommended, "
                                 << (plugins ? "load('eslint-plugin-security').configs.recommended, "
                                               "load('eslint-plugin-n').configs['flat/recommended-script'], "
                                             : "")
                                 << "{ languageOptions: { ecmaVersion: 'latest', sourceType: 'commonjs' } }];\n";
    peers.push_back({"ESLint",
                     "node '" + (modules / "eslint/bin/eslint.js").string() + "' -c '" + configuration.string() +
                         "' --no-inline-config -f json .",
                     AtMost(0.025), AtMost(0.043)});
  }
  if (const fs::path oxlint = modules / ".bin/oxlint"; fs::exists(oxlint)) {
    peers.push_back({"oxlint", "'" + oxlint.string() + "' --threads=2 -f json .", {}, {}});
    peers.push_back(
        {"oxlint -D all", "'" + oxlint.string() + "' --threads=2 -D all -f json .", AtMost(1), AtMost(0.67)});
  }
  const fs::path grep = modules / "@ast-grep/cli-linux-x64-gnu/ast-grep";
  if (fs::exists(grep)) {
    std::ofstream(scratch / "rules.yml") << "id: evaluates\nlanguage: JavaScript\nrule: {pattern: eval($$$)}\n---\n"
                                            "id: executes\nlanguage: JavaScript\nrule: {pattern: $A.exec($$$)}\n---\n"
                                            "id: requires\nlanguage: JavaScript\nrule: {pattern: require($A)}\n";
    peers.push_back({"ast-grep",
                     "'" + grep.string() + "' scan -j2 -r '" + (scratch / "rules.yml").string() + "' --json=compact .",
                     {},
                     AtMost(1)});
  }
  return peers;
}

// Seconds a whole command takes; negative when it failed.
double MeasureCommand(const std::string& command, const fs::path& folder) {
  const std::string line = "cd '" + folder.string() + "' && " + command + " > /dev/null 2>&1";
  const auto start = std::chrono::steady_clock::now();
  const int status = std::system(line.c_str());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return WIFEXITED(status) && WEXITSTATUS(status) <= 1 ? seconds : -1;  // 1: it found something
}

void Compare(const std::string& name, const Corpus& corpus, const fs::path& folder, const std::vector<Peer>& peers,
             int rounds) {
  size_t bytes = 0;
  for (const auto& [path, text] : corpus) bytes += text.size();
  std::vector<double> bare, analysis;
  std::vector<std::vector<double>> of_peers(peers.size()), beside_peers(peers.size());
  for (int round = 0; round < rounds; ++round) {
    bare.push_back(1e3 * Measure([&] { BareParse(corpus, kThreads); }));
    analysis.push_back(1e3 * Measure([&] { Analyse(corpus, kThreads); }));
    for (size_t i = 0; i < peers.size(); ++i) {
      const double seconds = MeasureCommand(peers[i].command, folder);
      if (seconds <= 0) continue;
      of_peers[i].push_back(1e3 * seconds);
      beside_peers[i].push_back(analysis.back());
    }
  }
  const std::string measure = "analysis, " + name;
  std::fprintf(stderr, "%s: %zu bytes in %zu files\n", name.c_str(), bytes, corpus.size());
  PrintRatio(measure, "ms", analysis, "bare parse", bare, AtMost(1.5));
  for (size_t i = 0; i < peers.size(); ++i) {
    if (of_peers[i].empty()) {
      std::fprintf(stderr, "error: %s did not run; it is not measured\n", peers[i].name.c_str());
    } else {
      PrintRatio(measure, "ms", beside_peers[i], peers[i].name, of_peers[i],
                 name == "92 kB" ? peers[i].small_goal : peers[i].large_goal);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  std::string pattern = (fs::temp_directory_path() / "analysis_benchmark.XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) return 1;
  const fs::path folder = pattern, small_folder = folder / "small", large_folder = folder / "large";
  Corpus small, large;
  const bool fetched = FetchSmall(small_folder, small) && FetchLarge(large_folder, large);
  if (fetched) {
    const std::vector<Peer> peers = PeersIn(argc > 2 ? argv[2] : "", folder);
    if (peers.size() < 4) {
      std::fprintf(stderr,
                   "error: %zu of the 4 peers are there; the others are NOT measured: name a folder with them\n",
                   peers.size());
    }
    Compare("92 kB", small, small_folder, peers, rounds);
    Compare("5.5 MB", large, large_folder, peers, rounds);
  } else {
    std::fprintf(stderr, "the corpora could not be fetched with npm\n");
  }
  fs::remove_all(folder);
  return fetched ? 0 : 4;
}
