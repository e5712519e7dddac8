// Each check named in the issue has at least two repositories in which it must find something and two in which it must
// not. Counted at the end of the run, over everything the tests of the families gave to RunCheck.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "plugins/code_analysis/testing/repository.h"

namespace assay::code_analysis {
namespace {

constexpr std::array<std::string_view, 43> kNamed = {"A1", "A2", "A3", "A4", "A6", "A7", "A8", "A9", "B1", "B4", "B5",
                                                     "B6", "B7", "C1", "C3", "C4", "C6", "C8", "D1", "D2", "D3", "D3b",
                                                     "D9", "E1", "E4", "E5", "E7", "E8", "E9", "F1", "G1", "G2", "J1",
                                                     "J2", "K1", "K2", "K3", "M1", "M3", "M4", "N1", "O1", "O7"};

class EveryCheckHasItsCases : public ::testing::Environment {
 public:
  void TearDown() override {
    const bool whole = ::testing::GTEST_FLAG(filter) == "*" && std::getenv("GTEST_TOTAL_SHARDS") == nullptr;
    if (!whole) return;  // a part of the tests was asked for
    for (std::string_view id : kNamed) {
      const testing::CaseCount cases = testing::CasesOf(id);
      EXPECT_GE(cases.found, 2u) << id << " is found in too few of the tests' repositories";
      EXPECT_GE(cases.not_found, 2u) << id << " is absent from too few of the tests' repositories";
    }
    for (const Check* check : AllChecks()) {
      const bool named = std::find(kNamed.begin(), kNamed.end(), check->id) != kNamed.end();
      EXPECT_TRUE(named) << check->id << " is not among the checks that are counted here";
    }
  }
};

const ::testing::Environment* const kCounting = ::testing::AddGlobalTestEnvironment(new EveryCheckHasItsCases);

}  // namespace
}  // namespace assay::code_analysis
