// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/evidence_table.h"

#include <gtest/gtest.h>

namespace assay::plugin_host {
namespace {

EvaluationInput File(const std::string& path, v1::Authorship authorship) {
  EvaluationInput input;
  input.path = path;
  input.authorship = authorship;
  return input;
}

v1::Authorship OfARun(const std::vector<EvaluationInput>& inputs, bool has_base) {
  return EvidenceTable(inputs, v1::Evidence::ARTIFACT, has_base).Derive({{"sha256:00", "loadgen", v1::CANDIDATE, false}});
}

TEST(EvidenceTable, ARunOfWhatWasGivenUnchangedSaysNothingOfTheCandidate) {
  EXPECT_EQ(OfARun({File("a.js", v1::GIVEN), File("b.js", v1::GIVEN)}, true), v1::GIVEN);
}

TEST(EvidenceTable, ARunIsSharedAsSoonAsOneFileIsTheCandidatesOwn) {
  EXPECT_EQ(OfARun({File("a.js", v1::GIVEN), File("b.js", v1::CANDIDATE)}, true), v1::SHARED);
  EXPECT_EQ(OfARun({File("a.js", v1::SHARED)}, true), v1::SHARED);
}

TEST(EvidenceTable, WithoutABaseARunIsTheCandidates) {
  EXPECT_EQ(OfARun({File("a.js", v1::CANDIDATE)}, false), v1::CANDIDATE);
}

}  // namespace
}  // namespace assay::plugin_host
