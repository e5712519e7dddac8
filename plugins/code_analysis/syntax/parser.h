// Parses one file at a time into its compact tree, within bounds.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_PARSER_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_PARSER_H_

#include <functional>
#include <string>

#include "plugins/code_analysis/syntax/arena.h"
#include "plugins/code_analysis/syntax/grammar.h"
#include "plugins/code_analysis/syntax/syntax_tree.h"

namespace assay::code_analysis {

struct ParseLimits {
  uint64_t max_bytes = 8u << 20;
  uint32_t max_depth = 1500;              // nested nodes, hidden ones of the grammar included
  size_t max_arena_bytes = 768u << 20;    // 8 MiB of ordinary code take 250 MiB
  uint64_t max_microseconds = 5'000'000;  // of processor time it would take on a quiet machine
  std::function<bool()> should_stop;
};

// One per thread; not for more than one thread.
class FileParser {
 public:
  FileParser() { Arena::Install(); }

  // Fills the tree. Returns why the file is not analysed, or an empty string. A file with syntax errors is analysed
  // around them.
  std::string Parse(Language language, const ParseLimits& limits, SyntaxTree& tree);

 private:
  Arena arena_;
};

// The reason for generated code, which nobody expects to be read.
inline constexpr std::string_view kMinified = "minified or bundled";

// Fast checks of the bytes alone: size, encoding, generated code. Empty: worth parsing.
std::string ReasonNotToParse(std::string_view path, std::string_view bytes, const ParseLimits& limits);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_PARSER_H_
