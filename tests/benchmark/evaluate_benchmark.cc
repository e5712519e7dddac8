// SPDX-License-Identifier: Apache-2.0
//
// What a newcomer waits for once everything is built: `assay evaluate --quick` of the sample candidate on a fresh data
// folder, dependencies installed and load test included.
//
//   evaluate_benchmark [ROUNDS]     default: 1
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/testing/temp_dir.h"
#include "tests/benchmark/report.h"

namespace assay::benchmark {
namespace {

int Run(int rounds) {
  const std::string sample = "tests/testdata/sample_candidate";
  std::vector<double> seconds;
  for (int round = 0; round < rounds; ++round) {
    const assay::testing::TempDir folder;
    const std::string command = absl::StrCat(
        "'", std::getenv("ASSAY_BUILD_DIR"), "/bin/assay' evaluate --quick ", sample, "/repository ", sample,
        "/scorecard-system-design.yaml ", sample, "/scorecard-incident-review.yaml ", sample, "/portfolio.yaml --data '",
        folder / "data", "' >/dev/null");
    const absl::Time start = absl::Now();
    if (std::system(command.c_str()) != 0) {
      std::fputs("error: the sample was not evaluated\n", stderr);
      return 4;
    }
    seconds.push_back(absl::ToDoubleSeconds(absl::Now() - start));
  }
  PrintFigure("assay evaluate --quick of the sample", "s", seconds, AtMost(90));
  return 0;
}

}  // namespace
}  // namespace assay::benchmark

int main(int argc, char** argv) {
  int rounds = 1;
  if (argc > 2 || (argc == 2 && (!absl::SimpleAtoi(argv[1], &rounds) || rounds < 1))) {
    std::fputs("usage: evaluate_benchmark [ROUNDS]\n", stderr);
    return 2;
  }
  return assay::benchmark::Run(rounds);
}
