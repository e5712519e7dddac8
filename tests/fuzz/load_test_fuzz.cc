// SPDX-License-Identifier: Apache-2.0
//
// What the load test plugin reads before and after a run. The first line of an input names the file: package.json,
// .assay.yaml (as JSON), server.json, routes.json, .env.example, or result for a load result.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/load_test/environment.h"
#include "plugins/load_test/facts.h"
#include "plugins/load_test/load_result.h"
#include "plugins/load_test/start_command.h"

namespace {

namespace load_test = assay::load_test;

load_test::Facts Read(std::string_view name, std::string_view text) {
  load_test::Facts facts;
  if (name == "package.json") {
    if (const auto json = assay::sdk::Json::Parse(text)) facts.package = *json;
  } else if (name == ".assay.yaml") {
    if (const auto json = assay::sdk::Json::Parse(text)) facts.assay_yaml = *json;
  } else if (name == "server.json") {
    load_test::ReadServerJson(text, facts);
  } else if (name == "routes.json") {
    load_test::ReadRoutesJson(text, facts);
  } else if (name == ".env.example") {
    load_test::ReadEnvExample(text, facts);
  }
  return facts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\n');
  if (end == std::string_view::npos) return 0;
  if (input.substr(0, end) == "result") {
    load_test::ReadLoadResult(input.substr(end + 1));
    return 0;
  }
  const load_test::Facts facts = Read(input.substr(0, end), input.substr(end + 1));
  const load_test::StartPlan plan =
      load_test::FindStart(facts, [](std::string_view name) { return name.size() % 2 == 0; }, 3000);
  for (const load_test::Candidate& candidate : plan.candidates) {
    if (candidate.arguments.empty()) std::abort();
    load_test::Without(load_test::MakeEnvironment(facts, candidate, "node", 3000, 1),
                       load_test::RequiredVariables(facts));
  }
  if (load_test::LoadPaths(facts, 8).size() > 8) std::abort();
  if (load_test::BodyRoutes(facts, 8).size() > 8) std::abort();
  if (load_test::LookupPaths(facts, 8).size() > 8) std::abort();
  return 0;
}
