// Code made to be expensive: what one step costs must not grow with the size of the file. Each shape here once took
// minutes; if a bound goes, the test runs into its time limit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/code_analysis/artifacts.h"
#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/testing/repository.h"

namespace assay::code_analysis {
namespace {

using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

constexpr char kApp[] = "const express = require('express');\nconst app = express();\n";

template <typename Line>
std::string Repeated(int times, Line line) {
  std::string text;
  for (int i = 0; i < times; ++i) text += line(std::to_string(i));
  return text;
}

// Everything there is to do with a repository; how many routes it has.
size_t Analyse(testing::Files files) {
  const testing::Repository repository(std::move(files));
  EXPECT_THAT(repository.model().skipped(), IsEmpty());
  const Report report = RunChecks(repository.model(), nullptr, nullptr);
  EXPECT_FALSE(report.observations.empty());
  EXPECT_FALSE(RoutesJson(repository.model()).empty());
  return repository.model().routes().size();
}

TEST(Bounds, FortyThousandRoutesInOneFile) {
  const std::string routes = Repeated(
      40000, [](const std::string& i) { return "app.get('/r" + i + "', (req, res) => res.json(load.a" + i + "));\n"; });
  EXPECT_THAT(Analyse({{"app.js", kApp + routes + "app.listen(1);\n"}}), Ge(1000u));
}

TEST(Bounds, OneNameDeclaredTenThousandTimes) {
  const std::string names = Repeated(10000, [](const std::string& i) {
    return "var step = wrap(step, " + i + "); function f" + i + "() { var step = 1; return step; }\n";
  });
  EXPECT_EQ(Analyse({{"app.js", kApp + names + "app.get('/a', step);\napp.listen(1);\n"}}), 1u);
}

TEST(Bounds, AHandlerOfThousandsOfBranches) {
  const std::string branches = Repeated(
      12000, [](const std::string& i) { return "  if (req.query.a" + i + ") { res.send('x'); } else next();\n"; });
  const std::string cases =
      Repeated(12000, [](const std::string& i) { return "    case " + i + ": res.send('x');\n"; });
  EXPECT_EQ(Analyse({{"app.js", kApp + std::string("app.get('/a', (req, res, next) => {\n") + branches +
                                    "});\napp.get('/b', (req, res) => {\n  switch (req.query.b) {\n" + cases +
                                    "  }\n});\napp.listen(1);\n"}}),
            2u);
}

TEST(Bounds, TenThousandQueriesInOneHandler) {
  const std::string queries = Repeated(10000, [](const std::string& i) {
    return "  const v" + i + " = await db.query('select ' + req.query.a" + i + ");\n  if (v" + i + ") res.send(v" + i +
           ".message);\n";
  });
  EXPECT_EQ(Analyse({{"app.js", kApp + std::string("app.get('/a', async (req, res) => {\n") + queries +
                                    "});\napp.listen(1);\n"}}),
            1u);
}

TEST(Bounds, ThousandsOfRoutersListenersAndRequires) {
  const std::string mounts = Repeated(1900, [](const std::string& i) {
    return "const m" + i + " = require('express').Router();\napp.use('/p" + i + "', m" + i + ");\nm" + i +
           ".get('/x', h);\nconst q" + i + " = require('./none" + i + "');\n";
  });
  EXPECT_THAT(Analyse({{"app.js", kApp + mounts + "app.listen(1);\n"}}), Ge(1000u));
  const std::string listens = Repeated(10000, [](const std::string& i) {
    return "process.on('SIGTERM', () => { server.close(() => process.exit()) });\nconst server = app.listen(" + i +
           ");\n";
  });
  EXPECT_EQ(Analyse({{"app.js", kApp + listens}}), 0u);
}

TEST(Bounds, OneRouterMountedTenThousandTimes) {
  const std::string routes =
      Repeated(100, [](const std::string& i) { return "r.get('/x" + i + "', (q, s) => s.end());\n"; });
  const std::string mounts = Repeated(10000, [](const std::string& i) { return "app.use('/m" + i + "', r);\n"; });
  EXPECT_THAT(Analyse({{"app.js", kApp + std::string("const r = express.Router();\n") + routes + mounts}}),
              Le(100000u));
}

TEST(Bounds, RoutersThatMountEachOther) {
  std::string text = kApp;
  for (int i = 0; i < 200; ++i) text += "const r" + std::to_string(i) + " = express.Router();\n";
  for (int i = 0; i < 200; ++i) {
    for (int j = 0; j < 200; j += 3)
      text += "r" + std::to_string(i) + ".use('/a" + std::to_string(j) + "', r" + std::to_string(j) + ");\n";
    text += "r" + std::to_string(i) + ".get('/g', h);\n";
  }
  EXPECT_THAT(Analyse({{"app.js", text + "app.use(r0);\napp.listen(1);\n"}}), Le(100000u));
}

TEST(Bounds, NestingChainsAndGrowingStrings) {
  std::string nested = kApp;
  for (int i = 0; i < 20000; ++i) nested += "if (a) {\n";
  nested += std::string(20000, '}') + "\n";
  const std::string chain = "const a0 = app;\n" +
                            Repeated(50000, [](const std::string& i) { return "const b" + i + " = a0;\n"; }) +
                            Repeated(20000, [](const std::string& i) { return "o.p = o.p || q" + i + ";\n"; });
  const std::string growing =
      "let t = '';\n" + Repeated(20000, [](const std::string& i) { return "t = t + '" + i + "' + t;\n"; });
  const testing::Repository repository(testing::Files{
      {"app.js", kApp + growing + chain + "app.get(t, h);\ndb.query(t);\napp.listen(1);\n"}, {"deep.js", nested}});
  EXPECT_FALSE(RunChecks(repository.model(), nullptr, nullptr).observations.empty());
}

TEST(Bounds, AFileOfOneLineAndFiftyMegabytesIsNamedAndLeftOut) {
  const testing::Repository repository(
      testing::Files{{"app.js", kApp}, {"long.js", "const a = " + std::string(50 << 20, '1') + ";"}});
  ASSERT_THAT(repository.model().skipped(), SizeIs(1));
  EXPECT_EQ(repository.model().skipped()[0].reason, "larger than 8 MiB");
}

}  // namespace
}  // namespace assay::code_analysis
