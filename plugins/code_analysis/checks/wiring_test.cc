#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/code_analysis/testing/repository.h"

namespace assay::code_analysis {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::PackageJson;
using testing::RunCheck;
using ::testing::SizeIs;

// ---- A2 ----

TEST(ErrorHandlerLast, FindsAHandlerThatStandsBeforeRoutes) {
  const auto run = RunCheck("A2", {{"app.js", R"js(const express = require('express');
const app = express();
app.use((err, req, res, next) => { res.status(500).json({ error: 'failed' }); });
app.get('/late', (req, res) => res.json({}));
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:3"));
  EXPECT_LT(run.Value(), 0.4);
}

TEST(ErrorHandlerLast, FindsAnApplicationWithoutAnyHandler) {
  const auto run = RunCheck("A2", {{"src/app.ts",
                                    "import express from 'express';\nconst app = express();\napp.get('/a', (req, res) "
                                    "=> { res.send('a'); });\napp.listen(80);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("src/app.ts:2"));
  EXPECT_LT(run.Value(), 0.3);
}

TEST(ErrorHandlerLast, AcceptsAPropertyOfAnImportedObjectRegisteredLast) {
  const auto run = RunCheck(
      "A2", {{"lib/errors.js",
              "class ErrorResponder {\n  handle(error, req, res, next) { res.status(500).end(); }\n}\nmodule.exports = "
              "{ responder: new ErrorResponder() };\n"},
             {"server.js",
              "const express = require('express');\nconst { responder } = require('./lib/errors');\nconst app = "
              "express();\napp.get('/a', (req, res) => res.end());\napp.use(responder.handle);\napp.listen(3000);\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1);
}

TEST(ErrorHandlerLast, AcceptsASetUpFunctionInAnotherFile) {
  const auto run = RunCheck(
      "A2", {{"routes.mjs", "export default function routes(app) {\n  app.get('/a', (req, res) => res.end());\n}\n"},
             {"errors.mjs",
              "export const onError = (err, req, res, next) => { if (res.headersSent) return next(err); "
              "res.status(500).end(); };\n"},
             {"app.mjs",
              "import express from 'express';\nimport routes from './routes.mjs';\nimport { onError } from "
              "'./errors.mjs';\nconst app = express();\nroutes(app);\napp.use(onError);\napp.listen(1);\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1);
}

// ---- A3 ----

TEST(ErrorHandlerArity, FindsThreeParameters) {
  const auto run = RunCheck(
      "A3", {{"app.js",
              "const app = require('express')();\napp.use(function (err, req, res) { res.status(500).end(); });\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:2"));
  EXPECT_EQ(run.Value(), 0);
}

TEST(ErrorHandlerArity, FindsADefaultThatHidesTheFourth) {
  const auto run =
      RunCheck("A3", {{"errors.ts",
                       "import { Request, Response } from 'express';\nexport const onError = (error: Error, req: "
                       "Request, res: Response, next = () => {}) => { res.status(500).end(); };\n"},
                      {"app.ts",
                       "import express from 'express';\nimport { onError } from './errors';\nconst app = "
                       "express();\napp.use(onError);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("errors.ts:2"));
}

TEST(ErrorHandlerArity, AcceptsFourParametersAndOrdinaryMiddleware) {
  const auto run = RunCheck("A3", {{"app.js",
                                    "const app = require('express')();\napp.use((req, res, next) => "
                                    "next());\napp.use((e, _req, res, _next) => res.status(500).end());\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1);
}

TEST(ErrorHandlerArity, AcceptsTypedHandlersOfAnotherModule) {
  const auto run = RunCheck("A3", {{"src/errors.ts", R"js(
import type { ErrorRequestHandler } from 'express';
export const onError: ErrorRequestHandler = (error, _req, res, _next) => { res.status(500).json({ error: 'failed' }); };
)js"},
                                   {"src/app.ts", R"js(
import express from 'express';
import { onError } from './errors';
const app = express();
app.get('/', (req, res) => { res.end(); });
app.use(onError);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1);
}

TEST(ErrorHandlerArity, LeavesCallbacksAlone) {
  const auto run =
      RunCheck("A3", {{"app.mjs",
                       "import express from 'express';\nimport fs from 'node:fs';\nconst app = "
                       "express();\napp.get('/', (req, res) => fs.readFile('x', (err, data) => res.send(data)));\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_FALSE(run.Observed());
}

// ---- A4 ----

TEST(SecurityOrder, FindsHelmetBehindARoute) {
  const auto run = RunCheck(
      "A4", {{"app.js",
              "const express = require('express');\nconst helmet = require('helmet');\nconst app = "
              "express();\napp.get('/users', (req, res) => res.json([]));\napp.use(helmet());\napp.listen(1);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:5"));
  EXPECT_LT(run.Value(), 0.3);
}

TEST(SecurityOrder, FindsALimiterBehindAMountedRouter) {
  const auto run =
      RunCheck("A4", {{"users.ts",
                       "import { Router } from 'express';\nexport const users = Router();\nusers.get('/', (req, res) "
                       "=> { res.json([]); });\n"},
                      {"app.ts",
                       "import express from 'express';\nimport { rateLimit } from 'express-rate-limit';\nimport { "
                       "users } from './users';\nconst app = express();\napp.use('/users', "
                       "users);\napp.use(rateLimit({ limit: 5 }));\napp.listen(1);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.ts:6"));
}

TEST(SecurityOrder, AcceptsHelmetFirstAndStaticFilesInFrontOfIt) {
  const auto run = RunCheck("A4", {{"app.js",
                                    "const express = require('express');\nconst app = "
                                    "express();\napp.use(express.static('public'));\napp.use(require('helmet')());"
                                    "\napp.get('/a', (req, res) => res.end());\napp.listen(1);\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1);
}

TEST(SecurityOrder, AcceptsALimiterOnItsOwnPathAndAProbeInFront) {
  const auto run = RunCheck(
      "A4",
      {{"app.mjs",
        "import express from 'express';\nimport cors from 'cors';\nimport limit from 'express-rate-limit';\nconst app "
        "= express();\napp.get('/healthz', (q, s) => s.end());\napp.use(cors({ origin: 'https://a.example' "
        "}));\napp.get('/a', (q, s) => s.end());\napp.use('/login', limit({}));\napp.listen(1);\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

// ---- A6 ----

TEST(TrustProxy, FindsTrustInEveryoneBesideALimiter) {
  const auto run =
      RunCheck("A6", {{"app.js",
                       "const express = require('express');\nconst limit = require('express-rate-limit');\nconst app = "
                       "express();\napp.enable('trust proxy');\napp.use(limit({ max: 5 }));\napp.listen(1);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:4"));
  EXPECT_LT(run.Value(), 0.3);
}

TEST(TrustProxy, FindsAnAddressBehindAnIngressWithoutTheSetting) {
  const auto run = RunCheck("A6", {{"deploy/ingress.yaml", "kind: Ingress\n"},
                                   {"app.ts",
                                    "import express from 'express';\nconst app = express();\napp.get('/', (req, res) "
                                    "=> { res.send(req.ip); });\napp.listen(1);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.ts:3"));
}

TEST(TrustProxy, AcceptsHopsAndTheLastSettingWins) {
  const auto run = RunCheck("A6", {{"app.js",
                                    "const app = require('express')();\napp.set('trust proxy', true);\napp.set('trust "
                                    "proxy', 1);\napp.get('/', (req, res) => res.send(req.ip));\napp.listen(1);\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1);
}

TEST(TrustProxy, AcceptsTheProxysAddressRange) {
  const auto run = RunCheck("A6", {{"app.mjs", R"js(
import express from 'express';
import limit from 'express-rate-limit';
const app = express();
app.set('trust proxy', ['loopback', '10.0.0.0/8']);
app.use(limit({ windowMs: 60_000, max: 100 }));
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1);
}

TEST(TrustProxy, AcceptsARuleOfItsOwn) {
  const auto run = RunCheck("A6", {{"src/app.ts", R"js(
import express from 'express';
const app = express();
app.set('trust proxy', (address: string, hop: number) => hop < 2 && address.startsWith('10.'));
app.get('/', (req, res) => { res.send(req.ip); });
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1);
}

TEST(TrustProxy, TakesANumberOfHopsFromTheEnvironmentForLessThanOneInTheCode) {
  const auto run = RunCheck("A6", {{"app.js", R"js(
const express = require('express');
const app = express();
app.set('trust proxy', Number(process.env.PROXY_HOPS));
app.get('/', (req, res) => res.send(req.ip));
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GE(run.Value(), 0.5);
  EXPECT_LT(run.Value(), 1);
}

TEST(TrustProxy, SaysNothingWhereNothingDependsOnTheAddress) {
  const auto run =
      RunCheck("A6", {{"app.mjs", "import express from 'express';\nexpress().get('/', (req, res) => res.end());\n"}});
  EXPECT_FALSE(run.Observed());
}

// ---- A7 ----

TEST(Headers, FindsNone) {
  const auto run = RunCheck(
      "A7",
      {{"app.js", "const app = require('express')();\napp.get('/', (req, res) => res.send('x'));\napp.listen(1);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:1"));
  EXPECT_LT(run.Value(), 0.3);
}

TEST(Headers, FindsHelmetOnlyInDevelopment) {
  const auto run = RunCheck("A7", {{"app.ts",
                                    "import express from 'express';\nimport helmet from 'helmet';\nconst app = "
                                    "express();\nif (process.env.NODE_ENV !== 'production') {\n  "
                                    "app.use(helmet());\n}\napp.get('/', (req, res) => { res.end(); });\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.ts:5"));
}

TEST(Headers, AcceptsHelmetThroughALoader) {
  const auto run =
      RunCheck("A7", {{"loaders/express.js",
                       "const helmet = require('helmet');\nexports.load = ({ app }) => { app.use(helmet()); };\n"},
                      {"server.js",
                       "const app = require('express')();\nrequire('./loaders/express').load({ app });\napp.get('/', "
                       "(req, res) => res.end());\napp.listen(1);\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1);
}

TEST(Headers, AcceptsHeadersSetByHand) {
  const auto run = RunCheck(
      "A7",
      {{"app.mjs",
        "import express from 'express';\nconst app = express();\napp.disable('x-powered-by');\napp.use((req, res, "
        "next) => { res.setHeader('X-Content-Type-Options', 'nosniff'); res.setHeader('Content-Security-Policy', "
        "\"default-src 'none'\"); next(); });\napp.get('/', (req, res) => res.end());\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GT(run.Value(), 0.6);
}

// ---- A8 ----

TEST(Cors, FindsReflectionWithCredentials) {
  const auto run = RunCheck("A8", {{"app.js",
                                    "const app = require('express')();\nconst cors = require('cors');\napp.use(cors({ "
                                    "origin: true, credentials: true }));\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:3"));
  EXPECT_EQ(run.Value(), 0);
}

TEST(Cors, FindsTheDefaultThatAdmitsEveryone) {
  const auto run = RunCheck(
      "A8", {{"app.ts",
              "import express from 'express';\nimport cors from 'cors';\nconst app = express();\napp.use(cors());\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.ts:4"));
}

TEST(Cors, FindsTheCallersOriginReflectedByHand) {
  const auto run =
      RunCheck("A8", {{"app.mjs",
                       "import express from 'express';\nconst app = express();\napp.use((req, res, next) => { "
                       "res.header('Access-Control-Allow-Origin', req.headers.origin); next(); });\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.mjs:3"));
}

TEST(Cors, AcceptsAListOfOrigins) {
  const auto run = RunCheck(
      "A8", {{"config.js", "module.exports.corsOptions = { origin: ['https://a.example'], credentials: true };\n"},
             {"app.js",
              "const app = require('express')();\nconst cors = require('cors');\nconst { corsOptions } = "
              "require('./config');\napp.use(cors(corsOptions));\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1);
}

TEST(Cors, AcceptsAFunctionThatLooksAtTheOrigin) {
  const auto run = RunCheck("A8", {{"app.ts",
                                    "import express from 'express';\nimport cors from 'cors';\nconst app = "
                                    "express();\napp.use(cors({ origin: (origin, done) => { if (allowed.has(origin)) "
                                    "return done(null, true); return done(new Error('origin')); } }));\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

// ---- A9 ----

TEST(BodySize, FindsALargeLimitForAllRoutes) {
  const auto run = RunCheck(
      "A9",
      {{"app.js",
        "const express = require('express');\nconst app = express();\napp.use(express.json({ limit: '50mb' }));\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:3"));
  EXPECT_LT(run.Value(), 0.3);
}

TEST(BodySize, FindsUploadsWithoutLimits) {
  const auto run =
      RunCheck("A9", {{"upload.ts", "import multer from 'multer';\nexport const upload = multer({ dest: '/tmp' });\n"},
                      {"app.ts",
                       "import express from 'express';\nimport { upload } from './upload';\nexpress().post('/a', "
                       "upload.single('f'), (req, res) => { res.end(); });\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("upload.ts:2"));
}

TEST(BodySize, AcceptsASmallLimitFromAConstant) {
  const auto run = RunCheck("A9", {{"app.js",
                                    "const express = require('express');\nconst LIMIT = '200kb';\nconst app = "
                                    "express();\napp.use(express.json({ limit: LIMIT }));\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GT(run.Value(), 0.9);
  EXPECT_THAT(run.report.claims, SizeIs(1));
}

TEST(BodySize, AcceptsAnUploadThatIsBounded) {
  const auto run = RunCheck("A9", {{"src/app.ts", R"js(
import express from 'express';
import multer from 'multer';
const upload = multer({ dest: '/tmp', limits: { fileSize: 1_000_000, files: 1 } });
const app = express();
app.use(express.json({ limit: '64kb' }));
app.post('/avatar', upload.single('image'), (req, res) => { res.end(); });
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GT(run.Value(), 0.9);
}

TEST(BodySize, TakesTheDefaultForNoMerit) {
  const auto run = RunCheck("A9", {{"app.mjs",
                                    "import express from 'express';\nimport bodyParser from 'body-parser';\nconst app "
                                    "= express();\napp.use(bodyParser.json());\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_FALSE(run.Observed());
}

}  // namespace
}  // namespace assay::code_analysis
