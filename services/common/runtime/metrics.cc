// SPDX-License-Identifier: Apache-2.0
#include "services/common/runtime/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace assay::runtime {

void Counter::Increment(double by) { static_cast<prometheus::Counter*>(series_)->Increment(by); }
void Gauge::Set(double value) { static_cast<prometheus::Gauge*>(series_)->Set(value); }
void Histogram::Observe(double value) { static_cast<prometheus::Histogram*>(series_)->Observe(value); }

class Metrics::Impl {
 public:
  // `labels`, or the same names with "other" once a name has all the series it may have.
  Labels Bounded(const std::string& name, Labels labels) {
    absl::MutexLock lock(&mutex_);
    std::set<Labels>& known = series_[name];
    if (known.count(labels) > 0) return labels;
    if (known.size() >= kMaxSeries) {
      for (auto& [key, value] : labels) value = "other";
    }
    known.insert(labels);
    return labels;
  }

  prometheus::Registry registry;

 private:
  absl::Mutex mutex_;
  std::map<std::string, std::set<Labels>> series_ ABSL_GUARDED_BY(mutex_);
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Counter Metrics::AddCounter(const std::string& name, const std::string& help, const Labels& labels) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry);
  return Counter(&family.Add(impl_->Bounded(name, labels)));
}

Gauge Metrics::AddGauge(const std::string& name, const std::string& help, const Labels& labels) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry);
  return Gauge(&family.Add(impl_->Bounded(name, labels)));
}

Histogram Metrics::AddHistogram(const std::string& name, const std::string& help, const std::vector<double>& bounds,
                                const Labels& labels) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry);
  return Histogram(&family.Add(impl_->Bounded(name, labels), prometheus::Histogram::BucketBoundaries(bounds)));
}

std::string Metrics::Text() const { return prometheus::TextSerializer().Serialize(impl_->registry.Collect()); }

const std::vector<double>& SecondsBounds() {
  static const auto* const bounds =
      new std::vector<double>{0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100};
  return *bounds;
}

}  // namespace assay::runtime
