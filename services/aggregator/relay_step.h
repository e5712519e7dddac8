// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "assay/storage/v1/shard_state.pb.h"
#include "services/aggregator/outbox_delivery.h"
#include "services/aggregator/plugin_release.h"
#include "services/aggregator/quotas.h"
#include "services/aggregator/readiness_publication.h"
#include "services/aggregator/relay_outputs.h"
#include "services/aggregator/rows.h"
#include "services/aggregator/shard.h"
#include "services/aggregator/timer_firing.h"

namespace assay::aggregator {

// Decides what the relay of a shard does: claims the shard, and while its claim is the one in force delivers the outbox,
// fires timers, publishes readiness, releases what waited for a plugin and moves the shard on to newer rules. Everything
// it asks for may be done twice and may fail. A step machine: no threads, locks, clocks or randomness; it reads rows and
// nothing else.
//
// What it journals carries the epoch of its own claim, so that all of it is void once another claim stands before it; it
// steps down in the very step in which it sees one.
class RelayStep {
 public:
  struct Options {
    // Names this process in claims and in what it journals.
    std::string instance;
    // Unlike that of any other process: makes event ids unique.
    std::string nonce;
    uint32_t shard = 0;
    // Work that was put is kept by the queue itself, whatever happens to this process.
    bool queue_survives = false;
    // There is a topic of published readiness.
    bool publishes = false;
    // How long workers get after a claim before their silence means anything.
    absl::Duration start_grace = absl::Seconds(60);
    // The rules that this program knows, and the catalog's entries, by digest.
    uint32_t state_version = kStateVersion;
    std::vector<std::string> catalog;
    // In force once the claim is.
    Quotas quotas;
    // Work of a lane that may be put and not ended.
    OutboxDelivery::Credit credit = [](absl::string_view) { return size_t{64}; };
  };

  struct Input {
    absl::Time now;
    // Where the shard stands: read before `rows` are.
    storage::v1::ShardMeta meta;
    // Another claim of this shard, or none, may be challenged now; see claim_policy.h. Only looked at while the claim
    // in force is not ours.
    bool may_claim = false;
    // Everybody who follows the shard knows the rules of `state_version` and all of `catalog`.
    bool peers_know = true;
    // What evaluators offer now.
    OfferedPlugins plugins;
    // Assessments whose published readiness is not the newest: "tenant/candidate_key/assessment_key".
    std::vector<std::string> republish;
    std::vector<RelayReport> reports;
  };

  struct Result {
    // In the order they must be begun.
    std::vector<RelayOutput> outputs;
    // The next step is needed at the latest; earlier when rows changed or a report came.
    absl::Time next;
    // Why a part of the duties could not be done; what was decided before that stands.
    absl::Status status;
  };

  explicit RelayStep(Options options);

  Result Step(const Input& input, const RowReader& rows);

  // The claim's event id while it is in force as far as the last step saw; empty: somebody else's is, or none.
  const std::string& held_claim() const { return held_claim_; }

 private:
  enum class Claim {
    kNone,
    // Asked where the partition ends.
    kAsking,
    // Waits until everything before that end is applied.
    kCatchingUp,
    // Journaled, or perhaps so.
    kClaiming,
    kHeld,
  };
  // What an owner does; made with a claim and gone with it.
  struct Duties {
    Duties(const Options& options, absl::Time now)
        : outbox(options.queue_survives, options.credit),
          timers(now + options.start_grace),
          publication(options.shard) {}
    OutboxDelivery outbox;
    TimerFiring timers;
    ReadinessPublication publication;
    PluginRelease release;
    bool is_version_journaled = false;
    bool are_quotas_journaled = false;
    bool is_catalog_journaled = false;
  };

  // Compares the claim in force with ours.
  void SeeClaim(const Input& input);
  void AdvanceClaim(const Input& input);
  void JournalClaim(const storage::v1::ShardMeta& meta);
  void JournalVersion();
  absl::Status JournalQuotas(const RowReader& rows);
  // What the shard has to know of this program.
  void MoveOn(const storage::v1::ShardMeta& meta);
  absl::StatusOr<absl::Time> DoDuties(const Input& input, const RowReader& rows);

  const Options options_;
  RelayOutputs outputs_;
  absl::Time now_;
  Claim claim_ = Claim::kNone;
  // Not before this.
  absl::Time next_claim_ = absl::InfinitePast();
  int64_t claim_end_ = 0;
  // Of the claim journaled last; a claim that has to be journaled again is the same one.
  std::string claim_id_;
  // Where it is; -1: not known.
  int64_t claim_offset_ = -1;
  absl::Time claim_deadline_;
  std::string held_claim_;
  std::optional<Duties> duties_;
};

}  // namespace assay::aggregator
