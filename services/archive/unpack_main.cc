// SPDX-License-Identifier: Apache-2.0
//
// assay-unpack: reads the archive in descriptor 3, writes its pack into the memory file in descriptor 4 and a report
// into the one in descriptor 5: "ok" or "refused <code>" on the first line, then the reason or the remarks, one a line.
// Ends with 0 in both cases; with another code when it could not even report.
#include <unistd.h>

#include <clocale>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/archive/unpack.h"
#include "services/sandbox/seccomp_profile.h"

int main() {
  // Lets libarchive pass names that are not ASCII; where the locale is missing, they are taken as raw bytes.
  std::setlocale(LC_CTYPE, "C.UTF-8");
  assay::archive::PackWriter writer(4);
  // The archive may be made to take this process over: it can then do nothing but write its two files.
  const absl::Status restricted = assay::sandbox::RestrictStartedProcess();
  const absl::StatusOr<std::vector<std::string>> remarks =
      restricted.ok() ? assay::archive::Unpack(3, writer) : absl::StatusOr<std::vector<std::string>>(restricted);
  std::string report;
  if (remarks.ok()) {
    report = "ok\n";
    for (const std::string& remark : *remarks) absl::StrAppend(&report, remark, "\n");
  } else {
    report =
        absl::StrCat("refused ", static_cast<int>(remarks.status().code()), "\n", remarks.status().message(), "\n");
  }
  return ::write(5, report.data(), report.size()) == static_cast<ssize_t>(report.size()) ? 0 : 1;
}
