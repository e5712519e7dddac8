// SPDX-License-Identifier: Apache-2.0
//
// The analysis of a repository beside a bare parse of the same bytes by the same parser on as many threads, and beside
// the linters people use, in the same run.
//
//   analysis_benchmark [ROUNDS [PEERS]]
//
// Writes one line a comparison to standard output, "name ratio goal": our time over the other's, median of the rounds'
// ratios, and what it may be at most ("-": none is set). Times stand on standard error.
//
// The corpora are published packages, fetched with the machine's npm when the benchmark runs: the library of express
// (92 kB), those of webpack and mongoose (5.5 MB). A small application stands beside them, so that every part of the
// analysis has work. Each measurement is a process of its own: the two differ in how the parser allocates.
//
// PEERS is a folder whose node_modules holds eslint, @eslint/js, eslint-plugin-security, eslint-plugin-n, oxlint and
// @ast-grep/cli; those that are there are measured, as whole commands over the same files. ESLint's goals are for its
// recommended rules with both plugins.
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

namespace {

namespace fs = std::filesystem;
using assay::code_analysis::AnalyseRepository;
using assay::code_analysis::GrammarOf;
using assay::code_analysis::Language;
using assay::code_analysis::SourceFile;

constexpr uint32_t kThreads = 2;

using Corpus = std::vector<std::pair<std::string, std::string>>;

constexpr char kPackage[] = R"({"name": "bench", "dependencies": {"express": "^4.21.2"}, "engines": {"node": ">=20"}})";

std::string Application() {
  std::string text = "const express = require('express');\nconst app = express();\napp.use(express.json());\n";
  for (int i = 0; i < 40; ++i)
    text +=
        "app.get('/r" + std::to_string(i) +
        "/:id', async (req, res, next) => { try { res.json(await load(req.params.id)); } catch (e) { next(e); } });\n";
  return text +
         "app.use((err, req, res, next) => res.status(500).end());\nconst server = app.listen(process.env.PORT || "
         "3000);\nprocess.on('SIGTERM', () => server.close(() => process.exit(0)));\n";
}

void WriteApplication(const fs::path& folder) { std::ofstream(folder / "app.js") << Application(); }

bool Fetch(const fs::path& folder, const std::string& package, const std::string& inner, Corpus& corpus) {
  const std::string command = "cd '" + folder.string() + "' && tar xzf \"$(npm pack --silent --ignore-scripts " +
                              package + " 2>/dev/null | tail -1)\" && rm -rf '" + inner + "' && mkdir '" + inner +
                              "' && mv package/lib '" + inner + "/lib' && rm -rf package *.tgz";
  if (std::system(command.c_str()) != 0) return false;
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(folder / inner / "lib")) {
    if (entry.is_regular_file() && entry.path().extension() == ".js") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    corpus.emplace_back(fs::relative(path, folder).string(), text.str());
  }
  return true;
}

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
  files.push_back({.path = "package.json", .bytes = kPackage});
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

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Peer {
  std::string name;
  std::string command;  // of the shell, in the corpus's folder
  std::string small_goal, large_goal;
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
    peers.push_back({"eslint",
                     "node '" + (modules / "eslint/bin/eslint.js").string() + "' -c '" + configuration.string() +
                         "' --no-inline-config -f json .",
                     "0.025", "0.043"});
  }
  if (const fs::path oxlint = modules / ".bin/oxlint"; fs::exists(oxlint)) {
    peers.push_back({"oxlint", "'" + oxlint.string() + "' --threads=2 -f json .", "-", "-"});
    peers.push_back({"oxlint_all_rules", "'" + oxlint.string() + "' --threads=2 -D all -f json .", "1", "0.67"});
  }
  const fs::path grep = modules / "@ast-grep/cli-linux-x64-gnu/ast-grep";
  if (fs::exists(grep)) {
    std::ofstream(scratch / "rules.yml") << "id: evaluates\nlanguage: JavaScript\nrule: {pattern: eval($$$)}\n---\n"
                                            "id: executes\nlanguage: JavaScript\nrule: {pattern: $A.exec($$$)}\n---\n"
                                            "id: requires\nlanguage: JavaScript\nrule: {pattern: require($A)}\n";
    peers.push_back({"ast_grep",
                     "'" + grep.string() + "' scan -j2 -r '" + (scratch / "rules.yml").string() + "' --json=compact .",
                     "-", "1"});
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
  std::vector<double> bare, analysis, ratios;
  std::vector<std::vector<double>> over_peers(peers.size());
  for (int round = 0; round < rounds; ++round) {
    bare.push_back(Measure([&] { BareParse(corpus, kThreads); }));
    analysis.push_back(Measure([&] { Analyse(corpus, kThreads); }));
    ratios.push_back(analysis.back() / bare.back());
    for (size_t i = 0; i < peers.size(); ++i) {
      const double seconds = MeasureCommand(peers[i].command, folder);
      if (seconds > 0) over_peers[i].push_back(analysis.back() / seconds);
    }
  }
  std::fprintf(stderr, "%s: %zu bytes in %zu files; bare parse %.2f ms, analysis %.2f ms, %.1f MB/s\n", name.c_str(),
               bytes, corpus.size(), Median(bare) * 1e3, Median(analysis) * 1e3,
               static_cast<double>(bytes) / 1e6 / Median(analysis));
  std::printf("analysis_%s_over_bare_parse %.2f 1.5\n", name.c_str(), Median(ratios));
  for (size_t i = 0; i < peers.size(); ++i) {
    if (over_peers[i].empty()) {
      std::fprintf(stderr, "%s did not run\n", peers[i].name.c_str());
      continue;
    }
    std::printf("analysis_%s_over_%s %.3f %s\n", name.c_str(), peers[i].name.c_str(), Median(over_peers[i]),
                (name == "small" ? peers[i].small_goal : peers[i].large_goal).c_str());
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  std::string pattern = (fs::temp_directory_path() / "analysis_benchmark.XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) return 1;
  const fs::path folder = pattern, small_folder = folder / "small", large_folder = folder / "large";
  fs::create_directories(small_folder);
  fs::create_directories(large_folder);
  Corpus small{{"app.js", Application()}}, large{{"app.js", Application()}};
  WriteApplication(small_folder);
  WriteApplication(large_folder);
  const bool fetched = Fetch(small_folder, "express@4.21.2", "express", small) &&
                       Fetch(large_folder, "webpack@5.97.1", "webpack", large) &&
                       Fetch(large_folder, "mongoose@8.9.2", "mongoose", large);
  if (fetched) {
    const std::vector<Peer> peers = PeersIn(argc > 2 ? argv[2] : "", folder);
    Compare("small", small, small_folder, peers, rounds);
    Compare("large", large, large_folder, peers, rounds);
  } else {
    std::fprintf(stderr, "the corpora could not be fetched with npm\n");
  }
  fs::remove_all(folder);
  return fetched ? 0 : 4;
}
