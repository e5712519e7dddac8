// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/code_analysis/testing/repository.h"

namespace assay::code_analysis {
namespace {

using ::testing::ElementsAre;
using testing::Files;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::RunCheck;

// Routers over services over repositories; ten small modules, five routes.
Files Layered() {
  Files files = {{"src/app.js", R"js(
const express = require('express');
const app = express();
app.use('/orders', require('./routes/orders'));
app.use('/items', require('./routes/items'));
app.use('/users', require('./routes/users'));
app.listen(process.env.PORT);
)js"},
                 {"src/db.js", "const { Pool } = require('pg');\nmodule.exports = new Pool();\n"},
                 {"src/rules.js", "exports.total = (lines) => lines.reduce((sum, line) => sum + line.price, 0);\n"}};
  for (const std::string name : {"orders", "items", "users"}) {
    files.emplace_back(
        "src/routes/" + name + ".js",
        "const router = require('express').Router();\nconst service = require('../services/" + name +
            "');\nrouter.get('/', async (req, res) => res.json(await service.list()));\nrouter.get('/:id', async (req, "
            "res) => res.json(await service.one(req.params.id)));\nmodule.exports = router;\n");
    files.emplace_back("src/services/" + name + ".js",
                       "const repository = require('../repositories/" + name +
                           "');\nconst { total } = require('../rules');\nexports.list = () => "
                           "repository.all();\nexports.one = async (id) => total([await repository.one(id)]);\n");
    files.emplace_back("src/repositories/" + name + ".js",
                       "const { types } = require('pg');\nconst pool = require('../db');\nexports.types = "
                       "types;\nexports.all = () => pool.query('SELECT * FROM " +
                           name + "');\nexports.one = (id) => pool.query('SELECT * FROM " + name +
                           " WHERE id = $1', [id]);\n");
  }
  return files;
}

// The same routes with SQL inside them.
Files Flat() {
  Files files = {{"src/app.js", "const express = require('express');\nconst app = express();\n"}};
  for (const std::string name : {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}) {
    files[0].second += "app.use('/" + name + "', require('./" + name + "'));\n";
    files.emplace_back("src/" + name + ".js",
                       "const express = require('express');\nconst { Pool } = require('pg');\nconst pool = new "
                       "Pool();\nconst router = express.Router();\n"
                       "router.get('/', async (req, res) => {\n  res.json(await pool.query('SELECT * FROM " +
                           name + "'));\n});\nmodule.exports = router;\n");
  }
  files[0].second += "app.listen(3000);\n";
  return files;
}

TEST(Direction, LayersTellFromImportsScoreAboveMixedFiles) {
  const auto layered = RunCheck("K1", Layered()), flat = RunCheck("K1", Flat());
  EXPECT_THAT(layered.Places(), IsEmpty());
  EXPECT_GT(layered.Value(), 0.9);
  EXPECT_LT(flat.Value(), 0.5);
  EXPECT_EQ(flat.Places().size(), 10u);
}

TEST(Direction, FindsRoutesAndQueriesTogetherInTypedModulesToo) {
  Files files = {{"src/app.ts", "import express from 'express';\n"}};
  std::string mounts = "const app = express();\n";
  for (const std::string name : {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}) {
    files[0].second += "import " + name + " from './" + name + "';\n";
    mounts += "app.use('/" + name + "', " + name + ");\n";
    files.emplace_back("src/" + name + ".ts",
                       "import { Router } from 'express';\nimport { Pool } from 'pg';\nconst pool = new Pool();\nconst "
                       "router = Router();\nrouter.get('/', async (req, res) => {\n  res.json(await pool.query('SELECT "
                       "* FROM " +
                           name + "'));\n});\nexport default router;\n");
  }
  files[0].second += mounts + "app.listen(3000);\n";
  const auto run = RunCheck("K1", files);
  EXPECT_EQ(run.Places().size(), 10u);
  EXPECT_LT(run.Value(), 0.5);
}

TEST(Direction, FindsDataCodeThatImportsAHandler) {
  Files files = Layered();
  files.emplace_back(
      "src/respond.js",
      "const express = require('express');\nexports.respond = (req, res) => res.json(express.version);\n");
  for (auto& [path, text] : files) {
    if (path == "src/repositories/orders.js")
      text += "const { respond } = require('../respond');\nexports.respond = respond;\n";
  }
  EXPECT_THAT(RunCheck("K1", files).Places(), ElementsAre("src/repositories/orders.js:6"));
}

TEST(Direction, ImportsOfTypesDoNotCount) {
  Files files = Layered();
  files.emplace_back("src/respond.ts",
                     "import express from 'express';\nexport type Page = { size: number };\nexport const page = (req: "
                     "express.Request, res: express.Response) => res.end();\n");
  files.emplace_back("src/repositories/pages.ts",
                     "import { Request } from 'express';\nimport { Pool } from 'pg';\nimport type { Page } from "
                     "'../respond';\nexport const find = (pool: Pool, page: Page) => pool.query('SELECT 1');\n");
  EXPECT_THAT(RunCheck("K1", files).Places(), IsEmpty());
}

TEST(Direction, SaysNothingOfSmallApplications) {
  EXPECT_FALSE(
      RunCheck("K1", {{"app.js",
                       "const pool = new (require('pg').Pool)(); const app = require('express')(); app.get('/', async "
                       "(req, res) => res.json(await pool.query('SELECT 1'))); app.listen(1);"}})
          .Observed());
}

Files Chain(std::string_view last) {
  Files files;
  for (int i = 0; i < 6; ++i) {
    files.emplace_back("m" + std::to_string(i) + ".js",
                       i < 5 ? "const next = require('./m" + std::to_string(i + 1) + "');\nexports.x = () => next;\n"
                             : std::string(last));
  }
  files.emplace_back("server.js", "const app = require('express')();\nrequire('./m0');\napp.listen(1);\n");
  return files;
}

TEST(Cycles, FindsTheShortestWayRound) {
  const auto run = RunCheck("K2", Chain("const back = require('./m3');\nexports.x = () => back;\n"));
  EXPECT_THAT(run.Places(), ElementsAre("m3.js:1"));
  EXPECT_THAT(run.report.findings[0].message, HasSubstr("`m3.js` → `m4.js` → `m5.js` → `m3.js`"));
  EXPECT_LT(run.Value(), 0.7);
}

TEST(Cycles, FindsCyclesOfEsModules) {
  Files files = Chain("exports.x = 1;\n");
  files.emplace_back("a.mjs", "import { b } from './b.mjs';\nexport const a = () => b;\n");
  files.emplace_back("b.mjs", "import { a } from './a.mjs';\nexport const b = () => a;\n");
  EXPECT_THAT(RunCheck("K2", files).Places(), ElementsAre("a.mjs:1"));
}

TEST(Cycles, TypesAndImportsAtUseAreNone) {
  EXPECT_EQ(RunCheck("K2", Chain("exports.x = () => require('./m3');\n")).Value(), 1.0);
  Files files = Chain("exports.x = 1;\n");
  files.emplace_back("a.ts", "import type { B } from './b';\nexport interface A { b: B }\n");
  files.emplace_back("b.ts", "import type { A } from './a';\nexport interface B { a: A }\n");
  files.emplace_back("c.ts", "import { D } from './d';\nexport interface C { d: D }\n");
  files.emplace_back("d.ts", "import { C } from './c';\nexport interface D { c: C }\n");
  EXPECT_THAT(RunCheck("K2", files).Places(), IsEmpty());
  EXPECT_FALSE(RunCheck("K2", {{"server.js", "require('express')().listen(1);"}}).Observed());
}

std::string Routes(int count, const std::string& body) {
  std::string code = "const app = require('express')();\nconst { Pool } = require('pg');\nconst pool = new Pool();\n";
  for (int i = 0; i < count; ++i)
    code += "app.get('/r" + std::to_string(i) + "', async (req, res) => { " + body + " });\n";
  return code + "app.listen(3000);\n";
}

TEST(Handlers, ThinOnesScoreAboveOnesThatQuery) {
  const auto thin = RunCheck("K3", {{"server.js", Routes(9, "res.json(await list(req.query));")}});
  const auto querying = RunCheck("K3", {{"server.js", Routes(9, "res.json(await pool.query('SELECT 1'));")}});
  EXPECT_THAT(thin.Places(), IsEmpty());
  EXPECT_EQ(thin.Value(), 1.0);
  EXPECT_LT(querying.Value(), 0.7);
  EXPECT_THAT(querying.Places(), ElementsAre("server.js:4"));
}

TEST(Handlers, FindsLongAndBranchingOnes) {
  std::string body;
  for (int i = 0; i < 20; ++i) body += "if (req.query.a" + std::to_string(i) + ") { total += 1; } ";
  const auto run =
      RunCheck("K3", {{"server.ts", Routes(8, "res.end();") + "app.post('/big', (req, res) => { let total = 0; " +
                                        body + " res.json(total); });\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.ts:13"));
  EXPECT_LT(run.Value(), 1.0);
}

TEST(Handlers, ThinOnesOfTypedControllersScoreWell) {
  std::string code =
      "import express, { Request, Response } from 'express';\nimport { list } from './service';\n"
      "const app = express();\n";
  for (int i = 0; i < 9; ++i) {
    const std::string number = std::to_string(i);
    code += "const show" + number +
            " = async (req: Request, res: Response) => { res.json(await list(req.query)); };\n"
            "app.get('/r" +
            number + "', show" + number + ");\n";
  }
  const auto run = RunCheck("K3", {{"src/app.ts", code + "app.listen(3000);\n"},
                                   {"src/service.ts", "export const list = async (query: unknown) => [query];\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
}

TEST(Handlers, SmallApplicationsAreRightlyFlat) {
  EXPECT_FALSE(RunCheck("K3", {{"server.js", Routes(5, "res.json(await pool.query('SELECT 1'));")}}).Observed());
}

}  // namespace
}  // namespace assay::code_analysis
