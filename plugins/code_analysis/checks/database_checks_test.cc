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

TEST(Pool, FindsWaitsWithoutEnd) {
  const auto pg = RunCheck("G1", {{"db.js",
                                   "const { Pool } = require('pg');\nmodule.exports = new Pool({ connectionString: "
                                   "process.env.DATABASE_URL, max: 20 });\n"}});
  EXPECT_THAT(pg.Places(), ElementsAre("db.js:2"));
  EXPECT_THAT(pg.report.findings[0].message, HasSubstr("connectionTimeoutMillis"));
  EXPECT_LT(pg.Value(), 0.5);
  const auto mysql = RunCheck(
      "G1",
      {{"src/db.ts",
        "import { createPool } from 'mysql2/promise';\nexport const pool = createPool(process.env.DATABASE_URL!);\n"}});
  EXPECT_THAT(mysql.Places(), ElementsAre("src/db.ts:2"));
}

TEST(Pool, ReadsBoundsFromAnotherFile) {
  const auto run = RunCheck(
      "G1",
      {{"src/config.mjs", "export const db = { max: 10, connectionTimeoutMillis: 2000, statement_timeout: 5000 };\n"},
       {"src/db.mjs",
        "import pg from 'pg';\nimport { db } from './config.mjs';\nexport const pool = new pg.Pool(db);\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
  ASSERT_EQ(run.report.claims.size(), 1u);
}

TEST(Pool, KnowsDefaultsThatEndAWait) {
  const auto sequelize = RunCheck("G1", {{"db.js",
                                          "const { Sequelize } = require('sequelize');\nmodule.exports = new "
                                          "Sequelize(process.env.DATABASE_URL, { logging: false });\n"}});
  EXPECT_THAT(sequelize.Places(), IsEmpty());
  EXPECT_GT(sequelize.Value(), 0.4);
  const auto explicit_pool =
      RunCheck("G1", {{"db.js",
                       "const { Sequelize } = require('sequelize');\nmodule.exports = new "
                       "Sequelize(process.env.DATABASE_URL, { pool: { max: 10, acquire: 2000 } });\n"}});
  EXPECT_GT(explicit_pool.Value(), sequelize.Value());
}

TEST(Pool, FindsConnectionsOfEachRequestAndLeavesThoseBesideAPoolAlone) {
  constexpr char kPerRequest[] = R"js(
const { Client } = require('pg');
const app = require('express')();
app.get('/', async (req, res) => {
  const client = new Client();
  await client.connect();
  res.end();
});
app.listen(3000);
)js";
  EXPECT_THAT(RunCheck("G1", {{"server.js", kPerRequest}}).Places(), ElementsAre("server.js:5"));
  const auto lock = RunCheck("G1", {{"db.js",
                                     "const { Pool, Client } = require('pg');\nexports.pool = new Pool({ max: 5, "
                                     "connectionTimeoutMillis: 1000 });\nexports.lock = () => new Client();\n"},
                                    {"server.js", "const app = require('express')(); app.listen(1);"}});
  EXPECT_THAT(lock.Places(), IsEmpty());
}

TEST(Pool, IsUnknownWhereOptionsCannotBeRead) {
  const auto run = RunCheck(
      "G1", {{"db.js", "const { Pool } = require('pg');\nmodule.exports = (options) => new Pool({ ...options });\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GE(run.report.observations[0].standard_error, 0.35);
  EXPECT_FALSE(RunCheck("G1", {{"server.js", "require('express')().listen(1);"}}).Observed());
}

TEST(RepeatedQueries, FindsAQueryForEachRow) {
  const auto run = RunCheck("G2", {{"server.js", R"js(
const { Pool } = require('pg');
const pool = new Pool();
const app = require('express')();
app.get('/orders', async (req, res) => {
  const { rows } = await pool.query('SELECT * FROM orders');
  for (const order of rows) {
    order.items = await pool.query('SELECT * FROM items WHERE order_id = $1', [order.id]);
  }
  res.json(rows);
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:8"));
  EXPECT_LT(run.Value(), 0.5);
}

TEST(RepeatedQueries, FollowsAFunctionOfAnotherFileAndPromisesOfMap) {
  const auto run = RunCheck("G2", {{"src/app.ts", R"js(
import express from 'express';
import { Order } from './models';
import { customerOf } from './customers';
const app = express();
app.get('/orders', async (req, res) => {
  const orders = await Order.findAll();
  const all = await Promise.all(orders.map(async (order) => ({ order, customer: await customerOf(order.customerId) })));
  res.json(all);
});
app.listen(3000);
)js"},
                                   {"src/models.ts",
                                    "import { Model } from 'sequelize';\nexport class Order extends Model {}\nexport "
                                    "class Customer extends Model {}\n"},
                                   {"src/customers.ts",
                                    "import { Customer } from './models';\nexport async function customerOf(id: "
                                    "number) { return Customer.findByPk(id); }\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("src/app.ts:8"));
}

TEST(RepeatedQueries, FindsCallbacksInsideForEach) {
  const auto run = RunCheck("G2", {{"server.js", R"js(
const mysql = require('mysql2');
const db = mysql.createPool({});
const app = require('express')();
app.get('/users', (req, res) => {
  db.query('SELECT * FROM users', (err, users) => {
    users.forEach((user) => {
      db.query('SELECT * FROM teams WHERE id = ?', [user.team], (e, teams) => { user.team = teams[0]; });
    });
    res.json(users);
  });
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:8"));
}

TEST(RepeatedQueries, FindsReadsThroughAnObjectThatWasPassedIn) {
  const auto run = RunCheck("G2", {{"server.js", R"js(
const { MongoClient } = require('mongodb');
const AllocationsDAO = require('./allocations');
const app = require('express')();
MongoClient.connect(process.env.MONGO_URL, (err, db) => {
  const allocations = new AllocationsDAO(db);
  app.get('/allocations', (req, res, next) => allocations.list((e, all) => (e ? next(e) : res.json(all))));
});
app.listen(3000);
)js"},
                                   {"allocations.js", R"js(
module.exports = function AllocationsDAO(db, userDAO) {
  const col = db.collection('allocations');
  this.list = (callback) => {
    col.find({}).toArray((err, rows) => {
      rows.forEach((row) => { userDAO.getUserById(row.userId, (e, user) => { row.user = user; }); });
      callback(err, rows);
    });
  };
};
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("allocations.js:6"));
}

TEST(Pool, FindsPoolsMadeForEachRequest) {
  const auto run = RunCheck("G1", {{"server.js", R"js(
const { MongoClient } = require('mongodb');
const app = require('express')();
app.get('/', async (req, res) => {
  const client = new MongoClient(process.env.MONGO_URL, { maxPoolSize: 5, waitQueueTimeoutMS: 500 });
  res.json(await client.db().collection('a').find().toArray());
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:5"));
}

TEST(Pool, LeavesOneThatIsMadeAtTheFirstRequestAlone) {
  const auto run =
      RunCheck("G1", {{"db.js", R"js(
const { Sequelize } = require('sequelize');
let connection;
module.exports = () => {
  if (!connection) connection = new Sequelize(process.env.DATABASE_URL, { pool: { max: 10, acquire: 2000 } });
  return connection;
};
)js"},
                      {"server.js",
                       "const db = require('./db');\nconst app = require('express')();\napp.get('/', async (req, res) "
                       "=> res.json(await db().query('SELECT 1')));\napp.listen(3000);\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_GT(run.Value(), 0.5);
}

TEST(RepeatedQueries, LeavesShortListsTransactionsBatchesAndStartUpAlone) {
  const auto run = RunCheck("G2", {{"server.mjs", R"js(
import express from 'express';
import pg from 'pg';
const pool = new pg.Pool();
const app = express();
for (const name of (await pool.query('SELECT name FROM views')).rows) await pool.query('REFRESH MATERIALIZED VIEW $1', [name]);
app.get('/a', async (req, res) => {
  for (const table of ['orders', 'items']) await pool.query('SELECT count(*) FROM stats WHERE name = $1', [table]);
  res.end();
});
app.post('/b', async (req, res) => {
  const client = await pool.connect();
  await client.query('BEGIN');
  for (const line of req.body.lines) await client.query('INSERT INTO lines VALUES ($1)', [line]);
  await client.query('COMMIT');
  res.end();
});
app.get('/c', async (req, res) => {
  const { rows } = await pool.query('SELECT * FROM orders');
  const items = await pool.query('SELECT * FROM items WHERE order_id = ANY($1)', [rows.map((row) => row.id)]);
  res.json({ rows, items: items.rows.map((item) => ({ id: item.id })) });
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
  EXPECT_FALSE(RunCheck("G2", {{"server.js", "require('express')().listen(1);"}}).Observed());
}

TEST(RepeatedQueries, LeavesJoinsAndLoopsOverRowsThatAreThereAlone) {
  const auto run = RunCheck("G2", {{"server.js", R"js(
const { Pool } = require('pg');
const pool = new Pool();
const app = require('express')();
app.get('/orders', async (req, res) => {
  const { rows } = await pool.query('SELECT o.*, c.name FROM orders o JOIN customers c ON c.id = o.customer_id');
  const totals = new Map();
  for (const row of rows) totals.set(row.name, (totals.get(row.name) || 0) + row.price);
  res.json([...totals]);
});
app.listen(3000);
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1.0);
}

}  // namespace
}  // namespace assay::code_analysis
