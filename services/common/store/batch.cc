// SPDX-License-Identifier: Apache-2.0
#include "services/common/store/store.h"

namespace assay::store {

void Batch::Put(absl::string_view table, absl::string_view key, absl::string_view value) {
  changes_.push_back({Change::Kind::kPut, Table(table), std::string(key), std::string(value)});
}

void Batch::Delete(absl::string_view table, absl::string_view key) {
  changes_.push_back({Change::Kind::kDelete, Table(table), std::string(key), ""});
}

void Batch::DeletePrefix(absl::string_view table, absl::string_view prefix) {
  changes_.push_back({Change::Kind::kDeletePrefix, Table(table), std::string(prefix), ""});
}

}  // namespace assay::store
