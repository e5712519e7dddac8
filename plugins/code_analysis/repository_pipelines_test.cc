// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/repository_pipelines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr std::string_view kScripts = R"({"scripts": {
  "pretest": "npm run lint",
  "test": "jest --coverage",
  "lint": "eslint .",
  "lint:soft": "eslint . || true",
  "types": "tsc --noEmit",
  "check": "run-s lint types"
}})";

std::vector<GateUse> GatesOf(std::vector<SourceFile> files, std::string_view manifest = kScripts) {
  std::vector<Manifest> manifests;
  manifests.push_back(*ReadManifest("package.json", manifest));
  return FindGates(ReadPipelines(files), manifests);
}

// "tests:jest" for a gate that blocks, "(tests:jest)" for one that does not.
std::vector<std::string> Summary(const std::vector<GateUse>& uses) {
  std::vector<std::string> all;
  for (const GateUse& use : uses) {
    const std::string text = text::Cat({GateName(use.gate), ":", use.program});
    all.push_back(use.blocking ? text : "(" + text + ")");
  }
  return all;
}

std::string Workflow(std::string_view on, std::string_view job) {
  return text::Cat({"on: ", on, "\njobs:\n  ci:\n    runs-on: ubuntu-latest\n", job});
}

TEST(Shell, SplitsCommandsAndKnowsWhoseFailurePasses) {
  const auto commands = SplitShell(
      "npm ci && npm test -- --ci\n# a comment\neslint . || true; tsc | tee out\nset +e\njest \\\n  --ci", false);
  std::vector<std::string> seen;
  for (const ShellCommand& command : commands) {
    seen.push_back(text::Join(command.words, " ") + (command.failure_ignored ? " !" : "") + " @" +
                   std::to_string(command.line));
  }
  EXPECT_THAT(seen, ElementsAre("npm ci @1", "npm test -- --ci @1", "eslint . ! @3", "true @3", "tsc ! @3",
                                "tee out @3", "set +e ! @4", "jest --ci ! @5"));
}

TEST(Shell, FailureThatExitsAfterwardsStillCounts) {
  EXPECT_FALSE(SplitShell("npm test || (cat log; exit 1)", false)[0].failure_ignored);
  EXPECT_FALSE(SplitShell("set -o pipefail\nnpm test | tee log", false)[1].failure_ignored);
  EXPECT_TRUE(SplitShell("if npm test; then echo yes; fi", false)[0].failure_ignored);
  EXPECT_TRUE(SplitShell("npm test &", false)[0].failure_ignored);
}

TEST(GitHub, FollowsScriptsHooksAndLines) {
  const auto uses = GatesOf(
      {{".github/workflows/ci.yml", Workflow("[push, pull_request]",
                                             "    steps:\n      - uses: actions/checkout@v4\n      - run: |\n"
                                             "          npm ci\n          npm test\n      - run: npm run types\n")}});
  EXPECT_THAT(Summary(uses), ElementsAre("lint:eslint", "tests:jest", "coverage:jest", "type check:tsc"));
  EXPECT_EQ(uses[1].line, 9u);
  EXPECT_EQ(uses[3].line, 10u);
}

TEST(GitHub, StepsThatCannotStopAChangeDoNotBlock) {
  const auto uses = GatesOf(
      {{".github/workflows/ci.yml", Workflow("pull_request",
                                             "    steps:\n"
                                             "      - run: npx eslint .\n        continue-on-error: true\n"
                                             "      - run: npx tsc || true\n"
                                             "      - run: npm run lint:soft\n"
                                             "      - run: npx jest\n        if: github.event_name == 'push'\n")}});
  EXPECT_THAT(Summary(uses), ElementsAre("(lint:eslint)", "(type check:tsc)", "(lint:eslint)", "(tests:jest)"));
  for (const GateUse& use : uses) EXPECT_FALSE(use.reason.empty());
}

TEST(GitHub, OnlyTriggersThatSeeAProposedChangeBlock) {
  const std::string job = "    steps:\n      - run: npx jest\n";
  const auto blocking = [&](std::string_view on) {
    return GatesOf({{".github/workflows/a.yml", Workflow(on, job)}})[0].blocking;
  };
  EXPECT_TRUE(blocking("pull_request"));
  EXPECT_TRUE(blocking("[push]"));
  EXPECT_TRUE(blocking("{pull_request: {branches: [main]}}"));
  EXPECT_TRUE(blocking("{push: {branches: ['**']}}"));
  EXPECT_FALSE(blocking("{push: {branches: [main]}}"));
  EXPECT_FALSE(blocking("{schedule: [{cron: '0 0 * * *'}]}"));
  EXPECT_FALSE(blocking("{push: {tags: ['v*']}}"));
  EXPECT_FALSE(blocking("workflow_dispatch"));
}

TEST(GitHub, ACalledWorkflowRunsWhenItsCallerDoes) {
  const std::string called = Workflow("workflow_call", "    steps:\n      - run: npx jest\n");
  const std::string caller = "on: pull_request\njobs:\n  test:\n    uses: ./.github/workflows/test.yml\n";
  EXPECT_TRUE(GatesOf({{".github/workflows/main.yml", caller}, {".github/workflows/test.yml", called}})[0].blocking);
  EXPECT_FALSE(GatesOf({{".github/workflows/test.yml", called}})[0].blocking);
}

TEST(GitHub, DeliveriesThatDoNotWaitForTestsAreNamed) {
  const std::string workflow =
      "on: push\njobs:\n  test:\n    steps: [{run: npx jest}]\n  build:\n    needs: test\n    steps: [{run: docker "
      "build .}]\n"
      "  release:\n    needs: [build]\n    steps: [{run: npm publish}]\n  image:\n    steps:\n      - run: docker push "
      "shop\n";
  const std::vector<SourceFile> files = {{".github/workflows/ci.yml", workflow}};
  const auto deliveries = FindUngatedDeliveries(ReadPipelines(files), {});
  ASSERT_EQ(deliveries.size(), 1u);
  EXPECT_EQ(deliveries[0].job, "image");
  EXPECT_EQ(deliveries[0].gate_job, "test");
}

TEST(GitLab, ReadsScriptsExtendsAndRules) {
  const auto uses =
      GatesOf({{".gitlab-ci.yml",
                "default:\n  image: node:20\n.node: &node\n  before_script: [npm ci]\n"
                "unit:\n  <<: *node\n  script:\n    - npx jest\n"
                "lint:\n  extends: .lint\n.lint:\n  script: [npx eslint .]\n  allow_failure: true\n"
                "types:\n  script: npx tsc\n  only: [main]\n"
                "audit:\n  script: npm audit\n  rules:\n    - if: $CI_PIPELINE_SOURCE == \"merge_request_event\"\n"}});
  EXPECT_THAT(Summary(uses),
              UnorderedElementsAre("tests:jest", "(lint:eslint)", "(type check:tsc)", "security scan:npm audit"));
}

TEST(Circle, JobsOutsideTheWorkflowsAndOnMainOnlyDoNotBlock) {
  const auto uses =
      GatesOf({{".circleci/config.yml",
                "version: 2.1\njobs:\n  test:\n    steps: [checkout, {run: npx jest}]\n"
                "  lint:\n    steps:\n      - run:\n          name: Lint\n          command: npx eslint .\n"
                "  types:\n    steps: [{run: npx tsc}]\n"
                "workflows:\n  main:\n    jobs:\n      - test\n      - lint: {filters: {branches: {only: main}}}\n"}});
  EXPECT_THAT(Summary(uses), ElementsAre("tests:jest", "(lint:eslint)", "(type check:tsc)"));
}

TEST(Travis, RunsTheTestsOfTheLanguageWithoutAScript) {
  EXPECT_THAT(Summary(GatesOf({{".travis.yml", "language: node_js\nnode_js: [20]\n"}})), Contains("tests:jest"));
  EXPECT_THAT(Summary(GatesOf({{".travis.yml", "language: node_js\nscript: [npm run check]\n"}})),
              ElementsAre("lint:eslint", "type check:tsc"));
}

TEST(Gates, ScriptsWithoutATestAreNoGate) {
  constexpr std::string_view kNone = R"({"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}})";
  EXPECT_THAT(GatesOf({{".github/workflows/ci.yml", Workflow("push", "    steps: [{run: npm test}]\n")}}, kNone),
              IsEmpty());
}

TEST(Gates, ScriptsThatCallEachOtherEnd) {
  constexpr std::string_view kLoop =
      R"({"scripts": {"a": "npm run b && npm run b", "b": "npm run a && npm run a && jest"}})";
  EXPECT_FALSE(
      GatesOf({{".github/workflows/ci.yml", Workflow("push", "    steps: [{run: npm run a}]\n")}}, kLoop).empty());
}

TEST(Pipelines, AFileThatIsNotYamlSaysWhy) {
  const std::vector<SourceFile> files = {{".github/workflows/ci.yml", "on: [push\njobs: {"}};
  const auto pipelines = ReadPipelines(files);
  ASSERT_EQ(pipelines.size(), 1u);
  EXPECT_FALSE(pipelines[0].problem.empty());
}

}  // namespace
}  // namespace assay::code_analysis
