#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "plugins/code_analysis/checks/check.h"
#include "plugins/sdk/testing/fake_host.h"

namespace assay::code_analysis {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::string ReadManifest() {
  std::ifstream file("plugins/code_analysis/code_analysis.json");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class PluginTest : public ::testing::Test {
 protected:
  PluginTest() { host_.UseManifest(ReadManifest()); }

  void AddApplication(uint32_t authorship = ASSAY_AUTHORSHIP_CANDIDATE) {
    host_.AddFile(
        "package.json",
        R"({"name": "a", "main": "server.js", "scripts": {"start": "node server.js --fast"}, "dependencies": {"express": "^4.18.0"}, "engines": {"node": "20"}})",
        authorship);
    host_.AddFile("server.js", R"js(const express = require('express');
if (!process.env.DATABASE_URL) throw new Error('DATABASE_URL');
const app = express();
app.get('/healthz', (req, res) => res.end());
app.get('/users/:id', async function show(req, res) { res.json(await load(req.params.id)); });
const server = app.listen(process.env.PORT || 3000);
process.on('SIGTERM', () => { server.close(() => process.exit(0)); });
)js",
                  authorship);
  }
  nlohmann::json Artifact(const sdk::RunResult& run, std::string_view name) {
    for (const auto& artifact : run.artifacts) {
      if (artifact.name == name) return nlohmann::json::parse(artifact.content);
    }
    ADD_FAILURE() << "no artifact " << name;
    return {};
  }
  sdk::FakeHost host_{&assay_negotiate};
};

TEST_F(PluginTest, ReportsWithinTheContract) {
  AddApplication();
  const sdk::RunResult run = host_.Run("code_analysis");
  EXPECT_EQ(run.status, ASSAY_OK) << run.message;
  EXPECT_THAT(host_.violations(), IsEmpty());
  EXPECT_GE(run.observations.size(), AllChecks().size());
  bool claimed = false;
  for (const auto& claim : run.claims) claimed = claimed || (claim.id == "shutdown.drains" && claim.line == 7);
  EXPECT_TRUE(claimed);
  for (const auto& finding : run.findings) {
    EXPECT_FALSE(finding.help.empty() || finding.question.empty() || finding.good_answer.empty()) << finding.check;
  }
}

TEST_F(PluginTest, LeavesTheRouteTableAndHowTheServerStarts) {
  AddApplication();
  host_.AddFile(".assay.yaml", "start: node server.js\nenv: {A: \"1\"}\nport_env: PORT\n");
  host_.AddFile(".env.example", "DATABASE_URL=postgres://localhost/x\nEXTRA=1\n");
  const sdk::RunResult run = host_.Run("code_analysis");
  const auto routes = Artifact(run, "routes.json");
  ASSERT_THAT(routes, SizeIs(2));
  EXPECT_EQ(
      routes[1],
      nlohmann::json::parse(
          R"({"method": "GET", "path": "/users/:id", "file": "server.js", "line": 5, "path_exact": true, "handlers": [{"name": "show", "file": "server.js", "line": 5}]})"));
  const auto server = Artifact(run, "server.json");
  EXPECT_EQ(server["express_major"], 4);
  EXPECT_EQ(server["node_majors"], nlohmann::json::parse("[20]"));
  EXPECT_EQ(server["entries"],
            nlohmann::json::parse(R"([{"file": "server.js", "source": "scripts.start", "arguments": ["--fast"]}])"));
  EXPECT_EQ(server["port_env"], "PORT");
  EXPECT_EQ(server["default_port"], 3000);
  EXPECT_EQ(server["health_paths"], nlohmann::json::parse(R"(["/healthz"])"));
  EXPECT_EQ(server["assay_yaml"]["env"]["A"], "1");
  EXPECT_EQ(server["environment"][0]["name"], "DATABASE_URL");
  EXPECT_EQ(server["environment"][0]["default"], "postgres://localhost/x");
  EXPECT_EQ(server["environment"][0]["line"], 2);
}

// Of a changed file only the platform knows which lines are whose.
TEST_F(PluginTest, LeavesItToThePlatformWhoseWorkAPlaceIs) {
  AddApplication(ASSAY_AUTHORSHIP_SHARED);
  const sdk::RunResult run = host_.Run("code_analysis");
  EXPECT_EQ(run.status, ASSAY_OK) << run.message;
  EXPECT_THAT(run.findings, Not(IsEmpty()));
  for (const auto& finding : run.findings) EXPECT_EQ(finding.authorship, 0u) << finding.check;
  for (const auto& observation : run.observations) EXPECT_EQ(observation.authorship, 0u) << observation.criterion;
}

TEST_F(PluginTest, TellsWhichFilesItCouldNotRead) {
  AddApplication();
  host_.AddFile("latin.js", "const cafe = '\xe9';\n");
  host_.AddFile("broken.js", "function ( { ][ app.get('/x', => \n");
  host_.AddFile("huge.js", std::string(50u << 20, 'x'));
  host_.AddFile("packages/a/package.json", "not JSON {{{");
  host_.AddFile("node_modules/x/index.js", "\xff");
  const sdk::RunResult run = host_.Run("code_analysis");
  EXPECT_EQ(run.status, ASSAY_OK) << run.message;
  EXPECT_THAT(host_.violations(), IsEmpty());
  std::map<std::string, std::string> notes;
  for (const auto& finding : run.findings) {
    if (finding.check == "analysis") notes[finding.path] = finding.message;
  }
  EXPECT_THAT(notes, UnorderedElementsAre(Pair("latin.js", HasSubstr("not UTF-8")),
                                          Pair("broken.js", HasSubstr("syntax that could not be read")),
                                          Pair("huge.js", HasSubstr("larger than 8 MiB")),
                                          Pair("packages/a/package.json", HasSubstr("not a JSON object"))));
}

TEST_F(PluginTest, TellsOfAtMostTwentyFilesItCouldNotRead) {
  AddApplication();
  for (int i = 10; i < 60; ++i) host_.AddFile("bad" + std::to_string(i) + ".js", "'\xe9'\n");
  const sdk::RunResult run = host_.Run("code_analysis");
  std::vector<std::string> notes;
  for (const auto& finding : run.findings) {
    if (finding.check == "analysis") notes.push_back(finding.message);
  }
  ASSERT_THAT(notes, SizeIs(20));
  EXPECT_THAT(notes.back(), HasSubstr("30 further files"));
}

TEST_F(PluginTest, RefusesWhatIsNoExpressApplication) {
  host_.AddFile("package.json", "{}");
  host_.AddFile("index.js", "console.log(1);\n");
  const sdk::RunResult run = host_.Run("code_analysis");
  EXPECT_EQ(run.status, ASSAY_E_SUBMISSION);
  EXPECT_THAT(run.message, HasSubstr("not an Express application"));
}

TEST_F(PluginTest, StopsWhenAsked) {
  AddApplication();
  host_.CancelAfter(1);
  EXPECT_EQ(host_.Run("code_analysis").status, ASSAY_E_STOPPED);
}

TEST_F(PluginTest, TheManifestDeclaresEveryCriterion) {
  const auto manifest = nlohmann::json::parse(ReadManifest());
  std::set<std::string> declared;
  for (const auto& criterion : manifest["evaluators"][0]["criteria"]) declared.insert(criterion["id"]);
  for (const Check* check : AllChecks()) EXPECT_TRUE(declared.count(std::string(check->criterion)) == 1) << check->id;
}

}  // namespace
}  // namespace assay::code_analysis
