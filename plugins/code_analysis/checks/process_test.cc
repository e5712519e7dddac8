// F1 and J1: what one process does to all of its requests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/code_analysis/testing/repository.h"

namespace assay::code_analysis {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::RunCheck;

TEST(NoSync, FindsACallInAHandler) {
  const auto run = RunCheck("F1", {{"app.js",
                                    "const fs = require('fs');\nconst app = require('express')();\napp.get('/a', (req, "
                                    "res) => {\n  res.send(fs.readFileSync('a.html'));\n});\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:4"));
  EXPECT_LT(run.Value(), 0.3);
}

TEST(NoSync, FindsACallBehindTwoFunctionsInOtherFiles) {
  const auto run = RunCheck(
      "F1",
      {{"hash.ts",
        "import { pbkdf2Sync } from 'node:crypto';\nexport const hash = (p: string) => pbkdf2Sync(p, 's', 100000, 64, "
        "'sha512');\n"},
       {"users.ts", "import { hash } from './hash';\nexport class Users { create(p: string) { return hash(p); } }\n"},
       {"app.ts",
        "import express from 'express';\nimport { Users } from './users';\nconst users = new "
        "Users();\nexpress().post('/u', (req, res) => { users.create(req.body.p); res.end(); });\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("hash.ts:2"));
}

TEST(NoSync, AcceptsStartUpCode) {
  const auto run =
      RunCheck("F1", {{"app.js",
                       "const fs = require('fs');\nconst page = fs.readFileSync('a.html');\nfunction loadConfig() { "
                       "return JSON.parse(fs.readFileSync('c.json')); }\nconst config = loadConfig();\nconst app = "
                       "require('express')();\napp.get('/a', (req, res) => res.send(page));\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

TEST(NoSync, AcceptsWhatIsReadOnceAndOwnFunctionsOfThatName) {
  const auto run = RunCheck("F1", {{"app.mjs",
                                    "import fs from 'fs';\nimport express from 'express';\nlet page;\nconst addSync = "
                                    "(a, b) => a + b;\nexpress().get('/a', (req, res) => { if (!page) page = "
                                    "fs.readFileSync('a'); res.send(page + addSync(1, 2)); });\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

TEST(Stateless, FindsAMapThatHandlersFill) {
  const auto run =
      RunCheck("J1", {{"app.js",
                       "const app = require('express')();\nconst carts = new Map();\napp.post('/cart', (req, res) => "
                       "{\n  carts.set(req.body.user, req.body.items);\n  res.end();\n});\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("app.js:4"));
  EXPECT_LT(run.Value(), 0.4);
}

TEST(Stateless, FindsAnArrayAndANumberOfAStoreModule) {
  const auto run =
      RunCheck("J1", {{"store.ts",
                       "const todos: string[] = [];\nlet nextId = 1;\nexport const add = (t: string) => { "
                       "todos.push(t); return nextId++; };\n"},
                      {"app.ts",
                       "import express from 'express';\nimport { add } from './store';\nexpress().post('/t', (req, "
                       "res) => { res.json(add(req.body.t)); });\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("store.ts:3", "store.ts:3"));
}

TEST(Stateless, AcceptsConstantsMetricsAndWhatIsMadeOnce) {
  const auto run = RunCheck(
      "J1", {{"app.js",
              "const app = require('express')();\nconst roles = { admin: 1 };\nconst requestCounter = { n: 0 };\nlet "
              "client;\nfunction connect() { if (!client) client = make(); return client; }\napp.get('/a', (req, res) "
              "=> { requestCounter.n++; connect(); res.json(roles.admin); });\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

TEST(Stateless, AcceptsLocalState) {
  const auto run = RunCheck("J1", {{"app.mjs",
                                    "import express from 'express';\nexpress().get('/a', (req, res) => { const list = "
                                    "[]; list.push(1); let n = 0; n += 1; res.json(list); });\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

}  // namespace
}  // namespace assay::code_analysis
