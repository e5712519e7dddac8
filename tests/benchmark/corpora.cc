// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmark/corpora.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace assay::benchmark {
namespace {

namespace fs = std::filesystem;

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

void AddApplication(const fs::path& folder, Corpus& corpus) {
  fs::create_directories(folder);
  std::ofstream(folder / "app.js") << Application();
  corpus.emplace_back("app.js", Application());
}

}  // namespace

bool FetchSmall(const fs::path& folder, Corpus& corpus) {
  AddApplication(folder, corpus);
  return Fetch(folder, "express@4.21.2", "express", corpus);
}

bool FetchLarge(const fs::path& folder, Corpus& corpus) {
  AddApplication(folder, corpus);
  return Fetch(folder, "webpack@5.97.1", "webpack", corpus) && Fetch(folder, "mongoose@8.9.2", "mongoose", corpus);
}

}  // namespace assay::benchmark
