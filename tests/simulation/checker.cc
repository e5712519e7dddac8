// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/checker.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/aggregator/keys.h"
#include "services/common/store/testing/fake_store.h"

namespace assay::simulation {
namespace {

using event::v1::Envelope;
using event::v1::EvaluationFinished;

// What the state machine must come to, told from the journal by other means than its own.
class Checker {
 public:
  explicit Checker(const Installation& installation)
      : installation_(installation), rows_(installation.aggregators()[0]->rows()) {}

  std::vector<std::string> Run() {
    for (const auto& replica : installation_.aggregators()) {
      if (!replica->failure().ok()) Complain(replica->name(), " stopped: ", replica->failure().ToString());
    }
    for (const std::string& disagreement : installation_.disagreements()) Complain(disagreement);
    CheckAcknowledged();
    CheckReplay();
    CheckCounts();
    CheckResults();
    CheckPublished();
    return complaints_;
  }

 private:
  template <typename... Parts>
  void Complain(const Parts&... parts) {
    complaints_.push_back(absl::StrCat(parts...));
  }

  std::vector<store::Row> Rows(absl::string_view table) const { return *rows_.Scan(table, "", "", 100'000); }

  template <typename Row>
  std::vector<Row> Table(absl::string_view table) const {
    std::vector<Row> all;
    for (const store::Row& stored : Rows(table)) {
      all.emplace_back();
      all.back().ParseFromString(stored.value);
    }
    return all;
  }

  void CheckAcknowledged() {
    std::set<std::string> erased;
    for (const log::Record& record : installation_.journal().records()) {
      Envelope envelope;
      envelope.ParseFromString(record.value);
      if (envelope.has_erasure_requested()) erased.insert(aggregator::Key(envelope.tenant(), envelope.candidate_key()));
    }
    const auto& journal = installation_.journal().records();
    for (const Acknowledged& told : installation_.acknowledged()) {
      Envelope envelope;
      if (told.offset < 0 || told.offset >= static_cast<log::Offset>(journal.size()) ||
          !envelope.ParseFromString(journal[static_cast<size_t>(told.offset)].value) ||
          envelope.submission_accepted().submission_id() != told.submission_id) {
        Complain(told.submission_id, " was acknowledged at ", told.offset, " and is not there");
        continue;
      }
      if (erased.count(aggregator::Key(told.tenant, told.candidate_key)) > 0) continue;
      const auto row = rows_.Get(aggregator::kSubmissionTable,
                                 aggregator::Key(told.tenant, told.candidate_key, told.submission_id));
      if (!row.ok() || !row->has_value()) Complain(told.submission_id, " was acknowledged and is not in the state");
    }
    for (const auto& row : Table<storage::v1::EvaluationRow>(aggregator::kEvaluationTable)) {
      const bool has_ended = row.state() == v1::Evaluation::SUCCEEDED || row.state() == v1::Evaluation::FAILED ||
                             row.state() == v1::Evaluation::CANCELLED || row.state() == v1::Evaluation::SKIPPED;
      if (!has_ended && row.state() != v1::Evaluation::PARKED) {
        Complain("evaluation ", row.id(), " of ", row.submission_id(), " is still ",
                 v1::Evaluation::State_Name(row.state()));
      }
    }
  }

  // Applies the journal record by record: the state at each offset, and that void records change nothing but counters.
  void CheckReplay() {
    store::FakeStore store(aggregator::ShardTables());
    const aggregator::StoreRows rows(store);
    std::vector<store::Table> facts = aggregator::ShardTables();
    facts.erase(std::remove_if(facts.begin(), facts.end(),
                               [](const store::Table& table) {
                                 return table == aggregator::kMetaTable || table == aggregator::kAuditTable;
                               }),
                facts.end());
    for (const log::Record& record : installation_.journal().records()) {
      Envelope envelope;
      envelope.ParseFromString(record.value);
      const uint64_t epoch = aggregator::ReadMeta(installation_.context(), rows)->epoch();
      const bool is_void = envelope.writer_epoch() != 0 && envelope.writer_epoch() != epoch;
      const std::string before = is_void ? *store.StateHash(facts) : "";
      const auto batch = aggregator::ApplyGroup(installation_.context(), rows, absl::MakeConstSpan(&record, 1));
      if (!batch.ok()) return Complain("replay stopped at ", record.offset, ": ", batch.status().ToString());
      store.Write(*batch, /*sync=*/true).IgnoreError();
      const bool is_stale_claim =
          envelope.has_ownership_claimed() && envelope.ownership_claimed().expects_epoch() != epoch;
      if (is_stale_claim && aggregator::ReadMeta(installation_.context(), rows)->epoch() != epoch) {
        Complain("claim ", record.offset, " expected another owner than the one in force, and won");
      }
      if (is_void && *store.StateHash(facts) != before) {
        Complain("record ", record.offset, " of an older owner (", envelope.writer_epoch(), ", in force ", epoch,
                 ") changed the state");
      }
    }
    const std::string replayed = *store.StateHash(aggregator::ShardTables());
    for (const auto& replica : installation_.aggregators()) {
      if (replica->StateHash() != replayed) Complain(replica->name(), " differs from a replay of the journal");
    }
  }

  void CheckCounts() {
    std::set<std::string> distinct;
    for (const log::Record& record : installation_.journal().records()) {
      Envelope envelope;
      envelope.ParseFromString(record.value);
      if (envelope.has_submission_accepted()) distinct.insert(envelope.submission_accepted().submission_id());
    }
    const storage::v1::ShardMeta meta = installation_.aggregators()[0]->Meta();
    if (meta.counters().submissions() != distinct.size()) {
      Complain(meta.counters().submissions(), " submissions are counted, ", distinct.size(), " were handed in");
    }
    for (const auto& row : Table<storage::v1::TenantRow>(aggregator::kTenantTable)) {
      const storage::v1::Accounting& accounting = row.accounting();
      if (accounting.accepted() != accounting.published() + accounting.failed() + accounting.in_flight()) {
        Complain("the accounting does not hold: ", accounting.ShortDebugString());
      }
    }
  }

  // The first success in the journal that its worker was entitled to is the one that counts.
  void CheckResults() {
    std::map<std::string, double> first;
    for (const log::Record& record : installation_.journal().records()) {
      Envelope envelope;
      envelope.ParseFromString(record.value);
      const EvaluationFinished& finished = envelope.evaluation_finished();
      if (!envelope.has_evaluation_finished() || finished.capability() == "forged") continue;
      if (finished.outcome() != EvaluationFinished::SUCCEEDED) continue;
      first.try_emplace(finished.evaluation_id(), finished.observations(0).value());
    }
    uint64_t succeeded = 0;
    for (const auto& row : Table<storage::v1::EvaluationRow>(aggregator::kEvaluationTable)) {
      if (row.state() != v1::Evaluation::SUCCEEDED) continue;
      ++succeeded;
      const auto found = first.find(row.id());
      if (found == first.end()) {
        Complain("evaluation ", row.id(), " succeeded without a result of its worker");
        continue;
      }
      CheckResult(row.id(), found->second);
    }
    const uint64_t results = installation_.aggregators()[0]->Meta().counters().results();
    // What was erased was counted before.
    if (results < succeeded) Complain(results, " results are counted, ", succeeded, " evaluations succeeded");
    if (results > first.size()) Complain(results, " results are counted, ", first.size(), " evaluations had one");
  }

  void CheckResult(const std::string& evaluation, double value) {
    for (const store::Row& stored : Rows(aggregator::kResultTable)) {
      if (!absl::EndsWith(stored.key, "/" + evaluation)) continue;
      storage::v1::ResultRow row;
      row.ParseFromString(stored.value);
      if (row.observations(0).value() != value) {
        Complain("the result of evaluation ", evaluation, " is not the first it had");
      }
      return;
    }
    Complain("evaluation ", evaluation, " succeeded and has no result");
  }

  void CheckPublished() {
    for (const store::Row& stored : Rows(aggregator::kReadinessTable)) {
      storage::v1::ReadinessRowBytes row;
      row.ParseFromString(stored.value);
      const auto found = installation_.published().find(stored.key);
      if (found == installation_.published().end()) {
        Complain("the readiness ", stored.key, " was never published");
      } else if (found->second.record() != row.record()) {
        Complain("the readiness published last of ", stored.key, " is not the one of the state");
      }
    }
  }

  const Installation& installation_;
  const aggregator::RowReader& rows_;
  std::vector<std::string> complaints_;
};

}  // namespace

std::vector<std::string> Check(const Installation& installation) { return Checker(installation).Run(); }

}  // namespace assay::simulation
