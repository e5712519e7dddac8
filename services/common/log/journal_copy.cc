// SPDX-License-Identifier: Apache-2.0
#include "services/common/log/journal_copy.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/status_macros.h"

namespace assay::log {
namespace {

// On their way at once.
constexpr size_t kBatch = 500;
// Records before the end are there; only brokers that are away take longer.
constexpr absl::Duration kReadPatience = absl::Minutes(1);

absl::StatusOr<std::vector<Record>> ReadSome(Reader& reader, int32_t partition) {
  ASSAY_ASSIGN_OR_RETURN(std::vector<Record> records, reader.Read(kBatch, kReadPatience));
  if (records.empty()) {
    return absl::UnavailableError(
        absl::StrCat("partition ", partition, ": no record came for ", absl::FormatDuration(kReadPatience)));
  }
  return records;
}

// Appends all of them in order; OK when each is durable at its own offset.
absl::Status AppendAll(Log& to, const std::vector<Record>& records) {
  absl::BlockingCounter left(static_cast<int>(records.size()));
  absl::Mutex mutex;
  absl::Status first;
  for (const Record& record : records) {
    to.Append(record.partition, record.key, record.value, [&, offset = record.offset](const Delivery& delivery) {
      absl::Status status = delivery.status;
      if (status.ok() && delivery.offset != offset) {
        status = absl::FailedPreconditionError(absl::StrCat("the record at offset ", offset, " came to offset ",
                                                            delivery.offset, ": somebody else appends as well"));
      }
      {
        absl::MutexLock lock(&mutex);
        first.Update(status);
      }
      left.DecrementCount();
    });
  }
  left.Wait();
  return first;
}

class Copier {
 public:
  Copier(Log& from, Log& to, const std::function<void(int64_t)>& progress)
      : from_(from), to_(to), progress_(progress) {}

  absl::Status Check() {
    if (from_.partitions() != to_.partitions()) {
      return absl::FailedPreconditionError(absl::StrCat("the journal has ", from_.partitions(),
                                                        " partitions and the one to copy to ", to_.partitions(),
                                                        "; they must be as many"));
    }
    return absl::OkStatus();
  }

  // The records of the partition in `from`.
  absl::StatusOr<int64_t> Copy(int32_t partition) {
    ASSAY_ASSIGN_OR_RETURN(const Offset start, from_.StartOffset(partition));
    ASSAY_ASSIGN_OR_RETURN(const Offset end, from_.EndOffset(partition));
    if (start != 0) {
      return absl::FailedPreconditionError(absl::StrCat("begins at offset ", start,
                                                        ": what was before has been dropped, and no state can be made "
                                                        "without it"));
    }
    ASSAY_ASSIGN_OR_RETURN(const Offset there, to_.EndOffset(partition));
    ASSAY_RETURN_IF_ERROR(Compare(partition, there));
    if (there < end) {
      ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader, from_.OpenReader(partition, there));
      for (Offset next = there; next < end;) {
        ASSAY_ASSIGN_OR_RETURN(const std::vector<Record> records, ReadSome(*reader, partition));
        ASSAY_RETURN_IF_ERROR(AppendAll(to_, records));
        next = records.back().offset + 1;
        added_ += static_cast<int64_t>(records.size());
        Tell(records.size());
      }
    }
    ASSAY_RETURN_IF_ERROR(Compare(partition, end));
    return end;
  }

  int64_t added() const { return added_; }

 private:
  // Both hold the same before `end`.
  absl::Status Compare(int32_t partition, Offset end) {
    if (end == 0) return absl::OkStatus();
    ASSAY_ASSIGN_OR_RETURN(const Offset has, from_.EndOffset(partition));
    if (has < end) {
      return absl::FailedPreconditionError(
          absl::StrCat("the one to copy to holds ", end, " records, the journal ", has, ": it is not a copy of it"));
    }
    ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<Reader> ours, from_.OpenReader(partition, 0));
    ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<Reader> theirs, to_.OpenReader(partition, 0));
    std::vector<Record> mine;
    size_t at = 0;
    for (Offset next = 0; next < end;) {
      ASSAY_ASSIGN_OR_RETURN(const std::vector<Record> found, ReadSome(*theirs, partition));
      for (const Record& record : found) {
        if (at == mine.size()) {
          ASSAY_ASSIGN_OR_RETURN(mine, ReadSome(*ours, partition));
          at = 0;
        }
        const Record& expected = mine[at++];
        if (record.offset != expected.offset || record.key != expected.key || record.value != expected.value) {
          return absl::FailedPreconditionError(absl::StrCat(
              "offset ", expected.offset, " holds another record than the journal: it is not a copy of it"));
        }
        next = record.offset + 1;
      }
      Tell(found.size());
    }
    return absl::OkStatus();
  }

  void Tell(size_t records) {
    told_ += static_cast<int64_t>(records);
    if (progress_) progress_(told_);
  }

  Log& from_;
  Log& to_;
  const std::function<void(int64_t)>& progress_;
  int64_t added_ = 0;
  int64_t told_ = 0;
};

}  // namespace

absl::StatusOr<JournalCopy> CopyJournal(Log& from, Log& to, const std::function<void(int64_t)>& progress) {
  Copier copier(from, to, progress);
  ASSAY_RETURN_IF_ERROR(copier.Check());
  JournalCopy copy;
  for (int32_t partition = 0; partition < from.partitions(); ++partition) {
    const absl::StatusOr<int64_t> records = copier.Copy(partition);
    ASSAY_RETURN_IF_ERROR(Annotate(records.status(), absl::StrCat("partition ", partition)));
    copy.records.push_back(*records);
  }
  copy.added = copier.added();
  return copy;
}

}  // namespace assay::log
