// SPDX-License-Identifier: Apache-2.0
//
// The analysis of a repository beside a bare parse of the same bytes by the same parser on as many threads, in the same
// run.
//
//   analysis_benchmark [ROUNDS]
//
// The corpora are published packages, fetched with the machine's npm when the benchmark runs: the library of express
// (92 kB), those of webpack and mongoose (5.5 MB). A small application stands beside them, so that every part of the
// analysis has work. Each measurement is a process of its own: the two differ in how the parser allocates.
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

bool Fetch(const fs::path& folder, const std::string& package, const std::string& inner, Corpus& corpus) {
  const std::string command = "cd '" + folder.string() + "' && tar xzf \"$(npm pack --silent --ignore-scripts " +
                              package + " 2>/dev/null | tail -1)\" && rm -rf '" + inner + "' && mv package '" + inner +
                              "'";
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

void Compare(const char* name, const Corpus& corpus, int rounds) {
  size_t bytes = 0;
  for (const auto& [path, text] : corpus) bytes += text.size();
  for (uint32_t threads : {2u, 1u}) {
    std::vector<double> bare, analysis, ratios;
    for (int round = 0; round < rounds; ++round) {
      bare.push_back(Measure([&] { BareParse(corpus, threads); }));
      analysis.push_back(Measure([&] { Analyse(corpus, threads); }));
      ratios.push_back(analysis.back() / bare.back());
    }
    std::printf(
        "{\"corpus\": \"%s\", \"bytes\": %zu, \"files\": %zu, \"threads\": %u, \"bare_parse_ms\": %.2f, "
        "\"analysis_ms\": %.2f, \"mb_per_s\": %.1f, \"ratio\": %.2f}\n",
        name, bytes, corpus.size(), threads, Median(bare) * 1e3, Median(analysis) * 1e3,
        static_cast<double>(bytes) / 1e6 / Median(analysis), Median(ratios));
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  std::string pattern = (fs::temp_directory_path() / "analysis_benchmark.XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) return 1;
  const fs::path folder = pattern;
  Corpus small{{"app.js", Application()}}, large{{"app.js", Application()}};
  const bool fetched = Fetch(folder, "express@4.21.2", "express", small) &&
                       Fetch(folder, "webpack@5.97.1", "webpack", large) &&
                       Fetch(folder, "mongoose@8.9.2", "mongoose", large);
  fs::remove_all(folder);
  if (!fetched) {
    std::fprintf(stderr, "the corpora could not be fetched with npm\n");
    return 4;
  }
  Compare("small", small, rounds);
  Compare("large", large, rounds);
  return 0;
}
