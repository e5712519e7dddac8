// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace assay::gateway {

// How many calls are being worked on: bounded for all together and for each tenant, so that one cannot take every
// place. Thread-safe; must outlive its tickets.
class Admission {
 public:
  Admission(uint32_t max_calls, uint32_t max_calls_of_tenant)
      : max_calls_(max_calls), max_calls_of_tenant_(max_calls_of_tenant) {}

  // A place, given back when it goes.
  class Ticket {
   public:
    Ticket(Admission* admission, std::string tenant) : admission_(admission), tenant_(std::move(tenant)) {}
    Ticket(Ticket&& other) noexcept
        : admission_(std::exchange(other.admission_, nullptr)), tenant_(std::move(other.tenant_)) {}
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket() {
      if (admission_ != nullptr) admission_->Leave(tenant_);
    }

   private:
    Admission* admission_;
    std::string tenant_;
  };
  // RESOURCE_EXHAUSTED: no place is free.
  absl::StatusOr<Ticket> Enter(absl::string_view tenant);

 private:
  void Leave(const std::string& tenant);

  const uint32_t max_calls_;
  const uint32_t max_calls_of_tenant_;
  absl::Mutex mutex_;
  uint32_t calls_ ABSL_GUARDED_BY(mutex_) = 0;
  // Tenants with calls; no others.
  std::map<std::string, uint32_t, std::less<>> tenants_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::gateway
