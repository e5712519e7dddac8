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

TEST(SqlInjection, FindsRequestDataInTheTextOfAStatement) {
  const auto run = RunCheck("C1", {{"server.js", R"js(
const express = require('express');
const { Pool } = require('pg');
const pool = new Pool();
const app = express();
app.get('/a', async (req, res) => {
  const rows = await pool.query(`SELECT * FROM users WHERE name = '${req.query.name}'`);
  res.json(rows);
});
app.get('/b', (req, res) => {
  const { id } = req.params;
  const sql = 'SELECT * FROM orders WHERE id = ' + id;
  pool.query(sql, (err, rows) => res.json(rows));
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:7", "server.js:13"));
  EXPECT_LT(run.Value(), 0.2);
  EXPECT_THAT(run.report.findings[0].message, HasSubstr("`req.query.name`"));
}

TEST(SqlInjection, FollowsDataIntoAnotherFile) {
  const auto run = RunCheck("C1", {{"src/app.ts", R"js(
import express, { Request, Response } from 'express';
import { findUsers } from './users';
const app = express();
app.get('/users', async (req: Request, res: Response) => {
  res.json(await findUsers(req.query.sort as string));
});
app.listen(3000);
)js"},
                                   {"src/users.ts", R"js(
import { createPool } from 'mysql2/promise';
const pool = createPool({ host: 'db' });
export async function findUsers(sort: string) {
  const [rows] = await pool.query('SELECT * FROM users ORDER BY ' + sort);
  return rows;
}
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("src/users.ts:5"));
}

TEST(SqlInjection, FindsPiecesOfStatementsInAQueryBuilder) {
  const auto run = RunCheck("C1", {{"server.js", R"js(
const knex = require('knex')({ client: 'pg' });
const app = require('express')();
app.get('/a', async (req, res) => res.json(await knex('users').whereRaw(`email = '${req.query.email}'`)));
app.get('/b', async (req, res) => res.json(await knex('users').whereRaw('email = ?', [req.query.email])));
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:4"));
}

TEST(SqlInjection, FollowsAHelperThatBuildsTheStatement) {
  const auto run =
      RunCheck("C1", {{"server.js", R"js(
const express = require('express');
const db = require('mysql').createConnection({});
const { byName } = require('./sql');
const app = express();
app.get('/a', (req, res) => {
  db.query(byName(req.body.name), (err, rows) => res.json(rows));
});
app.listen(3000);
)js"},
                      {"sql.js", "exports.byName = (name) => `SELECT * FROM t WHERE name = '${name}'`;\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:7"));
}

TEST(SqlInjection, LeavesParametersAllowListsNumbersAndTagsAlone) {
  const auto run =
      RunCheck("C1", {{"server.mjs", R"js(
import express from 'express';
import pg from 'pg';
import { sql } from './tag.mjs';
const pool = new pg.Pool();
const app = express();
const COLUMNS = ['name', 'age'];
app.get('/a', async (req, res) => res.json(await pool.query('SELECT * FROM users WHERE name = $1', [req.query.name])));
app.get('/b', async (req, res) => {
  const sort = req.query.sort;
  if (!COLUMNS.includes(sort)) return res.status(400).end();
  res.json(await pool.query(`SELECT * FROM users ORDER BY ${sort}`));
});
app.get('/c', async (req, res) => {
  const limit = Number(req.query.limit);
  const direction = req.query.direction === 'desc' ? 'DESC' : 'ASC';
  res.json(await pool.query(`SELECT * FROM users ORDER BY id ${direction} LIMIT ${limit}`));
});
app.get('/d', async (req, res) => res.json(await pool.query(sql`SELECT * FROM users WHERE id = ${req.params.id}`)));
app.get('/e', async (req, res) => res.json(await pool.query(`SELECT * FROM users WHERE id = ${pool.escape(req.params.id)}`)));
app.listen(3000);
)js"},
                      {"tag.mjs", "export const sql = (parts, ...values) => ({ text: parts.join('?'), values });\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
}

// A comparison with one value says nothing of all the others, and a loose pattern nothing of what stands beside its
// match.
TEST(SqlInjection, ComparisonsThatLetOthersThroughAreNoCheck) {
  const auto run = RunCheck(
      "C1", {{"server.ts", R"js(
import express, { Request, Response } from 'express';
import { sequelize } from './db';
const app = express();
app.get('/search', async (req: Request, res: Response) => {
  let criteria: any = req.query.q === 'undefined' ? '' : req.query.q ?? '';
  criteria = criteria.length <= 200 ? criteria : criteria.substring(0, 200);
  res.json(await sequelize.query(`SELECT * FROM products WHERE name LIKE '%${criteria}%'`));
});
app.get('/tags', async (req: Request, res: Response) => {
  const tag = req.query.tag;
  if (/[a-z]/.test(String(tag))) res.json(await sequelize.query(`SELECT * FROM tags WHERE name = '${tag}'`));
});
app.listen(3000);
)js"},
             {"db.ts",
              "import { Sequelize } from 'sequelize';\nexport const sequelize = new Sequelize('sqlite::memory:');\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.ts:8", "server.ts:12"));
}

TEST(SqlInjection, IsNotObservedWithoutStatements) {
  EXPECT_FALSE(
      RunCheck(
          "C1",
          {{"server.js",
            "const app = require('express')(); app.get('/', (req, res) => res.send(req.query.a)); app.listen(1);"}})
          .Observed());
}

TEST(SqlInjection, LeavesPlaceholdersOfCallbackStyleAlone) {
  const auto run = RunCheck("C1", {{"server.js", R"js(
const mysql = require('mysql2');
const db = mysql.createPool({ host: 'db' });
const app = require('express')();
app.get('/a', (req, res, next) => {
  db.query('SELECT * FROM users WHERE name = ?', [req.query.name], (err, rows) => (err ? next(err) : res.json(rows)));
});
app.post('/b', (req, res, next) => {
  const statement = { sql: 'INSERT INTO notes (text) VALUES (?)', values: [req.body.text] };
  db.execute(statement, (err) => (err ? next(err) : res.end()));
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
}

TEST(CommandInjection, FindsShellCommandsMadeOfRequestData) {
  const auto run = RunCheck("C3", {{"server.js", R"js(
const { exec, spawn } = require('child_process');
const app = require('express')();
app.get('/ping', (req, res) => {
  exec('ping -c 1 ' + req.query.host, (err, out) => res.send(out));
});
app.post('/convert', (req, res) => {
  const { file } = req.body;
  spawn('convert', [file, 'out.png'], { shell: true });
  res.end();
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:5", "server.js:9"));
}

TEST(CommandInjection, LeavesArgumentListsAndFixedCommandsAlone) {
  const auto run = RunCheck("C3", {{"server.ts", R"js(
import { execFile, execSync } from 'node:child_process';
import express from 'express';
const app = express();
const TOOLS = { gzip: 'gzip', zip: 'zip' };
app.get('/a', (req, res) => { execFile('ping', ['-c', '1', req.query.host], () => res.end()); });
app.get('/b', (req, res) => { res.send(execSync('git rev-parse HEAD')); });
app.get('/c', (req, res) => {
  const tool = TOOLS[req.params.tool];
  if (!(req.params.tool in TOOLS)) return res.status(404).end();
  execSync(`${tool} --version`);
  res.end();
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

TEST(PathTraversal, FindsPathsMadeOfParameters) {
  const auto run = RunCheck("C4", {{"server.js", R"js(
const fs = require('fs');
const path = require('path');
const express = require('express');
const router = express.Router();
router.get('/files/:name', (req, res) => {
  fs.createReadStream(path.join(__dirname, 'files', req.params.name)).pipe(res);
});
router.get('/download', (req, res) => {
  const file = path.resolve('uploads', req.query.file);
  if (!fs.existsSync(file)) return res.status(404).end();
  res.sendFile(file);
});
const app = express();
app.use(router);
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:7", "server.js:12"));
}

TEST(PathTraversal, LeavesRootsBaseNamesChecksAndStoredUploadsAlone) {
  const auto run = RunCheck("C4", {{"server.mjs", R"js(
import fs from 'node:fs/promises';
import path from 'node:path';
import express from 'express';
const app = express();
const ROOT = path.resolve('files');
app.get('/a/:name', (req, res) => res.sendFile(req.params.name, { root: ROOT }));
app.get('/b/:name', async (req, res) => res.send(await fs.readFile(path.join(ROOT, path.basename(req.params.name)))));
app.get('/c/:name', async (req, res) => {
  const file = path.resolve(ROOT, req.params.name);
  if (!file.startsWith(ROOT + path.sep)) return res.status(403).end();
  res.send(await fs.readFile(file));
});
app.post('/d', async (req, res) => {
  await fs.unlink(req.file.path);
  res.end();
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
}

TEST(PathTraversal, LeavesAChoiceAmongAllowedEndingsAlone) {
  const auto run = RunCheck("C4", {{"server.ts", R"js(
import fs from 'node:fs';
import express from 'express';
const app = express();
app.post('/avatar', (req, res) => {
  const ending = ['png', 'jpg'].includes(req.body.type) ? req.body.type : 'png';
  fs.createWriteStream(`uploads/avatar.${ending}`);
  res.end();
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

TEST(OpenRedirect, FindsTargetsThatALinkChooses) {
  const auto run = RunCheck("C6", {{"server.js", R"js(
const app = require('express')();
app.get('/login', (req, res) => {
  const next = req.query.next || '/';
  res.redirect(next);
});
app.get('/out', function (req, res) {
  res.redirect(302, req.query.url);
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:5", "server.js:8"));
}

TEST(OpenRedirect, LeavesOwnPathsListsAndCreatedResourcesAlone) {
  const auto run = RunCheck("C6", {{"server.ts", R"js(
import express from 'express';
const app = express();
const TARGETS: Record<string, string> = { home: '/', shop: 'https://shop.example.com/' };
app.get('/a/:id', (req, res) => res.redirect(`/orders/${req.params.id}`));
app.get('/b', (req, res) => res.redirect('https://www.example.com/search?q=' + req.query.q));
app.get('/c', (req, res) => res.redirect(TARGETS.home));
app.get('/d', (req, res) => {
  const next = String(req.query.next);
  if (!next.startsWith('/') || next.startsWith('//')) return res.redirect('/');
  res.redirect(next);
});
app.post('/e', (req, res) => res.status(201).location(req.body.id).end());
app.get('/f', (req, res) => res.redirect('https://' + req.headers.host + req.url));
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

TEST(CodeInjection, FindsEvaluatedRequestData) {
  const auto run = RunCheck("C8", {{"server.js", R"js(
const vm = require('vm');
const app = require('express')();
app.post('/a', (req, res) => { res.send(String(eval(req.body.formula))); });
app.post('/b', (req, res) => { const f = new Function('x', 'return ' + req.body.code); res.json(f(1)); });
app.post('/c', (req, res) => { res.json(vm.runInNewContext(req.body.code, {})); });
app.get('/d', (req, res) => { res.json(require('./reports/' + req.query.name)); });
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:4", "server.js:5", "server.js:6", "server.js:7"));
}

TEST(CodeInjection, LeavesParsersTimersAndTablesAlone) {
  const auto run = RunCheck("C8", {{"server.mjs", R"js(
import express from 'express';
const app = express();
const reports = { daily: () => 1, weekly: () => 7 };
app.post('/a', (req, res) => res.json(JSON.parse(req.body.text)));
app.get('/b', (req, res) => { setTimeout(() => res.end(), Number(req.query.ms)); });
app.get('/c', (req, res) => { const report = reports[req.query.name]; res.json(report ? report() : null); });
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
}

// A value that only one of several callers takes from a request does not taint what the others load.
TEST(CodeInjection, KeepsTheCallsOfASharedHelperApart) {
  const auto run = RunCheck("C8", {{"server.js", R"js(
const path = require('path');
const app = require('express')();
const moduleFile = (name) => path.join(__dirname, 'modules', name);
function load(name) { return require(moduleFile(name)); }
['a', 'b'].forEach((name) => load(name));
app.get('/files/:name', (req, res) => res.sendFile(moduleFile(req.params.name), { root: __dirname }));
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

}  // namespace
}  // namespace assay::code_analysis
