// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/code_analysis/testing/repository.h"

namespace assay::code_analysis {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::RunCheck;

constexpr char kApp[] = R"js(
const express = require('express');
const app = express();
app.get('/orders', (req, res) => res.json([]));
app.get('/orders/:id', (req, res) => res.json({}));
app.post('/orders', (req, res) => res.status(201).json({}));
module.exports = app;
)js";
constexpr char kPackage[] = R"({
  "name": "shop",
  "scripts": {
    "test": "jest"
  },
  "dependencies": {"express": "^4.18.0"},
  "devDependencies": {"jest": "^29.0.0", "supertest": "^6.0.0"}
})";

TEST(ApiTests, CountsTestsThatSendRequestsAndCheckAnswers) {
  const auto run = RunCheck("M1", {{"package.json", kPackage}, {"app.js", kApp}, {"test/app.test.js", R"js(
const request = require('supertest');
const app = require('../app');
describe('orders', () => {
  it('lists', async () => {
    const res = await request(app).get('/orders');
    expect(res.status).toBe(200);
  });
  it('finds one', () => request(app).get('/orders/7').expect(200));
  it('refuses', async () => { await request(app).post('/orders').send({}).expect(400); });
  it('does not know', async () => { await request(app).get(`/orders/${missing}`).expect(404); });
});
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GT(run.Value(), 0.9);
  EXPECT_THAT(run.report.observations[0].rationale, HasSubstr("3 of 3 routes"));
}

TEST(ApiTests, SeesRequestsByFetchToAListeningApplication) {
  const auto run = RunCheck("M1", {{"package.json", kPackage}, {"app.js", kApp}, {"test/http.test.mjs", R"js(
import test from 'node:test';
import assert from 'node:assert';
import app from '../app.js';
test('lists orders', async () => {
  const server = app.listen(0);
  const base = `http://127.0.0.1:${server.address().port}`;
  const res = await fetch(`${base}/orders`);
  assert.strictEqual(res.status, 200);
});
)js"}});
  EXPECT_GT(run.Value(), 0.5);
}

TEST(ApiTests, TellsUnitTestsUncheckedRequestsAndExclusiveTestsApart) {
  const auto units = RunCheck("M1", {{"package.json", kPackage},
                                     {"app.js", kApp},
                                     {"test/sum.test.js", "test('adds', () => { expect(1 + 1).toBe(2); });\n"}});
  EXPECT_LT(units.Value(), 0.2);
  const auto run = RunCheck("M1", {{"package.json", kPackage}, {"app.js", kApp}, {"test/app.test.js", R"js(
const request = require('supertest');
const app = require('../app');
it('does nothing', async () => { await request(app).get('/orders'); });
it.only('lists', async () => { await request(app).get('/orders').expect(200); });
)js"}});
  EXPECT_THAT(run.Places(), ::testing::UnorderedElementsAre("test/app.test.js:4", "test/app.test.js:5"));
}

TEST(ApiTests, NamesAnUncheckedRequestOfAModule) {
  const auto run = RunCheck("M1", {{"package.json", kPackage}, {"app.js", kApp}, {"test/orders.test.mjs", R"js(
import request from 'supertest';
import app from '../app.js';
test('does nothing', async () => { await request(app).get('/orders'); });
test('lists', async () => { await request(app).get('/orders').expect(200); });
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("test/orders.test.mjs:4"));
}

TEST(ApiTests, AreNotObservedWithoutTests) { EXPECT_FALSE(RunCheck("M1", {{"app.js", kApp}}).Observed()); }

constexpr char kTest[] = "test('adds', () => { expect(1 + 1).toBe(2); });\n";

TEST(CoverageGate, IsWorthMostWhenAPipelineAppliesIt) {
  const std::string package =
      R"({"scripts": {"test": "jest --coverage"}, "jest": {"coverageThreshold": {"global": {"lines": 85}}}})";
  const std::string workflow = "on: pull_request\njobs:\n  ci:\n    steps:\n      - run: npm test\n";
  const double enforced =
      RunCheck("M3", {{"package.json", package}, {"a.test.js", kTest}, {".github/workflows/ci.yml", workflow}}).Value();
  const double idle = RunCheck("M3", {{"package.json", package}, {"a.test.js", kTest}}).Value();
  EXPECT_EQ(enforced, 1.0);
  EXPECT_LT(idle, 0.6);
}

TEST(CoverageGate, SaysWhenNoStepCollectsCoverage) {
  const auto run = RunCheck(
      "M3",
      {{"package.json",
        "{\"scripts\": {\"test\": \"jest\"},\n\"jest\": {\"coverageThreshold\":\n {\"global\": {\"lines\": 85}}}}"},
       {"a.test.js", kTest},
       {".github/workflows/ci.yml", "on: pull_request\njobs:\n  ci:\n    steps:\n      - run: npm test\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("package.json:3"));
}

TEST(CoverageGate, SeesThresholdsOfACommandThatAPipelineRuns) {
  const auto run = RunCheck(
      "M3", {{"package.json", R"({"scripts": {"test": "c8 --check-coverage --lines 90 mocha"}})"},
             {"test/sum.test.mjs", "import assert from 'node:assert';\nit('adds', () => assert.equal(1 + 1, 2));\n"},
             {".gitlab-ci.yml", "test:\n  script: [npm ci, npm test]\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
}

TEST(CoverageGate, NamesAThresholdOfASettingsFileThatNoStepApplies) {
  const auto run = RunCheck("M3", {{"package.json", R"({"scripts": {"test": "vitest run"}})"},
                                   {"vitest.config.ts",
                                    "import { defineConfig } from 'vitest/config';\nexport default defineConfig({\n  "
                                    "test: { coverage: { thresholds: { lines: 85 } } },\n});\n"},
                                   {"src/sum.test.ts",
                                    "import { test, expect } from 'vitest';\ntest('adds', () => { "
                                    "expect(1 + 1).toBe(2); });\n"},
                                   {".gitlab-ci.yml", "test:\n  script: [npx vitest run]\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("vitest.config.ts:3"));
}

TEST(CoverageGate, IsLowWithoutThresholdAndUnknownWithoutTests) {
  EXPECT_LT(RunCheck("M3", {{"package.json", R"({"scripts": {"test": "mocha"}})"}, {"a.test.js", kTest}}).Value(), 0.2);
  EXPECT_FALSE(RunCheck("M3", {{"package.json", R"({"scripts": {"start": "node ."}})"}}).Observed());
}

TEST(BlockingGates, ValuesWhatCanStopAChange) {
  const auto run = RunCheck("M4", {{"package.json", R"({"scripts": {"test": "jest", "lint": "eslint ."}})"},
                                   {".github/workflows/ci.yml",
                                    "on: [push, pull_request]\njobs:\n  ci:\n    steps:\n      - run: npm run lint\n   "
                                    "   - run: npm test -- --coverage\n      - run: npm audit --omit=dev\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GT(run.Value(), 0.8);
}

TEST(BlockingGates, CoverageWithoutAThresholdStopsNothing) {
  const auto with_flag = [](const char* flag) {
    return RunCheck("M4", {{"package.json", "{}"},
                           {".github/workflows/ci.yml",
                            std::string("on: push\njobs:\n  ci:\n    steps:\n      - run: npx jest") + flag + "\n"}})
        .Value();
  };
  EXPECT_EQ(with_flag(" --coverage"), with_flag(""));
}

TEST(BlockingGates, NamesStepsWhoseFailurePasses) {
  const auto run = RunCheck("M4", {{"package.json", R"({"scripts": {"test": "jest || true"}})"},
                                   {".github/workflows/ci.yml",
                                    "on: pull_request\njobs:\n  ci:\n    steps:\n      - run: npm test\n      - run: "
                                    "npx eslint .\n        continue-on-error: true\n"}});
  EXPECT_THAT(run.Places(), ElementsAre(".github/workflows/ci.yml:5", ".github/workflows/ci.yml:6"));
  EXPECT_EQ(run.Value(), 0.0);
}

TEST(BlockingGates, ReadsGitLabAndIsUnknownWithoutPipelines) {
  const auto run =
      RunCheck("M4", {{"package.json", R"({"devDependencies": {"typescript": "^5.0.0"}})"},
                      {".gitlab-ci.yml", "test:\n  script: [npx vitest run, npx tsc --noEmit, npx biome ci .]\n"}});
  EXPECT_GT(run.Value(), 0.75);
  EXPECT_FALSE(RunCheck("M4", {{"app.js", kApp}}).Observed());
}

TEST(BlockingGates, NamesAGitLabJobThatMayFail) {
  const auto run = RunCheck("M4", {{"package.json", R"({"scripts": {"test": "vitest run"}})"},
                                   {".gitlab-ci.yml", "test:\n  script:\n    - npm test\n  allow_failure: true\n"}});
  EXPECT_THAT(run.Places(), ElementsAre(".gitlab-ci.yml:3"));
  EXPECT_LT(run.Value(), 0.5);
}

std::string Record(std::string_view title, std::string_view decision) {
  return std::string("# ") + std::string(title) +
         "\n\n## Context\n\nCheckout waits for the mail provider, which took 900 ms at p99 in June and went down twice "
         "for more than an hour each.\n\n## Decision\n\n" +
         std::string(decision) +
         "\n\n## Consequences\n\nMails may come a few seconds later. Somebody has to watch the worker, and tests need "
         "a Redis or a fake of it.\n";
}

TEST(DecisionRecords, CountOnlyWithSubstanceAndMoreWhenTheyNameWhatExists) {
  const std::string decision =
      "We put mails into a queue in Redis because Redis is there already and a lost mail can be sent again.";
  const double bare =
      RunCheck("N1", {{"app.js", kApp}, {"docs/adr/0002-queue.md", Record("2. Queue for mail", decision)}}).Value();
  const double named =
      RunCheck("N1",
               {{"app.js", kApp}, {"docs/adr/0002-queue.md", Record("2. Queue for mail", decision + " See `app.js`.")}})
          .Value();
  EXPECT_GT(named, bare);
  EXPECT_GT(bare, 0.25);
}

TEST(DecisionRecords, ATemplateOrAToolsFirstRecordCountsAsNothing) {
  const std::string decision =
      "We will use Architecture Decision Records, as described by Michael Nygard in his article on the subject.";
  EXPECT_FALSE(RunCheck("N1", {{"app.js", kApp},
                               {"doc/adr/0001-record-architecture-decisions.md",
                                Record("1. Record architecture decisions", decision)}})
                   .Observed());
  EXPECT_FALSE(
      RunCheck("N1", {{"app.js", kApp}, {"docs/decisions/adr-template.md", Record("Title", decision)}}).Observed());
  EXPECT_FALSE(RunCheck("N1", {{"app.js", kApp}}).Observed());
}

TEST(DecisionRecords, ARecordWithoutReasonsIsNamed) {
  const auto run = RunCheck(
      "N1",
      {{"app.js", kApp}, {"docs/adr/0003-redis.md", "# Use Redis\n\n## Context\n\nSpeed.\n\n## Decision\n\nRedis.\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("docs/adr/0003-redis.md:1"));
}

TEST(DecisionRecords, SeveralThatNameWhatExistsAreGoodEvidence) {
  const std::string queue = "We put mails into a queue in Redis because Redis is there already; see `app.js` for it.";
  const std::string pool = "We keep one pool of ten connections for all requests, made in `app.js`, and wait 500 ms.";
  const std::string logs =
      "We write one line of JSON for each request with an id of its own, from `app.js`, to stdout.";
  const auto numbered = RunCheck("N1", {{"app.js", kApp},
                                        {"docs/adr/0001-queue.md", Record("1. Queue for mail", queue)},
                                        {"docs/adr/0002-pool.md", Record("2. One pool", pool)},
                                        {"docs/adr/0003-logs.md", Record("3. Logs", logs)}});
  EXPECT_THAT(numbered.Places(), IsEmpty());
  EXPECT_GT(numbered.Value(), 0.6);
  const auto dated = RunCheck("N1", {{"app.js", kApp},
                                     {"doc/decisions/2026-02-01-queue.md", Record("Queue for mail", queue)},
                                     {"doc/decisions/2026-03-11-pool.md", Record("One pool", pool)}});
  EXPECT_THAT(dated.Places(), IsEmpty());
  EXPECT_GT(dated.Value(), 0.5);
}

TEST(DecisionRecords, ARecordOfAnotherFormatWithoutReasonsIsNamed) {
  const auto run = RunCheck(
      "N1", {{"app.js", kApp},
             {"doc/decisions/0007-logs.md", "# Logs\n\n## Context\n\nNone.\n\n## Decision\n\nPino, to stdout.\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("doc/decisions/0007-logs.md:1"));
}

constexpr char kManifest[] = "{\n\"dependencies\": {\n\"express\": \"^4.18.0\"\n}}";
constexpr char kLock[] =
    R"({"lockfileVersion": 3, "packages": {"": {"dependencies": {"express": "^4.18.0"}}, "node_modules/express": {"version": "4.18.2", "integrity": "x"}}})";

TEST(LockedDependencies, MatchingLockAndCleanInstallsAreBest) {
  const auto run = RunCheck(
      "O1", {{"package.json", kManifest},
             {"package-lock.json", kLock},
             {"Dockerfile",
              "FROM node:20\nCOPY package*.json ./\nRUN npm ci --omit=dev \\\n  && npm cache clean --force\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
}

TEST(LockedDependencies, ReadsPnpmAndYarnInPipelines) {
  const auto pnpm = RunCheck(
      "O1",
      {{"package.json", kManifest},
       {"pnpm-lock.yaml",
        "importers:\n  .:\n    dependencies:\n      express:\n        specifier: ^4.18.0\n        version: 4.18.2\n"},
       {".github/workflows/ci.yml", "on: push\njobs:\n  ci:\n    steps:\n      - run: pnpm install\n"}});
  EXPECT_THAT(pnpm.Places(), IsEmpty());
  const auto yarn =
      RunCheck("O1", {{"package.json", kManifest},
                      {"yarn.lock", "express@^4.18.0:\n  version \"4.18.2\"\n"},
                      {".github/workflows/ci.yml", "on: push\njobs:\n  ci:\n    steps:\n      - run: yarn install\n"}});
  EXPECT_THAT(yarn.Places(), ElementsAre(".github/workflows/ci.yml:5"));
}

TEST(LockedDependencies, NamesMissingAndStaleLocksAndLooseInstalls) {
  EXPECT_THAT(RunCheck("O1", {{"package.json", kManifest}}).Places(), ElementsAre("package.json:1"));
  const auto stale = RunCheck("O1", {{"package.json", "{\n\"dependencies\": {\n\"express\": \"^5.0.0\"\n}}"},
                                     {"package-lock.json", kLock},
                                     {"Dockerfile", "FROM node\nRUN npm install\n"}});
  EXPECT_THAT(stale.Places(), ::testing::UnorderedElementsAre("package.json:3", "Dockerfile:2"));
  EXPECT_LT(stale.Value(), 0.4);
}

TEST(LockedDependencies, InstallsOfNamedToolsDoNotMatter) {
  const auto run = RunCheck("O1", {{"package.json", kManifest},
                                   {"package-lock.json", kLock},
                                   {"Dockerfile", "FROM node\nRUN npm install -g npm@10 && npm ci\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

}  // namespace
}  // namespace assay::code_analysis
