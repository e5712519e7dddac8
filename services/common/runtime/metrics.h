// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace assay::runtime {

// Handles to series; cheap to copy, valid as long as their Metrics. Thread-safe.
class Counter {
 public:
  explicit Counter(void* series) : series_(series) {}
  void Increment(double by = 1);

 private:
  void* series_;
};
class Gauge {
 public:
  explicit Gauge(void* series) : series_(series) {}
  void Set(double value);

 private:
  void* series_;
};
class Histogram {
 public:
  explicit Histogram(void* series) : series_(series) {}
  void Observe(double value);

 private:
  void* series_;
};

// What a process counts, in the Prometheus text format. Names are assay_<service>_<noun>_<unit>[_total]; labels come
// from small fixed sets, never from ids or anything a person wrote. Thread-safe.
class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;
  // Series of one name; further label values are all counted under "other".
  static constexpr size_t kMaxSeries = 200;

  Metrics();
  ~Metrics();

  // The same name and labels give the same series. A name has one kind and one set of label names: anything else is a
  // bug and ends the process.
  Counter AddCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge AddGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram AddHistogram(const std::string& name, const std::string& help, const std::vector<double>& bounds,
                         const Labels& labels = {});
  std::string Text() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

// Bounds for durations in seconds, from 100 us to 100 s.
const std::vector<double>& SecondsBounds();

}  // namespace assay::runtime
