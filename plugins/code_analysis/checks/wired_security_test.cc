#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/code_analysis/testing/repository.h"

namespace assay::code_analysis {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::PackageJson;
using testing::RunCheck;

TEST(WiredSecurity, PackageThatIsOnlyInACommentCountsAsIdle) {
  const auto run = RunCheck("O7", {{"package.json", PackageJson({{"express", "^4.18.0"}, {"helmet", "^7.0.0"}})},
                                   {"server.js",
                                    "const express = require('express');\nconst app = express();\n// "
                                    "app.use(require('helmet')());\napp.listen(3000);\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("package.json:5"));
  EXPECT_LT(run.Value(), 0.1);
}

TEST(WiredSecurity, PackageThatIsImportedAndNeverCalledCountsAsIdle) {
  const auto run =
      RunCheck("O7", {{"package.json", PackageJson({{"express", "^4.18.0"}, {"cors", "^2.8.5"}, {"helmet", "^7.0.0"}})},
                      {"src/app.ts",
                       "import express from 'express';\nimport cors from 'cors';\nimport helmet from 'helmet';\nexport "
                       "const app = express();\napp.use(cors());\n"}});
  EXPECT_THAT(run.Places(), ElementsAre("package.json:6"));
  EXPECT_NEAR(run.Value(), 0.5, 1e-9);
}

TEST(WiredSecurity, MiddlewareRegisteredThroughALocalModuleIsWired) {
  const auto run = RunCheck(
      "O7", {{"package.json", PackageJson({{"express", "^4.18.0"}, {"helmet", "^7.0.0"}})},
             {"security.js", "const helmet = require('helmet');\nmodule.exports = (app) => { app.use(helmet()); };\n"},
             {"server.js",
              "const express = require('express');\nconst app = "
              "express();\nrequire('./security')(app);\napp.listen(3000);\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
  EXPECT_EQ(run.Value(), 1);
}

TEST(WiredSecurity, NamedImportOfALimiterThatIsRegisteredIsWired) {
  const auto run =
      RunCheck("O7", {{"package.json", PackageJson({{"express", "^4.18.0"}, {"express-rate-limit", "^7.0.0"}})},
                      {"app.mjs",
                       "import express from 'express';\nimport { rateLimit } from 'express-rate-limit';\nconst app = "
                       "express();\napp.use('/api', rateLimit({ windowMs: 60_000, limit: 10 }));\n"}});
  EXPECT_THAT(run.Places(), IsEmpty());
}

TEST(WiredSecurity, SaysNothingWithoutASecurityPackage) {
  const auto run = RunCheck("O7", {{"app.js", "require('express')().listen(1);\n"}});
  EXPECT_FALSE(run.Observed());
  EXPECT_FALSE(run.WhyNot().empty());
}

}  // namespace
}  // namespace assay::code_analysis
