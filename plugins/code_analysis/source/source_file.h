// A file of the submission as the analysis sees it.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_SOURCE_SOURCE_FILE_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_SOURCE_SOURCE_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace assay::code_analysis {

// Whose work a file is. GIVEN files are unchanged from what the candidate was handed: they are analysed, because the
// rest of the application hangs on them, but what is found in them says nothing about the candidate.
enum class Authorship : uint8_t { kCandidate = 1, kGiven = 2, kShared = 3, kUnknown = 4 };

struct SourceFile {
  // Relative to the submission's root, with "/".
  std::string_view path;
  // Not owned: lives as long as the analysis.
  std::string_view bytes;
  Authorship authorship = Authorship::kCandidate;
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
