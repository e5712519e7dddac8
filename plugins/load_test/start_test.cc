// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "plugins/load_test/environment.h"
#include "plugins/load_test/plans.h"
#include "plugins/load_test/readme.h"
#include "plugins/load_test/server.h"
#include "plugins/load_test/start_command.h"

namespace assay::load_test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

Facts WithPackage(const std::string& json) {
  Facts facts;
  auto package = sdk::Json::Parse(json);
  EXPECT_TRUE(package.has_value()) << json;
  if (package) facts.package = *package;
  return facts;
}

StartPlan Find(const Facts& facts, const std::set<std::string>& files) {
  return FindStart(
      facts, [&](std::string_view path) { return files.count(std::string(path)) > 0; }, 3000);
}

std::vector<std::string> First(const StartPlan& plan) {
  return plan.candidates.empty() ? std::vector<std::string>() : plan.candidates[0].arguments;
}

struct Script {
  const char* start;
  std::vector<std::string> arguments;  // empty: passed over
};
class Scripts : public ::testing::TestWithParam<Script> {};

TEST_P(Scripts, AreReadWithoutAShell) {
  const Facts facts =
      WithPackage(R"({"scripts": {"start": ")" + std::string(GetParam().start) +
                  R"(", "serve": "node src/server.js --loud", "loop": "npm run loop"}, "bin": {"tool": "cli.js"}})");
  const StartPlan plan = Find(facts, {"src/server.js", "cli.js", "lib/index.js"});
  std::vector<std::string> found;
  if (!plan.candidates.empty() && plan.candidates[0].source == "scripts.start") found = First(plan);
  EXPECT_EQ(found, GetParam().arguments);
  if (GetParam().arguments.empty()) {
    ASSERT_FALSE(plan.passed.empty());
    EXPECT_EQ(plan.passed[0].source, "scripts.start");
    EXPECT_NE(plan.passed[0].reason, "");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Scripts,
    ::testing::Values(Script{"node src/server.js", {"src/server.js"}}, Script{"node ./src/server", {"src/server.js"}},
                      Script{"NODE_ENV=production node --max-old-space-size=200 src/server.js -p 1",
                             {"--max-old-space-size=200", "src/server.js", "-p", "1"}},
                      Script{"cross-env A=1 nodemon --watch src src/server.js", {"src/server.js"}},
                      Script{"nodemon -e js --exec 'node src/server.js'", {"src/server.js"}},
                      Script{"node src/server.js --port ${PORT:=9000} ${MODE:-fast}",
                             {"src/server.js", "--port", "3000", "fast"}},
                      Script{"node src/server.js --port $PORT", {"src/server.js", "--port", "3000"}},
                      Script{"node src/server.js $OTHER", {}}, Script{"node src/server.js || true", {}},
                      Script{"node -r dotenv/config src/server.js", {"-r", "dotenv/config", "src/server.js"}},
                      Script{"tsc && node lib", {"lib/index.js"}}, Script{"npm run serve", {"src/server.js", "--loud"}},
                      Script{"tool --x", {"cli.js", "--x"}},
                      Script{"pm2 start src/server.js --no-daemon", {"src/server.js", "--no-daemon"}},
                      Script{"node dist/server.js", {}}, Script{"node src/server.js | pino-pretty", {"src/server.js"}},
                      Script{"npm run loop", {}}, Script{"npm run nothing", {}}, Script{"python app.py", {}},
                      Script{"node 'src/server.js", {}}));

TEST(FindStart, TriesTheOrderOfTheContract) {
  Facts facts = WithPackage(R"({"scripts": {"start": "node a.js"}, "bin": "b.js", "main": "c.js"})");
  facts.assay_yaml = *sdk::Json::Parse(R"({"start": "node y.js"})");
  facts.task = *sdk::Json::Parse(R"({"start": "node t.js"})");
  facts.entries = {{"l.js", "listen", {}}};
  std::vector<std::string> order;
  for (const Candidate& candidate : Find(facts, {"a.js", "b.js", "c.js", "l.js", "t.js", "y.js"}).candidates) {
    if (order.empty() || order.back() != candidate.arguments[0]) order.push_back(candidate.arguments[0]);
  }
  EXPECT_THAT(order, ElementsAre("y.js", "t.js", "a.js", "b.js", "c.js", "l.js"));
}

TEST(FindStart, RemembersTheWayThroughNpmThatItsAuthorTakes) {
  Facts facts = WithPackage(R"({"scripts": {"start": "node a.js && true", "serve": "node b.js"}, "main": "c.js"})");
  facts.assay_yaml = *sdk::Json::Parse(R"({"start": "npm run serve"})");
  const std::vector<Candidate> candidates = Find(facts, {"b.js", "c.js"}).candidates;
  ASSERT_EQ(candidates.size(), 2u);
  EXPECT_THAT(candidates[0].npm, ElementsAre("run", "serve"));
  EXPECT_EQ(candidates[0].script, "node b.js");
  EXPECT_THAT(candidates[1].npm, IsEmpty());
  const std::vector<Candidate> started =
      Find(WithPackage(R"({"scripts": {"start": "NODE_ENV=production node a.js"}})"), {"a.js"}).candidates;
  EXPECT_THAT(started.at(0).npm, ElementsAre("start"));
  EXPECT_EQ(CommandLine(started[0]), "node a.js");
}

TEST(FindStart, SaysWhichBuildStepWouldMakeWhatIsMissing) {
  Facts facts = WithPackage(R"({"scripts": {"start": "node dist/main.js"}})");
  facts.build_script = "tsc";
  const StartPlan plan = Find(facts, {});
  EXPECT_THAT(plan.candidates, IsEmpty());
  ASSERT_EQ(plan.passed.size(), 1u);
  EXPECT_THAT(plan.passed[0].reason, HasSubstr("dist/main.js is not in the submission; the build step \"tsc\""));
}

// A way the platform cannot go is named as such; what Node can do without the missing package is tried.
TEST(FindStart, TellsWhatThePlatformLacksFromWhatTheSubmissionLacks) {
  const StartPlan translated = Find(WithPackage(R"({"scripts": {"start": "tsx watch.ts"}})"), {"watch.ts"});
  ASSERT_EQ(translated.candidates.size(), 1u);
  EXPECT_THAT(translated.candidates[0].arguments, ElementsAre("watch.ts"));
  EXPECT_THAT(translated.candidates[0].lacks, HasSubstr("\"tsx\""));
  const StartPlan other = Find(WithPackage(R"({"scripts": {"start": "next start"}})"), {});
  ASSERT_EQ(other.passed.size(), 1u);
  EXPECT_EQ(other.passed[0].lacks, "\"next\"");
  EXPECT_EQ(Find(WithPackage(R"({"scripts": {"start": "node gone.js"}})"), {}).passed.at(0).lacks, "");
}

constexpr char kReadme[] = R"(# tool
Install it
```sh
npm install -g tool
```
Create a `data.json` file with some data
~~~json
{"posts": []}
~~~
Start it
```bash
$ tool --watch data.json  # and open the browser
tool --help
tool unknown.json
npx @scope/tool serve
```
)";

TEST(FindStart, DoesWhatTheReadmeShows) {
  Facts facts = WithPackage(R"({"name": "@scope/tool", "bin": {"tool": "cli.js"}})");
  facts.readme = kReadme;
  const StartPlan plan = Find(facts, {"cli.js"});
  ASSERT_GE(plan.candidates.size(), 2u);
  EXPECT_EQ(plan.candidates[0].source, "bin");
  EXPECT_EQ(plan.candidates[1].source, "the README");
  EXPECT_THAT(plan.candidates[1].arguments, ElementsAre("cli.js", "--watch", "data.json"));
  ASSERT_EQ(plan.candidates[1].files.size(), 1u);
  EXPECT_EQ(plan.candidates[1].files[0].name, "data.json");
  EXPECT_EQ(plan.candidates[1].files[0].content, "{\"posts\": []}\n");
  for (const Candidate& candidate : plan.candidates) EXPECT_THAT(candidate.arguments, Not(Contains("unknown.json")));
  for (const Candidate& candidate : plan.candidates) EXPECT_THAT(candidate.arguments, Not(Contains("--help")));
}

TEST(FindStart, WritesNoFileOutsideOfTheSubmission) {
  Facts facts = WithPackage(R"({"bin": {"tool": "cli.js"}})");
  facts.readme = "see ../x.json\n```json\n{}\n```\n```\ntool ../x.json\ntool /etc/x.json\n```\n";
  for (const Candidate& candidate : Find(facts, {"cli.js"}).candidates) EXPECT_THAT(candidate.files, IsEmpty());
}

TEST(CodeBlocks, LeavesOutWhatHasNoEnd) {
  EXPECT_THAT(CodeBlocks("```sh\nnode a.js\n"), IsEmpty());
  EXPECT_THAT(CodeBlocks("```"), IsEmpty());
  const auto blocks = CodeBlocks("````md\n```sh\nx\n```\n````\n");
  ASSERT_EQ(blocks.size(), 1u);
  EXPECT_EQ(blocks[0].language, "md");
}

TEST(WritingModule, NamesFilesAndContentsAsJavaScriptReadsThem) {
  EXPECT_EQ(WritingModule({}), "");
  EXPECT_EQ(WritingModule({{"a.json", "{}"}}).find("data:text/javascript;base64,"), 0u);
}

TEST(FindStart, FindsNothingInAnEmptyPackage) {
  const StartPlan plan = Find(Facts(), {"README.md"});
  EXPECT_THAT(plan.candidates, IsEmpty());
  EXPECT_THAT(plan.passed, IsEmpty());
}

TEST(MakeEnvironment, GivesValuesOfTheKindANameSuggests) {
  Facts facts;
  facts.port_variable = "APP_PORT";
  facts.variables = {{"JWT_SECRET", true, {}},    {"MONGODB_URL", true, {}}, {"API_URL", true, {}},
                     {"TOKEN_MINUTES", true, {}}, {"COLOUR", true, "red"},   {"OPTIONAL", false, {}}};
  const Environment environment = MakeEnvironment(facts, {{}, {{"FROM", "command"}}, ""}, "/node/bin/node", 3000, 7);
  for (const auto& [name, value] : environment) {
    EXPECT_TRUE(name != "JWT_SECRET" || value.size() >= 64) << value;
    EXPECT_NE(name, "OPTIONAL");
  }
  EXPECT_THAT(environment, Contains(Pair("MONGODB_URL", "mongodb://127.0.0.1:9/app")));
  EXPECT_THAT(environment, Contains(Pair("API_URL", "http://127.0.0.1:9")));
  EXPECT_THAT(environment, Contains(Pair("COLOUR", "red")));
  EXPECT_THAT(environment, Contains(Pair("NODE_ENV", "production")));
  EXPECT_THAT(environment, Contains(Pair("PORT", "3000")));
  EXPECT_THAT(environment, Contains(Pair("APP_PORT", "3000")));
  EXPECT_THAT(environment, Contains(Pair("FROM", "command")));
  EXPECT_THAT(environment, Contains(Pair("PATH", "/node/bin:/usr/local/bin:/usr/bin:/bin")));
}

TEST(MakeEnvironment, RepeatsForTheSameSeed) {
  Facts facts;
  facts.variables = {{"A_SECRET", true, {}}, {"B_SECRET", true, {}}};
  const Environment one = MakeEnvironment(facts, {}, "node", 3000, 7);
  EXPECT_EQ(one, MakeEnvironment(facts, {}, "node", 3000, 7));
  EXPECT_NE(one, MakeEnvironment(facts, {}, "node", 3000, 8));
  EXPECT_NE(one[0].second, one[1].second);
}

TEST(MakeEnvironment, LeavesOutWhatIsAskedToBeMissing) {
  Facts facts;
  facts.variables = {{"JWT_SECRET", true, {}}, {"PORT", true, {}}};
  EXPECT_THAT(RequiredVariables(facts), ElementsAre("JWT_SECRET"));
  const Environment rest = Without(MakeEnvironment(facts, {}, "node", 3000, 7), RequiredVariables(facts));
  EXPECT_THAT(rest, Not(Contains(Pair("JWT_SECRET", testing::_))));
}

TEST(EnvExample, FillsWhatTheCodeGivesNoDefault) {
  Facts facts;
  facts.variables = {{"A", true, {}}, {"B", true, "code"}};
  ReadEnvExample("# comment\nA='one'\nexport B=two\r\nC=\nno line\n=x\n", facts);
  EXPECT_EQ(facts.variables[0].fallback, "one");
  EXPECT_EQ(facts.variables[1].fallback, "code");
  ASSERT_EQ(facts.variables.size(), 3u);
  EXPECT_EQ(facts.variables[2].name, "C");
}

TEST(LoadPaths, PreferRoutesWithoutParametersOrSideEffects) {
  Facts facts;
  facts.health_paths = {"/healthz"};
  ReadRoutesJson(
      R"j([{"method": "GET", "path": "/healthz", "path_exact": true}, {"method": "GET", "path": "/items/:id", "path_exact": true},
    {"method": "GET", "path": "/items", "path_exact": true}, {"method": "POST", "path": "/items", "path_exact": true},
    {"method": "GET", "path": "/logout", "path_exact": true}, {"method": "GET", "path": "/guess", "path_exact": false},
    {"method": "GET", "path": "/a/(.*)", "path_exact": true}])j",
      facts);
  EXPECT_THAT(LoadPaths(facts, 10), ElementsAre("/items", "/healthz", "/"));
  EXPECT_THAT(BodyRoutes(facts, 10), ElementsAre(Pair("POST", "/items")));
  EXPECT_THAT(LookupPaths(facts, 10), Contains("/items/no-such-id"));
}

TEST(ReadServerJson, PassesOverWhatHasAnotherShape) {
  Facts facts;
  ReadServerJson("not json", facts);
  ReadServerJson(
      R"({"entries": "x", "node_majors": ["a", 1e9, 20], "default_port": -1, "environment": [{"required": true}], "health_paths": [7, "/ok"]})",
      facts);
  EXPECT_THAT(facts.node_majors, ElementsAre(20));
  EXPECT_THAT(facts.entries, IsEmpty());
  EXPECT_THAT(facts.variables, IsEmpty());
  EXPECT_THAT(facts.health_paths, ElementsAre("/ok"));
}

TEST(WantedService, NamesWhatAServerCannotReach) {
  EXPECT_EQ(WantedService("MongooseServerSelectionError: connect ECONNREFUSED 127.0.0.1:27017"), "a MongoDB");
  EXPECT_EQ(WantedService("Error: connect ECONNREFUSED 127.0.0.1:5432"), "a PostgreSQL");
  EXPECT_EQ(WantedService("getaddrinfo ENOTFOUND api.example.com"), "a service on the network");
  EXPECT_EQ(WantedService("TypeError: x is not a function"), "");
  EXPECT_EQ(WantedService("mongo is mentioned only"), "");
}

TEST(WantedNativePart, NamesThePackageWhoseInstallScriptDidNotRun) {
  EXPECT_THAT(
      WantedNativePart("Error: Cannot find module '/app/node_modules/bcrypt/lib/binding/napi-v3/bcrypt_lib.node'"),
      HasSubstr("\"bcrypt\""));
  EXPECT_THAT(
      WantedNativePart("Error: Could not locate the bindings file. Tried:\n → "
                       "/app/node_modules/better-sqlite3/build/x.node\n at bindings (/app/node_modules/bindings/b.js"),
      HasSubstr("\"better-sqlite3\""));
  EXPECT_EQ(WantedNativePart("Error: Cannot find module 'left-pad'"), "");
}

TEST(ServiceOfPackage, IsWhatADependencyIsAClientOf) {
  EXPECT_EQ(ServiceOfPackage(WithPackage(R"({"dependencies": {"express": "4", "mongoose": "8"}})").package),
            "a MongoDB");
  EXPECT_EQ(ServiceOfPackage(WithPackage(R"({"devDependencies": {"pg": "8"}})").package), "");
}

TEST(ExplainEnd, NamesTheMissingPackageOrTheLimit) {
  sdk::ProcessState state;
  state.ended = true;
  state.exit_code = 1;
  EXPECT_EQ(ExplainEnd(state, "Error: Cannot find module 'left-pad'\nRequire stack:", ""),
            "package \"left-pad\" is not among the dependencies that were installed");
  EXPECT_THAT(
      ExplainEnd(state, "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'nanoid' imported from /app/a.js", ""),
      HasSubstr("package \"nanoid\""));
  EXPECT_THAT(ExplainEnd(state, "Error: Cannot find module './gone'", ""),
              HasSubstr("a file that is not there: ./gone"));
  EXPECT_EQ(ExplainEnd(state, "", "Error: boom"), "it ended with code 1: Error: boom");
  state.limit_hit = ASSAY_LIMIT_MEMORY;
  EXPECT_THAT(ExplainEnd(state, "", ""), HasSubstr("512 MiB"));
}

TEST(Base64, WritesWhatOthersRead) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foo"), "Zm9v");
}

}  // namespace
}  // namespace assay::load_test
