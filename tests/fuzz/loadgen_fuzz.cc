// SPDX-License-Identifier: Apache-2.0
//
// What the load engine reads: answers of a candidate's server (even first byte) and plans of a plugin (odd).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "services/loadgen/plan.h"
#include "services/loadgen/response_parser.h"

namespace {

using assay::loadgen::ResponseParser;

constexpr ResponseParser::Bounds kBounds = {.header_bytes = 2048, .body_bytes = 1 << 20, .sample_bytes = 64};

// Feeds `answer` in pieces of `step` bytes and returns how much belonged to the first response.
size_t Feed(ResponseParser& parser, absl::string_view answer, size_t step, bool is_head) {
  parser.Reset(kBounds, is_head);
  size_t at = 0;
  while (at < answer.size() && parser.state() == ResponseParser::State::kReading) {
    const absl::string_view piece = answer.substr(at, step);
    const size_t taken = parser.Feed(piece);
    if (taken > piece.size()) std::abort();
    if (taken < piece.size() && parser.state() == ResponseParser::State::kReading) std::abort();
    at += taken;
  }
  if (parser.state() == ResponseParser::State::kReading) parser.FeedEnd();
  return at;
}

// However the network cuts an answer into pieces, it means the same.
void ReadAnswer(absl::string_view answer, bool is_head) {
  ResponseParser whole;
  ResponseParser pieces;
  const size_t taken = Feed(whole, answer, std::max<size_t>(answer.size(), 1), is_head);
  for (const size_t step : {size_t{1}, size_t{7}}) {
    const size_t taken_in_pieces = Feed(pieces, answer, step, is_head);
    if (pieces.state() != whole.state()) std::abort();
    if (whole.state() != ResponseParser::State::kDone) continue;
    if (taken_in_pieces != taken || pieces.status() != whole.status() || pieces.body_bytes() != whole.body_bytes() ||
        pieces.sample() != whole.sample() || pieces.keep_alive() != whole.keep_alive()) {
      std::abort();
    }
  }
  if (whole.sample().size() > kBounds.sample_bytes || whole.content_type().size() > kBounds.header_bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    ReadAnswer(text, data[0] % 4 == 2);
  } else {
    assay::loadgen::ParsePlan(text).status().IgnoreError();
  }
  return 0;
}
