// SPDX-License-Identifier: Apache-2.0
#include "services/common/store/testing/fake_store.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/store/state_hash.h"

namespace assay::store {

FakeStore::FakeStore(std::vector<Table> tables) {
  for (Table& table : tables) tables_[std::move(table)];
  synced_ = tables_;
}

void FakeStore::Apply(const Batch& batch, Tables& tables) {
  for (const Batch::Change& change : batch.changes()) {
    Rows& rows = tables[change.table];
    switch (change.kind) {
      case Batch::Change::Kind::kPut:
        rows[change.key] = change.value;
        break;
      case Batch::Change::Kind::kDelete:
        rows.erase(change.key);
        break;
      case Batch::Change::Kind::kDeletePrefix: {
        auto it = rows.lower_bound(change.key);
        while (it != rows.end() && absl::StartsWith(it->first, change.key)) it = rows.erase(it);
        break;
      }
    }
  }
}

absl::Status FakeStore::Check(const Batch& batch) const {
  for (const Batch::Change& change : batch.changes()) {
    ASSAY_RETURN_IF_ERROR(Find(change.table).status());
    if (change.key.size() > kMaxKeyBytes) return absl::InvalidArgumentError("key too large");
    if (change.value.size() > kMaxValueBytes) return absl::InvalidArgumentError("value too large");
    if (change.kind == Batch::Change::Kind::kDeletePrefix && change.key.empty()) {
      return absl::InvalidArgumentError("the prefix to delete is empty");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<const FakeStore::Rows*> FakeStore::Find(absl::string_view table) const {
  const auto it = tables_.find(Table(table));
  if (it == tables_.end()) return absl::InvalidArgumentError(absl::StrCat("no table \"", table, "\""));
  return &it->second;
}

absl::Status FakeStore::Write(const Batch& batch, bool sync) {
  absl::MutexLock lock(&mutex_);
  if (failed_) return absl::FailedPreconditionError("read-only until it is opened again");
  ASSAY_RETURN_IF_ERROR(Check(batch));
  if (!next_failure_.ok()) {
    failed_ = true;
    if (next_failure_applied_) {
      after_reopen_ = tables_;
      Apply(batch, after_reopen_);
      has_after_reopen_ = true;
    }
    return std::exchange(next_failure_, absl::OkStatus());
  }
  Apply(batch, tables_);
  unsynced_.push_back(batch);
  if (sync) {
    for (const Batch& written : unsynced_) Apply(written, synced_);
    unsynced_.clear();
  }
  ++writes_;
  return absl::OkStatus();
}

absl::StatusOr<std::string> FakeStore::Get(absl::string_view table, absl::string_view key) {
  absl::MutexLock lock(&mutex_);
  ASSAY_ASSIGN_OR_RETURN(const Rows* rows, Find(table));
  const auto it = rows->find(std::string(key));
  if (it == rows->end()) return absl::NotFoundError(absl::StrCat(table, ": no such key"));
  return it->second;
}

absl::StatusOr<std::vector<Row>> FakeStore::Scan(absl::string_view table, absl::string_view prefix,
                                                 absl::string_view start, size_t limit) {
  absl::MutexLock lock(&mutex_);
  ASSAY_ASSIGN_OR_RETURN(const Rows* rows, Find(table));
  std::vector<Row> found;
  for (auto it = rows->lower_bound(std::string(std::max(prefix, start)));
       it != rows->end() && found.size() < limit && absl::StartsWith(it->first, prefix); ++it) {
    found.push_back({it->first, it->second});
  }
  return found;
}

absl::StatusOr<std::vector<Row>> FakeStore::ScanBackwards(absl::string_view table, absl::string_view prefix,
                                                          absl::string_view start, size_t limit) {
  absl::MutexLock lock(&mutex_);
  ASSAY_ASSIGN_OR_RETURN(const Rows* rows, Find(table));
  std::vector<Row> found;
  auto it = start.empty() ? rows->end() : rows->lower_bound(std::string(start));
  while (it != rows->begin() && found.size() < limit) {
    --it;
    if (absl::StartsWith(it->first, prefix)) {
      found.push_back({it->first, it->second});
    } else if (it->first < prefix) {
      break;
    }
  }
  return found;
}

absl::StatusOr<std::string> FakeStore::StateHash(const std::vector<Table>& tables) {
  absl::MutexLock lock(&mutex_);
  StateHasher hasher;
  for (const Table& table : tables) {
    ASSAY_ASSIGN_OR_RETURN(const Rows* rows, Find(table));
    hasher.BeginTable(table);
    for (const auto& [key, value] : *rows) hasher.AddRow(key, value);
  }
  return hasher.Finish();
}

void FakeStore::FailNext(absl::Status status, bool applied) {
  absl::MutexLock lock(&mutex_);
  next_failure_ = std::move(status);
  next_failure_applied_ = applied;
}

void FakeStore::LoseUnsynced() {
  absl::MutexLock lock(&mutex_);
  // Most of the time there is nothing to forget, and a copy of everything is dear.
  if (!unsynced_.empty()) tables_ = synced_;
  unsynced_.clear();
  failed_ = has_after_reopen_ = false;
}

void FakeStore::Reopen() {
  absl::MutexLock lock(&mutex_);
  if (has_after_reopen_) {
    tables_ = synced_ = std::move(after_reopen_);
    unsynced_.clear();
  }
  failed_ = has_after_reopen_ = false;
}

int FakeStore::writes() const {
  absl::MutexLock lock(&mutex_);
  return writes_;
}

}  // namespace assay::store
