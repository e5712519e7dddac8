// A file of the submission as the analysis sees it.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_SOURCE_SOURCE_FILE_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_SOURCE_SOURCE_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace assay::code_analysis {

// What the candidate was given is analysed like the rest, which hangs on it; whose work a place is, the platform says.
struct SourceFile {
  // Relative to the submission's root, with "/".
  std::string_view path;
  // Not owned: lives as long as the analysis.
  std::string_view bytes;
  // The input's place in the host's list.
  uint32_t index = 0;
};

// A place in a file. Lines and columns count from 1; columns count bytes. Line 0 stands for the whole file.
struct Span {
  const SourceFile* file = nullptr;
  uint32_t line = 0;
  uint32_t column = 0;
  uint32_t end_line = 0;
  uint32_t end_column = 0;

  explicit operator bool() const { return file != nullptr; }
};

inline Span WholeFile(const SourceFile& file) { return {.file = &file}; }
inline Span LineOf(const SourceFile& file, uint32_t line) { return {&file, line, 1, line, 1}; }

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_SOURCE_SOURCE_FILE_H_
