// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/repository_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/code_analysis/repository_documents.h"

namespace assay::code_analysis {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

Manifest ManifestOf(std::string_view json, std::string_view path = "package.json") {
  std::optional<Manifest> manifest = ReadManifest(path, json);
  EXPECT_TRUE(manifest.has_value());
  return manifest ? *std::move(manifest) : *ReadManifest(path, "{}");
}

TEST(DataTree, ReadsJsonWithLinesCommentsAndEscapes) {
  const auto tree =
      DataTree::ReadJson("\xEF\xBB\xBF{\n  // why\n  \"a\": [1, true, \"\\u00e9\\n\"],\n  'b': {\"c\": null,},\n}\n");
  ASSERT_TRUE(tree.has_value());
  const DataValue root = tree->root();
  EXPECT_EQ(root["a"].line(), 3u);
  EXPECT_EQ(root["a"].at(0).number(), 1.0);
  EXPECT_TRUE(root["a"].at(1).IsTrue());
  EXPECT_EQ(root["a"].at(2).text(), "\xC3\xA9\n");
  EXPECT_EQ(root["b"]["c"].kind(), DataValue::Kind::kNull);
  EXPECT_FALSE(root["b"]["none"]["deeper"]);
}

TEST(DataTree, NamesTheLineOfBrokenJson) {
  std::string problem;
  EXPECT_FALSE(DataTree::ReadJson("{\n\"a\": 1\n\"b\": 2}", &problem));
  EXPECT_THAT(problem, HasSubstr("line 3"));
}

TEST(DataTree, RefusesDocumentsThatNestTooDeeply) {
  EXPECT_FALSE(DataTree::ReadJson(std::string(100'000, '[')));
  EXPECT_FALSE(DataTree::ReadYaml(std::string(200'000, '[')));
  std::string yaml;
  for (int i = 0; i < 80; ++i) yaml += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  EXPECT_FALSE(DataTree::ReadYaml(yaml));
}

TEST(DataTree, SharesAliasesInsteadOfMultiplyingThem) {
  std::string yaml = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 60; ++i) {
    const std::string above = "*a" + std::to_string(i - 1);
    yaml += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + above + ", " + above + ", " + above + "]\n";
  }
  const auto tree = DataTree::ReadYaml(yaml);
  ASSERT_TRUE(tree.has_value());
  EXPECT_EQ(tree->root()["a59"].at(2).at(0).size(), 3u);
}

TEST(DataTree, MergesMapsAndBreaksLoopsOfAliases) {
  const auto tree = DataTree::ReadYaml("base: &b {image: node}\njob:\n  <<: *b\n  script: x\nloop: &l [*l]\n");
  ASSERT_TRUE(tree.has_value());
  EXPECT_EQ(tree->root()["job"]["image"].text(), "node");
  EXPECT_EQ(tree->root()["job"]["script"].line(), 4u);
  EXPECT_EQ(tree->root()["loop"].at(0).kind(), DataValue::Kind::kNull);
}

TEST(Manifest, KeepsScriptsAndDependenciesWithTheirLines) {
  const Manifest manifest = ManifestOf(R"({
  "name": "shop",
  "scripts": {
    "test": "jest"
  },
  "dependencies": {"express": "^4.18.0"},
  "devDependencies": {"jest": "^29.0.0"},
  "workspaces": ["packages/*"]
})");
  EXPECT_EQ(manifest.FindScript("test")->line, 4u);
  EXPECT_EQ(manifest.FindDependency("express")->range, "^4.18.0");
  EXPECT_EQ(manifest.FindDependency("jest")->kind, Dependency::Kind::kDevelopment);
  EXPECT_THAT(manifest.workspaces, ElementsAre("packages/*"));
}

TEST(Lockfile, NpmMatchesWhenRangesAreEqual) {
  const Manifest manifest =
      ManifestOf(R"({"dependencies": {"express": "^4.18.0"}, "devDependencies": {"jest": "^29.0.0"}})");
  const auto lock = ReadLockfile("package-lock.json", R"({"lockfileVersion": 3, "packages": {
    "": {"dependencies": {"express": "^4.18.0"}, "devDependencies": {"jest": "^29.0.0"}},
    "node_modules/express": {"version": "4.18.2", "integrity": "sha512-x"},
    "node_modules/express/node_modules/debug": {"version": "2.6.9"}}})");
  ASSERT_TRUE(lock.has_value());
  EXPECT_THAT(LockfileMismatches(manifest, *lock, {}), IsEmpty());
  EXPECT_THAT(lock->versions, ElementsAre(Pair("express", "4.18.2")));
  EXPECT_EQ(lock->packages, 2u);
  EXPECT_EQ(lock->without_integrity, 1u);
}

TEST(Lockfile, NpmNamesWhatTheManifestChangedSince) {
  const Manifest manifest =
      ManifestOf(R"({"dependencies": {"express": "^5.0.0", "pg": "^8.0.0", "shared": "workspace:*"}})");
  const auto lock =
      ReadLockfile("package-lock.json", R"({"packages": {"": {"dependencies": {"express": "^4.18.0"}}}})");
  ASSERT_TRUE(lock.has_value());
  EXPECT_THAT(LockfileMismatches(manifest, *lock, {}), ElementsAre("express", "pg"));
}

TEST(Lockfile, ReadsBothFormatsOfYarn) {
  const Manifest manifest =
      ManifestOf(R"({"dependencies": {"express": "^4.18.0", "@scope/a": "^1.0.0", "local": "1.0.0"}})");
  const std::vector<Manifest> repository = [] {
    std::vector<Manifest> all;
    all.push_back(ManifestOf(R"({"name": "local"})", "packages/local/package.json"));
    return all;
  }();
  const auto classic = ReadLockfile(
      "yarn.lock",
      "# yarn lockfile v1\n\n\"@scope/a@*\", \"@scope/a@^1.0.0\":\n  version \"1.2.0\"\n  integrity sha512-x\n\n"
      "express@^4.17.0, express@^4.18.0:\n  version \"4.18.2\"\n");
  ASSERT_TRUE(classic.has_value());
  EXPECT_THAT(LockfileMismatches(manifest, *classic, repository), IsEmpty());
  EXPECT_EQ(classic->versions.at("@scope/a"), "1.2.0");
  const auto modern =
      ReadLockfile("yarn.lock",
                   "__metadata:\n  version: 8\n\n\"express@npm:^4.18.0, express@npm:^4.17.0\":\n  version: 4.18.2\n"
                   "  checksum: 10/ab\n");
  ASSERT_TRUE(modern.has_value());
  EXPECT_THAT(LockfileMismatches(manifest, *modern, repository), ElementsAre("@scope/a"));
  EXPECT_EQ(modern->versions.at("express"), "4.18.2");
}

TEST(Lockfile, ReadsTheRootImporterOfPnpm) {
  const Manifest manifest =
      ManifestOf(R"({"dependencies": {"express": "^4.18.0"}, "devDependencies": {"jest": "^29.1.0"}})");
  const auto lock =
      ReadLockfile("pnpm-lock.yaml",
                   "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      express:\n"
                   "        specifier: ^4.18.0\n        version: 4.18.2(supports-color@8.0.0)\n"
                   "    devDependencies:\n      jest:\n        specifier: ^29.0.0\n        version: 29.7.0\n"
                   "  packages/a:\n    dependencies:\n      pg:\n        specifier: ^8.0.0\n        version: 8.0.0\n"
                   "packages:\n\n  express@4.18.2:\n    resolution: {integrity: sha512-x}\n");
  ASSERT_TRUE(lock.has_value());
  EXPECT_THAT(LockfileMismatches(manifest, *lock, {}), ElementsAre("jest"));
  EXPECT_EQ(lock->versions.at("express"), "4.18.2");
  EXPECT_EQ(lock->without_integrity, 0u);
}

TEST(Lockfile, OverriddenPackagesCountAsMatching) {
  const Manifest manifest = ManifestOf(R"({"dependencies": {"qs": "^6.5.0"}, "resolutions": {"**/qs": "6.11.0"}})");
  const auto lock = ReadLockfile("yarn.lock", "qs@6.11.0:\n  version \"6.11.0\"\n");
  EXPECT_THAT(LockfileMismatches(manifest, *lock, {}), IsEmpty());
}

std::vector<CoverageGate> GatesOf(std::string_view manifest, std::vector<SourceFile> files = {}) {
  std::vector<Manifest> manifests;
  manifests.push_back(ManifestOf(manifest));
  return ReadCoverageGates(manifests, files);
}

TEST(CoverageGates, ReadsJestInThreePlaces) {
  EXPECT_EQ(
      GatesOf(
          R"({"scripts": {"test": "jest"}, "jest": {"collectCoverage": true, "coverageThreshold": {"global": {"lines": 85, "branches": 70}}}})")
          [0]
              .lowest,
      70);
  const auto code = GatesOf(R"({"scripts": {"test": "jest --coverage"}})",
                            {{"jest.config.ts",
                              "export default {\n  // coverageThreshold: { global: { lines: 10 } },\n"
                              "  coverageThreshold: {\n    global: { lines: 80, functions: 75 },\n  },\n};\n"}});
  ASSERT_EQ(code.size(), 1u);
  EXPECT_EQ(code[0].lowest, 75);
  EXPECT_EQ(code[0].line, 3u);
  EXPECT_EQ(
      GatesOf(R"({"scripts": {"test": "jest --coverage --coverageThreshold='{\"global\":{\"lines\":60}}'"}})")[0].lines,
      60);
}

TEST(CoverageGates, ReadsNycC8VitestAndNode) {
  EXPECT_EQ(
      GatesOf(R"({"scripts": {"test": "nyc mocha"}})", {{".nycrc", R"({"check-coverage": true, "lines": 92})"}})[0]
          .lines,
      92);
  EXPECT_EQ(GatesOf(R"({"scripts": {"test": "c8 --check-coverage --lines 95 --branches 88 node --test"}})")[0].lowest,
            88);
  EXPECT_EQ(
      GatesOf(
          R"({"scripts": {"test": "vitest run"}})",
          {{"vitest.config.ts",
            "export default defineConfig({ test: { coverage: { enabled: true, thresholds: { lines: 90 } } } });"}})[0]
          .always_collected,
      true);
  EXPECT_EQ(
      GatesOf(R"({"scripts": {"test": "node --test --experimental-test-coverage --test-coverage-lines=80"}})")[0].tool,
      "node");
}

TEST(CoverageGates, IgnoresWhatGatesNothing) {
  EXPECT_THAT(GatesOf(R"({"scripts": {"test": "mocha"}, "jest": {"coverageThreshold": {"global": {"lines": 80}}}})"),
              IsEmpty());
  EXPECT_THAT(GatesOf(R"({"scripts": {"test": "jest"}, "jest": {"coverageThreshold": {"global": {"lines": 0}}}})"),
              IsEmpty());
  EXPECT_THAT(GatesOf(R"({"scripts": {"test": "nyc mocha"}, "nyc": {"lines": 80}})"), IsEmpty());
  EXPECT_THAT(GatesOf(R"({"scripts": {"test": "jest"}})",
                      {{"jest.config.js", "/* coverageThreshold: { global: { lines: 80 } } */"}}),
              IsEmpty());
}

constexpr std::string_view kRecord = R"(# 7. Queue for mail

## Status

Accepted, supersedes ADR 3

## Context

Sending mail inside the request made checkout wait 900 ms at p99, and an outage of the provider took orders down with it twice in June.

## Considered options

- Keep sending inside the request with a timeout
- A queue in Redis with `bullmq`
- A table as outbox, read by `src/worker.js`

## Decision

We put mails into a queue in Redis, because Redis is there already and losing one mail is acceptable.

## Consequences

Mails can be late by a few seconds. The worker has to run and be watched. Tests need a Redis or a fake of the queue module.
)";

std::vector<DecisionRecord> RecordsOf(std::vector<SourceFile> files) {
  std::vector<Manifest> manifests;
  manifests.push_back(ManifestOf(R"({"dependencies": {"bullmq": "^5.0.0"}})"));
  return ReadDecisionRecords(files, manifests);
}

TEST(DecisionRecords, ReadsSectionsOptionsAndReferences) {
  const auto records = RecordsOf({{"docs/adr/0007-queue.md", kRecord}, {"src/worker.js", ""}});
  ASSERT_EQ(records.size(), 1u);
  EXPECT_TRUE(records[0].HasSubstance());
  EXPECT_EQ(records[0].options, 3u);
  EXPECT_TRUE(records[0].has_measure);
  EXPECT_TRUE(records[0].has_succession);
  EXPECT_THAT(records[0].references, ElementsAre("bullmq", "src/worker.js"));
}

TEST(DecisionRecords, TheFirstRecordOfAToolAndTemplatesHaveNoSubstance) {
  const std::string body(kRecord.substr(kRecord.find('\n')));
  const std::string first = "# 1. Record architecture decisions" + body;
  const std::string filled = "# {short title}" + body;
  for (const auto& record : RecordsOf({{"doc/adr/0001-record-architecture-decisions.md", first},
                                       {"doc/adr/template.md", kRecord},
                                       {"doc/adr/0002-x.md", filled}})) {
    EXPECT_FALSE(record.HasSubstance()) << record.path;
  }
}

TEST(DecisionRecords, HeadingsWithoutTextHaveNoSubstance) {
  const auto records = RecordsOf(
      {{"docs/decisions/1.md",
        "# Use "
        "Redis\n\nContext\n-------\nSpeed.\n\nDecision\n--------\nRedis.\n\nConsequences\n------------\nFast.\n"}});
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].context_words, 1u);
  EXPECT_FALSE(records[0].HasSubstance());
}

TEST(DecisionRecords, OtherMarkdownIsNoRecord) {
  EXPECT_THAT(RecordsOf({{"README.md", kRecord}, {"docs/adr/README.md", kRecord}, {"docs/queue.md", kRecord}}),
              IsEmpty());
}

TEST(Paths, JoinStaysInsideTheRoot) {
  EXPECT_EQ(JoinPath("a/b", "../c.js"), "a/c.js");
  EXPECT_EQ(JoinPath("", "./x"), "x");
  EXPECT_EQ(JoinPath("", "../x"), "");
  EXPECT_EQ(JoinPath("a", "/x"), "x");
}

}  // namespace
}  // namespace assay::code_analysis
