// SPDX-License-Identifier: Apache-2.0
#include "services/plugin_host/frame_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/common/base/testing/status_matchers.h"

namespace assay::plugin_host {
namespace {

using assay::testing::IsOk;
using assay::testing::StatusIs;
using ::testing::HasSubstr;

std::string Encoded(int count) {
  FrameEncoder encoder(1 << 20);
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    plugin::v1::Frame frame;
    frame.mutable_log()->set_text(std::string(static_cast<size_t>(i), 'x'));
    EXPECT_THAT(encoder.Encode(frame, bytes), IsOk());
  }
  return bytes;
}

TEST(FrameCodec, GivesBackFramesHoweverTheBytesArrive) {
  const std::string bytes = Encoded(5);
  for (const size_t step : {size_t{1}, size_t{3}, bytes.size()}) {
    FrameDecoder decoder(1 << 20);
    int seen = 0;
    for (size_t at = 0; at < bytes.size(); at += step) {
      decoder.Feed(absl::string_view(bytes).substr(at, step));
      for (;;) {
        const auto frame = decoder.Next();
        ASSERT_THAT(frame, IsOk());
        if (!frame->has_value()) break;
        EXPECT_EQ((*frame)->log().text().size(), static_cast<size_t>(seen++));
      }
    }
    EXPECT_EQ(seen, 5);
  }
}

TEST(FrameCodec, RefusesAFrameAboveTheLimitBeforeItIsRead) {
  FrameDecoder decoder(1000);
  decoder.Feed(std::string("\xe9\x03\x00\x00", 4));
  EXPECT_THAT(decoder.Next(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1001 bytes; at most 1000")));
}

TEST(FrameCodec, RefusesGapsAndGarbageForGood) {
  const std::string bytes = Encoded(2);
  FrameDecoder gap(1 << 20);
  gap.Feed(absl::string_view(bytes).substr(bytes.size() / 2 - 1));
  EXPECT_THAT(gap.Next(), StatusIs(absl::StatusCode::kInvalidArgument));
  gap.Feed(bytes);
  EXPECT_THAT(gap.Next(), StatusIs(absl::StatusCode::kInvalidArgument));
  FrameDecoder twice(1 << 20);
  twice.Feed(Encoded(1));
  twice.Feed(Encoded(1));
  ASSERT_THAT(twice.Next(), IsOk());
  EXPECT_THAT(twice.Next(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("frame 1 after frame 1")));
}

TEST(FrameCodec, RefusesToSendAFrameAboveTheLimit) {
  FrameEncoder encoder(10);
  plugin::v1::Frame frame;
  frame.mutable_log()->set_text(std::string(11, 'x'));
  std::string bytes;
  EXPECT_THAT(encoder.Encode(frame, bytes), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(bytes, "");
}

}  // namespace
}  // namespace assay::plugin_host
