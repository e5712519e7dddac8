// SPDX-License-Identifier: Apache-2.0
//
// A pack that a broken decoder might hand out: Open refuses it, or every entry can be read.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "services/archive/pack.h"
#include "services/archive/pack_writer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  assay::UniqueFd fd(::memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (::pwrite(fd.get(), data, size, 0) != static_cast<ssize_t>(size) || !assay::archive::SealPack(fd.get()).ok())
    return 0;
  const auto pack = assay::archive::Pack::Open(std::move(fd));
  if (!pack.ok()) return 0;
  pack->Verify().IgnoreError();
  pack->content_digest();
  return 0;
}
