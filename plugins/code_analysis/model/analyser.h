// From files to the model: parse (two threads), read facts, join them.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_ANALYSER_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_ANALYSER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

struct AnalyserOptions {
  uint32_t threads = 2;
  uint64_t max_file_bytes = 8u << 20;
  uint32_t max_files = 20000;  // JavaScript and TypeScript files analysed; the rest is Skipped
  uint64_t max_total_bytes = 256u << 20;
  uint64_t parse_microseconds = 5'000'000;  // for one file
  // Asked between files from any thread; true ends the analysis early (the result is null).
  std::function<bool()> should_stop;
  // Called between files from one thread at a time: phase, done, total.
  std::function<void(std::string_view phase, uint64_t done, uint64_t total)> progress;
};

// `files` may be in any order; the model sorts them. Their bytes must outlive the model. Null when stopped.
std::unique_ptr<Model> AnalyseRepository(std::vector<SourceFile> files, const AnalyserOptions& options);

// Why the repository is no Express application, for its owner to read; empty when it is one.
std::string NotAnExpressApplication(const Model& model);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_ANALYSER_H_
