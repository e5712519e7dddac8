#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/code_analysis/testing/repository.h"

namespace assay::code_analysis {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::RunCheck;
using ::testing::SizeIs;

testing::CheckRun CheckStop(const std::string& stop) {
  return RunCheck("E8", {{"server.js",
                          "const express = require('express');\nconst mongoose = require('mongoose');\nconst app = "
                          "express();\nconst server = app.listen(3000);\n" +
                              stop}});
}

TEST(Shutdown, FindsAnExitRightAfterClose) {
  const auto run = CheckStop("process.on('SIGTERM', () => {\n  server.close();\n  process.exit(0);\n});\n");
  EXPECT_THAT(run.Places(), ElementsAre("server.js:7"));
  EXPECT_LT(run.Value(), 0.2);
  EXPECT_THAT(run.report.claims, SizeIs(1));
}

TEST(Shutdown, FindsAnAwaitThatWaitsForNothing) {
  const auto run =
      RunCheck("E8", {{"stop.ts",
                       "import { server } from './server';\nexport async function stop(): Promise<void> {\n  await "
                       "server.close();\n  process.exit(0);\n}\n"},
                      {"server.ts", "import express from 'express';\nexport const server = express().listen(3000);\n"},
                      {"main.ts", "import { stop } from './stop';\nprocess.on('SIGTERM', () => stop());\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("stop.ts:4"));
  EXPECT_THAT(run.report.findings[0].message, HasSubstr("returns the server"));
}

TEST(Shutdown, FindsSocketsThatAreCut) {
  const auto run = CheckStop(
      "process.once('SIGTERM', () => {\n  server.close(() => process.exit());\n  server.closeAllConnections();\n});\n");
  EXPECT_THAT(run.Places(), ElementsAre("server.js:7"));
}

TEST(Shutdown, FindsAnExitInATimerBesideADatabaseThatIsClosed) {
  const auto run = CheckStop(
      "process.on('SIGTERM', async () => {\n  await mongoose.disconnect();\n  setTimeout(() => process.exit(0), "
      "1000);\n});\n");
  EXPECT_THAT(run.Places(), ElementsAre("server.js:7"));
  EXPECT_LT(run.Value(), 0.2);
}

TEST(Shutdown, FindsADatabaseClosedBeforeTheDrain) {
  const auto run = CheckStop(
      "process.on('SIGTERM', async () => {\n  await mongoose.connection.close();\n  server.close(() => "
      "process.exit(0));\n});\n");
  EXPECT_THAT(run.Places(), ElementsAre("server.js:6"));
  EXPECT_LT(run.Value(), 0.6);
}

TEST(Shutdown, FindsAProcessThatNeverEnds) {
  const auto run = CheckStop("process.on('SIGTERM', () => {\n  if (server) {\n    server.close();\n  }\n});\n");
  EXPECT_THAT(run.Places(), ElementsAre("server.js:7"));
  EXPECT_LT(run.Value(), 0.5);
}

TEST(Shutdown, FindsSignalsThatAreHandledOnlyOnDemand) {
  const auto run = CheckStop(
      "if (process.env.HANDLE_SIGNALS) {\n  process.on('SIGTERM', () => server.close(() => process.exit(0)));\n}\n");
  EXPECT_THAT(run.Places(), ElementsAre("server.js:6"));
  EXPECT_LE(run.Value(), 0.5);
}

TEST(Shutdown, FindsNothingThatAnswersTheSignal) {
  const auto run = CheckStop("");
  EXPECT_THAT(run.Places(), ElementsAre("server.js:4"));
  EXPECT_EQ(run.report.observations[0].standard_error, error_of::kAbsence);
}

TEST(Shutdown, AcceptsTheWholePathWithACallback) {
  const auto run = CheckStop(R"js(function shutdown(signal) {
  setTimeout(() => process.exit(1), 10000).unref();
  server.close(async () => {
    await mongoose.connection.close();
    process.exit(0);
  });
}
['SIGTERM', 'SIGINT'].forEach((signal) => process.on(signal, () => shutdown(signal)));
)js");
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1);
  ASSERT_THAT(run.report.claims, SizeIs(1));
  EXPECT_EQ(run.report.claims[0].span.line, 7u);
}

TEST(Shutdown, AcceptsAnAwaitedPromiseOverFiles) {
  const auto run =
      RunCheck("E8", {{"src/http.ts",
                       "import { createServer, Server } from 'node:http';\nimport { app } from './app';\nexport const "
                       "server: Server = createServer(app);\nexport const closeServer = (): Promise<void> => new "
                       "Promise((resolve, reject) => server.close((error) => (error ? reject(error) : resolve())));\n"},
                      {"src/app.ts", "import express from 'express';\nexport const app = express();\n"},
                      {"src/main.ts",
                       "import { Pool } from 'pg';\nimport { server, closeServer } from './http';\nconst pool = new "
                       "Pool();\nserver.listen(3000);\nasync function stop() {\n  await closeServer();\n  await "
                       "pool.end();\n  process.exit(0);\n}\nprocess.on('SIGTERM', stop);\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GE(run.Value(), 0.8);
}

TEST(Shutdown, AcceptsPromisifyAndThen) {
  const auto run = CheckStop(
      "const { promisify } = require('util');\nconst close = "
      "promisify(server.close.bind(server));\nprocess.on('SIGTERM', () => close().then(() => process.exit(0)));\n");
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GE(run.Value(), 0.8);
}

TEST(Shutdown, AcceptsAnElseBranchWithoutAServer) {
  const auto run = CheckStop(
      "const leave = () => {\n  if (server) {\n    server.close(() => { process.exit(0); });\n  } else {\n    "
      "process.exit(0);\n  }\n};\nprocess.on('SIGTERM', leave);\n");
  EXPECT_THAT(run.Places(), IsEmpty());
}

TEST(Shutdown, AcceptsAPackageThatDrains) {
  const auto run =
      RunCheck("E8", {{"app.mjs",
                       "import express from 'express';\nimport http from 'http';\nimport { createTerminus } from "
                       "'@godaddy/terminus';\nconst server = http.createServer(express());\ncreateTerminus(server, { "
                       "signals: ['SIGTERM'], timeout: 10000 });\nserver.listen(1);\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GE(run.Value(), 0.85);
}

TEST(Shutdown, AcceptsStoppableInAClass) {
  const auto run = RunCheck("E8", {{"server.js", R"js(const express = require('express');
const stoppable = require('stoppable');
class WebServer {
  constructor() { this.app = express(); }
  start() { this.server = stoppable(this.app.listen(3000), 60000); process.on('SIGTERM', () => this.stop()); }
  stop() { this.server.stop(() => process.exit(0)); }
}
new WebServer().start();
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GE(run.Value(), 0.8);
}

TEST(Shutdown, StoppableFollowedByAnExitIsLost) {
  const auto run = RunCheck(
      "E8", {{"server.js",
              "const stoppable = require('stoppable');\nconst server = stoppable(require('express')().listen(1), "
              "5000);\nprocess.on('SIGTERM', () => {\n  server.stop();\n  process.exit(0);\n});\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:5"));
}

}  // namespace
}  // namespace assay::code_analysis
