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

constexpr char kServer[] = "const app = require('express')();\napp.listen(process.env.PORT || 3000);\n";

TEST(Configuration, ASchemaThatStopsTheProcessIsBest) {
  const auto zod = RunCheck(
      "J2",
      {{"src/config.ts",
        "import { z } from 'zod';\nexport const config = z.object({ PORT: z.coerce.number() }).parse(process.env);\n"},
       {"src/app.ts",
        "import express from 'express';\nimport { config } from './config';\nexpress().listen(config.PORT);\n"}});
  EXPECT_GE(zod.Value(), 0.9);
  ASSERT_EQ(zod.report.claims.size(), 1u);
  EXPECT_EQ(zod.report.claims[0].span.line, 2u);
  const auto joi = RunCheck("J2", {{"server.js", kServer}, {"config.js", R"js(
const Joi = require('joi');
const { value, error } = Joi.object({ PORT: Joi.number() }).unknown().validate(process.env);
if (error) throw new Error(`configuration: ${error.message}`);
module.exports = value;
)js"}});
  EXPECT_EQ(joi.Value(), 1.0);
}

TEST(Configuration, ASchemaWhoseResultNobodyChecksIsWorthLess) {
  const auto run = RunCheck(
      "J2",
      {{"server.js", kServer},
       {"config.js", "const { z } = require('zod');\nmodule.exports = z.object({}).safeParse(process.env).data;\n"}});
  EXPECT_LT(run.Value(), 0.7);
  EXPECT_THAT(run.report.claims, IsEmpty());
}

TEST(Configuration, ChecksByHandCount) {
  const auto loop = RunCheck("J2", {{"server.js", kServer}, {"config.js", R"js(
for (const name of ['DATABASE_URL', 'JWT_SECRET']) {
  if (!process.env[name]) { console.error(`${name} is missing`); process.exit(1); }
}
)js"}});
  EXPECT_GT(loop.Value(), 0.6);
  const auto single = RunCheck("J2", {{"server.mjs",
                                       "import express from 'express';\nif (!process.env.DATABASE_URL) throw new "
                                       "Error('DATABASE_URL is missing');\nexpress().listen(process.env.PORT);\n"}});
  EXPECT_GT(single.Value(), 0.6);
  ASSERT_EQ(single.report.claims.size(), 1u);
}

TEST(Configuration, NamesWhatIsUsedWithoutACheckAndAFixedPort) {
  const auto run = RunCheck("J2", {{"server.js", R"js(
const mongoose = require('mongoose');
const app = require('express')();
const PORT = 8080;
mongoose.connect(process.env.MONGO_URI, {});
app.listen(PORT);
)js"}});
  EXPECT_THAT(run.Places(), ElementsAre("server.js:6", "server.js:5"));
  EXPECT_THAT(run.report.findings[1].message, HasSubstr("MONGO_URI"));
  EXPECT_LT(run.Value(), 0.2);
}

TEST(Configuration, NamesWhatATypedModuleUsesWithoutACheck) {
  const auto run = RunCheck("J2", {{"src/app.ts", R"js(
import express from 'express';
import { createClient } from 'redis';
const app = express();
const cache = createClient({ url: process.env.REDIS_URL });
app.get('/', async (req, res) => { res.send(await cache.get('a')); });
app.listen(4000);
)js"}});
  EXPECT_THAT(run.Places(), ::testing::Contains("src/app.ts:5"));
  EXPECT_LT(run.Value(), 0.4);
}

TEST(Configuration, LeavesDefaultsOptionalVariablesAndFreePortsAlone) {
  const auto run = RunCheck("J2", {{"server.ts", R"js(
import express from 'express';
const settings = { cacheUrl: process.env.CACHE_URL, level: process.env.LOG_LEVEL ?? 'info' };
if (process.env.SENTRY_DSN) console.log('errors are reported');
const app = express();
app.listen(0, () => console.log(settings));
)js"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_FALSE(RunCheck("J2", {{"lib.js", "module.exports = (a) => a + 1;"}}).Observed());
}

TEST(Configuration, AConditionOnTheKindOfEnvironmentIsNoCheck) {
  const auto run =
      RunCheck("J2", {{"server.js",
                       "const app = require('express')();\nif (process.env.NODE_ENV !== 'test') { if "
                       "(!require('fs').existsSync('x')) process.exit(1); }\napp.listen(process.env.PORT);\n"}});
  EXPECT_LT(run.Value(), 0.5);
}

}  // namespace
}  // namespace assay::code_analysis
