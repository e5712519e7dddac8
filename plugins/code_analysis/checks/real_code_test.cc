// What reading the checks' findings against the sources of published applications taught: each case is a shape of code
// met there, written anew, with the places that must be found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "plugins/code_analysis/testing/repository.h"

namespace assay::code_analysis {
namespace {

using ::testing::ElementsAreArray;
using testing::Files;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::PackageJson;
using testing::RunCheck;
using ::testing::SizeIs;

struct Case {
  const char* check;
  const char* name;
  Files files;
  std::vector<std::string> places;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.check << " " << c.name; }

std::string ForNode(const char* range) {
  return std::string(R"({"name": "s", "dependencies": {"express": "^4.18.2"}, "engines": {"node": ")") + range + "\"}}";
}

class RealCode : public ::testing::TestWithParam<Case> {};

TEST_P(RealCode, IsJudgedByItsEffect) {
  const auto run = RunCheck(GetParam().check, GetParam().files);
  EXPECT_THAT(run.Places(), ElementsAreArray(GetParam().places));
}

std::vector<Case> WiringCases() {
  return {
      {"A2",
       "AnErrorHandlerOfDevelopmentOnlyDoesNotCount",
       {{"app.js",
         "const app = require('express')();\napp.get('/a', (req, res) => res.json(load()));\nif (process.env.NODE_ENV "
         "=== 'development') app.use((err, req, res, next) => res.status(500).send('x'));\napp.listen(1);\n"}},
       {"app.js:1"}},
      {"A2",
       "AFactoryOfAPackageCalledByACompilerCounts",
       {{"app.js",
         "let web = require('@shop/web-kit');\nlet express = require('express');\nconst app = (0, "
         "express.default)();\napp.get('/a', (req, res) => res.json(1));\napp.use((0, "
         "web.handleError)(console));\napp.use(web.last);\napp.listen(1);\n"}},
       {}},
      {"A2",
       "TheSecondApplicationNeedsAnErrorHandlerToo",
       {{"admin.js",
         "const admin = require('express')();\nadmin.get('/users', (req, res) => res.json(1));\nadmin.use((err, req, "
         "res, next) => res.status(500).json({}));\nadmin.listen(2);\n"},
        {"public.js",
         "const site = require('express')();\nsite.post('/orders', (req, res) => res.json(2));\nsite.listen(3);\n"}},
       {"public.js:1"}},
      {"A4",
       "ALimiterBehindARedirectMissesNothing",
       {{"server.mjs",
         "import express from 'express';\nimport { rateLimit } from 'express-rate-limit';\nconst app = "
         "express();\napp.get('/', (req, res) => res.redirect('/shop/'));\napp.use(rateLimit({ limit: 9 "
         "}));\napp.get('/shop', (req, res) => res.send('x'));\napp.listen(1);\n"}},
       {}},
      {"A4",
       "TokensAgainstForgeryMayComeBehindAPage",
       {{"app.js",
         "const app = require('express')();\napp.get('/about', (req, res) => "
         "res.render('about'));\napp.use(require('csurf')());\napp.post('/order', (req, res) => "
         "res.json(1));\napp.listen(1);\n"}},
       {}},
      {"A4",
       "TokensAgainstForgeryBehindAMountedRouterGuardNothing",
       {{"app.js",
         "const app = require('express')();\napp.use('/', "
         "require('./orders'));\napp.use(require('csurf')());\napp.listen(1);\n"},
        {"orders.js",
         "const router = require('express').Router();\nrouter.delete('/:id', (req, res) => "
         "res.end());\nmodule.exports = router;\n"}},
       {"app.js:3"}},
      {"A9",
       "ABodyGatheredByHandHasNoLimit",
       {{"app.js",
         "const app = require('express')();\nfunction reader(log) {\n  return (req, res, next) => {\n    req.body = "
         "'';\n    req.on('data', (part) => {\n      req.body += part;\n    });\n    req.on('end', next);\n  "
         "};\n}\napp.use(reader(console));\napp.post('/a', (req, res) => res.end());\n"}},
       {"app.js:5"}},
      {"A9",
       "ABodyGatheredByHandWithALimitIsBounded",
       {{"app.ts",
         "import express from 'express';\nconst app = express();\napp.post('/a', (req, res) => {\n  const parts: "
         "Buffer[] = [];\n  let total = 0;\n  req.on('data', (part: Buffer) => {\n    total += part.length;\n    if "
         "(total > 1e5) return res.status(413).end();\n    parts.push(part);\n  });\n});\napp.listen(1);\n"}},
       {}},
  };
}

std::vector<Case> AsyncCases() {
  return {
      {"B1",
       "AnAwaitAboveTheTryEscapes",
       {{"ctl.js",
         "function create(store) {\n  async function post(request, response) {\n    const ok = await "
         "store.check(request.body);\n    try {\n      response.json(await store.add(ok));\n    } catch (error) {\n    "
         "  "
         "response.status(400).end();\n    }\n  }\n  return { post };\n}\nmodule.exports = { create };\n"},
        {"app.js",
         "const app = require('express')();\nconst ctl = require('./ctl').create({});\napp.post('/a', "
         "ctl.post);\napp.listen(1);\n"}},
       {"ctl.js:3"}},
      {"B1",
       "ExpressFivePassesItOn",
       {{"package.json", PackageJson({{"express", "^5.1.0"}})},
        {"app.mjs",
         "import express from 'express';\nconst app = express();\napp.get('/a', async (req, res) => {\n  "
         "res.json(await "
         "load(req.params.id));\n});\napp.listen(1);\n"}},
       {}},
      {"B1",
       "TheLockFileDecidesOverTheRange",
       {{"package.json", PackageJson({{"express", ">=4"}})},
        {"yarn.lock", "express@>=4:\n  version \"4.21.2\"\n"},
        {"app.js",
         "const app = require('express')();\napp.get('/a', async (req, res) => {\n  res.json(await "
         "load());\n});\napp.listen(1);\n"}},
       {"app.js:3"}},
      {"B4",
       "ABareEndBehindSendDoesNothing",
       {{"app.js",
         "const app = require('express')();\napp.get('/a', (req, res) => {\n  res.send('x');\n  "
         "res.end();\n});\n"}},
       {}},
      {"B4",
       "AnEndWithABodyBehindSendIsASecondAnswer",
       {{"app.js",
         "const app = require('express')();\napp.get('/a', (req, res) => {\n  res.send('x');\n  "
         "res.end('y');\n});\n"}},
       {"app.js:3"}},
      {"B6",
       "ErrorhandlerInProductionShowsStacks",
       {{"app.js",
         "const app = require('express')();\nconst errors = require('errorhandler');\napp.get('/', (req, res) => "
         "res.end());\napp.use(errors());\n"}},
       {"app.js:4"}},
      {"B6",
       "ErrorhandlerInDevelopmentIsWhereItBelongs",
       {{"app.mjs",
         "import express from 'express';\nimport errorhandler from 'errorhandler';\nconst app = "
         "express();\napp.get('/', (req, res) => res.end());\nif (process.env.NODE_ENV !== 'production') {\n  "
         "app.use(errorhandler());\n}\n"}},
       {}},
      {"B7",
       "AskingWhetherATextIsJsonDropsNothing",
       {{"a.js",
         "const app = require('express')();\nexports.isJson = (text) => {\n  try {\n    return typeof "
         "JSON.parse(text.trim()) === 'object';\n  } catch (error) {}\n  return false;\n};\n"}},
       {}},
      {"B7",
       "AWriteWhoseFailureIsDroppedIsFound",
       {{"a.js",
         "const app = require('express')();\nexports.save = async (store, text) => {\n  try {\n    await "
         "store.write(JSON.parse(text));\n  } catch (error) {}\n};\n"}},
       {"a.js:5"}},
  };
}

std::vector<Case> ResilienceCases() {
  constexpr char kOrder[] =
      "const server = require('http').createServer(require('express')());\nserver.keepAliveTimeout = "
      "65_000;\nserver.headersTimeout = 15_000;\nserver.listen(1);\n";
  return {
      {"E1",
       "AnAddressObjectIsNoLimit",
       {{"load.js",
         "const http = require('http'), https = require('https');\nmodule.exports = (text) => {\n  const address = new "
         "URL(text);\n  const client = address.protocol === 'https:' ? https : http;\n  return client.get(address, "
         "(res) => res.resume());\n};\n"},
        {"app.js", "require('express')().listen(1);\nrequire('./load');\n"}},
       {"load.js:5"}},
      {"E1",
       "WhatACompilerMakesOfACallIsFollowed",
       {{"news.js",
         "const got_1 = __importDefault(require('got'));\nexports.news = async () => (0, "
         "got_1.default)('https://news.example/feed', { headers: {} });\n"}},
       {"news.js:2"}},
      {"E4", "NodeOfTodayCountsHeadersFromTheRequest", {{"package.json", ForNode(">=20")}, {"s.js", kOrder}}, {}},
      {"E4", "NodeTwelveCountsFromTheLastAnswer", {{"package.json", ForNode(">=12")}, {"s.js", kOrder}}, {"s.js:2"}},
      {"E4",
       "ALimitForHeadersAboveTheWholeRequestHasNoEffect",
       {{"s.mjs",
         "import express from 'express';\nconst server = express().listen(1);\nserver.requestTimeout = "
         "10_000;\nserver.headersTimeout = 60_000;\n"}},
       {"s.mjs:4"}},
      {"E4",
       "CreateServerRefusesHeadersAboveTheWholeRequest",
       {{"s.js",
         "const http = require('http');\nconst app = require('express')();\nhttp.createServer({\n  requestTimeout: "
         "5000,\n  headersTimeout: 9000,\n}, app).listen(1);\n"}},
       {"s.js:5"}},
      {"E7",
       "ALimiterThatAFactoryHandsOutMayBeRegistered",
       {{"policy.js",
         "const RateLimit = require('express-rate-limit');\nmodule.exports = (options) => new "
         "RateLimit(options);\n"},
        {"app.js", "require('express')().listen(1);\nrequire('./policy');\n"}},
       {}},
      {"E7",
       "ALimiterOfAModuleThatNobodyRegistersIsIdle",
       {{"app.js",
         "const limit = require('express-rate-limit');\nconst app = require('express')();\nconst logins = limit({ max: "
         "5 });\napp.post('/login', (req, res) => res.end());\napp.listen(1);\n"}},
       {"app.js:3"}},
      {"E8",
       "SocketsCutBehindAPromiseOfTheServer",
       {{"web.js",
         "const app = require('express')();\nfunction listen(port) {\n  return new Promise((resolve) => {\n    const "
         "open = {};\n    const server = app.listen(port, () => {\n      resolve({\n        close: (done) => {\n       "
         "   "
         "server.close(() => done());\n          Object.keys(open).forEach((name) => {\n            "
         "open[name].socket.destroy();\n          });\n        },\n      });\n    });\n  });\n}\nasync function "
         "create(port) {\n  return listen(port);\n}\nmodule.exports = { create };\n"},
        {"main.js",
         "const web = require('./web');\nasync function start() {\n  const running = await web.create(3000);\n  "
         "process.on('SIGTERM', () => running.close(() => process.exit()));\n}\nstart();\n"}},
       {"web.js:10"}},
      {"E8",
       "AnAwaitedStopThatCannotBeFollowedIsNoLoss",
       {{"stop.mjs",
         "export function stopOn(service, log) {\n  const closer = () => async () => {\n    await service.stop();\n    "
         "log.info('stopped');\n    process.exit(0);\n  };\n  process.on('SIGTERM', closer());\n}\n"},
        {"app.mjs",
         "import express from 'express';\nimport { stopOn } from './stop.mjs';\nexpress().listen(1);\nstopOn(await "
         "make(), console);\n"}},
       {}},
      {"E9",
       "AProbeWhosePathIsConfiguredIsAProbe",
       {{"app.js",
         "const app = require('express')();\nmodule.exports = (config) => {\n  app.get(config.healthCheck.path, (req, "
         "res) => res.json({ db: db.ping() }));\n  app.listen(1);\n};\n"}},
       {}},
      {"E9",
       "AProbeThatCannotBeFollowedIsNotMissing",
       {{"routes.mjs",
         "import express from 'express';\nconst app = express();\napp.get('/a', (req, res) => res.end());\nclass Index "
         "extends Base {\n  constructor(config) {\n    super(config);\n    this.use('/health', new "
         "Health(config).router);\n  }\n}\napp.listen(1);\n"}},
       {}},
      {"F1",
       "WhatIsReadOnceDoesNotBlockRequests",
       {{"app.js",
         "const fs = require('fs');\nconst app = require('express')();\nlet page;\nfunction html() {\n  if (page) {\n  "
         "  "
         "return page;\n  }\n  page = fs.readFileSync('index.html', 'utf8');\n  return page;\n}\napp.get('/', (req, "
         "res) => res.send(html()));\n"}},
       {}},
      {"F1",
       "AWayOutForAnotherReasonDoesNotMakeItOnce",
       {{"app.js",
         "const fs = require('fs');\nconst app = require('express')();\nlet page;\nfunction html(off) {\n  if (off) "
         "return '';\n  page = fs.readFileSync('index.html', 'utf8');\n  return page;\n}\napp.get('/', (req, res) => "
         "res.send(html(req.query.off)));\n"}},
       {"app.js:6"}},
  };
}

std::vector<Case> InjectionAndSecretCases() {
  return {
      {"C3",
       "ACommandPutTogetherInAClass",
       {{"archive.ts",
         "import { exec } from 'node:child_process';\nimport express, { Request, Response } from 'express';\nclass "
         "Archive {\n  pack(req: Request, res: Response) {\n    exec('tar cf out.tar ' + req.body.folder, () => "
         "res.end());\n  }\n}\nconst archive = new Archive();\nexpress().post('/pack', (req, res) => archive.pack(req, "
         "res));\n"}},
       {"archive.ts:5"}},
      {"C3",
       "AProgramWithItsValuesApart",
       {{"archive.mjs",
         "import { execFile } from 'node:child_process';\nimport express from 'express';\nconst router = "
         "express.Router();\nrouter.post('/pack', (req, res) => {\n  execFile('tar', ['cf', 'out.tar', '--', 'data'], "
         "() "
         "=> res.end());\n});\nexport default router;\n"}},
       {}},
      {"C4",
       "APathReadFromTheQueryOnARouter",
       {{"files.mjs",
         "import fs from 'node:fs/promises';\nimport { Router } from 'express';\nexport const files = "
         "Router();\nfiles.get('/read', async (req, res) => {\n  const { name } = req.query;\n  res.send(await "
         "fs.readFile('data/' + name));\n});\n"}},
       {"files.mjs:6"}},
      {"C6",
       "ARedirectToWhatTheClientNames",
       {{"login.ts",
         "import { Router } from 'express';\nexport default class Login {\n  router = Router();\n  constructor() {\n   "
         " this.router.post('/login', (req, res) => {\n      const target = req.query.next;\n      "
         "res.redirect(target);\n    });\n  }\n}\n"}},
       {"login.ts:7"}},
      {"C6",
       "ARedirectToOneOfOurOwnPages",
       {{"login.mjs",
         "import express from 'express';\nconst app = express();\napp.post('/login', (req, res) => {\n  "
         "res.redirect(303, '/account');\n});\n"}},
       {}},
      {"C8",
       "AFormulaOfTheClientIsRun",
       {{"sum.mjs",
         "import express from 'express';\nconst app = express();\napp.post('/sum', (req, res) => {\n  const formula = "
         "new Function('x', 'return ' + req.body.formula);\n  res.json(formula(1));\n});\n"}},
       {"sum.mjs:4"}},
      {"D1",
       "AKeyFromTheEnvironmentIsNoSecret",
       {{"app.ts",
         "import express from 'express';\nexport const apiKey: string = process.env.PAYMENT_API_KEY ?? "
         "'';\nexpress().listen(1);\n"}},
       {}},
      {"D1",
       "AStandInOfAnExampleIsNoSecret",
       {{"app.js", "require('express')().listen(1);\n"}, {".env.example", "JWT_SECRET=change-me\nDB_PASSWORD=\n"}},
       {}},
      {"D3",
       "ALoginCookieWithoutFlags",
       {{"login.mjs",
         "import express from 'express';\nconst app = express();\napp.post('/login', (req, res) => {\n  "
         "res.cookie('session', req.body.id);\n  res.end();\n});\n"}},
       {"login.mjs:4"}},
  };
}

std::vector<Case> DependencyCases() {
  return {
      {"O1",
       "AYarnLockPins",
       {{"package.json", PackageJson({{"express", "^4.18.2"}})},
        {"yarn.lock", "# yarn lockfile v1\n\nexpress@^4.18.2:\n  version \"4.18.2\"\n"},
        {"app.js", "require('express')().listen(1);\n"}},
       {}},
      {"O1",
       "APnpmLockThatDiffersFromTheManifest",
       {{"package.json", PackageJson({{"express", "^5.0.0"}})},
        {"pnpm-lock.yaml",
         "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      express:\n        specifier: ^4.18.2\n    "
         "   "
         " version: 4.18.2\npackages:\n  express@4.18.2:\n    resolution: {integrity: x}\n"},
        {"app.js", "require('express')().listen(1);\n"}},
       {"package.json:4"}},
      {"O7",
       "AFunctionHandedOnAsAPolicyRuns",
       {{"package.json", PackageJson({{"express", "^4.18.2"}, {"cors", "^2.8.5"}})},
        {"policies/cors.js", "const cors = require('cors');\n\nmodule.exports = cors;\n"},
        {"app.js",
         "const app = require('express')();\nconst policies = { cors: require('./policies/cors') "
         "};\napp.listen(1);\n"}},
       {}},
      {"O7",
       "AnImportAloneDoesNotRun",
       {{"package.json", PackageJson({{"express", "^4.18.2"}, {"helmet", "^8.0.0"}})},
        {"app.mjs", "import express from 'express';\nimport helmet from 'helmet';\nexpress().listen(1);\n"}},
       {"package.json:5"}},
  };
}

std::vector<Case> AllCases() {
  std::vector<Case> all;
  for (auto* family : {WiringCases, AsyncCases, ResilienceCases, InjectionAndSecretCases, DependencyCases}) {
    for (Case& one : family()) all.push_back(std::move(one));
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Shapes, RealCode, ::testing::ValuesIn(AllCases()),
                         [](const auto& shape) { return std::string(shape.param.check) + shape.param.name; });

TEST(RealCodeFiles, APipelineWhoseTestsMayFailBlocksNothing) {
  const auto run =
      RunCheck("M4", {{"app.js", "require('express')().listen(1);\n"},
                      {"app.test.js", "test('x', () => {});\n"},
                      {".gitlab-ci.yml", "test:\n  script:\n    - npm ci\n    - npm test\n  allow_failure: true\n"}});
  EXPECT_LT(run.Value(), 0.5);
}

TEST(RealCodeFiles, ASignalNamedInWhatWasNotReadIsNotMissing) {
  const auto run = RunCheck("E8", {{"app.js", "require('express')().listen(1);\n"},
                                   {"bin/start.min.js", "process.on('SIGTERM',()=>s.close(()=>process.exit()));"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_THAT(run.WhyNot(), HasSubstr("bin/start.min.js"));
}

TEST(RealCodeFiles, AMapAtTheEndDoesNotMakeAFileMinified) {
  std::string compiled = "const app = require('express')();\napp.get('/a', (req, res) => res.end());\n";
  for (int i = 0; i < 100; ++i)
    compiled += "exports.value" + std::to_string(i) + " = () => " + std::to_string(i) + ";\n";
  compiled += "//# sourceMappingURL=data:application/json;base64," + std::string(60000, 'A') + "\n";
  const testing::Repository repository(Files{{"lib/app.js", compiled}});
  EXPECT_THAT(repository.model().skipped(), IsEmpty());
  EXPECT_THAT(repository.model().routes(), SizeIs(1));
}

TEST(RealCodeFiles, DeclarationsBesideTheirCodeAreLeftOut) {
  const testing::Repository repository(Files{{"dist/app.js", "require('express')().listen(1);\n"},
                                             {"dist/app.d.ts", "export declare const app: unknown;\n"}});
  ASSERT_THAT(repository.model().skipped(), SizeIs(1));
  EXPECT_THAT(repository.model().skipped()[0].reason, HasSubstr("declarations of"));
}

}  // namespace
}  // namespace assay::code_analysis
