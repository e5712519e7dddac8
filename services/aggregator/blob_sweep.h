// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "services/aggregator/rows.h"
#include "services/common/base/digest.h"
#include "services/common/blob/blob_store.h"

namespace assay::aggregator {

// Removes what no row of the shard refers to any more from the blobs of its candidates: what was uploaded and never
// submitted, and results that came too late to count. Works in short steps that whoever owns the shard calls from one
// thread; anything it does may be done twice. Rows and store must outlive it.
class BlobSweep {
 public:
  struct Options {
    int32_t partition = 0;
    int32_t partitions = 1;
  };
  // From the end of a round to the begin of the next.
  static constexpr absl::Duration kRound = absl::Hours(1);
  // How long an upload may wait for its submission, and a result for its record.
  static constexpr absl::Duration kKeep = absl::Hours(24);
  // Longer than any attempt runs: after it an erased candidate's last results are there, to be swept.
  static constexpr absl::Duration kAttemptsEnd = absl::Hours(1);

  BlobSweep(Options options, const RowReader& rows, blob::BlobStore& blobs)
      : options_(options), rows_(rows), blobs_(blobs) {}

  // Looks at some candidates more; returns when to call again. Errors are the store's and the rows'; the next call goes
  // on behind the candidate that failed.
  absl::StatusOr<absl::Time> Step(absl::Time now);
  // Removes what is older than the erasure, but for what was submitted since, and sweeps the candidate once more when
  // attempts that were running have ended.
  absl::Status Erase(const storage::v1::OutboxRow::EraseBlobs& erase, absl::Time now);

 private:
  using OwnerKey = std::pair<std::string, std::string>;

  absl::Status SweepOwner(const blob::Owner& owner, absl::Time now, absl::Duration keep_for) const;
  // What rows of the candidate name.
  struct References {
    std::set<Digest> inputs;
    std::set<Digest> results;
  };
  absl::StatusOr<References> ReferencesOf(const blob::Owner& owner) const;

  const Options options_;
  const RowReader& rows_;
  blob::BlobStore& blobs_;
  // Where the round stands; empty: before the first.
  blob::Owner after_;
  absl::Time next_round_ = absl::InfinitePast();
  // Erased candidates and when they are swept again.
  std::map<OwnerKey, absl::Time> again_;
};

}  // namespace assay::aggregator
