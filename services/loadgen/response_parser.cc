// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/response_parser.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace assay::loadgen {
namespace {

constexpr uint64_t kMaxLength = uint64_t{1} << 60;

bool IsDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void ResponseParser::Reset(const Bounds& bounds, bool is_head) {
  bounds_ = bounds;
  is_head_ = is_head;
  state_ = State::kReading;
  step_ = Step::kStatusLine;
  started_ = chunked_ = has_length_ = until_close_ = false;
  keep_alive_ = true;
  status_ = 0;
  header_bytes_ = body_bytes_ = remaining_ = 0;
  line_.clear();
  content_type_.clear();
  sample_.clear();
  problem_ = "";
}

void ResponseParser::Fail(const char* problem) {
  state_ = State::kMalformed;
  keep_alive_ = false;
  problem_ = problem;
}

size_t ResponseParser::Feed(absl::string_view data) {
  size_t used = 0;
  while (state_ == State::kReading && used < data.size()) {
    started_ = true;
    const absl::string_view rest = data.substr(used);
    if (step_ == Step::kBody || step_ == Step::kChunkData) {
      used += Body(rest);
      continue;
    }
    const size_t end = rest.find('\n');
    const size_t taken = end == absl::string_view::npos ? rest.size() : end + 1;
    header_bytes_ += taken;
    used += taken;
    if (header_bytes_ > bounds_.header_bytes) {
      Fail("headers over the limit");
    } else if (end == absl::string_view::npos) {
      line_.append(rest.data(), rest.size());
    } else if (line_.empty()) {
      Line(absl::StripSuffix(rest.substr(0, end), "\r"));
    } else {
      line_.append(rest.data(), end);
      const std::string line = std::move(line_);
      line_.clear();
      Line(absl::StripSuffix(line, "\r"));
    }
  }
  return used;
}

ResponseParser::State ResponseParser::FeedEnd() {
  if (state_ != State::kReading) return state_;
  if (step_ == Step::kBody && until_close_) {
    state_ = State::kDone;
  } else {
    Fail("closed amid the answer");
  }
  return state_;
}

void ResponseParser::Line(absl::string_view line) {
  switch (step_) {
    case Step::kStatusLine:
      return StatusLine(line);
    case Step::kHeaders:
      return line.empty() ? HeadEnd() : HeaderLine(line);
    case Step::kChunkSize:
      return ChunkSizeLine(line);
    case Step::kChunkEnd:
      if (!line.empty()) return Fail("chunk without its end");
      step_ = Step::kChunkSize;
      return;
    case Step::kTrailers:
      if (line.empty()) state_ = State::kDone;
      return;
    case Step::kBody:
    case Step::kChunkData:
      return;
  }
}

void ResponseParser::StatusLine(absl::string_view line) {
  // "HTTP/1.x SSS ...": nothing shorter is a status line.
  if (line.size() < 12 || !absl::StartsWith(line, "HTTP/1.") || line[8] != ' ' || !IsDigits(line.substr(9, 3)) ||
      (line.size() > 12 && line[12] != ' ')) {
    return Fail("not an HTTP/1 status line");
  }
  status_ = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  if (status_ < 100 || status_ > 599) return Fail("status outside 100 to 599");
  keep_alive_ = line[7] != '0';
  step_ = Step::kHeaders;
}

void ResponseParser::HeaderLine(absl::string_view line) {
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos || colon == 0) return Fail("header line without a name");
  const absl::string_view name = line.substr(0, colon);
  const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
  if (absl::EqualsIgnoreCase(name, "content-length")) {
    uint64_t length = 0;
    if (!IsDigits(value) || !absl::SimpleAtoi(value, &length) || length > kMaxLength) return Fail("bad Content-Length");
    if (has_length_ && length != remaining_) return Fail("two Content-Lengths");
    has_length_ = true;
    remaining_ = length;
  } else if (absl::EqualsIgnoreCase(name, "transfer-encoding")) {
    chunked_ = absl::EndsWithIgnoreCase(value, "chunked");
  } else if (absl::EqualsIgnoreCase(name, "connection")) {
    if (absl::EqualsIgnoreCase(value, "close")) keep_alive_ = false;
    if (absl::EqualsIgnoreCase(value, "keep-alive")) keep_alive_ = true;
  } else if (absl::EqualsIgnoreCase(name, "content-type")) {
    content_type_ = std::string(value.substr(0, 128));
  }
}

void ResponseParser::HeadEnd() {
  if (status_ == 101) return Fail("switched protocols");
  if (status_ < 200) {
    step_ = Step::kStatusLine;
    has_length_ = chunked_ = false;
    remaining_ = 0;
    content_type_.clear();
  } else if (is_head_ || status_ == 204 || status_ == 304) {
    state_ = State::kDone;
  } else if (chunked_) {
    step_ = Step::kChunkSize;
  } else if (has_length_ && remaining_ == 0) {
    state_ = State::kDone;
  } else {
    until_close_ = !has_length_;
    if (until_close_) remaining_ = kMaxLength;
    step_ = Step::kBody;
  }
}

void ResponseParser::ChunkSizeLine(absl::string_view line) {
  const absl::string_view digits = absl::StripAsciiWhitespace(line.substr(0, line.find(';')));
  uint64_t size = 0;
  if (digits.empty() || digits.size() > 15) return Fail("bad chunk size");
  for (char c : digits) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return Fail("bad chunk size");
    size = size * 16 + static_cast<uint64_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  remaining_ = size;
  // Each chunk has the limit to itself: every one but the last brings body, and the body is bounded.
  header_bytes_ = 0;
  step_ = size == 0 ? Step::kTrailers : Step::kChunkData;
}

size_t ResponseParser::Body(absl::string_view data) {
  const size_t taken = static_cast<size_t>(std::min<uint64_t>(remaining_, data.size()));
  body_bytes_ += taken;
  remaining_ -= taken;
  if (sample_.size() < bounds_.sample_bytes) {
    sample_.append(data.data(), std::min<size_t>(taken, bounds_.sample_bytes - sample_.size()));
  }
  if (body_bytes_ > bounds_.body_bytes) {
    Fail("body over the limit");
  } else if (remaining_ == 0) {
    if (step_ == Step::kChunkData) {
      step_ = Step::kChunkEnd;
    } else {
      state_ = State::kDone;
    }
  }
  return taken;
}

}  // namespace assay::loadgen
