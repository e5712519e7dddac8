// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"

namespace assay::sandbox {

// What this machine lets the launcher do, found by doing it in a throw-away child. "network", "mounts" and "processes"
// each need a kind of namespace; a kind that is not OK carries the sentence why not.
struct Machine {
  bool root = false;             // effective user 0; else every namespace needs a user namespace first
  bool can_change_user = false;  // may become another user: CAP_SETUID and CAP_SETGID
  bool high_users = false;       // user ids far above those of accounts exist here
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::map<std::string, absl::Status> namespaces;

  static Machine Look();
};

// How an operator mends a missing layer.
std::string MendText(const std::string& layer);

}  // namespace assay::sandbox
