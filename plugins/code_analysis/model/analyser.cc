#include "plugins/code_analysis/model/analyser.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>

#include "plugins/code_analysis/model/package_reader.h"
#include "plugins/code_analysis/model/repository_model.h"
#include "plugins/code_analysis/model/roles.h"
#include "plugins/code_analysis/syntax/parser.h"

namespace assay::code_analysis {
namespace {

struct Parsed {
  std::unique_ptr<Module> module;
  Scopes scopes;
  std::string reason;  // not analysed
};

// Hands out files, largest first, so that no thread ends on a long one.
class ParseQueue {
 public:
  ParseQueue(const std::vector<const SourceFile*>& files, const AnalyserOptions& options)
      : files_(files), options_(options), parsed_(files.size()), order_(files.size()) {
    for (uint32_t i = 0; i < order_.size(); ++i) order_[i] = i;
    std::stable_sort(order_.begin(), order_.end(),
                     [&](uint32_t a, uint32_t b) { return files_[a]->bytes.size() > files_[b]->bytes.size(); });
  }

  void Work(bool reports) {
    FileParser parser;
    ParseLimits limits;
    limits.max_bytes = options_.max_file_bytes;
    limits.max_microseconds = options_.parse_microseconds;
    limits.should_stop = options_.should_stop;
    for (;;) {
      const size_t at = next_.fetch_add(1);
      if (at >= order_.size() || Stopped()) return;
      ParseOne(order_[at], parser, limits);
      if (reports && options_.progress)
        options_.progress("parsing", std::min(next_.load(), order_.size()), order_.size());
    }
  }

  bool Stopped() {
    if (!stopped_ && options_.should_stop && options_.should_stop()) stopped_ = true;
    return stopped_;
  }
  std::vector<Parsed>& parsed() { return parsed_; }

 private:
  void ParseOne(uint32_t index, FileParser& parser, const ParseLimits& limits) {
    const SourceFile& file = *files_[index];
    Parsed& parsed = parsed_[index];
    Language language = Language::kJavaScript;
    LanguageOf(file.path, language);
    parsed.reason = ReasonNotToParse(file.path, file.bytes, limits);
    if (!parsed.reason.empty()) return;
    auto module = std::make_unique<Module>(&file);
    parsed.reason = parser.Parse(language, limits, module->tree);
    if (!parsed.reason.empty()) return;
    parsed.scopes = Scopes(module->tree);
    parsed.module = std::move(module);
  }

  const std::vector<const SourceFile*>& files_;
  const AnalyserOptions& options_;
  std::vector<Parsed> parsed_;
  std::vector<uint32_t> order_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> stopped_ = false;
};

// Files worth parsing, by path; the others go to `skipped` with the reason.
std::vector<const SourceFile*> Choose(const std::vector<SourceFile>& files, const AnalyserOptions& options,
                                      std::vector<Skipped>& skipped) {
  std::vector<const SourceFile*> chosen;
  uint64_t total = 0;
  for (const SourceFile& file : files) {
    if (!IsCode(file)) continue;
    const std::string reason = ReasonToLeaveOut(files, file);
    if (!reason.empty()) {
      skipped.push_back({.file = &file, .reason = reason, .ordinary = true});
    } else if (chosen.size() >= options.max_files) {
      skipped.push_back({&file, "more than " + std::to_string(options.max_files) + " files of code"});
    } else if (total + file.bytes.size() > options.max_total_bytes) {
      skipped.push_back({&file, "more than " + std::to_string(options.max_total_bytes >> 20) + " MiB of code"});
    } else {
      total += file.bytes.size();
      chosen.push_back(&file);
    }
  }
  return chosen;
}

}  // namespace

std::unique_ptr<Model> AnalyseRepository(std::vector<SourceFile> files, const AnalyserOptions& options) {
  auto repository = std::make_unique<ParsedRepository>();
  std::sort(files.begin(), files.end(), [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  repository->files = std::move(files);
  repository->package = ReadPackages(repository->files);
  repository->versions = ReadVersions(repository->files, repository->package);

  const std::vector<const SourceFile*> chosen = Choose(repository->files, options, repository->skipped);
  ParseQueue queue(chosen, options);
  std::vector<std::thread> threads;
  for (uint32_t i = 1; i < options.threads && i < chosen.size(); ++i) {
    try {
      threads.emplace_back([&queue] { queue.Work(false); });
    } catch (const std::system_error&) {
      break;  // a machine without room for a thread: this one does the work
    }
  }
  queue.Work(true);
  for (std::thread& thread : threads) thread.join();
  if (queue.Stopped()) return nullptr;

  std::vector<std::unique_ptr<Module>> modules;
  std::vector<Scopes> scopes;
  for (size_t i = 0; i < chosen.size(); ++i) {
    Parsed& parsed = queue.parsed()[i];
    if (!parsed.reason.empty()) {
      repository->skipped.push_back(
          {.file = chosen[i], .reason = parsed.reason, .ordinary = parsed.reason == kMinified});
      continue;
    }
    parsed.module->role = RoleOf(*parsed.module);
    modules.push_back(std::move(parsed.module));
    scopes.push_back(std::move(parsed.scopes));
  }
  std::sort(repository->skipped.begin(), repository->skipped.end(),
            [](const Skipped& a, const Skipped& b) { return a.file->path < b.file->path; });
  if (options.progress) options.progress("joining files", 0, 0);
  repository->graph =
      std::make_unique<ModuleGraph>(std::move(modules), std::move(scopes), repository->files, repository->package);
  PromoteImported(*repository->graph);
  if (repository->versions.express_major == 0 && !repository->graph->ImportersOf("express").empty())
    repository->versions.express_major = 4;
  return std::make_unique<RepositoryModel>(std::move(repository));
}

std::string NotAnExpressApplication(const Model& model) {
  if (!model.apps().empty()) return "";
  size_t minified = 0;
  const Skipped* unread = nullptr;
  for (const Skipped& skipped : model.skipped()) {
    minified += skipped.reason == kMinified ? 1 : 0;
    if (!skipped.ordinary && unread == nullptr) unread = &skipped;
  }
  // What was not read may be where the application is.
  const std::string not_read =
      unread == nullptr ? "" : "; " + std::string(unread->file->path) + " was not read: " + unread->reason;
  if (model.modules().empty()) {
    if (unread != nullptr) return "none of its JavaScript or TypeScript could be read" + not_read;
    if (minified > 0) return "all JavaScript in it is minified or bundled, so there is no source to read";
    for (const Skipped& skipped : model.skipped()) {
      if (skipped.reason.find("dependency") == std::string::npos)
        return "no file of code in it could be read; the first, " + std::string(skipped.file->path) + ": " +
               skipped.reason;
    }
    return "it contains no JavaScript or TypeScript";
  }
  const bool depends = model.package().Depends("express") || model.package().DependsInDevelopment("express");
  std::string reason = model.package().file == nullptr
                           ? "it has no package.json, and no file creates an Express application"
                       : depends ? "Express is declared, but no file creates an application or a router"
                                 : "Express is not among its dependencies, and no file imports it";
  if (!model.package().error.empty()) reason += " (" + model.package().error + ")";
  if (minified > 0) reason += "; " + std::to_string(minified) + " files are minified or bundled and were not read";
  return reason + not_read;
}

}  // namespace assay::code_analysis
