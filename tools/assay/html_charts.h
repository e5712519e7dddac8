// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "assay/v1/readiness.pb.h"
#include "tools/assay/load_run.h"

namespace assay::cli {

// An inline SVG of a score with its interval on 0..4; `seen` false draws the interval dashed and no score.
std::string IntervalChart(double score, const v1::Interval& interval, bool seen);

// The scale above interval charts.
std::string IntervalAxis();

// What became of the requests in flight at a signal, as one bar; empty when the run sent none.
std::string SignalBar(const LoadRun& run);

// Timeline, histograms of latency of each recorded phase, and what became of requests in flight at a signal.
std::string LoadRunCharts(const LoadRun& run);

}  // namespace assay::cli
