// SPDX-License-Identifier: Apache-2.0
#include "services/evaluator/machine_lease.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"

namespace assay::evaluator {
namespace {

// Locks have no queue to wait in together with a cancellation.
constexpr int kLookEveryMilliseconds = 50;

}  // namespace

absl::StatusOr<UniqueFd> MachineLease::Take(const plugin_host::Cancellation& cancellation,
                                            const std::function<void()>& waiting) {
  UniqueFd file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.is_open()) return ErrnoStatus(errno, absl::StrCat("lease ", path_));
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoStatus(errno, absl::StrCat("lease ", path_));
    waiting();
    pollfd event = {cancellation.fd(), POLLIN, 0};
    if (::poll(&event, 1, kLookEveryMilliseconds) > 0)
      return absl::CancelledError("cancelled while waiting for the machine");
  }
  return file;
}

}  // namespace assay::evaluator
