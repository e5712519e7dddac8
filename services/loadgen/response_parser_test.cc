// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/response_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace assay::loadgen {
namespace {

using State = ResponseParser::State;

struct Case {
  const char* name;
  std::string bytes;
  State state;
  int status = 200;
  std::string body;
  bool keep_alive = true;
  bool is_head = false;
  bool ends = false;  // the peer closes after the bytes
};

class ResponseParserCases : public ::testing::TestWithParam<Case> {};

void Expect(const ResponseParser& parser, const Case& wanted) {
  EXPECT_EQ(parser.state(), wanted.state) << parser.problem();
  if (wanted.state != State::kDone) return;
  EXPECT_EQ(parser.status(), wanted.status);
  EXPECT_EQ(parser.sample(), wanted.body);
  EXPECT_EQ(parser.keep_alive(), wanted.keep_alive);
}

TEST_P(ResponseParserCases, GivesTheSameAnswerHoweverTheBytesAreCut) {
  const Case& c = GetParam();
  for (size_t step : {c.bytes.size() + 1, size_t{1}, size_t{7}}) {
    ResponseParser parser;
    parser.Reset({.header_bytes = 512, .body_bytes = 64, .sample_bytes = 64}, c.is_head);
    for (size_t at = 0; at < c.bytes.size() && parser.state() == State::kReading; at += step) {
      parser.Feed(absl::string_view(c.bytes).substr(at, step));
    }
    if (c.ends) parser.FeedEnd();
    Expect(parser, c);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, ResponseParserCases,
    ::testing::Values(
        Case{"Length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", State::kDone, 200, "ok"},
        Case{"Empty", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", State::kDone, 404, ""},
        Case{"NoReason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", State::kDone, 200, ""},
        Case{"BareNewlines", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", State::kDone, 200, "ok"},
        Case{"Chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n", State::kDone, 200, "abc0123456789"},
        Case{"Interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx", State::kDone, 201, "x"},
        Case{"NoContent", "HTTP/1.1 204 No Content\r\n\r\n", State::kDone, 204, ""},
        Case{"Head", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", State::kDone, 200, "", true, true},
        Case{"Close", "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", State::kDone, 200, "", false},
        Case{"OldVersion", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", State::kDone, 200, "", false},
        Case{"UntilClose", "HTTP/1.1 200 OK\r\n\r\nall of it", State::kDone, 200, "all of it", false, false, true},
        Case{"UntilCloseStillOpen", "HTTP/1.1 200 OK\r\n\r\nall", State::kReading},
        Case{"CutShort", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", State::kMalformed, 0, "", false, false, true},
        Case{"NotHttp", "SSH-2.0-OpenSSH_9.2\r\n", State::kMalformed},
        Case{"Version2", "HTTP/2 200 OK\r\n\r\n", State::kMalformed},
        Case{"BadStatus", "HTTP/1.1 999 X\r\n\r\n", State::kMalformed},
        Case{"NoColon", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", State::kMalformed},
        Case{"NegativeLength", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", State::kMalformed},
        Case{"TwoLengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", State::kMalformed},
        Case{"BadChunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", State::kMalformed},
        Case{"HugeChunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", State::kMalformed},
        Case{"Upgrade", "HTTP/1.1 101 Switching\r\n\r\n", State::kMalformed},
        Case{"LongHeaders", "HTTP/1.1 200 OK\r\nX: " + std::string(600, 'y') + "\r\n\r\n", State::kMalformed},
        Case{"LongBody", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + std::string(100, 'y'), State::kMalformed}),
    [](const auto& info) { return info.param.name; });

TEST(ResponseParser, LeavesWhatFollowsTheResponse) {
  ResponseParser parser;
  parser.Reset({}, false);
  const std::string one = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  EXPECT_EQ(parser.Feed(one + one), one.size());
}

TEST(ResponseParser, TakesManySmallChunksWithinTheBodysBound) {
  ResponseParser parser;
  parser.Reset({.header_bytes = 256, .body_bytes = 5000}, false);
  parser.Feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 4000; ++i) parser.Feed("1\r\nx\r\n");
  parser.Feed("0\r\n\r\n");
  EXPECT_EQ(parser.state(), State::kDone);
  EXPECT_EQ(parser.body_bytes(), 4000u);
}

}  // namespace
}  // namespace assay::loadgen
