// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>

#include "assay/plugin.hpp"
#include "plugins/sdk/assay_abi.lock.h"
#include "plugins/sdk/testing/fake_host.h"

namespace assay::sdk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

static_assert(!std::is_copy_constructible_v<Evaluation> && !std::is_move_constructible_v<Evaluation>);
static_assert(noexcept(detail::Guard(nullptr, 0, [] { return Ok(); })));

// An evaluator whose behaviour each test writes.
class Scripted final : public Evaluator {
 public:
  static constexpr Identity kIdentity = {"scripted", "1.0.0", "test", ASSAY_DETERMINISM_BITWISE, 0};
  static std::function<Status(Evaluation&)>& script() {
    static std::function<Status(Evaluation&)> script;
    return script;
  }
  Status Evaluate(Evaluation& evaluation) override { return script()(evaluation); }
};

// A second evaluator of the same plugin, made through Create.
class Configured final : public Evaluator {
 public:
  static constexpr Identity kIdentity = {"configured", "2.0.0", "test", ASSAY_DETERMINISM_TOLERANT, 0};
  static Result<std::unique_ptr<Evaluator>> Create(std::string_view config_json, Host) {
    if (config_json == "{}") return Status(ASSAY_E_CONFIG, "limit: missing");
    return std::unique_ptr<Evaluator>(std::make_unique<Configured>());
  }
  Status Evaluate(Evaluation&) override { return Ok(); }
};

constexpr char kManifest[] =
    R"({"evaluators": [{"id": "scripted", "criteria": [{"id": "a.b", "needs_evidence": ["input"]}, {"id": "rating/*"}]}]})";

class FakeHostTest : public testing::Test {
 protected:
  FakeHostTest() : host_(&detail::Entries<Scripted, Configured>::Negotiate) {
    host_.UseManifest(kManifest);
    host_.AddFile("app.js", "one\ntwo\nthree\n");
  }
  RunResult Run(std::function<Status(Evaluation&)> script) {
    Scripted::script() = std::move(script);
    return host_.Run("scripted");
  }
  FakeHost host_;
};

TEST_F(FakeHostTest, RecordsAGoodResult) {
  const RunResult result = Run([](Evaluation& evaluation) {
    const auto span = evaluation.Span(*evaluation.File("app.js"), 2, 3);
    return evaluation.Observe(
        {"a.b", State::kObserved, Method::kCode, Authorship::kDerive, false, 0.5, 0.1, {*span}, "why"});
  });
  EXPECT_EQ(result.status, ASSAY_OK);
  EXPECT_THAT(host_.violations(), IsEmpty());
  ASSERT_NE(result.Observation("a.b"), nullptr);
  EXPECT_EQ(host_.evidence(result.Observation("a.b")->evidence[0])->content, "two\nthree\n");
}

TEST_F(FakeHostTest, AnExceptionBecomesAPluginFaultWithItsText) {
  const RunResult result = Run([](Evaluation& evaluation) -> Status {
    EXPECT_TRUE(
        evaluation.Observe({"a.b", State::kNotObservedYet, Method::kCode, Authorship::kDerive, false, 0, 0, {}, "none"})
            .ok());
    throw std::runtime_error("index 7 of 3");
  });
  EXPECT_EQ(result.status, ASSAY_E_PLUGIN);
  EXPECT_EQ(result.message, "index 7 of 3");
  EXPECT_THAT(result.observations, IsEmpty()) << "results are transactional";
}

TEST_F(FakeHostTest, NamesEveryBrokenRuleOfAnObservation) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Run([&](Evaluation& evaluation) {
    const Evidence file = evaluation.File("app.js")->evidence;
    const Evidence artifact = *evaluation.PutArtifact("x", "text/plain", "x");
    const Observation good{"a.b", State::kObserved, Method::kCode, Authorship::kDerive, false, 0.5, 0.1, {file}, ""};
    auto with = [&](auto change) {
      Observation bad = good;
      change(bad);
      EXPECT_EQ(evaluation.Observe(bad).code(), ASSAY_E_ARGUMENT);
    };
    with([&](Observation& o) { o.value = nan; });
    with([&](Observation& o) { o.standard_error = 0.6; });
    with([&](Observation& o) { o.evidence.clear(); });
    with([&](Observation& o) { o.evidence = {99}; });
    with([&](Observation& o) { o.evidence = {artifact}; });
    with([&](Observation& o) { o.criterion = "not.declared"; });
    with([&](Observation& o) { o.rationale.assign(2001, 'x'); });
    with([&](Observation& o) { o.state = State{9}; });
    with([&](Observation& o) { o.state = State::kNotObservable; });
    return Ok();
  });
  EXPECT_THAT(host_.violations(),
              ElementsAre(HasSubstr("value outside"), HasSubstr("standard_error"), HasSubstr("without evidence"),
                          HasSubstr("not recorded in this evaluation"),
                          HasSubstr("of a kind that the manifest asks for"), HasSubstr("not declared"),
                          HasSubstr("at most 2000"), HasSubstr("state 9"), HasSubstr("needs a rationale")));
}

TEST_F(FakeHostTest, RefusesAStructThatIsTooSmall) {
  Run([&](Evaluation& evaluation) {
    assay_claim claim{};
    claim.struct_size = 8;
    const auto* result = evaluation.host().ext<assay_ext_result_v1>(ASSAY_EXT_RESULT, 8);
    EXPECT_EQ(result->claim(evaluation.handle(), &claim), ASSAY_E_ARGUMENT);
    return Ok();
  });
  EXPECT_THAT(host_.violations(), ElementsAre(HasSubstr("struct_size")));
}

TEST_F(FakeHostTest, AStaleHandleIsAnAnswerAndAViolation) {
  Run([](Evaluation&) { return Ok(); });
  EXPECT_EQ(host_.table()->should_stop(host_.last_evaluation()), ASSAY_GONE);
  EXPECT_THAT(host_.violations(), ElementsAre(HasSubstr("stale")));
}

TEST_F(FakeHostTest, WithheldExtensionsAreUnsupported) {
  host_.Withhold(ASSAY_EXT_ARTIFACTS);
  const RunResult result =
      Run([](Evaluation& evaluation) { return evaluation.PutArtifact("x", "text/plain", "x").status(); });
  EXPECT_EQ(result.status, ASSAY_E_UNSUPPORTED);
  EXPECT_THAT(result.message, HasSubstr(ASSAY_EXT_ARTIFACTS));
}

TEST_F(FakeHostTest, PlaysScriptedProcessesAndLoad) {
  host_.AddPriorClaim("code_analysis", {"shutdown.drains", "a.b", "drains", "app.js", 1, 0});
  host_.platform().start = [](const FakeProcess& request) {
    FakeProcess process;
    process.output = request.argv.at(0) + " says hello";
    process.port = 3000;
    process.on_signal = [](FakeProcess& self, int32_t number, bool) {
      self.ended = true;
      self.exit_code = number == 15 ? 0 : 1;
    };
    return process;
  };
  host_.platform().load = [](std::string_view, FakeProcess&) { return FakeLoadAnswer{ASSAY_OK, R"({"sent": 10})"}; };
  const RunResult result = Run([](Evaluation& evaluation) -> Status {
    EXPECT_TRUE(evaluation.ExecAvailable().ok());
    const auto workspace = evaluation.Prepare(20);
    const auto process = evaluation.Start({workspace->handle, {"node", "app.js"}, {"PORT=3000"}, "", 0, 0, 0, 0});
    EXPECT_EQ(evaluation.Wait(*process, 1'000'000'000, true)->port, 3000u);
    EXPECT_EQ(evaluation.Read(*process, 1, 0)->data, "node says hello");
    const auto load = evaluation.RunLoad(*process, "{}");
    EXPECT_EQ(Json::Parse(load->json)->operator[]("sent").number(), 10);
    EXPECT_TRUE(evaluation.Signal(*process, 15).ok());
    EXPECT_EQ(evaluation.Wait(*process, 1'000'000'000)->exit_code, 0);
    return evaluation.AddExperiment(
        {evaluation.PriorClaims().at(0).id.data(), Verdict::kConfirmed, {load->evidence}, "10 of 10 answered"});
  });
  EXPECT_EQ(result.status, ASSAY_OK) << result.message;
  EXPECT_THAT(host_.violations(), IsEmpty());
  EXPECT_EQ(result.Experiment("shutdown.drains")->verdict, ASSAY_VERDICT_CONFIRMED);
}

TEST_F(FakeHostTest, ASecondEvaluatorIsMadeByItsCreate) {
  const RunResult refused = host_.Run("configured");
  EXPECT_EQ(refused.status, ASSAY_E_CONFIG);
  EXPECT_EQ(refused.message, "limit: missing");
  host_.SetConfig("{\"limit\": 1}");
  EXPECT_EQ(host_.Run("configured").status, ASSAY_OK);
  EXPECT_EQ(host_.Run("nobody").status, ASSAY_E_ARGUMENT);
}

TEST(Negotiation, RefusesForeignMagicAndUnknownMajorsWithoutTouchingTheAnswer) {
  assay_negotiate_in in{};
  in.struct_size = ASSAY_SIZE_THROUGH(assay_negotiate_in, host_version);
  in.magic = ASSAY_MAGIC;
  for (const uint32_t major : {0u, 99u}) {
    in.major_min = in.major_max = major;
    assay_negotiate_out out{};
    out.struct_size = ASSAY_SIZE_THROUGH(assay_negotiate_out, plugin);
    EXPECT_EQ((detail::Entries<Scripted>::Negotiate(&in, &out)), ASSAY_E_ABI);
    EXPECT_EQ(out.plugin, nullptr);
  }
}

std::string Read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string Output(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  char buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, got);
  pclose(pipe);
  return text;
}

// The two examples, each built by each compiler.
class Matrix : public testing::TestWithParam<const char*> {
 protected:
  std::string Path(const char* name) {
    return std::string(getenv("ASSAY_SDK_MATRIX")) + "/" + name + "_" + GetParam() + ".so";
  }
  FakeHost::Negotiate Load(const char* name) {
    void* library = dlopen(Path(name).c_str(), RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(library, nullptr) << dlerror();
    return library == nullptr ? nullptr : reinterpret_cast<FakeHost::Negotiate>(dlsym(library, "assay_negotiate"));
  }
};

TEST_P(Matrix, ExportsExactlyOneSymbol) {
  for (const char* name : {"lines", "license"}) {
    EXPECT_EQ(Output("nm -D --defined-only --format=posix " + Path(name) + " | cut -d' ' -f1 | grep -v '^ASSAY_1'"),
              "assay_negotiate@@ASSAY_1\n");
  }
}

TEST_P(Matrix, TheSampleInCKeepsTheContract) {
  FakeHost host(Load("lines"));
  host.UseManifest(Read("plugins/sdk/examples/lines.json"));
  EXPECT_EQ(host.Run("example_lines").Observation("style.line_length")->state, ASSAY_STATE_NOT_OBSERVED_YET);
  host.AddFile("a.js", "short\n" + std::string(240, 'x') + "\n");
  const RunResult result = host.Run("example_lines");
  EXPECT_EQ(result.status, ASSAY_OK);
  EXPECT_DOUBLE_EQ(result.Observation("style.line_length")->value, 0.5);
  EXPECT_EQ(host.evidence(result.Observation("style.line_length")->evidence[0])->line, 2u);
  host.CancelAfter(1);
  EXPECT_EQ(host.Run("example_lines").status, ASSAY_E_STOPPED);
  EXPECT_THAT(host.violations(), IsEmpty());
}

TEST_P(Matrix, TheSampleInCppKeepsTheContract) {
  FakeHost host(Load("license"));
  host.UseManifest(Read("plugins/sdk/examples/license.json"));
  EXPECT_EQ(host.Run("example_license").status, ASSAY_E_SUBMISSION);
  host.AddFile("package.json", "{}");
  EXPECT_EQ(host.Run("example_license").Findings("EX1").size(), 1u);
  host.AddFile("package.json", R"({"license": "MIT"})");
  host.AddFile("LICENSE", "Permission is granted");
  const RunResult result = host.Run("example_license");
  EXPECT_EQ(result.status, ASSAY_OK) << result.message;
  EXPECT_EQ(result.Claim("documents.license")->statement, "published under MIT");
  EXPECT_EQ(result.Observation("documents.license")->evidence.size(), 2u);
  EXPECT_EQ(result.Artifact("license.json")->content, "{\"file\": \"LICENSE\"}");
  EXPECT_THAT(host.violations(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Compilers, Matrix, testing::Values("gcc", "clang"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace assay::sdk
