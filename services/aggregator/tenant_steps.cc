// SPDX-License-Identifier: Apache-2.0
// Accounts and quotas of tenants, and the change of rules that brings them.
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/aggregator/proto_time.h"
#include "services/aggregator/shard_step.h"

namespace assay::aggregator {
namespace {

// Every so many submissions this many requests are looked at, so that the table is gone through faster than it grows.
constexpr uint64_t kForgetEvery = 16;
constexpr size_t kForgetPage = 128;

}  // namespace

absl::Status ShardStep::LoadTenant() {
  if (!has_tenants() || tenant_.empty()) return absl::OkStatus();
  ASSAY_ASSIGN_OR_RETURN(std::optional<storage::v1::TenantRow> row,
                         rows_.Find<storage::v1::TenantRow>(kTenantTable, tenant_));
  if (row) tenant_row_ = *std::move(row);
  return absl::OkStatus();
}

void ShardStep::StoreTenant() {
  if (tenant_changed_) rows_.Put(kTenantTable, tenant_, tenant_row_);
}

void ShardStep::BookStep(const Standing& before, const Standing& after) {
  if (!has_tenants()) return;
  tenant_changed_ |= Book(before, after, time_, tenant_row_, meta_);
}

absl::Status ShardStep::OnQuotaChanged(const event::v1::QuotaChanged& quota) {
  if (envelope_.writer_epoch() != meta_.epoch()) {
    meta_.mutable_counters()->set_void_events(meta_.counters().void_events() + 1);
    return absl::OkStatus();
  }
  if (tenant_.empty()) {
    Illegal();
    return absl::OkStatus();
  }
  *tenant_row_.mutable_quota() = quota;
  tenant_changed_ = true;
  return absl::OkStatus();
}

absl::Status ShardStep::OnStateVersion(const event::v1::StateVersion& version) {
  if (version.version() > kStateVersion) {
    return absl::FailedPreconditionError(absl::StrCat("the journal asks for state version ", version.version(),
                                                      "; this program knows ", kStateVersion, ": use a newer one"));
  }
  const bool had_tenants = has_tenants();
  if (had_tenants && version.version() < meta_.state_version()) {
    // Rows of these rules mean nothing to older ones.
    Illegal();
    return absl::OkStatus();
  }
  meta_.set_state_version(version.version());
  return !had_tenants && has_tenants() ? BeginTenants() : absl::OkStatus();
}

absl::Status ShardStep::BeginTenants() {
  std::map<std::string, storage::v1::TenantRow> tenants;
  ASSAY_RETURN_IF_ERROR(MoveOutbox(tenants));
  std::string from;
  for (;;) {
    constexpr size_t kPage = 256;
    ASSAY_ASSIGN_OR_RETURN(const std::vector<store::Row> page, rows_.Scan(kSubmissionTable, "", from, kPage));
    for (const store::Row& stored : page) {
      SubmissionRow row;
      if (!row.ParseFromString(stored.value)) {
        return absl::DataLossError(absl::StrCat("table submission: row ", stored.key, " cannot be read"));
      }
      ASSAY_RETURN_IF_ERROR(CountSubmission(row, tenants));
    }
    if (page.size() < kPage) break;
    from = page.back().key + '\0';
  }
  for (const auto& [tenant, row] : tenants) rows_.Put(kTenantTable, tenant, row);
  return absl::OkStatus();
}

absl::Status ShardStep::CountSubmission(const SubmissionRow& row,
                                        std::map<std::string, storage::v1::TenantRow>& tenants) {
  std::vector<EvaluationRow> evaluations;
  evaluations.reserve(static_cast<size_t>(row.evaluation_ids_size()));
  std::vector<const EvaluationRow*> pointers;
  for (const std::string& id : row.evaluation_ids()) {
    const std::string key = Key(row.tenant(), row.candidate_key(), row.accepted().submission_id(), id);
    ASSAY_ASSIGN_OR_RETURN(std::optional<EvaluationRow> evaluation, rows_.Find<EvaluationRow>(kEvaluationTable, key));
    if (!evaluation) return absl::DataLossError(absl::StrCat("evaluation ", key, " is missing"));
    pointers.push_back(&evaluations.emplace_back(*std::move(evaluation)));
  }
  Book(Standing(), StandingOf(row.state(), pointers), time_, tenants[row.tenant()], meta_);
  return absl::OkStatus();
}

absl::Status ShardStep::MoveOutbox(std::map<std::string, storage::v1::TenantRow>& tenants) {
  std::vector<store::Row> rows;
  std::string from;
  for (;;) {
    constexpr size_t kPage = 256;
    ASSAY_ASSIGN_OR_RETURN(std::vector<store::Row> page, rows_.Scan(kOutboxTable, "", from, kPage));
    const bool last = page.size() < kPage;
    if (!last) from = page.back().key + '\0';
    rows.insert(rows.end(), std::make_move_iterator(page.begin()), std::make_move_iterator(page.end()));
    if (last) break;
  }
  for (const store::Row& stored : rows) {
    storage::v1::OutboxRow row;
    if (!row.ParseFromString(stored.value)) {
      return absl::DataLossError(absl::StrCat("outbox row ", stored.key, " cannot be read"));
    }
    rows_.Delete(kOutboxTable, stored.key);
    if (!row.has_work()) {
      rows_.Put(kOutboxTable, MessageKey(ParseHex16(stored.key)), row);
      continue;
    }
    const event::v1::Work& work = row.work();
    const std::string key = Key(work.tenant(), work.candidate_key(), work.submission_id(), work.evaluation_id());
    ASSAY_ASSIGN_OR_RETURN(std::optional<EvaluationRow> evaluation, rows_.Find<EvaluationRow>(kEvaluationTable, key));
    if (!evaluation) continue;
    storage::v1::TenantLane& queue = (*tenants[work.tenant()].mutable_lanes())[work.lane()];
    queue.set_last_place(queue.last_place() + 1);
    rows_.Put(kOutboxTable, WorkKey(work.lane(), work.tenant(), queue.last_place()), row);
    evaluation->set_outbox_sequence(queue.last_place());
    rows_.Put(kEvaluationTable, key, *evaluation);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ShardStep::IsForgotten(absl::string_view submission_id) const {
  if (!has_tenants()) return false;
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> known,
                         rows_.Get(kSubmissionTable, Key(tenant_, candidate_, submission_id)));
  return known.has_value();
}

absl::Status ShardStep::ForgetRequests() {
  if (!has_tenants() || meta_.counters().submissions() % kForgetEvery != 0) return absl::OkStatus();
  ASSAY_ASSIGN_OR_RETURN(const std::vector<store::Row> page,
                         rows_.Scan(kRequestTable, "", meta_.prune_cursor(), kForgetPage));
  for (const store::Row& stored : page) {
    storage::v1::RequestRow row;
    if (!row.ParseFromString(stored.value)) {
      return absl::DataLossError(absl::StrCat("table request: row ", stored.key, " cannot be read"));
    }
    if (time_ - FromProtoTime(row.time()) <= kRequestLife) continue;
    // Only what is still told from a new request without the row: the submission of that id stays for ever.
    ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> submission, rows_.Get(kSubmissionTable, stored.key));
    if (submission) rows_.Delete(kRequestTable, stored.key);
  }
  meta_.set_prune_cursor(page.size() < kForgetPage ? "" : page.back().key + '\0');
  return absl::OkStatus();
}

}  // namespace assay::aggregator
