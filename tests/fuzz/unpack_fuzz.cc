// SPDX-License-Identifier: Apache-2.0
//
// Uploaded archives: refused, or a pack that opens and holds what its index says.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "services/archive/unpack.h"

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
