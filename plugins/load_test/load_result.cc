// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/load_result.h"

#include <algorithm>
#include <cstdlib>

#include "assay/json.hpp"

namespace assay::load_test {
namespace {

using sdk::Json;

uint64_t Count(const Json& value) { return static_cast<uint64_t>(std::clamp(value.number(), 0.0, 1e15)); }

Counts ReadCounts(const Json& json) {
  Counts out;
  out.name = json["name"].text();
  out.sent = Count(json["sent"]);
  out.dropped = Count(json["dropped"]);
  const Json& outcomes = json["outcomes"];
  out.ok = Count(outcomes["ok"]);
  out.unexpected = Count(outcomes["unexpected_status"]);
  out.connect_error = Count(outcomes["connect_error"]);
  out.reset = Count(outcomes["reset"]);
  out.timeout = Count(outcomes["timeout"]);
  out.malformed = Count(outcomes["malformed"]);
  out.unanswered = Count(outcomes["unanswered"]);
  out.early = Count(json["early"]);
  out.stale = Count(json["stale"]);
  for (const auto& [status, count] : json["statuses"].members()) out.statuses[std::atoi(status.c_str())] = Count(count);
  out.measured = json.has("response") && Count(json["response"]["count"]) > 0;
  out.p50_ms = json["response"]["p50_ms"].number();
  out.p99_ms = json["response"]["p99_ms"].number();
  return out;
}

InFlightReport ReadInFlight(const Json& json) {
  return {Count(json["in_flight"]), Count(json["served"]), Count(json["lost"])};
}

ActionReport ReadAction(const Json& json) {
  ActionReport out;
  out.asked = !json["asked_at_seconds"].is_null();
  out.done = !json["done_at_seconds"].is_null();
  out.error = json["error"].text();
  out.all = ReadInFlight(json["in_flight"]);
  for (const Json& bucket : json["by_remaining"].items()) {
    out.by_remaining.emplace_back(bucket["up_to_seconds"].number(), ReadInFlight(bucket));
  }
  out.asked_at_seconds = json["asked_at_seconds"].number(-1);
  out.last_served_seconds = json["last_served_after_seconds"].number(-1);
  for (const Json& entry : json["after_by_class"].items()) {
    out.after[entry["name"].text()] = {
        Count(entry["ok"]), Count(entry["unexpected_status"]), Count(entry["connect_error"]),
        Count(entry["reset"]) + Count(entry["timeout"]) + Count(entry["unanswered"]) + Count(entry["malformed"])};
  }
  return out;
}

}  // namespace

uint64_t Counts::status_count(int low, int high) const {
  uint64_t sum = 0;
  for (auto at = statuses.lower_bound(low); at != statuses.end() && at->first <= high; ++at) sum += at->second;
  return sum;
}

int Counts::main_status() const {
  const auto most = std::max_element(statuses.begin(), statuses.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == statuses.end() ? 0 : most->first;
}

const Counts* PhaseReport::Class(std::string_view wanted) const {
  const auto found = std::find_if(classes.begin(), classes.end(), [&](const Counts& c) { return c.name == wanted; });
  return found == classes.end() ? nullptr : &*found;
}

const PhaseReport* LoadReport::Phase(std::string_view wanted) const {
  const auto found = std::find_if(phases.begin(), phases.end(), [&](const PhaseReport& p) { return p.name == wanted; });
  return found == phases.end() ? nullptr : &*found;
}

std::optional<LoadReport> ReadLoadResult(std::string_view text) {
  const auto json = Json::Parse(text);
  if (!json || (*json)["format"].text() != "assay.load-result/1") return std::nullopt;
  LoadReport out;
  for (const Json& item : (*json)["phases"].items()) {
    PhaseReport phase;
    phase.name = item["name"].text();
    phase.state = item["state"].text();
    phase.reason = item["reason"].text();
    phase.rate_asked = item["rate_asked"].number();
    phase.rate_sent = item["rate_sent"].number();
    phase.total = ReadCounts(item["total"]);
    for (const Json& entry : item["classes"].items()) phase.classes.push_back(ReadCounts(entry));
    out.phases.push_back(std::move(phase));
  }
  for (const Json& item : (*json)["capacity"].items()) {
    CapacityReport capacity{item["rate"].number(), item["unloaded_p50_ms"].number(), item["limit_p99_ms"].number(),
                            item["limited_by"].text(), 0};
    for (const Json& probe : item["probes"].items()) capacity.limited_answers += Count(probe["statuses"]["429"]);
    out.capacity.push_back(std::move(capacity));
  }
  for (const Json& item : (*json)["actions"].items()) out.actions.push_back(ReadAction(item));
  for (const Json& item : (*json)["samples"].items()) {
    out.samples.push_back({item["phase"].text(), item["class"].text(), item["content_type"].text(), item["body"].text(),
                           static_cast<int>(item["status"].number())});
  }
  return out;
}

}  // namespace assay::load_test
