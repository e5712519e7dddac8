// SPDX-License-Identifier: Apache-2.0
//
// What processes tell each other, one direction for each first byte:
//   'l'   launcher and its client: what decodes is encoded to the same bytes again;
//   'h'   evaluator to plugin host: what decodes is encoded to as many frames again;
//   else  plugin host to evaluator, which may send anything: bytes to frames, and these through the checks of a result.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

#include "services/plugin_host/frame_codec.h"
#include "services/plugin_host/result_collector.h"
#include "services/sandbox/frame.h"

namespace {

using assay::plugin_host::EvaluationInput;
using assay::plugin_host::EvidenceTable;
using assay::plugin_host::FrameDecoder;
using assay::plugin_host::ResultCollector;
using Frame = assay::plugin::v1::Frame;

const assay::plugin::v1::Manifest::Evaluator& Evaluator() {
  static const auto& evaluator = *[] {
    auto* made = new assay::plugin::v1::Manifest::Evaluator;
    made->add_criteria()->set_id("a.b");
    made->add_criteria()->set_id("rating/*");
    return made;
  }();
  return evaluator;
}

// Gives the decoder pieces of growing size, as a socket might. `take` returns false when it has seen enough.
template <typename Take>
void Decode(absl::string_view bytes, size_t max_bytes, Take take) {
  FrameDecoder decoder(max_bytes);
  size_t step = 1;
  for (size_t at = 0; at < bytes.size(); at += step, step = step * 2 + 1) {
    decoder.Feed(bytes.substr(at, step));
    for (;;) {
      auto frame = decoder.Next();
      if (!frame.ok()) return;
      if (!frame->has_value()) break;
      if (!take(**std::move(frame))) return;
    }
  }
}

void ReadLauncherFrame(absl::string_view bytes) {
  if (bytes.size() > assay::sandbox::kMaxFrameBytes) return;
  const auto frame = assay::sandbox::DecodeFrame(bytes);
  if (!frame.ok()) return;
  const auto again = assay::sandbox::EncodeFrame(*frame);
  if (!again.ok() || *again != bytes) std::abort();
}

void ReadFramesToHost(absl::string_view bytes) {
  size_t frames = 0;
  std::string encoded;
  assay::plugin_host::FrameEncoder encoder(assay::plugin_host::kMaxFrameToHost);
  Decode(bytes, assay::plugin_host::kMaxFrameToHost, [&](Frame frame) {
    if (!encoder.Encode(frame, encoded).ok()) return false;
    ++frames;
    return true;
  });
  size_t again = 0;
  Decode(encoded, assay::plugin_host::kMaxFrameToHost, [&again](const Frame&) { return ++again > 0; });
  if (again != frames) std::abort();
}

void ReadFramesFromHost(absl::string_view bytes) {
  const std::vector<EvaluationInput> inputs = {
      {"a.js", "one\ntwo\n", assay::Digest(), false, assay::v1::CANDIDATE, {}}};
  const std::vector<assay::v1::Claim> prior;
  EvidenceTable evidence(inputs, assay::v1::Evidence::ARTIFACT, false);
  ResultCollector collector(Evaluator(), inputs, prior, evidence);
  Decode(bytes, assay::plugin_host::kMaxFrameFromHost, [&](Frame frame) {
    if (frame.has_call() && frame.call().has_span()) {
      evidence.AddSpan(frame.request_id(), frame.call().span()).IgnoreError();
    } else if (frame.has_call() && frame.call().has_artifact()) {
      collector.TakeArtifact(frame.call().artifact(), "").IgnoreError();
    } else if (frame.has_done()) {
      collector.Finish(frame.done()).status().IgnoreError();
      return false;
    } else {
      return collector.Take(std::move(frame)).ok();
    }
    return true;
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'l':
      ReadLauncherFrame(bytes);
      break;
    case 'h':
      ReadFramesToHost(bytes);
      break;
    default:
      ReadFramesFromHost(bytes);
  }
  return 0;
}
