#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/code_analysis/testing/repository.h"

namespace assay::code_analysis {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::RunCheck;

// ---- E1 ----

TEST(OutboundTimeouts, FindsAxiosAndFetchWithoutALimit) {
  const auto run =
      RunCheck("E1", {{"client.js",
                       "const axios = require('axios');\nexports.user = (id) => "
                       "axios.get(`http://users/${id}`);\nexports.page = () => fetch('http://pages/');\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("client.js:2", "client.js:3"));
  EXPECT_EQ(run.Value(), 0);
}

TEST(OutboundTimeouts, FindsAnInstanceWithoutALimit) {
  const auto run = RunCheck(
      "E1", {{"http.ts", "import axios from 'axios';\nexport const http = axios.create({ baseURL: 'http://b' });\n"},
             {"use.ts", "import { http } from './http';\nexport const load = () => http.post('/x', {});\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("use.ts:2"));
}

TEST(OutboundTimeouts, AcceptsTheInstancesLimit) {
  const auto run = RunCheck(
      "E1", {{"http.js", "const axios = require('axios');\nmodule.exports = axios.create({ timeout: 2000 });\n"},
             {"use.js", "const http = require('./http');\nexports.load = () => http.get('/x');\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1);
}

TEST(OutboundTimeouts, AcceptsASignalAndASocketTimeout) {
  const auto run = RunCheck("E1", {{"a.mjs",
                                    "import https from 'node:https';\nexport const a = () => fetch('http://x', { "
                                    "signal: AbortSignal.timeout(500) });\nexport const b = () => { const req = "
                                    "https.request('https://x'); req.setTimeout(1000, () => req.destroy()); };\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

TEST(OutboundTimeouts, LeavesMapsAndRoutersAlone) {
  const auto run = RunCheck("E1", {{"app.js",
                                    "const app = require('express')();\nconst cache = new Map();\napp.get('/a', (req, "
                                    "res) => res.send(cache.get('x')));\n"}});
  EXPECT_FALSE(run.Observed());
}

// ---- E4 ----

TEST(ServerTimeouts, FindsALimitSwitchedOff) {
  const auto run =
      RunCheck("E4", {{"s.js", "const server = require('express')().listen(1);\nserver.requestTimeout = 0;\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("s.js:2"));
  EXPECT_LT(run.Value(), 0.3);
}

TEST(ServerTimeouts, FindsKeepAliveAboveHeaders) {
  const auto run =
      RunCheck("E4", {{"package.json", R"({"dependencies": {"express": "^4"}, "engines": {"node": "12.x"}})"},
                      {"s.ts",
                       "import http from 'node:http';\nimport express from 'express';\nconst server = "
                       "http.createServer(express());\nserver.keepAliveTimeout = "
                       "65_000;\nserver.headersTimeout = 60 * 1000;\nserver.listen(1);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("s.ts:4"));
}

TEST(ServerTimeouts, AcceptsAnOrderThatHolds) {
  const auto run = RunCheck("E4", {{"s.js",
                                    "const server = require('express')().listen(1);\nserver.keepAliveTimeout = 61 * "
                                    "1000;\nserver.headersTimeout = 62 * 1000;\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GT(run.Value(), 0.9);
}

TEST(ServerTimeouts, LeavesAWholesaleAssignmentToTheRun) {
  const auto run = RunCheck("E4", {{"s.mjs",
                                    "import express from 'express';\nimport { fromEnv } from './env.mjs';\nconst "
                                    "server = express().listen(1);\nObject.assign(server, fromEnv('SERVER_'));\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.report.observations[0].standard_error, 0.4);
}

// ---- E5 ----

TEST(Shedding, FindsAPackageThatIsNotAsked) {
  const auto run =
      RunCheck("E5", {{"app.js",
                       "const toobusy = require('toobusy-js');\nconst app = "
                       "require('express')();\ntoobusy.maxLag(70);\napp.get('/a', (req, res) => res.end());\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:1"));
}

TEST(Shedding, FindsAnImportInATypeScriptServer) {
  const auto run = RunCheck("E5", {{"app.ts",
                                    "import protect from 'overload-protection';\nimport express from 'express';\nconst "
                                    "app = express();\napp.get('/a', (req, res) => { res.end(); });\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.ts:1"));
}

TEST(Shedding, AcceptsToobusyInMiddleware) {
  const auto run =
      RunCheck("E5", {{"app.js",
                       "const toobusy = require('toobusy-js');\nconst app = require('express')();\napp.use((req, res, "
                       "next) => toobusy() ? res.status(503).end() : next());\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GT(run.Value(), 0.9);
}

TEST(Shedding, AcceptsACountOfItsOwn) {
  const auto run = RunCheck(
      "E5",
      {{"shed.mjs",
        "let inFlight = 0;\nexport const shed = (req, res, next) => { if (inFlight > 100) return "
        "res.status(503).set('Retry-After', '1').end(); inFlight++; res.on('close', () => inFlight--); next(); };\n"},
       {"app.mjs", "import express from 'express';\nimport { shed } from './shed.mjs';\nexpress().use(shed);\n"}});
  EXPECT_GT(run.Value(), 0.9);
}

// ---- E7 ----

TEST(RateLimits, FindsMemoryBesideReplicas) {
  const auto run =
      RunCheck("E7", {{"deploy/app.yaml", "kind: Deployment\nspec:\n  replicas: 3\n"},
                      {"app.js",
                       "const limit = require('express-rate-limit');\nconst app = require('express')();\nconst limiter "
                       "= limit({ max: 100 });\napp.use(limiter);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:3"));
  EXPECT_LT(run.Value(), 0.3);
}

TEST(RateLimits, FindsALimiterThatIsNotRegistered) {
  const auto run = RunCheck(
      "E7", {{"limits.ts",
              "import { rateLimit } from 'express-rate-limit';\nexport const login = rateLimit({ limit: 5 });\n"},
             {"app.ts", "import express from 'express';\nexpress().get('/', (req, res) => { res.end(); });\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("limits.ts:2"));
}

TEST(RateLimits, AcceptsASharedStore) {
  const auto run = RunCheck(
      "E7",
      {{"limits.js",
        "const { rateLimit } = require('express-rate-limit');\nconst { RedisStore } = "
        "require('rate-limit-redis');\nmodule.exports.api = rateLimit({ limit: 5, store: new RedisStore({}) });\n"},
       {"app.js", "const app = require('express')();\nconst { api } = require('./limits');\napp.use('/api', api);\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1);
}

TEST(RateLimits, AcceptsACounterInRedisOfItsOwnMiddleware) {
  const auto run = RunCheck(
      "E7", {{"app.mjs",
              "import express from 'express';\nimport { RateLimiterRedis } from 'rate-limiter-flexible';\nconst "
              "limiter = new RateLimiterRedis({ points: 5 });\nexpress().use(async (req, res, next) => { try { await "
              "limiter.consume(req.ip); next(); } catch { res.status(429).end(); } });\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

// ---- E9 ----

TEST(Probes, FindsNone) {
  const auto run = RunCheck(
      "E9",
      {{"app.js", "const app = require('express')();\napp.get('/a', (req, res) => res.end());\napp.listen(1);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:1"));
  EXPECT_LT(run.Value(), 0.3);
}

TEST(Probes, FindsAProbeThatAsksNothing) {
  const auto run = RunCheck("E9", {{"app.ts",
                                    "import express from 'express';\nconst app = express();\napp.get('/health', (req, "
                                    "res) => { res.send('ok'); });\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.ts:3"));
  EXPECT_LT(run.Value(), 0.5);
}

TEST(Probes, AcceptsLivenessAndReadinessThatTurnsWhenItStops) {
  const auto run = RunCheck("E9", {{"app.js", R"js(const express = require('express');
const { Pool } = require('pg');
const pool = new Pool();
const app = express();
let stopping = false;
app.get('/livez', (req, res) => res.end());
app.get('/readyz', async (req, res) => { if (stopping) return res.status(503).end(); await pool.query('select 1'); res.end(); });
process.on('SIGTERM', () => { stopping = true; });
app.listen(1);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GE(run.Value(), 0.9);
}

TEST(Probes, AcceptsProbesOfARouter) {
  const auto run = RunCheck(
      "E9",
      {{"probes.mjs",
        "import { Router } from 'express';\nimport mongoose from 'mongoose';\nexport const probes = "
        "Router();\nprobes.get('/live', (q, s) => s.end());\nprobes.get('/ready', (q, s) => "
        "s.status(mongoose.connection.readyState === 1 ? 200 : 503).end());\n"},
       {"app.mjs",
        "import express from 'express';\nimport { probes } from './probes.mjs';\nexpress().use('/_', probes);\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GE(run.Value(), 0.85);
}

}  // namespace
}  // namespace assay::code_analysis
