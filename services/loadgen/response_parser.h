// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace assay::loadgen {

// Reads one HTTP/1.1 response from bytes as they come. The sender is hostile: whatever it sends, memory stays below one
// line of at most `max_header_bytes` plus the sample, and each byte is looked at a constant number of times. Interim
// (1xx) responses are skipped. Not thread-safe.
class ResponseParser {
 public:
  struct Bounds {
    uint64_t header_bytes = 64 << 10;  // of all heads together, of each chunk's line, of all trailers
    uint64_t body_bytes = 32 << 20;
    uint32_t sample_bytes = 0;
  };
  enum class State { kReading, kDone, kMalformed };

  // Makes it ready for the next response. `is_head`: the response to a HEAD request, which has no body.
  void Reset(const Bounds& bounds, bool is_head);

  // Takes `data`; returns how much of it belongs to this response (less than all only when done or malformed).
  size_t Feed(absl::string_view data);
  // The peer closed in order: completes a body that lasts until then. Returns the state after that.
  State FeedEnd();

  State state() const { return state_; }
  bool started() const { return started_; }
  int status() const { return status_; }
  // Whether the connection may carry another request.
  bool keep_alive() const { return keep_alive_ && !until_close_; }
  uint64_t body_bytes() const { return body_bytes_; }
  const std::string& content_type() const { return content_type_; }
  // The body's first bytes, as many as the bounds ask for.
  const std::string& sample() const { return sample_; }
  // Why it is malformed; a constant phrase.
  const char* problem() const { return problem_; }

 private:
  enum class Step { kStatusLine, kHeaders, kBody, kChunkSize, kChunkData, kChunkEnd, kTrailers };

  void Line(absl::string_view line);
  void StatusLine(absl::string_view line);
  void HeaderLine(absl::string_view line);
  void ChunkSizeLine(absl::string_view line);
  void HeadEnd();
  size_t Body(absl::string_view data);
  void Fail(const char* problem);

  Bounds bounds_;
  State state_ = State::kDone;
  Step step_ = Step::kStatusLine;
  bool is_head_ = false;
  bool started_ = false;
  bool keep_alive_ = true;
  bool chunked_ = false;
  bool has_length_ = false;
  bool until_close_ = false;
  int status_ = 0;
  uint64_t header_bytes_ = 0;
  uint64_t body_bytes_ = 0;
  uint64_t remaining_ = 0;  // of the body, or of the chunk
  std::string line_;        // the start of a line whose end has not come
  std::string content_type_;
  std::string sample_;
  const char* problem_ = "";
};

}  // namespace assay::loadgen
