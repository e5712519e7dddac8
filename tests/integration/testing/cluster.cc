// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/testing/cluster.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"

namespace assay::testing {

Cluster::Cluster(const std::string& options) { Do(absl::StrCat("up --while ", getpid(), " ", options)); }

Cluster::~Cluster() { Do("down --now --wipe"); }

void Cluster::Do(const std::string& command) const {
  const std::string line =
      absl::StrCat("tools/cluster ", command, " --build ", std::getenv("ASSAY_BUILD_DIR"), " --dir ", folder(), " >&2");
  if (std::system(line.c_str()) == 0) return;
  std::fprintf(stderr, "This test needs a cluster and has none; failed: %s\n", line.c_str());
  std::_Exit(1);
}

std::string Cluster::Setting(const std::string& name) const {
  const std::string text = ReadFile(folder() + "/cluster.json").value_or("");
  const std::string key = absl::StrCat("\"", name, "\": ");
  const size_t at = text.find(key);
  if (at == std::string::npos) return "";
  const size_t begin = at + key.size() + (text[at + key.size()] == '"' ? 1 : 0);
  return text.substr(begin, text.find_first_of("\"\n", begin) - begin);
}

std::string Cluster::Address(const std::string& name, const std::string& use) const {
  const std::string port = Setting(absl::StrCat(name, "/", use));
  return absl::StrCat("127.0.0.1:", port.substr(0, port.find(',')));
}

}  // namespace assay::testing
