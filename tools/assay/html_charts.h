// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "assay/v1/readiness.pb.h"

namespace assay::cli {

// Score and 90 % interval on 0..4 as an inline SVG. Unseen: the interval alone, dashed.
std::string IntervalChart(double score, const v1::Interval& interval, bool seen);

// The phases of a load run (JSON of services/loadgen): requests a second as columns (answered, failed), the slowest
// answer of each second as a line, signals as marks; below, a table of percentiles and a histogram of each measured
// phase. Unreadable JSON gives an empty string.
std::string LoadRunCharts(const std::string& run_json);

}  // namespace assay::cli
