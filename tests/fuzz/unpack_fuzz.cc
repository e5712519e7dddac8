// SPDX-License-Identifier: Apache-2.0
//
// Uploaded archives: refused, or a pack that opens and holds what its index says.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "services/archive/unpack.h"

namespace {

constexpr size_t kBlock = 512;
constexpr size_t kChecksum = 148;

// Gives a changed tar what a reader looks at first, whole blocks, checksums and an end mark, so that changes reach what
// lies behind. Every block is treated as a header that has the mark of one.
size_t RepairTar(uint8_t* data, size_t size, size_t max_size) {
  size = std::min((size + kBlock - 1) / kBlock * kBlock, max_size / kBlock * kBlock);
  if (size < 2 * kBlock) return size;
  std::memset(data + size - kBlock, 0, kBlock);
  std::memcpy(data + 257, "ustar", 5);
  for (size_t at = 0; at + kBlock < size; at += kBlock) {
    uint8_t* header = data + at;
    if (std::memcmp(header + 257, "ustar", 5) != 0) continue;
    std::memset(header + kChecksum, ' ', 8);
    unsigned sum = 0;
    for (size_t i = 0; i < kBlock; ++i) sum += header[i];
    char field[8];
    std::snprintf(field, sizeof field, "%06o", sum);
    std::memcpy(header + kChecksum, field, 7);
  }
  return size;
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size) __attribute__((weak));

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  const bool is_tar = size >= 2 * kBlock && std::memcmp(data + 257, "ustar", 5) == 0;
  const size_t changed = LLVMFuzzerMutate(data, size, max_size);
  if (!is_tar || seed % 8 == 0) return changed;
  if (changed < max_size) std::memset(data + changed, 0, std::min(kBlock, max_size - changed));
  return RepairTar(data, changed, max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const assay::UniqueFd in(::memfd_create("in", MFD_CLOEXEC));
  assay::UniqueFd out(::memfd_create("out", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (::pwrite(in.get(), data, size, 0) != static_cast<ssize_t>(size)) return 0;
  assay::archive::UnpackLimits limits;
  limits.max_content_bytes = limits.max_inflated_bytes = 8 << 20;
  assay::archive::PackWriter writer(out.get());
  if (!assay::archive::Unpack(in.get(), writer, limits).ok()) return 0;
  if (!assay::archive::SealPack(out.get()).ok()) return 0;
  const auto pack = assay::archive::Pack::Open(std::move(out));
  if (!pack.ok() || !pack->Verify().ok()) std::abort();
  return 0;
}
