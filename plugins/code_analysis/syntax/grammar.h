// The grammars, and what each of their symbols becomes in the compact tree.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_GRAMMAR_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_GRAMMAR_H_

#include <string_view>
#include <vector>

#include "plugins/code_analysis/syntax/tree_reader.h"

namespace assay::code_analysis {

enum class Language : uint8_t { kJavaScript, kTypeScript, kTsx };

struct Grammar {
  const TSLanguage* language;
  std::vector<assay_symbol> symbols;
  std::vector<uint8_t> fields;
  assay_grammar_tables tables;
};

// Built on first use, then read by any thread.
const Grammar& GrammarOf(Language language);

// The language of a path by its ending; false for files that hold no JavaScript or TypeScript.
bool LanguageOf(std::string_view path, Language& language);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_GRAMMAR_H_
