// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/base/unique_fd.h"

namespace assay::log {

// A small file beside a log that says how far each partition was acknowledged. It is written after each synced commit
// and not flushed itself, so it may lag behind what is durable and never leads it: a log that comes back shorter than
// its witness has lost acknowledged records, which the storage engine alone would pass over in silence.
//
// Two slots are written in turn, each with a digest, so that a torn write leaves the other. One thread at a time.
class LogWitness {
 public:
  struct State {
    std::string identity;
    std::vector<int64_t> ends;
  };

  // Makes the file if it is missing.
  static absl::StatusOr<std::unique_ptr<LogWitness>> Open(const std::string& path, int32_t partitions);

  // What was written last; none in a new or unreadable file.
  const std::optional<State>& found() const { return found_; }
  absl::Status Write(absl::string_view identity, const std::vector<int64_t>& ends);

 private:
  LogWitness(std::string path, UniqueFd fd, size_t slot_bytes);
  void Load();

  const std::string path_;
  const UniqueFd fd_;
  const size_t slot_bytes_;
  std::optional<State> found_;
  uint64_t sequence_ = 0;
};

}  // namespace assay::log
