// Each check has at least two repositories in which it names a place and two in which it sees the criterion met and
// names none, either pair in two styles of code. Counted at the end of the run, over everything the tests of the
// families gave to RunCheck.
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
      Expect(id, testing::Case::kFound, "names a place");
      Expect(id, testing::Case::kGood, "sees the criterion met");
    }
    for (const Check* check : AllChecks()) {
      const bool named = std::find(kNamed.begin(), kNamed.end(), check->id) != kNamed.end();
      EXPECT_TRUE(named) << check->id << " is not among the checks that are counted here";
    }
  }

 private:
  static void Expect(std::string_view id, testing::Case which, std::string_view what) {
    const testing::CaseCount cases = testing::CasesOf(id, which);
    EXPECT_GE(cases.repositories, 2u) << id << " " << what << " in too few of the tests' repositories";
    EXPECT_GE(cases.styles, 2u) << id << " " << what << " in one style of code only";
  }
};

const ::testing::Environment* const kCounting = ::testing::AddGlobalTestEnvironment(new EveryCheckHasItsCases);

}  // namespace
}  // namespace assay::code_analysis
