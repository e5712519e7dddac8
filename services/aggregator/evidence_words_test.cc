// SPDX-License-Identifier: Apache-2.0
#include "services/aggregator/evidence_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "services/common/base/logging.h"
#include "services/common/blob/testing/fake_blob_store.h"

namespace assay::aggregator {
namespace {

const blob::Owner kOwner = {"local", "abc"};

class EvidenceWords : public ::testing::Test {
 protected:
  v1::Evidence& AddSpan(v1::Evidence::Kind kind, const std::string& file, uint32_t line, const std::string& text) {
    const std::string content = absl::StrCat("{\"file\":", JsonQuote(file), ",\"line\":", line, ",\"end_line\":", line,
                                             ",\"sha256\":\"\",\"text\":", JsonQuote(text), "}\n");
    v1::Evidence& evidence = *report_.add_evidence();
    evidence.set_digest(blob::Put(blobs_, kOwner, content)->ToString());
    evidence.set_kind(kind);
    evidence.set_file(file);
    evidence.set_line(line);
    return evidence;
  }

  blob::FakeBlobStore blobs_;
  const blob::RecordedBytes recorded_{blobs_, kOwner};
  v1::EvaluationReport report_;
  std::map<std::string, EvidenceOrigin> origins_;
};

TEST_F(EvidenceWords, QuotesARatingWithItsRaterAndScorecard) {
  const std::string digest =
      AddSpan(v1::Evidence::RATING, "submission.json", 13,
              "{\"competency\":\"3.1\",\"rating\":3,\"evidence\":\"Asked for the \\u201crate\\u201d.\"},\n")
          .digest();
  const std::string json =
      R"({"ratings":[{"competency":"3.2"},{"competency":"3.1"}],"source":{"file":"card.yaml","entries":[)"
      R"({"field":"ratings[0]","line":7},{"field":"ratings[1]","line":9}]}})";
  origins_[digest] = {"card.yaml", "r-7",
                      std::make_shared<DocumentLines>(LinesOfDocument(v1::Submission::SCORECARD, json))};
  QuoteEvidence(recorded_, origins_, report_);
  EXPECT_EQ(report_.evidence(0).quote(), "Asked for the \u201Crate\u201D.");
  EXPECT_EQ(report_.evidence(0).rater(), "r-7");
  EXPECT_EQ(report_.evidence(0).title(), "card.yaml");
  EXPECT_EQ(report_.evidence(0).file(), "card.yaml");
  EXPECT_EQ(report_.evidence(0).line(), 9u);
}

TEST_F(EvidenceWords, ADocumentWithoutLinesNamesNone) {
  EXPECT_THAT(LinesOfDocument(v1::Submission::SCORECARD, "not json"), ::testing::IsEmpty());
  EXPECT_THAT(LinesOfDocument(v1::Submission::SCORECARD, R"({"ratings":[{"competency":"3.2"}]})"),
              ::testing::IsEmpty());
  EXPECT_THAT(LinesOfDocument(v1::Submission::PORTFOLIO, R"({"items":[{"title":"Node 20"}],"source":{"entries":[)"
                                                         R"({"field":"items[0]","line":4}]}})"),
              ::testing::ElementsAre(::testing::Pair("Node 20", 4u)));
}

TEST_F(EvidenceWords, QuotesAnItemOfAPortfolioByItsSummary) {
  AddSpan(v1::Evidence::PORTFOLIO_ITEM, "submission.json", 7,
          "{\"title\":\"Node 20\",\"summary\":\"One service a week.\"}\n");
  QuoteEvidence(recorded_, origins_, report_);
  EXPECT_EQ(report_.evidence(0).title(), "Node 20");
  EXPECT_EQ(report_.evidence(0).quote(), "One service a week.");
}

TEST_F(EvidenceWords, QuotesTheLinesOfASpanAndCutsAtACharacter) {
  AddSpan(v1::Evidence::SPAN, "a.js", 3, "  first();\n");
  std::string wide = "x";
  while (wide.size() < 3000) wide += "é";
  AddSpan(v1::Evidence::SPAN, "b.js", 1, wide);
  QuoteEvidence(recorded_, origins_, report_);
  EXPECT_EQ(report_.evidence(0).quote(), "  first();\n");
  EXPECT_EQ(report_.evidence(1).quote().size(), 1999u);
}

TEST_F(EvidenceWords, LeavesWhatCannotBeReadWithoutWords) {
  v1::Evidence& gone = *report_.add_evidence();
  gone.set_digest(absl::StrCat("sha256:", std::string(64, '0')));
  gone.set_kind(v1::Evidence::SPAN);
  gone.set_line(1);
  AddSpan(v1::Evidence::RATING, "submission.json", 1, "not json");
  QuoteEvidence(recorded_, origins_, report_);
  for (const auto& evidence : report_.evidence()) EXPECT_EQ(evidence.quote(), "");
}

TEST_F(EvidenceWords, GivesAFindingOfARunTheLineThatTheCodesClaimRecorded) {
  AddSpan(v1::Evidence::SPAN, "src/server.js", 33, "server.close();\n");
  QuoteEvidence(recorded_, origins_, report_);
  v1::Finding& finding = *report_.add_findings();
  finding.set_file("src/server.js");
  finding.set_line(33);
  AddExcerpts(recorded_, report_);
  EXPECT_EQ(report_.findings(0).excerpt(), "server.close();\n");
}

// What the run saw stands in the run; the line the finding is about was recorded by whoever read the code.
TEST_F(EvidenceWords, AFindingThatCitesARunShowsTheLineItIsAbout) {
  AddSpan(v1::Evidence::SPAN, "src/server.js", 33, "server.close();\n");
  QuoteEvidence(recorded_, origins_, report_);
  v1::Evidence& run = *report_.add_evidence();
  run.set_digest(absl::StrCat("sha256:", std::string(64, '1')));
  run.set_kind(v1::Evidence::LOAD_RUN);
  v1::Finding& finding = *report_.add_findings();
  finding.set_file("src/server.js");
  finding.set_line(33);
  finding.set_evidence(run.digest());
  AddExcerpts(recorded_, report_);
  EXPECT_EQ(report_.findings(0).excerpt(), "server.close();\n");
}

TEST_F(EvidenceWords, PlacesWhatTheCodeSuggestsAndNamesNoRun) {
  v1::Claim& claim = *report_.add_claims();
  claim.set_criterion("shutdown.drains");
  claim.set_file("src/server.js");
  claim.set_line(33);
  v1::Contradiction& contradiction = *report_.mutable_readiness()->add_contradictions();
  contradiction.set_id("claim/shutdown.drains");
  contradiction.add_statements()->set_source("code");
  contradiction.add_statements()->set_source("run");
  PlaceContradictions(report_);
  EXPECT_EQ(report_.readiness().contradictions(0).statements(0).file(), "src/server.js");
  EXPECT_EQ(report_.readiness().contradictions(0).statements(0).line(), 33u);
  EXPECT_EQ(report_.readiness().contradictions(0).statements(1).file(), "");
}

TEST_F(EvidenceWords, CommandsNameTheCandidateAsAShellReadsIt) {
  v1::Readiness readiness;
  readiness.add_next_evidence()->set_command("assay submit scorecard.yaml --candidate CANDIDATE --wait");
  v1::Readiness other = readiness;
  AddressCommands("c-1", readiness);
  EXPECT_EQ(readiness.next_evidence(0).command(), "assay submit scorecard.yaml --candidate c-1 --wait");
  AddressCommands("it's; rm", other);
  EXPECT_EQ(other.next_evidence(0).command(), "assay submit scorecard.yaml --candidate 'it'\\''s; rm' --wait");
}

}  // namespace
}  // namespace assay::aggregator
