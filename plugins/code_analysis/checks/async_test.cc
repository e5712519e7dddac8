#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/code_analysis/testing/repository.h"

namespace assay::code_analysis {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::PackageJson;
using testing::RunCheck;

// ---- B1 ----

TEST(Rejections, FindsAnAwaitWithoutCatchOnExpress4) {
  const auto run = RunCheck("B1", {{"app.js", R"js(const app = require('express')();
app.get('/a', async (req, res) => {
  const rows = await load();
  res.json(rows);
});
app.get('/b', async (req, res, next) => {
  try { res.json(await load()); } catch (error) { next(error); }
});
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:3"));
  EXPECT_LT(run.Value(), 0.4);
  EXPECT_THAT(run.report.findings[0].message, HasSubstr("process ends"));
}

TEST(Rejections, FindsAWrapperThatDoesNotCatch) {
  const auto run = RunCheck(
      "B1", {{"wrap.ts",
              "import { RequestHandler } from 'express';\nexport const asyncHandler = (fn: RequestHandler): "
              "RequestHandler => (req, res, next) => fn(req, res, next);\n"},
             {"routes.ts",
              "import { Router } from 'express';\nimport { asyncHandler } from './wrap';\nconst router = "
              "Router();\nrouter.get('/a', asyncHandler(async (req, res) => { res.json(await load()); }));\nexport "
              "default router;\n"},
             {"app.ts", "import express from 'express';\nimport routes from './routes';\nexpress().use(routes);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("routes.ts:4"));
}

TEST(Rejections, FindsAPatchThatIsImportedTooLate) {
  const auto run = RunCheck("B1", {{"routes.mjs",
                                    "import { Router } from 'express';\nexport const router = "
                                    "Router();\nrouter.get('/a', async (req, res) => { res.json(await load()); });\n"},
                                   {"app.mjs",
                                    "import express from 'express';\nimport { router } from './routes.mjs';\nawait "
                                    "import('express-async-errors');\nexpress().use(router);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("routes.mjs:3"));
}

TEST(Rejections, AcceptsAWrapperByItsBodyWhateverItsName) {
  const auto run = RunCheck(
      "B1",
      {{"lib/guard.js",
        "module.exports = (fn) => (req, res, next) => Promise.resolve(fn(req, res, next)).catch(next);\n"},
       {"app.js",
        "const app = require('express')();\nconst guard = require('./lib/guard');\nclass Users { async list(req, res) "
        "{ res.json(await load()); } }\nconst users = new Users();\napp.get('/users', guard(users.list));\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GT(run.Value(), 0.9);
}

TEST(Rejections, AcceptsExpress5) {
  const auto run = RunCheck(
      "B1",
      {{"package.json", PackageJson({{"express", "^5.1.0"}})},
       {"app.mjs",
        "import express from 'express';\nexpress().get('/a', async (req, res) => { res.json(await load()); });\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

TEST(Rejections, TheLockfileDecidesOverTheRange) {
  const auto run = RunCheck(
      "B1", {{"package.json", PackageJson({{"express", ">=4"}})},
             {"package-lock.json", R"({"packages": {"node_modules/express": {"version": "5.1.0"}}})"},
             {"app.js", "require('express')().get('/a', async (req, res) => { res.json(await load()); });\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

TEST(Rejections, NamesTheHangWhereAListenerOnlyNotesTheRejection) {
  const auto run =
      RunCheck("B1", {{"app.js",
                       "const app = require('express')();\nprocess.on('unhandledRejection', (reason) => "
                       "console.error(reason));\napp.get('/a', async (req, res) => { res.json(await load()); });\n"}});
  ASSERT_THAT(run.Places(), ElementsAre("app.js:3"));
  EXPECT_THAT(run.report.findings[0].message, HasSubstr("hangs"));
}

// ---- B4 ----

TEST(SingleResponse, FindsNextWithoutReturn) {
  const auto run = RunCheck("B4", {{"app.js", R"js(const app = require('express')();
app.get('/a', (req, res, next) => {
  db.find(req.query.id, (err, row) => {
    if (err) next(err);
    res.json(row);
  });
});
app.post('/b', (req, res, next) => {
  if (!req.body.name) { next(new Error('name')); }
  res.json({});
});
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:4", "app.js:9"));
  EXPECT_LT(run.Value(), 0.3);
}

TEST(SingleResponse, FindsACatchThatFallsThrough) {
  const auto run = RunCheck(
      "B4", {{"c.ts",
              "import { Request, Response } from 'express';\nexport async function show(req: Request, res: Response) "
              "{\n  let page;\n  try { page = await load(); } catch (e) { res.status(500).send('failed'); }\n  "
              "res.render('page', { page });\n}\n"},
             {"app.ts", "import express from 'express';\nimport { show } from './c';\nexpress().get('/', show);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("c.ts:4"));
}

TEST(SingleResponse, AcceptsReturnsAndElse) {
  const auto run = RunCheck(
      "B4",
      {{"app.js",
        "const app = require('express')();\napp.get('/a', (req, res, next) => {\n  if (!req.query.id) return "
        "res.status(400).end();\n  if (req.query.id > 9) { res.status(404).end(); } else { res.json({}); }\n});\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

TEST(SingleResponse, AcceptsSwitchesAndEarlyEnds) {
  const auto run = RunCheck(
      "B4", {{"app.mjs",
              "import express from 'express';\nexpress().get('/a', (req, res, next) => {\n  switch (req.query.kind) "
              "{\n    case 'a': res.send('a'); break;\n    default: res.send('b');\n  }\n});\nexpress().get('/b', "
              "(req, res) => { if (x) { res.end(); return; } res.json({}); });\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

// ---- B5 ----

TEST(FatalErrors, FindsAListenerThatGoesOn) {
  const auto run = RunCheck("B5", {{"server.js",
                                    "const app = require('express')();\nprocess.on('uncaughtException', (err) => { "
                                    "console.error(err); });\napp.listen(1);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:2"));
  EXPECT_LT(run.Value(), 0.3);
}

TEST(FatalErrors, FindsRejectionsThatAreOnlyLogged) {
  const auto run =
      RunCheck("B5", {{"log.ts", "export const note = (e: unknown) => { console.warn('rejected', e); };\n"},
                      {"main.ts",
                       "import express from 'express';\nimport { note } from "
                       "'./log';\nprocess.on('unhandledRejection', note);\nexpress().listen(1);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("main.ts:3"));
}

TEST(FatalErrors, AcceptsAListenerThatEndsTheProcessInAnotherFunction) {
  const auto run = RunCheck(
      "B5",
      {{"server.js",
        "const app = require('express')();\nconst server = app.listen(1);\nfunction leave() { server.close(() => "
        "process.exit(1)); }\nprocess.on('uncaughtException', (error) => { console.error(error); leave(); });\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GT(run.Value(), 0.9);
}

TEST(FatalErrors, AcceptsAListenerThatThrows) {
  const auto run =
      RunCheck("B5", {{"main.mjs",
                       "import express from 'express';\nexpress().listen(1);\nprocess.on('unhandledRejection', "
                       "(reason) => { throw reason; });\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

// ---- B6 ----

TEST(ErrorLeaks, FindsTheStack) {
  const auto run = RunCheck("B6", {{"app.js",
                                    "const app = require('express')();\napp.use((err, req, res, next) => { "
                                    "res.status(500).json({ message: 'no', stack: err.stack }); });\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:2"));
  EXPECT_LT(run.Value(), 0.2);
}

TEST(ErrorLeaks, FindsTheWholeErrorInACatch) {
  const auto run = RunCheck(
      "B6", {{"c.ts",
              "import { Request, Response } from 'express';\nexport const list = async (req: Request, res: Response) "
              "=> {\n  try { res.json(await load()); } catch (error) { res.status(500).send(error); }\n};\n"},
             {"app.ts", "import express from 'express';\nimport { list } from './c';\nexpress().get('/', list);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("c.ts:3"));
}

TEST(ErrorLeaks, AcceptsAStackShownOnlyInDevelopment) {
  const auto run = RunCheck(
      "B6", {{"app.js",
              "const app = require('express')();\napp.use((err, req, res, next) => {\n  res.status(500).json({ code: "
              "'failed', stack: process.env.NODE_ENV === 'development' ? err.stack : undefined });\n});\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GT(run.Value(), 0.8);
}

TEST(ErrorLeaks, AcceptsSortedErrorsAndClientErrors) {
  const auto run =
      RunCheck("B6", {{"app.mjs",
                       "import express from 'express';\nconst app = express();\napp.use((err, req, res, next) => {\n  "
                       "if (err instanceof HttpError) return res.status(err.status).json({ message: err.message });\n  "
                       "return res.status(500).json({ message: 'failed' });\n});\napp.post('/a', async (req, res) => { "
                       "try { check(req.body); } catch (e) { res.status(400).json({ message: e.message }); } });\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

// ---- B7 ----

TEST(SwallowedErrors, FindsAnEmptyCatch) {
  const auto run = RunCheck("B7", {{"app.js",
                                    "const app = require('express')();\napp.get('/a', async (req, res) => {\n  try { "
                                    "await save(); } catch (e) {}\n  res.json({});\n});\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:3"));
  EXPECT_LT(run.Value(), 0.5);
}

TEST(SwallowedErrors, FindsAnEmptyCatchOfAPromise) {
  const auto run = RunCheck("B7", {{"app.ts",
                                    "import express from 'express';\nexpress().post('/a', (req, res) => { "
                                    "notify().catch(() => {}); res.end(); });\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.ts:2"));
}

TEST(SwallowedErrors, AcceptsACatchThatPassesOn) {
  const auto run = RunCheck("B7", {{"app.js",
                                    "const app = require('express')();\napp.get('/a', async (req, res, next) => { try "
                                    "{ await save(); } catch (e) { next(e); } });\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

TEST(SwallowedErrors, AcceptsACatchThatSaysWhy) {
  const auto run =
      RunCheck("B7", {{"app.mjs",
                       "import express from 'express';\nexpress().get('/a', (req, res) => {\n  try { warm(); } catch "
                       "{\n    // Only a cache: the next request fills it.\n  }\n  res.end();\n});\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

}  // namespace
}  // namespace assay::code_analysis
