// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/result_collector.h"

#include <gtest/gtest.h>

namespace assay::plugin_host {
namespace {

constexpr char kGiven[] = "const app = express();\napp.use(routes);\nfetch(url);\napp.listen(3000)";
constexpr char kChanged[] = "const app = express();\napp.use(routes);\nfetch(url);\napp.listen(3000)\nfetch(other);\n";

// A repository of three files: one as it was given, one that was changed at its end, one of the candidate's own.
class Authorship : public ::testing::Test {
 protected:
  Authorship() { evaluator_.add_criteria()->set_id("run.starts"); }

  static EvaluationInput File(const char* path, const char* content, v1::Authorship whose, const char* base) {
    EvaluationInput input;
    input.path = path;
    input.content = content;
    input.authorship = whose;
    input.base_content = base;
    return input;
  }

  // What one finding at that place comes to, with the load run as its evidence, a span, or none.
  enum class Evidence { kRun, kSpan, kNone };
  v1::Authorship OfFinding(const char* path, uint32_t line, Evidence evidence) {
    EvidenceTable table(inputs_, v1::Evidence::ARTIFACT, /*has_base=*/true);
    const std::vector<v1::Claim> no_claims;
    ResultCollector collector(evaluator_, inputs_, no_claims, table);
    plugin::v1::Frame frame;
    v1::Finding& finding = *frame.mutable_finding();
    finding.set_check("load");
    finding.set_message("the run showed it");
    finding.set_severity(v1::Finding::WARNING);
    finding.set_file(path);
    finding.set_line(line);
    finding.set_end_line(line);
    if (evidence != Evidence::kNone) finding.set_evidence("c:1");
    if (evidence == Evidence::kRun) {
      EXPECT_TRUE(table.Add(1, {v1::Evidence::LOAD_RUN, "application/json", "run", "{}"}, "loadgen").ok());
    } else if (evidence == Evidence::kSpan) {
      plugin::v1::SpanCall span;
      for (size_t i = 0; i < inputs_.size(); ++i) {
        if (inputs_[i].path == path) span.set_path("i:" + std::to_string(i));
      }
      span.set_line(line);
      span.set_end_line(line);
      EXPECT_TRUE(table.AddSpan(1, span).ok());
    }
    EXPECT_TRUE(collector.Take(std::move(frame)).ok());
    plugin::v1::Done done;
    done.set_findings(1);
    const absl::StatusOr<EvaluationResult> result = collector.Finish(done);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->findings.at(0).authorship() : v1::AUTHORSHIP_UNSPECIFIED;
  }

  plugin::v1::Manifest::Evaluator evaluator_;
  const std::vector<EvaluationInput> inputs_ = {File("given.js", kGiven, v1::GIVEN, kGiven),
                                                File("changed.js", kChanged, v1::SHARED, kGiven),
                                                File("own.js", "listen()\n", v1::CANDIDATE, "")};
};

TEST_F(Authorship, WhatARunShowedOfAPlaceIsAboutWhoeverWroteThePlace) {
  EXPECT_EQ(OfFinding("given.js", 3, Evidence::kRun), v1::GIVEN);
  EXPECT_EQ(OfFinding("own.js", 1, Evidence::kRun), v1::CANDIDATE);
  EXPECT_EQ(OfFinding("changed.js", 3, Evidence::kRun), v1::GIVEN);
  EXPECT_EQ(OfFinding("changed.js", 5, Evidence::kRun), v1::CANDIDATE);
}

TEST_F(Authorship, WhatARunShowedOfNoPlaceIsShared) { EXPECT_EQ(OfFinding("", 0, Evidence::kRun), v1::SHARED); }

TEST_F(Authorship, AFlawInTheGivenLinesOfAChangedFileStaysGiven) {
  EXPECT_EQ(OfFinding("changed.js", 3, Evidence::kSpan), v1::GIVEN);
  EXPECT_EQ(OfFinding("changed.js", 5, Evidence::kSpan), v1::CANDIDATE);
  EXPECT_EQ(OfFinding("changed.js", 4, Evidence::kSpan), v1::GIVEN) << "a line stays itself when others follow it";
}

TEST_F(Authorship, AFindingAboutAWholeChangedFileIsShared) {
  EXPECT_EQ(OfFinding("changed.js", 0, Evidence::kNone), v1::SHARED);
  EXPECT_EQ(OfFinding("given.js", 0, Evidence::kNone), v1::GIVEN);
}

TEST_F(Authorship, AnExperimentIsAboutWhoeverMadeTheClaim) {
  EvidenceTable table(inputs_, v1::Evidence::ARTIFACT, /*has_base=*/true);
  v1::Claim prior;
  prior.set_id("shutdown.drains");
  prior.set_authorship(v1::GIVEN);
  const std::vector<v1::Claim> claims = {prior};
  ResultCollector collector(evaluator_, inputs_, claims, table);
  EXPECT_TRUE(table.Add(1, {v1::Evidence::LOAD_RUN, "application/json", "run", "{}"}, "loadgen").ok());
  plugin::v1::SpanCall span;
  span.set_path("i:1");
  span.set_line(5);
  span.set_end_line(5);
  EXPECT_TRUE(table.AddSpan(2, span).ok());
  plugin::v1::Frame tested, claimed;
  tested.mutable_experiment()->set_claim("shutdown.drains");
  tested.mutable_experiment()->set_verdict(v1::Claim::CONFIRMED);
  tested.mutable_experiment()->set_reason("nothing was lost");
  tested.mutable_experiment()->add_evidence("c:1");
  claimed.mutable_claim()->set_id("run.starts");
  claimed.mutable_claim()->set_criterion("run.starts");
  claimed.mutable_claim()->set_statement("starts");
  claimed.mutable_claim()->add_evidence("c:2");
  EXPECT_TRUE(collector.Take(std::move(tested)).ok());
  EXPECT_TRUE(collector.Take(std::move(claimed)).ok());
  plugin::v1::Done done;
  done.set_claims(1);
  done.set_experiments(1);
  const absl::StatusOr<EvaluationResult> result = collector.Finish(done);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->claims.size(), 2u);
  EXPECT_EQ(result->claims[0].id(), "run.starts");
  EXPECT_EQ(result->claims[0].authorship(), v1::CANDIDATE);
  EXPECT_EQ(result->claims[1].verdict(), v1::Claim::CONFIRMED);
  EXPECT_EQ(result->claims[1].authorship(), v1::GIVEN);
}

TEST(AuthorshipOfLines, PartsOfAGivenLineAreNotTheLine) {
  EvaluationInput input;
  input.content = "fetch(url);\n";
  input.base_content = "await fetch(url);\n";
  input.authorship = v1::SHARED;
  EXPECT_EQ(AuthorshipOfLines(input, 1, 1), v1::CANDIDATE);
  EXPECT_EQ(AuthorshipOfLines(input, 9, 9), v1::SHARED) << "there is no such line";
}

}  // namespace
}  // namespace assay::plugin_host
