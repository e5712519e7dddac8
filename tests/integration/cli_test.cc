// SPDX-License-Identifier: Apache-2.0
//
// The command line as people meet it: real processes, their exit codes, and what they say about bad input.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "assay/v1/report.pb.h"
#include "google/rpc/status.pb.h"
#include "services/common/base/file.h"
#include "services/common/base/shell_quote.h"
#include "services/common/base/testing/temp_dir.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// Exit codes of interfaces.md, section 2.
constexpr int kDone = 0, kAnswerIsNo = 1, kWrongUsage = 2, kBadInput = 3, kUnavailable = 4, kNotFound = 5;

constexpr char kSample[] = "tests/testdata/sample_candidate";

struct Outcome {
  int exit = -1;
  std::string out;
  std::string err;
};

constexpr char kGoodCard[] = R"(kind: scorecard
candidate: c-1
framework: senior-express-engineer@1
rater: {id: r-7, role: interviewer}
session: {stage: design, held_at: 2026-10-01T14:00:00Z}
ratings:
  - {competency: "3.1", rating: 3, evidence: "Explained admission control with numbers from the last sale."}
)";

// "error: <what>: <field or file:line>: <why>; <what to do>", a line each; of a document's fields `what` is its place.
void ExpectErrorLines(const std::string& text) {
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    EXPECT_TRUE(std::regex_match(std::string(line), std::regex("error: [^ ].*: .+; .+"))) << line;
    for (const unsigned char c : line) EXPECT_GE(c, 0x20) << line;
  }
  EXPECT_THAT(text, ::testing::EndsWith("\n"));
}

class Cli : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }

  std::string Write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories(std::filesystem::path(Path(name)).parent_path());
    std::ofstream(Path(name), std::ios::binary) << content;
    return Path(name);
  }

  Outcome Run(const std::vector<std::string>& arguments) const {
    std::string command = absl::StrCat("exec env TERM=dumb LC_ALL=C.UTF-8 ", ShellQuote(Assay()));
    for (const std::string& argument : arguments) absl::StrAppend(&command, " ", ShellQuote(argument));
    absl::StrAppend(&command, " >", ShellQuote(Path("out")), " 2>", ShellQuote(Path("err")), " </dev/null");
    const int status = std::system(command.c_str());
    Outcome outcome;
    outcome.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    outcome.out = *ReadFile(Path("out"), 64 << 20);
    outcome.err = *ReadFile(Path("err"), 64 << 20);
    return outcome;
  }

  // `assay evaluate` without the load test, on a data folder of this test.
  Outcome Evaluate(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "evaluate");
    for (const char* more : {"--skip", "load_test", "--data"}) arguments.push_back(more);
    arguments.push_back(Path("data"));
    return Run(arguments);
  }

  v1::EvaluationReport Report(std::vector<std::string> arguments) const {
    arguments.push_back("--json");
    const Outcome outcome = Evaluate(std::move(arguments));
    EXPECT_EQ(outcome.exit, kDone) << outcome.err << outcome.out;
    v1::EvaluationReport report;
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(outcome.out, &report).ok()) << outcome.out.substr(0, 200);
    return report;
  }

  // What a document that must be refused is answered with.
  void ExpectRefused(const std::string& name, const std::string& content, const std::vector<std::string>& words) const {
    const Outcome outcome = Evaluate({Write(name, content)});
    EXPECT_EQ(outcome.exit, kBadInput) << name << "\n" << outcome.err;
    ExpectErrorLines(outcome.err);
    EXPECT_THAT(outcome.out, IsEmpty()) << name;
    for (const std::string& word : words) EXPECT_THAT(outcome.err, HasSubstr(word)) << name;
  }

  void CopySample(const std::string& name) const {
    std::filesystem::copy(absl::StrCat(kSample, "/repository"), Path(name), std::filesystem::copy_options::recursive);
  }

 private:
  static std::string Assay() { return absl::StrCat(std::getenv("ASSAY_BUILD_DIR"), "/bin/assay"); }

  testing::TempDir folder_;
};

std::string Changed(const std::string& from, const std::string& to) {
  return absl::StrReplaceAll(kGoodCard, {{from, to}});
}

TEST_F(Cli, HelpOfEveryCommandShowsAnExample) {
  for (const char* command :
       {"evaluate", "serve", "submit", "submissions list", "submissions get", "submissions watch", "readiness get",
        "readiness explain", "evidence get", "candidates delete", "frameworks list", "frameworks show",
        "frameworks validate", "doctor", "submissions", "readiness", "evidence", "candidates", "frameworks"}) {
    std::vector<std::string> words = absl::StrSplit(command, ' ');
    words.push_back("--help");
    const Outcome outcome = Run(words);
    EXPECT_EQ(outcome.exit, kDone) << command;
    EXPECT_THAT(outcome.out, HasSubstr("Example: assay ")) << command;
  }
}

TEST_F(Cli, WrongUsageIsOneLineAndCodeTwo) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{},
                                                    {"evaluate"},
                                                    {"evaluate", ".", "--quik"},
                                                    {"frobnicate"},
                                                    {"evaluate", ".", "--require", "MAYBE"},
                                                    {"evaluate", ".", "--audience", "world"},
                                                    {"readiness"}}) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.exit, kWrongUsage);
    EXPECT_THAT(outcome.err, AllOf(StartsWith("error: usage: "), HasSubstr("--help")));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_THAT(outcome.out, IsEmpty());
  }
}

TEST_F(Cli, WrongUsageWithJsonIsADocument) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"evaluate", ".", "--quik", "--json"}, {"--json"}, {"frobnicate", "--json"}}) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.exit, kWrongUsage);
    EXPECT_THAT(outcome.err, IsEmpty());
    google::rpc::Status status;
    ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(outcome.out, &status).ok()) << outcome.out;
    EXPECT_EQ(status.code(), 3);
    EXPECT_THAT(status.message(), AllOf(StartsWith("usage: "), HasSubstr("--help")));
  }
}

TEST_F(Cli, AListOfEvaluatorsDoesNotSwallowThePathBehindIt) {
  const Outcome outcome = Run({"evaluate", "--skip", "load_test", Path("nothing.yaml")});
  EXPECT_EQ(outcome.exit, kBadInput) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("nothing.yaml"));
}

TEST_F(Cli, AMissingFileIsNamed) {
  const Outcome outcome = Evaluate({Path("nothing.yaml")});
  EXPECT_EQ(outcome.exit, kBadInput);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("nothing.yaml"), HasSubstr("no such file")));
  EXPECT_EQ(Evaluate({absl::StrCat(kSample, "/repository"), "--base", Path("no-base")}).exit, kBadInput);
}

TEST_F(Cli, ADocumentsMistakeIsNamedWithItsLine) {
  ExpectRefused("key.yaml", Changed("ratings:", "raitings:"), {"key.yaml:6", "raitings"});
  ExpectRefused("inner.yaml", Changed("rating: 3", "ratng: 3"), {"inner.yaml:7", "ratng"});
  ExpectRefused("kind.yaml", Changed("kind: scorecard", "kind: report-card"),
                {"kind.yaml", "report-card", "portfolio"});
  ExpectRefused("no-kind.yaml", Changed("kind: scorecard\n", ""), {"no-kind.yaml", "kind"});
  ExpectRefused("competency.yaml", Changed("\"3.1\"", "\"3.9\""), {"competency.yaml:7", "3.9"});
  ExpectRefused("above.yaml", Changed("rating: 3", "rating: 4.5"), {"above.yaml:7", "4.5"});
  ExpectRefused("below.yaml", Changed("rating: 3", "rating: -1"), {"below.yaml:7", "-1"});
  ExpectRefused("words.yaml", Changed("rating: 3", "rating: good"), {"words.yaml:7", "good"});
  ExpectRefused("evidence.yaml",
                Changed("evidence: \"Explained admission control with numbers from the last sale.\"", "evidence: \"\""),
                {"evidence.yaml:7", "evidence"});
  ExpectRefused("role.yaml", Changed("role: interviewer", "role: friend"), {"role.yaml:4", "friend", "interviewer"});
  ExpectRefused(
      "twice.yaml",
      absl::StrCat(kGoodCard,
                   "  - {competency: \"3.1\", rating: 1, evidence: \"Said something else on the same day.\"}\n"),
      {"twice.yaml:8", "3.1"});
  ExpectRefused("framework.yaml", Changed("senior-express-engineer@1", "senior-cobol-engineer@1"),
                {"framework.yaml:3", "senior-cobol-engineer"});
}

TEST_F(Cli, WhatIsNoDocumentIsRefusedBeforeItCosts) {
  ExpectRefused("tabs.yaml", Changed("  - {", "\t- {"), {"tabs.yaml:7"});
  ExpectRefused("bytes.yaml", Changed("sale", "s\xFF\xFE"), {"bytes.yaml:7", "UTF-8"});
  ExpectRefused("empty.yaml", "", {"empty.yaml"});
  ExpectRefused("list.yaml", "- 1\n- 2\n", {"list.yaml"});
  ExpectRefused("cut.json", "{\"kind\": \"scorecard\", \"candidate\": ", {"cut.json"});
  ExpectRefused("large.yaml", absl::StrCat(kGoodCard, "# ", std::string(10 << 20, 'x'), "\n"), {"large.yaml"});
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    absl::StrAppend(&bomb, "a", i, ": &a", i, " [");
    for (int k = 0; k < 10; ++k) absl::StrAppend(&bomb, k == 0 ? "" : ", ", "*a", i - 1);
    bomb += "]\n";
  }
  ExpectRefused("bomb.yaml", absl::StrCat("kind: scorecard\n", bomb), {"bomb.yaml"});
  ExpectRefused("deep.yaml", absl::StrCat("kind: ", std::string(100'000, '['), "\n"), {"deep.yaml"});
}

TEST_F(Cli, OneCallIsAboutOneCandidate) {
  const std::string other = Write("other.yaml", Changed("candidate: c-1", "candidate: c-2"));
  const Outcome outcome = Evaluate({Write("card.yaml", kGoodCard), other});
  EXPECT_EQ(outcome.exit, kBadInput);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("other.yaml"), HasSubstr("c-1"), HasSubstr("c-2")));
}

TEST_F(Cli, ErrorsAreADocumentWithJson) {
  const Outcome outcome = Evaluate({Write("above.yaml", Changed("rating: 3", "rating: 9")), "--json"});
  EXPECT_EQ(outcome.exit, kBadInput);
  EXPECT_THAT(outcome.out, AllOf(StartsWith("{"), HasSubstr("\"code\": 3"), HasSubstr("above.yaml")));
}

TEST_F(Cli, AnArchiveThatIsNoneIsRefusedByName) {
  const Outcome outcome = Evaluate({Write("project.tar.gz", "this is not an archive")});
  EXPECT_EQ(outcome.exit, kBadInput) << outcome.out;
  EXPECT_THAT(outcome.err, AllOf(StartsWith("error: "), HasSubstr("project.tar.gz")));
}

TEST_F(Cli, ARefusedBaseIsNamed) {
  const Outcome outcome = Evaluate({absl::StrCat(kSample, "/repository"), "--base", Write("starter.zip", "not a zip")});
  EXPECT_EQ(outcome.exit, kBadInput) << outcome.out;
  EXPECT_THAT(outcome.err, AllOf(StartsWith("error: --base: "), HasSubstr("starter.zip")));
}

TEST_F(Cli, WhatIsNoExpressApplicationIsSaidAndNotScored) {
  Write("plain/index.js", "console.log('hello');\n");
  Write("plain/package.json", "{\"name\": \"plain\", \"version\": \"1.0.0\"}\n");
  const Outcome outcome = Evaluate({Path("plain")});
  EXPECT_EQ(outcome.exit, kBadInput);
  EXPECT_THAT(outcome.err, HasSubstr("plain: not an Express application"));
  EXPECT_THAT(Run({"readiness", "get", "local", "--data", Path("data")}).out, HasSubstr("NOT ENOUGH EVIDENCE"));
}

TEST_F(Cli, EachKindOfInputLeadsWithWhatItShows) {
  const std::string card = absl::StrCat(kSample, "/scorecard-system-design.yaml");
  const std::string portfolio = absl::StrCat(kSample, "/portfolio.yaml");
  const Outcome people = Evaluate({card});
  EXPECT_EQ(people.exit, kDone) << people.err;
  EXPECT_THAT(people.out, AllOf(HasSubstr("What people saw"), HasSubstr("by r-jonas"), Not(HasSubstr("The service:"))));

  std::filesystem::remove_all(Path("data"));
  const Outcome handed_in = Evaluate({portfolio});
  EXPECT_EQ(handed_in.exit, kDone) << handed_in.err;
  EXPECT_THAT(handed_in.out, AllOf(HasSubstr("What was handed in"), HasSubstr("Node 16 to 20")));

  std::filesystem::remove_all(Path("data"));
  const Outcome code = Evaluate({absl::StrCat(kSample, "/repository")});
  EXPECT_EQ(code.exit, kDone) << code.err;
  EXPECT_THAT(code.out, AllOf(HasSubstr("The service: 6 routes"), HasSubstr("src/clients/pricing.js:"),
                              HasSubstr("NOT ENOUGH EVIDENCE"), HasSubstr("Go on with")));
}

TEST_F(Cli, RequireReadyAnswersWithCodeOne) {
  const std::string card = Write("card.yaml", kGoodCard);
  EXPECT_EQ(Evaluate({card}).exit, kDone);
  const Outcome outcome = Evaluate({card, "--require", "READY"});
  EXPECT_EQ(outcome.exit, kAnswerIsNo);
  EXPECT_THAT(outcome.out, HasSubstr("NOT ENOUGH EVIDENCE"));
}

TEST_F(Cli, EveryErrorSaysWhereWhyAndWhatToDo) {
  EXPECT_EQ(Evaluate({Write("card.yaml", kGoodCard)}).exit, kDone);
  const std::string unknown = absl::StrCat("sha256:", std::string(64, '0'));
  const std::pair<std::vector<std::string>, int> cases[] = {
      {{"readiness", "get", "nobody", "--data", Path("data")}, kNotFound},
      {{"readiness", "explain", "c-1", "99.9", "--data", Path("data")}, kNotFound},
      {{"evidence", "get", "c-1", unknown, "--data", Path("data")}, kNotFound},
      {{"evidence", "get", "c-1", "no digest", "--data", Path("data")}, kBadInput},
      {{"submissions", "get", "c-1", "nothing", "--data", Path("data")}, kBadInput},
      {{"frameworks", "show", "senior-cobol-engineer", "--data", Path("data")}, kNotFound},
      {{"frameworks", "show", "senior-express-engineer", "9.9", "--data", Path("data")}, kNotFound},
      {{"readiness", "get", "c-1", "--data", Path("no-data")}, kNotFound},
      {{"readiness", "get", "c-1", "--server", "127.0.0.1:1"}, kUnavailable},
      {{"submit", Path("card.yaml"), "--server", "127.0.0.1:1"}, kUnavailable},
      {{"evaluate", Path("nothing.yaml")}, kBadInput},
      {{"evaluate", Path("card.yaml"), "--framework", "senior-cobol-engineer@1", "--data", Path("data")}, kBadInput},
      {{"evaluate", Path("card.yaml"), "--candidate", "c-2", "--data", Path("data")}, kBadInput},
      {{"evaluate", Path("card.yaml"), "--report", Path("no/such/folder/page.html")}, kBadInput},
  };
  for (const auto& [arguments, code] : cases) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.exit, code) << absl::StrJoin(arguments, " ") << ": " << outcome.err;
    ExpectErrorLines(outcome.err);
  }
}

TEST_F(Cli, ShowsAFrameworkWithProfilesGatesAndAnswers) {
  const Outcome whole = Run({"frameworks", "show", "senior-express-engineer@1", "--data", Path("data")});
  EXPECT_EQ(whole.exit, kDone) << whole.err;
  EXPECT_THAT(whole.out, AllOf(HasSubstr("seen by shutdown.drains (code"), HasSubstr("only a person can see it"),
                               HasSubstr("gate scalability (3.1, 3.2, 3.3 at 2.5)"), HasSubstr("1.2: 2"),
                               HasSubstr("Questions of the source")));
  const Outcome one = Run({"frameworks", "show", "senior-express-engineer@1", "3.1.1", "--data", Path("data")});
  EXPECT_THAT(one.out, AllOf(HasSubstr("3.1.1"), HasSubstr("ask: "), Not(HasSubstr("3.1.2"))));
}

TEST_F(Cli, ReadingNeedsNoServerAndKnowsWhatItDoesNotHave) {
  EXPECT_EQ(Evaluate({Write("card.yaml", kGoodCard)}).exit, kDone);
  const Outcome get = Run({"readiness", "get", "c-1", "--data", Path("data")});
  EXPECT_EQ(get.exit, kDone) << get.err;
  EXPECT_THAT(get.out, HasSubstr("3.1 Load shedding and backpressure"));
  EXPECT_EQ(Run({"readiness", "get", "nobody", "--data", Path("data")}).exit, kNotFound);
  EXPECT_EQ(Run({"readiness", "explain", "c-1", "99.9", "--data", Path("data")}).exit, kNotFound);
  EXPECT_EQ(Run({"evidence", "get", "c-1", absl::StrCat("sha256:", std::string(64, '0')), "--data", Path("data")}).exit,
            kNotFound);
}

TEST_F(Cli, ExplainReachesALineAndAQuotedRating) {
  const Outcome evaluated =
      Evaluate({absl::StrCat(kSample, "/repository"), absl::StrCat(kSample, "/scorecard-system-design.yaml")});
  ASSERT_EQ(evaluated.exit, kDone) << evaluated.err;
  const Outcome outcome = Run({"readiness", "explain", "sample-candidate", "3", "--data", Path("data")});
  EXPECT_EQ(outcome.exit, kDone) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("src/http/reports.js:16  const header = fs.readFileSync(TEMPLATE, 'utf8');"));
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("r-jonas: \"Asked for the arrival rate"), HasSubstr("scorecard-system-design.yaml")));
}

TEST_F(Cli, TheCandidatesAnswerNamesNoRaterAndNoQuestion) {
  const std::vector<std::string> inputs = {absl::StrCat(kSample, "/repository"),
                                           absl::StrCat(kSample, "/scorecard-system-design.yaml"),
                                           "--audience",
                                           "candidate",
                                           "--report",
                                           Path("page.html")};
  const Outcome outcome = Evaluate(inputs);
  EXPECT_EQ(outcome.exit, kDone) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("What to try next"));
  const std::string page = *ReadFile(Path("page.html"), 16 << 20);
  EXPECT_THAT(page, HasSubstr("What to try next"));
  EXPECT_THAT(page, Not(HasSubstr("A good answer contains")));
  for (const std::string& text : {outcome.out, page}) EXPECT_THAT(text, Not(HasSubstr("r-jonas")));
}

TEST_F(Cli, WhatIsWrongWithAScorecardIsNotForTheCandidate) {
  // Named after its rater, with evidence that says nothing, and contradicted by the code.
  std::string card = Changed("r-7", "r-jonas");
  for (const char* id : {"3.2", "3.3", "4.1", "4.2", "4.3"}) {
    absl::StrAppend(&card, "  - {competency: \"", id, "\", rating: 3, evidence: \"good\"}\n");
  }
  card +=
      "behaviours:\n  - {id: \"6.1.1\", observed: present, evidence: \"Showed how a profile is read\"}\n"
      "  - {id: \"6.2.3\", observed: contradicted, evidence: \"Knew of no pool anywhere in the service\"}\n"
      "  - {id: \"3.1.1\", observed: contradicted, evidence: \"Had never bounded a queue\"}\n";
  const std::string file = Write("card-by-r-jonas.yaml", card);
  const std::vector<std::string> inputs = {absl::StrCat(kSample, "/repository"), file};
  const v1::EvaluationReport whole = Report(inputs);
  const auto is_remark = [&](const v1::Finding& finding) { return finding.file() == "card-by-r-jonas.yaml"; };
  ASSERT_TRUE(std::any_of(whole.findings().begin(), whole.findings().end(), is_remark));
  const bool rated_line =
      std::any_of(whole.evidence().begin(), whole.evidence().end(), [](const v1::Evidence& evidence) {
        return evidence.kind() == v1::Evidence::RATING && evidence.file() == "card-by-r-jonas.yaml" &&
               evidence.line() == 7;
      });
  EXPECT_TRUE(rated_line);

  std::vector<std::string> for_candidate = inputs;
  for (const char* more : {"--audience", "candidate", "--report"}) for_candidate.push_back(more);
  for_candidate.push_back(Path("page.html"));
  for_candidate.push_back("--sarif");
  for_candidate.push_back(Path("f.sarif"));
  const Outcome terminal = Evaluate(for_candidate);
  EXPECT_EQ(terminal.exit, kDone) << terminal.err;
  for_candidate.push_back("--json");
  const Outcome json = Evaluate(for_candidate);
  for (const std::string& text :
       {terminal.out, json.out, *ReadFile(Path("page.html"), 16 << 20), *ReadFile(Path("f.sarif"), 16 << 20)}) {
    EXPECT_GT(text.size(), 500u);
    EXPECT_THAT(text, Not(HasSubstr("r-jonas")));
    EXPECT_THAT(text, Not(HasSubstr("too short to weigh")));
    EXPECT_THAT(text, Not(HasSubstr("one impression")));
  }
}

TEST_F(Cli, WritesSarifAndPageBesideTheAnswer) {
  const Outcome outcome =
      Evaluate({absl::StrCat(kSample, "/repository"), "--sarif", Path("f.sarif"), "--report", Path("page.html")});
  EXPECT_EQ(outcome.exit, kDone) << outcome.err;
  EXPECT_THAT(*ReadFile(Path("f.sarif"), 16 << 20), AllOf(HasSubstr("\"2.1.0\""), HasSubstr("src/clients/pricing.js")));
  EXPECT_THAT(*ReadFile(Path("page.html"), 16 << 20),
              AllOf(HasSubstr("</html>"), HasSubstr("encodeURIComponent(sku)")));
  // A page that cannot be written is said, and not after minutes of work alone.
  const Outcome refused =
      Evaluate({absl::StrCat(kSample, "/repository"), "--report", Path("no/such/folder/page.html")});
  EXPECT_EQ(refused.exit, kBadInput) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("--report"));
}

TEST_F(Cli, TheSameRepositoryAsItsOwnBaseSaysNothingOfTheCandidate) {
  CopySample("mine");
  const v1::EvaluationReport report = Report({Path("mine"), "--base", absl::StrCat(kSample, "/repository")});
  EXPECT_GT(report.findings_size(), 0);
  for (const auto& finding : report.findings())
    EXPECT_EQ(finding.authorship(), v1::GIVEN) << finding.check() << " " << finding.file();
  for (const auto& observation : report.observations()) {
    if (observation.state() != v1::Observation::OBSERVED) continue;
    EXPECT_EQ(observation.authorship(), v1::GIVEN) << observation.criterion();
  }
  EXPECT_EQ(report.readiness().coverage(), 0);
}

TEST_F(Cli, AgainstABaseOnlyTheLinesThatWereAddedCount) {
  CopySample("mine");
  const std::string reports = "src/http/reports.js";
  std::string text = *ReadFile(Path("mine/" + reports), 1 << 20);
  const size_t end = text.find("  return router;");
  ASSERT_NE(end, std::string::npos);
  const int first = 1 + static_cast<int>(std::count(text.begin(), text.begin() + end, '\n'));
  text.insert(end,
              "  router.get('/header.csv', (req, res) => {\n"
              "    res.type('text/csv').send(fs.readFileSync(TEMPLATE, 'utf8'));\n"
              "  });\n\n");
  Write("mine/" + reports, text);
  const v1::EvaluationReport report = Report({Path("mine"), "--base", absl::StrCat(kSample, "/repository")});

  bool given_flaw = false, new_flaw = false;
  for (const auto& finding : report.findings()) {
    const int line = static_cast<int>(finding.line());
    const bool is_new = finding.file() == reports && line >= first && line < first + 3;
    EXPECT_EQ(finding.authorship(), is_new ? v1::CANDIDATE : v1::GIVEN) << finding.ShortDebugString();
    if (finding.check() != "F1" || finding.file() != reports) continue;
    new_flaw |= line == first + 1;
    // The same fault in the lines the candidate was handed stays whose it is.
    given_flaw |= line == 16;
  }
  EXPECT_TRUE(new_flaw);
  EXPECT_TRUE(given_flaw);

  size_t counted = 0;
  for (const auto& observation : report.observations()) {
    if (observation.state() != v1::Observation::OBSERVED || observation.authorship() == v1::GIVEN) continue;
    ++counted;
    bool cites_the_change = false;
    for (const auto& evidence : report.evidence()) {
      const auto& cited = observation.evidence();
      cites_the_change |=
          evidence.file() == reports && std::find(cited.begin(), cited.end(), evidence.digest()) != cited.end();
    }
    EXPECT_TRUE(cites_the_change) << observation.criterion();
  }
  EXPECT_GT(counted, 0u);
  EXPECT_GT(report.readiness().coverage(), 0);
}

TEST_F(Cli, TwoRunsOnTheSameInputsGiveTheSameReadiness) {
  const std::vector<std::string> inputs = {
      absl::StrCat(kSample, "/repository"), absl::StrCat(kSample, "/scorecard-system-design.yaml"),
      absl::StrCat(kSample, "/scorecard-incident-review.yaml"), absl::StrCat(kSample, "/portfolio.yaml")};
  const auto readiness = [&] {
    std::vector<std::string> arguments = inputs;
    arguments.push_back("--json");
    const std::string json = Evaluate(arguments).out;
    const size_t begin = json.find("\n \"readiness\": {");
    EXPECT_NE(begin, std::string::npos);
    return json.substr(begin, json.find("\n },", begin) - begin);
  };
  const std::string first = readiness();
  EXPECT_GT(first.size(), 1000u);
  std::filesystem::remove_all(Path("data"));
  EXPECT_EQ(readiness(), first);
}

}  // namespace
}  // namespace assay
