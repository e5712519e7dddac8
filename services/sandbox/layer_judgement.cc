// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/layer_judgement.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace assay::sandbox {

absl::Status JudgeForUntrusted(const std::vector<Launcher::Check>& checks) {
  std::vector<std::string> faults;
  // Several layers are mended by the same step; it is said once.
  std::vector<std::string> mends;
  for (const char* needed : {"network", "mounts", "processes", "privileges", "system_calls", "memory", "pids", "disk"}) {
    auto found =
        std::find_if(checks.begin(), checks.end(), [&](const Launcher::Check& check) { return check.id == needed; });
    if (found == checks.end()) {
      faults.push_back(absl::StrCat(needed, " is not proved"));
    } else if (found->result != Launcher::Check::Result::kEnforced) {
      faults.push_back(absl::StrCat(needed, found->result == Launcher::Check::Result::kAbsent ? " is absent" : " is broken",
                                    " (", found->detail, ")"));
      if (std::find(mends.begin(), mends.end(), found->mend) == mends.end()) mends.push_back(found->mend);
    }
  }
  if (faults.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("candidates' code may not run on this machine: ",
                                                    absl::StrJoin(faults, "; "),
                                                    ". To mend it: ", absl::StrJoin(mends, "; ")));
}

}  // namespace assay::sandbox
