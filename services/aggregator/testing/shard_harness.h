// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "assay/event/v1/event.pb.h"
#include "services/aggregator/domain.h"
#include "services/aggregator/keys.h"
#include "services/aggregator/shard.h"
#include "services/common/store/testing/fake_store.h"

namespace assay::aggregator::testing {

// A domain with one framework of three evaluators (code_analysis; load_test, which needs it; rubric) whose fold writes
// down what it was given, so that tests see what counted.
class FakeDomain final : public Domain {
 public:
  FakeDomain();
  const v1::Framework* FindFramework(absl::string_view digest) const override;
  // unmapped_criteria holds "submission/evaluator/criterion=value" of everything that counts.
  v1::Readiness Fold(const v1::Framework& framework, absl::string_view framework_digest,
                     const CountedEvidence& evidence) const override;
  std::vector<std::string> BehavioursOf(absl::string_view framework_digest,
                                        absl::string_view criterion) const override;

 private:
  v1::Framework framework_;
};

inline constexpr char kFrameworkDigest[] = "sha256:framework";
inline constexpr char kTenant[] = "acme";
inline constexpr char kPersonalName[] = "Ada Lovelace";

// A shard over a store in memory and the journal it was fed. Time moves one second with each event.
class ShardHarness {
 public:
  // Under the rules of that state version; 0: of a journal that names none.
  explicit ShardHarness(uint32_t state_version = kStateVersion);

  // What Event() writes from now on belongs to that tenant.
  void SetTenant(const std::string& tenant) { tenant_ = tenant; }
  // The envelope of a candidate's event, stamped with the next time.
  event::v1::Envelope Event(const std::string& candidate = "candidate");
  // Appends and applies; fails the test when that fails.
  void Feed(event::v1::Envelope envelope);
  // The same for a fact of the shard itself, under the epoch in force.
  void FeedOwn(event::v1::Envelope envelope);
  // Moves the clock of the events on.
  void Advance(absl::Duration by) { now_ += by; }

  // `content`: what was submitted; empty: unlike any other.
  void Accept(const std::string& id, v1::Submission::Kind kind, const std::string& source = "source",
              const std::string& candidate = "candidate", const std::string& content = "");
  // Takes the work of that evaluator on that submission from the outbox.
  std::optional<event::v1::Work> WorkOf(const std::string& submission, const std::string& evaluator) const;
  std::vector<event::v1::Work> AllWork() const;
  void Start(const event::v1::Work& work);
  void Finish(const event::v1::Work& work, event::v1::EvaluationFinished::Outcome outcome, double value = 0.5);
  // Succeeds with a result that depends on nothing but the content.
  void FinishPure(const event::v1::Work& work, double value = 0.5);
  event::v1::Envelope FinishedEvent(const event::v1::Work& work, event::v1::EvaluationFinished::Outcome outcome,
                                    double value = 0.5);
  // Fires the timer that is due next, at its time; false: none is set.
  bool FireNextTimer();

  storage::v1::SubmissionRow Submission(const std::string& id, const std::string& candidate = "candidate") const;
  storage::v1::EvaluationRow Evaluation(const std::string& submission, const std::string& evaluator) const;
  // What counts in readiness, in the words of FakeDomain.
  std::vector<std::string> Counted(const std::string& candidate = "candidate") const;
  storage::v1::ShardMeta Meta() const;
  std::string StateHash() const { return *store_.StateHash(ShardTables()); }
  storage::v1::TenantRow Tenant() const;
  // Rows that the last event changed.
  size_t changed_rows() const { return changed_rows_; }
  // For tests that break rows on purpose.
  store::FakeStore& store() { return store_; }

  const std::vector<log::Record>& journal() const { return journal_; }
  const ShardContext& context() const { return context_; }
  const RowReader& rows() const { return rows_; }
  std::vector<store::Row> Table(absl::string_view table) const;

 private:
  FakeDomain domain_;
  ShardContext context_;
  mutable store::FakeStore store_;
  StoreRows rows_;
  std::vector<log::Record> journal_;
  std::string tenant_ = kTenant;
  size_t changed_rows_ = 0;
  absl::Time now_;
};

}  // namespace assay::aggregator::testing
