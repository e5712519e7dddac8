// SPDX-License-Identifier: Apache-2.0
// The rubric plugin under the fake host: whatever bytes the document holds, it answers within the host's rules.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "plugins/sdk/testing/fake_host.h"

namespace {

constexpr char kFramework[] = R"({"areas": [{"id": "3", "competencies": [{"id": "3.1", "name": "Load shedding",
  "anchors": [{"level": 0, "text": "No limits at all"}, {"level": 1, "text": "Knows that limits exist"}],
  "behaviours": [{"id": "3.1.1", "text": "Shields the event loop"}, {"id": "3.1.2", "text": "Gives less under stress"}]}]}],
  "model": {"rating_variance": 0.25, "mark_values": {"present": {"value": 0.85, "standard_error": 0.175},
  "absent": {"value": 0.25, "standard_error": 0.225}, "contradicted": {"value": 0.05, "standard_error": 0.175}}}})";

constexpr char kManifest[] =
    R"({"evaluators": [{"id": "rubric", "criteria": [{"id": "rating/*"}, {"id": "behaviour/*"}, {"id": "portfolio/*"}]}]})";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  assay::sdk::FakeHost host(&assay_negotiate);
  host.UseManifest(kManifest);
  host.AddDocument("framework.json", kFramework);
  host.AddDocument("submission.json", std::string(reinterpret_cast<const char*>(data), size));
  const assay::sdk::RunResult result = host.Run("rubric");
  if (result.status == ASSAY_E_PLUGIN) std::abort();
  for (const std::string& violation : host.violations()) {
    // Documents reach the plugin as valid UTF-8; here they need not be.
    if (violation.find("not UTF-8") == std::string::npos) std::abort();
  }
  return 0;
}
