#include "plugins/code_analysis/model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "plugins/code_analysis/model/analyser.h"
#include "plugins/code_analysis/testing/repository.h"

namespace assay::code_analysis {
namespace {

using ::testing::ElementsAre;
using testing::Files;
using ::testing::HasSubstr;
using testing::Repository;
using ::testing::UnorderedElementsAre;

// "GET /a", with " ~" behind it where a part is not known.
std::vector<std::string> RoutesOf(Files files) {
  const Files copy = files;
  const Repository repository(std::move(files));
  std::vector<std::string> routes;
  for (const Route& route : repository.model().routes())
    routes.push_back(route.method + " " + route.path + (route.path_exact ? "" : " ~"));
  testing::CountCase("A1", copy, routes.empty() ? testing::Case::kGood : testing::Case::kFound);
  return routes;
}

TEST(Routes, ComposesMountsOverCommonJsFiles) {
  EXPECT_THAT(
      RoutesOf({{"app.js",
                 "const express = require('express');\nconst app = express();\napp.use('/api', "
                 "require('./api'));\napp.get('/', h);\napp.listen(1);\n"},
                {"api/index.js",
                 "const { Router } = require('express');\nconst router = Router();\nrouter.use('/users', "
                 "require('./users'));\nmodule.exports = router;\n"},
                {"api/users.js",
                 "const router = require('express').Router();\nrouter.route('/:id').get(a).put(b);\nrouter.post('/', "
                 "c);\nmodule.exports = router;\n"}}),
      ElementsAre("GET /", "POST /api/users", "GET /api/users/:id", "PUT /api/users/:id"));
}

TEST(Routes, FollowsEsmReexportsAliasesAndFactories) {
  EXPECT_THAT(
      RoutesOf({{"tsconfig.json",
                 "{ // paths\n \"compilerOptions\": { \"baseUrl\": \".\", \"paths\": { \"@app/*\": [\"src/*\"] }, } }"},
                {"src/routes/index.ts", "export { default as orders } from './orders.js';\nexport * from './items';\n"},
                {"src/routes/orders.ts",
                 "import { Router } from 'express';\nexport default function makeOrders(): Router {\n  const r = "
                 "Router();\n  r.delete('/:id', async (req, res) => { res.end(); });\n  return r;\n}\n"},
                {"src/routes/items.ts",
                 "import * as express from 'express';\nexport const items = express.Router().get('/list', (req, res) "
                 "=> { res.end(); });\n"},
                {"src/main.ts",
                 "import express from 'express';\nimport { orders, items } from '@app/routes';\nconst app = "
                 "express();\napp.use('/orders', orders());\napp.use('/items', items);\napp.listen(3000);\n"}}),
      ElementsAre("GET /items/list", "DELETE /orders/:id"));
}

TEST(Routes, FollowsFunctionsThatReceiveTheAppOrARouter) {
  EXPECT_THAT(RoutesOf({{"app.js",
                         "const express = require('express');\nconst app = express();\nconst v1 = "
                         "express.Router();\nrequire('./users')(v1, {});\nrequire('./status').register({ app "
                         "});\napp.use('/v1', v1);\napp.listen(1);\n"},
                        {"users.js", "module.exports = (router, options) => { router.get('/users', h); };\n"},
                        {"status.js", "exports.register = ({ app }) => { app.get('/status', h); };\n"}}),
              ElementsAre("GET /status", "GET /v1/users"));
}

TEST(Routes, FollowsClassesWithRouters) {
  EXPECT_THAT(
      RoutesOf(
          {{"controller.ts",
            "import { Router } from 'express';\nexport class UserController {\n  public router = Router();\n  "
            "constructor() { this.routes(); }\n  private routes() { this.router.get('/users', this.list); }\n  private "
            "list = async (req, res) => { res.end(); };\n}\n"},
           {"app.ts",
            "import express, { Application } from 'express';\nimport { UserController } from './controller';\nclass "
            "App {\n  private app: Application = express();\n  constructor() { this.app.use('/api', new "
            "UserController().router); }\n  start() { this.app.listen(1); }\n}\nnew App().start();\n"}}),
      ElementsAre("GET /api/users"));
}

TEST(Routes, ReadsConstantsTablesAndComputedVerbs) {
  EXPECT_THAT(RoutesOf({{"app.js", R"js(const app = require('express')();
const BASE = '/api';
const paths = { users: `${BASE}/users` };
app.get(paths.users, h);
for (const name of ['a', 'b']) app.get('/t/' + name, h);
[{ method: 'post', path: '/x' }].forEach((row) => app[row.method](row.path, h));
app.all(['/p', '/q'], h);
app.listen(1);
)js"}}),
              UnorderedElementsAre("GET /api/users", "GET /t/a", "GET /t/b", "POST /x", "ALL /p", "ALL /q"));
}

TEST(Routes, APrefixOfTheEnvironmentIsNotExact) {
  EXPECT_THAT(
      RoutesOf({{"app.js",
                 "const express = require('express');\nconst app = express();\nconst r = "
                 "express.Router();\nr.get('/a', h);\napp.use(process.env.PREFIX || '/api', r);\napp.listen(1);\n"}}),
      ElementsAre("GET /api/a ~"));
}

TEST(Routes, ARouterGivenToAVerbHangsOnTheParentsPrefix) {
  EXPECT_THAT(RoutesOf({{"app.js",
                         "const express = require('express');\nconst app = express();\nconst r = "
                         "express.Router();\nr.get('/x/y', h);\napp.all('/x*', r);\napp.listen(1);\n"}}),
              ElementsAre("GET /x/y"));
}

TEST(Routes, OneRouterMountedTwiceIsTwoRoutes) {
  EXPECT_THAT(
      RoutesOf({{"app.mjs",
                 "import express from 'express';\nconst app = express();\nconst r = express.Router();\nr.get('/a', "
                 "h);\napp.use('/v1', r);\nconst flag = false;\napp.use('/v2', flag || r);\napp.listen(1);\n"}}),
      ElementsAre("GET /v1/a", "GET /v2/a"));
}

TEST(Routes, ReadsWhatCompilersMakeOfImports) {
  EXPECT_THAT(
      RoutesOf(
          {{"dist/app.js",
            "\"use strict\";\nvar __importDefault = (this && this.__importDefault) || function (mod) { return mod; "
            "};\nObject.defineProperty(exports, \"__esModule\", { value: true });\nconst express_1 = "
            "__importDefault(require(\"express\"));\nconst users_1 = __importDefault(require(\"./users\"));\nconst app "
            "= (0, express_1.default)();\napp.use('/u', users_1.default);\napp.listen(1);\n"},
           {"dist/users.js",
            "\"use strict\";\nObject.defineProperty(exports, \"__esModule\", { value: true });\nconst express_1 = "
            "require(\"express\");\nconst router = (0, express_1.Router)();\nrouter.get('/me', h);\nexports.default = "
            "router;\n"}}),
      ElementsAre("GET /u/me"));
}

TEST(Routes, TakesSettingsAndMapsForNoRoutes) {
  EXPECT_THAT(RoutesOf({{"app.js",
                         "const app = require('express')();\nconst m = new Map();\nm.get('/a', "
                         "1);\napp.get('env');\naxios.get('/b', () => {});\napp.listen(1);\n"}}),
              ElementsAre());
}

TEST(Routes, AVerbsFirstArgumentIsItsPathWhereverItComesFrom) {
  EXPECT_THAT(
      RoutesOf({{"app.js",
                 "const paths = require('@shop/paths');\nconst app = require('express')();\napp.get(paths.API.ping, "
                 "(req, res) => res.end());\napp.post(paths.under('/orders'), check, (req, res) => "
                 "res.end());\napp.delete('/orders', (req, res) => res.end());\n"}}),
      ElementsAre("GET / ~", "POST / ~", "DELETE /orders"));
}

TEST(Routes, TakesClientsAndEmittersForNoRoutes) {
  EXPECT_THAT(RoutesOf({{"client.mjs",
                         "import axios from 'axios';\nimport express from 'express';\nexport const app = "
                         "express();\napp.use(express.json());\nexport const load = (id) => axios.get('/users/' + id, "
                         "{ timeout: 5 });\nclass Bus { post(path, listener) { this.listeners.push(listener); } "
                         "}\nnew Bus().post('/topic', (message) => message);\n"}}),
              ::testing::IsEmpty());
}

TEST(Handlers, AreFollowedThroughWrappersBindAndControllers) {
  const Repository repository(Files{
      {"c.js", "class C { async show(req, res) { await x(); } }\nmodule.exports = new C();\n"},
      {"app.js",
       "const app = require('express')();\nconst c = require('./c');\nconst wrap = (f) => (req, res, next) => f(req, "
       "res, next).catch(next);\napp.get('/a', wrap(c.show));\napp.get('/b', c.show.bind(c));\napp.listen(1);\n"}});
  ASSERT_EQ(repository.model().handlers().size(), 2u);
  for (const Handler& handler : repository.model().handlers()) {
    EXPECT_EQ(NameOf(handler.function), "show");
    EXPECT_TRUE(handler.function.Has(attribute::kAsync));
    EXPECT_EQ(handler.request, "req");
  }
  EXPECT_EQ(repository.model().handlers()[0].wrappers.size(), 1u);
}

TEST(Values, NameWherePackagesComeFrom) {
  const Repository repository(Files{{"db.ts", "import { Pool as P } from 'pg';\nexport const pool = new P();\n"},
                                    {"use.ts",
                                     "import { pool } from './db';\nimport fs from 'node:fs';\nimport util from "
                                     "'util';\npool.query('x');\nutil.promisify(fs.readFile)('y');\n"}});
  std::vector<std::string> origins;
  for (std::string_view name : {"query", "readFile"}) {
    repository.model().ForEachCall({name},
                                   [&](Node call) { origins.push_back(repository.model().OriginOf(CalleeOf(call))); });
  }
  const auto& module = *repository.model().modules()[1];
  for (uint32_t id : module.tree.All(Kind::kCall))
    origins.push_back(repository.model().OriginOf(CalleeOf(Node(&module.tree, id))));
  EXPECT_THAT(origins, ::testing::IsSupersetOf({"pg.Pool().query", "fs.readFile"}));
}

TEST(RequestData, IsFollowedOverTwoHops) {
  const Repository repository(Files{
      {"app.js",
       "const app = require('express')();\nfunction find(name) { return db.query('select ' + name); }\napp.get('/a', "
       "(req, res) => {\n  const { name } = req.query;\n  find(name);\n  run(Number(req.query.n));\n});\n"}});
  size_t seen = 0;
  repository.model().ForEachCall({"query", "run"}, [&](Node call) {
    ++seen;
    EXPECT_EQ(repository.model().RequestDataIn(ArgumentOf(call, 0)).has_value(), CalleeName(call) == "query");
  });
  EXPECT_EQ(seen, 2u);
}

TEST(Guards, ReadTheEnvironment) {
  const Repository repository(
      Files{{"app.js",
             "const app = require('express')();\nif (process.env.NODE_ENV === 'production') { app.use(a()); } else { "
             "app.use(b()); }\nif (config.isDev) app.use(c());\nfunction d() { if (env !== 'production') return; "
             "app.use(e()); }\nd();\napp.use(f());\n"}});
  std::vector<Guard> guards;
  for (const Registration& registration : repository.model().registrations()) guards.push_back(registration.guard);
  EXPECT_THAT(guards, UnorderedElementsAre(Guard::kProductionOnly, Guard::kDevelopmentOnly, Guard::kDevelopmentOnly,
                                           Guard::kProductionOnly, Guard::kNone));
}

TEST(Versions, TakeTheLockfileAndEveryNode) {
  const Repository repository(
      Files{{"package.json", R"({"dependencies": {"express": "^4.17.0"}, "engines": {"node": ">=18.12"}})"},
            {"yarn.lock", "express@^4.17.0:\n  version \"4.21.2\"\n"},
            {"Dockerfile", "FROM node:20.11-alpine AS build\n"},
            {".nvmrc", "v22.1.0\n"},
            {"a.js", "require('express')();\n"}});
  EXPECT_EQ(repository.model().versions().express_major, 4);
  EXPECT_THAT(repository.model().versions().node_majors, ElementsAre(18, 20, 22));
  EXPECT_EQ(repository.model().package().locked.at("express"), "4.21.2");
}

TEST(Analyser, SurvivesCyclicRequiresAndReexports) {
  EXPECT_THAT(
      RoutesOf({{"a.js",
                 "const b = require('./b');\nconst app = require('express')();\nmodule.exports = { app, x: b.y "
                 "};\napp.use(b.x);\napp.get('/a', b.y);\napp.listen(1);\n"},
                {"b.js", "const a = require('./a');\nmodule.exports = { y: a.x, x: a.y };\n"},
                {"c.mjs", "export * from './d.mjs';\nexport * from './e.mjs';\n"},
                {"d.mjs", "export * from './c.mjs';\nexport * from './e.mjs';\n"},
                {"e.mjs", "export * from './c.mjs';\nexport * from './d.mjs';\nimport { q } from './c.mjs';\nq();\n"}}),
      ElementsAre("GET /a"));
}

TEST(Analyser, GoesOnWithoutAReadablePackageJson) {
  const Repository repository(Files{{"package.json", "{ \"name\": }"},
                                    {"app.js", "require('express')().get('/a', (req, res) => res.end());\n"}});
  EXPECT_THAT(repository.model().package().error, HasSubstr("package.json is not a JSON object"));
  EXPECT_EQ(repository.model().routes().size(), 1u);
  EXPECT_EQ(NotAnExpressApplication(repository.model()), "");
}

TEST(Analyser, RecordsWhatItDidNotRead) {
  const Repository repository(Files{{"app.js", "require('express')();\n"},
                                    {"big.js", std::string(50u << 20, 'x')},
                                    {"bad.js", "\xc3\x28"},
                                    {"node_modules/x/index.js", "1"},
                                    {"src/a.ts", "export const a = 1;\n"},
                                    {"dist/a.js", "exports.a = 1;\n"}});
  std::vector<std::string> reasons;
  for (const Skipped& skipped : repository.model().skipped())
    reasons.push_back(std::string(skipped.file->path) + ": " + skipped.reason);
  EXPECT_THAT(reasons,
              ElementsAre("bad.js: not UTF-8", "big.js: larger than 8 MiB", "dist/a.js: compiled from src/a.ts",
                          "node_modules/x/index.js: a dependency, not the submission's own code"));
}

TEST(Analyser, SaysWhyARepositoryIsNoExpressApplication) {
  EXPECT_THAT(NotAnExpressApplication(Repository(Files{{"package.json", "{}"}, {"a.js", "1;\n"}}).model()),
              HasSubstr("not among its dependencies"));
  EXPECT_THAT(NotAnExpressApplication(Repository(Files{{"README.md", "x"}}).model()), HasSubstr("no JavaScript"));
  EXPECT_THAT(NotAnExpressApplication(Repository(Files{{"a.min.js", "1;\n"}}).model()), HasSubstr("minified"));
  EXPECT_THAT(NotAnExpressApplication(Repository(Files{{"app.js", std::string(50u << 20, 'x')}}).model()),
              HasSubstr("app.js was not read: larger than 8 MiB"));
}

// The same bytes for any order of files and any number of threads.
TEST(Analyser, GivesTheSameReportForAnyOrderAndThreads) {
  Files files;
  for (int i = 0; i < 1000; ++i)
    files.emplace_back("r/m" + std::to_string(i) + ".js",
                       "const r = require('express').Router();\nr.get('/p" + std::to_string(i) +
                           "', async (req, res) => { await x(); });\nmodule.exports = r;\n");
  std::string app = "const app = require('express')();\n";
  for (int i = 0; i < 1000; ++i)
    app += "app.use('/m" + std::to_string(i) + "', require('./r/m" + std::to_string(i) + "'));\n";
  files.emplace_back("app.js", app + "app.listen(1);\n");
  std::vector<std::string> prints;
  for (const auto& [reversed, threads] : {std::pair<bool, uint32_t>{false, 1}, {true, 2}, {false, 4}}) {
    std::vector<SourceFile> sources;
    for (const auto& [path, text] : files) sources.push_back({.path = path, .bytes = text});
    if (reversed) std::reverse(sources.begin(), sources.end());
    const auto model = AnalyseRepository(sources, {.threads = threads});
    const Report report = RunChecks(*model, nullptr, nullptr);
    std::string print;
    for (const Route& route : model->routes()) print += route.method + route.path + "\n";
    for (const Finding& finding : report.findings)
      print += std::string(finding.span.file->path) + ":" + std::to_string(finding.span.line) + finding.message + "\n";
    for (const Observation& observation : report.observations)
      print += std::string(observation.check->id) + std::to_string(observation.value) + observation.rationale + "\n";
    prints.push_back(std::move(print));
  }
  EXPECT_THAT(prints[0], HasSubstr("GET/m999/p999"));
  EXPECT_EQ(prints[0], prints[1]);
  EXPECT_EQ(prints[0], prints[2]);
}

}  // namespace
}  // namespace assay::code_analysis
