// Memory of one parse: tree-sitter allocates from the calling thread's arena, and nothing is given back one by one. All
// of it is dropped at once when the file's facts are read.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_ARENA_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_ARENA_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace assay::code_analysis {

// Not for more than one thread. Freed blocks up to 512 bytes are reused by size.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  void* Allocate(size_t size);
  void* Reallocate(void* block, size_t size);
  void Free(void* block);
  // Drops everything; keeps at most one chunk for the next file.
  void Reset();
  // Bytes taken since the last Reset.
  size_t used() const { return used_; }

  // Makes tree-sitter allocate from the arena that is current on the calling thread. Process-wide, once, idempotent.
  static void Install();
  // The calling thread's current arena. Parsing without one is a bug that ends the process.
  static void SetCurrent(Arena* arena);

 private:
  struct Chunk {
    char* data;
    size_t size;
  };
  struct Header {
    uint64_t size;
  };
  static constexpr size_t kClasses = 64;  // of 8 bytes each
  void AddChunk(size_t at_least);

  std::vector<Chunk> chunks_;
  char* next_ = nullptr;
  char* end_ = nullptr;
  size_t used_ = 0;
  void* free_[kClasses + 1] = {};
};

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_ARENA_H_
