#include "plugins/code_analysis/syntax/arena.h"

#include <tree_sitter/api.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace assay::code_analysis {
namespace {

constexpr size_t kFirstChunk = 1u << 20;
constexpr size_t kLargestChunk = 32u << 20;
constexpr size_t kKept = 8u << 20;

thread_local Arena* current_arena = nullptr;

size_t RoundUp(size_t size) { return std::max<size_t>((size + 7) & ~size_t{7}, 8); }

void* AllocateHook(size_t size) { return current_arena->Allocate(size); }
void* ZeroedHook(size_t count, size_t size) {
  void* block = current_arena->Allocate(count * size);
  return std::memset(block, 0, count * size);
}
void* ReallocateHook(void* block, size_t size) { return current_arena->Reallocate(block, size); }
void FreeHook(void* block) { current_arena->Free(block); }

}  // namespace

Arena::~Arena() {
  for (const Chunk& chunk : chunks_) std::free(chunk.data);
}

void Arena::AddChunk(size_t at_least) {
  size_t size = chunks_.empty() ? kFirstChunk : std::min(chunks_.back().size * 2, kLargestChunk);
  size = std::max(size, at_least);
  char* data = static_cast<char*>(std::malloc(size));
  if (data == nullptr) {
    // The runtime cannot go on without memory; the platform limits this process and counts the attempt.
    std::fprintf(stderr, "out of memory while parsing\n");
    std::abort();
  }
  chunks_.push_back({data, size});
  next_ = data;
  end_ = data + size;
}

void* Arena::Allocate(size_t size) {
  size = RoundUp(size);
  const size_t slot = size / 8;
  if (slot <= kClasses && free_[slot] != nullptr) {
    void* block = free_[slot];
    std::memcpy(&free_[slot], block, sizeof(void*));
    return block;
  }
  const size_t total = size + sizeof(Header);
  if (static_cast<size_t>(end_ - next_) < total) AddChunk(total);
  auto* header = reinterpret_cast<Header*>(next_);
  header->size = size;
  next_ += total;
  used_ += total;
  return header + 1;
}

void* Arena::Reallocate(void* block, size_t size) {
  if (block == nullptr) return Allocate(size);
  size = RoundUp(size);
  auto* header = static_cast<Header*>(block) - 1;
  if (header->size >= size) return block;
  char* block_end = static_cast<char*>(block) + header->size;
  const size_t more = size - header->size;
  if (block_end == next_ && static_cast<size_t>(end_ - next_) >= more) {
    next_ += more;
    used_ += more;
    header->size = size;
    return block;
  }
  void* grown = Allocate(size);
  std::memcpy(grown, block, header->size);
  Free(block);
  return grown;
}

void Arena::Free(void* block) {
  if (block == nullptr) return;
  auto* header = static_cast<Header*>(block) - 1;
  const size_t slot = header->size / 8;
  if (slot > kClasses) return;
  std::memcpy(block, &free_[slot], sizeof(void*));
  free_[slot] = block;
}

void Arena::Reset() {
  std::fill(std::begin(free_), std::end(free_), nullptr);
  used_ = 0;
  // The newest chunk is the largest; one of moderate size is worth keeping.
  Chunk kept{nullptr, 0};
  for (const Chunk& chunk : chunks_) {
    if (chunk.size <= kKept && chunk.size > kept.size) {
      std::free(kept.data);
      kept = chunk;
    } else {
      std::free(chunk.data);
    }
  }
  chunks_.clear();
  next_ = end_ = nullptr;
  if (kept.data != nullptr) {
    chunks_.push_back(kept);
    next_ = kept.data;
    end_ = kept.data + kept.size;
  }
}

void Arena::Install() {
  static std::once_flag once;
  std::call_once(once, [] { ts_set_allocator(AllocateHook, ZeroedHook, ReallocateHook, FreeHook); });
}

void Arena::SetCurrent(Arena* arena) { current_arena = arena; }

}  // namespace assay::code_analysis
