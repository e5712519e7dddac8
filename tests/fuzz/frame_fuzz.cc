// SPDX-License-Identifier: Apache-2.0
//
// What a plugin's process may send: bytes to frames, and the frames that come out through the checks of a result.
#include <cstddef>
#include <cstdint>

#include "services/plugin_host/frame_codec.h"
#include "services/plugin_host/result_collector.h"

namespace {

using assay::plugin_host::EvaluationInput;
using assay::plugin_host::EvidenceTable;
using assay::plugin_host::FrameDecoder;
using assay::plugin_host::ResultCollector;

const assay::plugin::v1::Manifest::Evaluator& Evaluator() {
  static const auto& evaluator = *[] {
    auto* made = new assay::plugin::v1::Manifest::Evaluator;
    made->add_criteria()->set_id("a.b");
    made->add_criteria()->set_id("rating/*");
    return made;
  }();
  return evaluator;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<EvaluationInput> inputs = {
      {"a.js", "one\ntwo\n", assay::Digest(), false, assay::v1::CANDIDATE, {}}};
  const std::vector<assay::v1::Claim> prior;
  EvidenceTable evidence(inputs, assay::v1::Evidence::ARTIFACT, false);
  ResultCollector collector(Evaluator(), inputs, prior, evidence);
  FrameDecoder decoder(assay::plugin_host::kMaxFrameFromHost);
  // In pieces of growing size, as a socket might give them.
  size_t step = 1;
  for (size_t at = 0; at < size; at += step, step = step * 2 + 1) {
    decoder.Feed({reinterpret_cast<const char*>(data) + at, step < size - at ? step : size - at});
    for (;;) {
      auto frame = decoder.Next();
      if (!frame.ok()) return 0;
      if (!frame->has_value()) break;
      if ((*frame)->has_call() && (*frame)->call().has_span()) {
        evidence.AddSpan((*frame)->request_id(), (*frame)->call().span()).IgnoreError();
      } else if ((*frame)->has_call() && (*frame)->call().has_artifact()) {
        collector.TakeArtifact((*frame)->call().artifact(), "").IgnoreError();
      } else if ((*frame)->has_done()) {
        collector.Finish((*frame)->done()).status().IgnoreError();
        return 0;
      } else if (!collector.Take(**std::move(frame)).ok()) {
        return 0;
      }
    }
  }
  return 0;
}
