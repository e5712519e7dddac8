// SPDX-License-Identifier: Apache-2.0
#include "services/loadgen/plan.h"

#include <arpa/inet.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/loadgen/fields.h"

namespace assay::loadgen {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxClasses = 256;
constexpr size_t kMaxPhases = 64;
constexpr size_t kMaxActions = 16;
constexpr size_t kMaxDepth = 16;
constexpr uint64_t kMaxBodyBytes = 32 << 20;
constexpr uint64_t kMaxBodiesBytes = 64 << 20;

const std::map<std::string, int>& Signals() {
  static const auto& signals = *new std::map<std::string, int>{
      {"TERM", SIGTERM}, {"INT", SIGINT},   {"HUP", SIGHUP},   {"USR1", SIGUSR1}, {"USR2", SIGUSR2},
      {"QUIT", SIGQUIT}, {"KILL", SIGKILL}, {"STOP", SIGSTOP}, {"CONT", SIGCONT},
  };
  return signals;
}

bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("!#$%&'*+-.^_`|~", c);
  });
}

bool HasControl(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

// Text or, under "<name>_base64", any bytes.
std::string Bytes(Fields& fields, const std::string& name) {
  if (fields.Has(name)) return fields.Text(name, kMaxPlanBytes);
  const std::string coded = fields.Text(name + "_base64", kMaxPlanBytes, "");
  std::string bytes;
  if (!absl::Base64Unescape(coded, &bytes)) fields.Fail(name + "_base64", "is not base64");
  return bytes;
}

std::string Fill(Fields& fields, absl::Status& status) {
  const Json* value = fields.Object("body_fill");
  if (value == nullptr) return "";
  Fields fill(*value, fields.PathOf("body_fill"), status);
  const std::string prefix = fill.Text("prefix", 65536, "");
  const std::string text = fill.Text("text", 65536);
  const uint64_t times = fill.Integer("times", 1, kMaxBodyBytes);
  const std::string suffix = fill.Text("suffix", 65536, "");
  fill.Finish();
  if (text.size() * times > kMaxBodyBytes) {
    fields.Fail("body_fill", absl::StrCat("makes more than ", kMaxBodyBytes, " bytes"));
  }
  if (!status.ok()) return "";
  std::string body = prefix;
  body.reserve(prefix.size() + text.size() * times + suffix.size());
  for (uint64_t i = 0; i < times; ++i) body += text;
  return body + suffix;
}

std::string Headers(Fields& fields, const Plan& plan, absl::Status& status) {
  std::string lines;
  std::set<std::string> given;
  if (const Json* headers = fields.Object("headers"); headers != nullptr) {
    if (headers->size() > 64) fields.Fail("headers", "must hold at most 64 headers");
    for (const auto& item : headers->items()) {
      const std::string where = absl::StrCat("headers.", item.key().substr(0, 64));
      if (!IsToken(item.key())) fields.Fail(where, "is not a header name");
      if (!item.value().is_string() || HasControl(item.value().get_ref<const std::string&>())) {
        fields.Fail(where, "must be a text without control characters");
      }
      if (!status.ok()) return "";
      given.insert(absl::AsciiStrToLower(item.key()));
      absl::StrAppend(&lines, item.key(), ": ", item.value().get_ref<const std::string&>(), "\r\n");
    }
  }
  for (const char* ours : {"connection", "content-length", "transfer-encoding"}) {
    if (given.contains(ours)) fields.Fail(absl::StrCat("headers.", ours), "is set by the engine; use \"raw\" to choose");
  }
  if (given.contains("host")) return lines;
  const bool six = absl::StrContains(plan.address, ':');
  return absl::StrCat("Host: ", six ? "[" : "", plan.address, six ? "]" : "", ":", plan.port, "\r\n", lines);
}

void ReadExpect(Fields& fields, RequestClass& out) {
  const Json* expect = fields.Array("expect", 0, 32);
  if (expect == nullptr) return;
  for (const Json& item : *expect) {
    int low = 0;
    int high = 0;
    if (item.is_number_unsigned()) {
      low = high = static_cast<int>(std::min<uint64_t>(item.get<uint64_t>(), 1000));
    } else if (item.is_string()) {
      const std::vector<std::string> ends = absl::StrSplit(item.get_ref<const std::string&>(), '-');
      if (ends.size() != 2 || !absl::SimpleAtoi(ends[0], &low) || !absl::SimpleAtoi(ends[1], &high)) low = 0;
    }
    if (low < 100 || high > 599 || low > high) {
      fields.Fail("expect", absl::StrCat("takes statuses such as 200 and ranges such as \"400-499\", found ", Shown(item)));
      return;
    }
    out.expect.emplace_back(low, high);
  }
}

void ReadMessage(Fields& fields, const Plan& plan, absl::Status& status, RequestClass& out) {
  if (fields.Has("raw") || fields.Has("raw_base64")) {
    // Kept as the body, so that a slow upload sends its headers slowly too.
    out.body = Bytes(fields, "raw");
    if (out.body.empty()) fields.Fail("raw", "must not be empty");
    return;
  }
  const std::string method = fields.Text("method", 32, "GET");
  const std::string path = fields.Text("path", 8192, "/");
  if (!IsToken(method)) fields.Fail("method", "is not an HTTP method");
  if (path.empty() || HasControl(path) || absl::StrContains(path, ' ')) {
    fields.Fail("path", "must not be empty nor hold spaces or control characters");
  }
  out.is_head = method == "HEAD";
  const int bodies = fields.Has("body") + fields.Has("body_base64") + fields.Has("body_fill");
  if (bodies > 1) fields.Fail("body", "give one of body, body_base64, body_fill");
  out.body = fields.Has("body_fill") ? Fill(fields, status) : Bytes(fields, "body");
  out.head = absl::StrCat(method, " ", path, " HTTP/1.1\r\n", Headers(fields, plan, status));
  if (bodies > 0) absl::StrAppend(&out.head, "Content-Length: ", out.body.size(), "\r\n");
}

RequestClass ReadClass(const Json& value, const std::string& path, const Plan& plan, absl::Status& status) {
  Fields fields(value, path, status);
  RequestClass out;
  out.name = fields.Text("name", 64);
  if (out.name.empty()) fields.Fail("name", "must not be empty");
  ReadMessage(fields, plan, status, out);
  out.upload = absl::Seconds(fields.Number("upload_seconds", 0, 60, 0));
  out.read_bytes_per_second = fields.Integer("read_bytes_per_second", 100, 1 << 30, 0);
  out.keep_alive = fields.Flag("keep_alive", true);
  out.timeout = absl::Seconds(fields.Number("timeout_seconds", 0.01, 120, 5));
  if (out.timeout <= out.upload) fields.Fail("timeout_seconds", "must be longer than upload_seconds");
  ReadExpect(fields, out);
  fields.Finish();
  return out;
}

void ReadMix(Fields& fields, const Plan& plan, absl::Status& status, Phase& out) {
  const Json* mix = fields.Array("mix", 1, kMaxClasses);
  if (mix == nullptr) return;
  for (size_t i = 0; i < mix->size(); ++i) {
    Fields part((*mix)[i], absl::StrCat(fields.PathOf("mix"), "[", i, "]"), status);
    const std::string name = part.Text("class", 64);
    const auto weight = static_cast<uint32_t>(part.Integer("weight", 1, 10'000, 1));
    part.Finish();
    const auto found = std::find_if(plan.classes.begin(), plan.classes.end(), [&](const auto& c) { return c.name == name; });
    if (found == plan.classes.end()) {
      part.Fail("class", absl::StrCat("no class is named \"", name, "\""));
      return;
    }
    out.mix.emplace_back(static_cast<uint32_t>(found - plan.classes.begin()), weight);
  }
}

void ReadRate(Fields& fields, absl::Status& status, bool capacity_known, Phase& out) {
  const Json* rate = fields.Value("rate");
  if (rate == nullptr || !rate->is_object()) {
    out.rate.value = fields.Number("rate", 0.1, 200'000);
    const double arrivals = out.rate.value * absl::ToDoubleSeconds(out.duration);
    if (arrivals > static_cast<double>(kMaxArrivals)) {
      fields.Fail("rate", absl::StrCat("makes more than ", kMaxArrivals, " requests in this phase"));
    }
    return;
  }
  Fields share(*rate, fields.PathOf("rate"), status);
  out.rate.value = share.Number("of_capacity", 0.01, 10);
  out.rate.of_capacity = true;
  share.Finish();
  if (!capacity_known) fields.Fail("rate.of_capacity", "needs an earlier phase with \"search\"");
}

void ReadSearch(const Json& value, const std::string& path, absl::Status& status, Search& out) {
  Fields fields(value, path, status);
  out.from = fields.Number("from", 1, 100'000, 50);
  out.to = fields.Number("to", 1, 200'000, 20'000);
  if (out.to < out.from) fields.Fail("to", "must not be below \"from\"");
  out.probe = absl::Seconds(fields.Number("probe_seconds", 0.1, 60, 1));
  out.precision = fields.Number("precision", 0.01, 1, 0.1);
  out.budget = absl::Seconds(fields.Number("budget_seconds", 0.5, 600, 20));
  out.unloaded_rate = fields.Number("unloaded_rate", 1, 1000, 20);
  fields.Finish();
}

Phase ReadPhase(const Json& value, const std::string& path, const Plan& plan, bool capacity_known,
                absl::Status& status) {
  Fields fields(value, path, status);
  Phase out;
  out.name = fields.Text("name", 64);
  if (out.name.empty()) fields.Fail("name", "must not be empty");
  if (const Json* search = fields.Object("search"); search != nullptr) {
    out.is_search = true;
    ReadSearch(*search, fields.PathOf("search"), status, out.search);
  } else {
    out.duration = absl::Seconds(fields.Number("seconds", 0.05, 3600));
    ReadRate(fields, status, capacity_known, out);
    out.record = fields.Flag("record", true);
  }
  const bool poisson = fields.Choice("arrivals", {"uniform", "poisson"}, "uniform") == "poisson";
  out.arrivals = poisson ? Phase::Arrivals::kPoisson : Phase::Arrivals::kUniform;
  out.seed = fields.Integer("seed", 0, UINT64_MAX, 1);
  out.connections = static_cast<uint32_t>(fields.Integer("connections", 0, plan.limits.connections, 16));
  out.keep_alive = fields.Flag("keep_alive", true);
  ReadMix(fields, plan, status, out);
  fields.Finish();
  return out;
}

Action ReadAction(const Json& value, const std::string& path, const Plan& plan, absl::Status& status) {
  Fields fields(value, path, status);
  Action out;
  const std::string phase = fields.Text("phase", 64);
  const auto found = std::find_if(plan.phases.begin(), plan.phases.end(), [&](const Phase& p) { return p.name == phase; });
  if (found == plan.phases.end()) {
    fields.Fail("phase", absl::StrCat("no phase is named \"", phase, "\""));
    return out;
  }
  if (found->is_search) fields.Fail("phase", "a search takes no actions");
  out.phase = static_cast<uint32_t>(found - plan.phases.begin());
  out.at = absl::Seconds(fields.Number("at", 0, absl::ToDoubleSeconds(found->duration)));
  out.signal_name = fields.Text("signal", 16);
  const auto signal = Signals().find(out.signal_name);
  if (signal == Signals().end()) {
    fields.Fail("signal", absl::StrCat("must be TERM, INT, HUP, USR1, USR2, QUIT, KILL, STOP or CONT, found \"",
                                       out.signal_name, "\""));
  } else {
    out.signal = signal->second;
  }
  out.to_listener = fields.Choice("to", {"listener", "process"}, "listener") == "listener";
  fields.Finish();
  return out;
}

void ReadTarget(Fields& fields, absl::Status& status, Plan& plan) {
  const Json* value = fields.Object("target");
  if (value == nullptr) {
    fields.Fail("target", "is missing");
    return;
  }
  Fields target(*value, "target", status);
  plan.address = target.Text("address", 64, "127.0.0.1");
  in6_addr ignored;
  if (inet_pton(AF_INET, plan.address.c_str(), &ignored) != 1 && inet_pton(AF_INET6, plan.address.c_str(), &ignored) != 1) {
    target.Fail("address", "must be an IPv4 or IPv6 address in digits");
  }
  plan.port = static_cast<uint16_t>(target.Integer("port", 1, 65535));
  target.Finish();
}

void ReadLimits(Fields& fields, absl::Status& status, Limits& out) {
  const Json* value = fields.Object("limits");
  if (value == nullptr) return;
  Fields limits(*value, "limits", status);
  out.connections = static_cast<uint32_t>(limits.Integer("connections", 1, 16'384, out.connections));
  out.header_bytes = limits.Integer("header_bytes", 1024, 1 << 20, out.header_bytes);
  out.body_bytes = limits.Integer("body_bytes", 1024, 1 << 30, out.body_bytes);
  out.send_delay = absl::Milliseconds(limits.Number("send_delay_ms", 0.001, 10'000, 5));
  out.send_delay_share = limits.Number("send_delay_share", 0, 1, 0.1);
  out.wall = absl::Seconds(limits.Number("wall_seconds", 0.1, 7200, 300));
  out.result_bytes = limits.Integer("result_bytes", 65'536, 3 << 20, out.result_bytes);
  limits.Finish();
}

void ReadSamples(Fields& fields, absl::Status& status, Plan& plan) {
  const Json* value = fields.Object("samples");
  if (value == nullptr) return;
  Fields samples(*value, "samples", status);
  plan.samples_per_status = static_cast<uint32_t>(samples.Integer("per_status", 0, 16, plan.samples_per_status));
  plan.sample_bytes = static_cast<uint32_t>(samples.Integer("bytes", 1, 16'384, plan.sample_bytes));
  samples.Finish();
}

void ReadClasses(Fields& fields, absl::Status& status, Plan& plan) {
  const Json* classes = fields.Array("classes", 1, kMaxClasses);
  if (classes == nullptr) return;
  std::set<std::string> names;
  uint64_t bytes = 0;
  for (size_t i = 0; i < classes->size() && status.ok(); ++i) {
    const std::string path = absl::StrCat("classes[", i, "]");
    plan.classes.push_back(ReadClass((*classes)[i], path, plan, status));
    bytes += plan.classes.back().body.size();
    if (!names.insert(plan.classes.back().name).second) fields.Fail(path + ".name", "is used twice");
    if (bytes > kMaxBodiesBytes) fields.Fail("classes", absl::StrCat("hold more than ", kMaxBodiesBytes, " bytes of bodies"));
  }
}

void ReadPhases(Fields& fields, absl::Status& status, Plan& plan) {
  const Json* phases = fields.Array("phases", 1, kMaxPhases);
  if (phases == nullptr) return;
  std::set<std::string> names;
  bool capacity_known = false;
  for (size_t i = 0; i < phases->size() && status.ok(); ++i) {
    const std::string path = absl::StrCat("phases[", i, "]");
    plan.phases.push_back(ReadPhase((*phases)[i], path, plan, capacity_known, status));
    capacity_known |= plan.phases.back().is_search;
    if (!names.insert(plan.phases.back().name).second) fields.Fail(path + ".name", "is used twice");
  }
}

// Refuses documents so deep that walking them would cost stack.
bool TooDeep(absl::string_view json) {
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      if (depth > 0) --depth;
    }
  }
  return false;
}

}  // namespace

bool RequestClass::Expects(int status) const {
  if (expect.empty()) return status < 500;
  return std::any_of(expect.begin(), expect.end(), [&](const auto& r) { return status >= r.first && status <= r.second; });
}

absl::StatusOr<Plan> ParsePlan(absl::string_view json) {
  if (json.size() > kMaxPlanBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the plan: must be at most ", kMaxPlanBytes, " bytes, found ", json.size()));
  }
  if (TooDeep(json)) return absl::InvalidArgumentError("the plan: is nested deeper than 16 levels");
  const Json document = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) return absl::InvalidArgumentError("the plan: is not JSON");
  absl::Status status;
  Plan plan;
  Fields fields(document, "", status);
  ReadTarget(fields, status, plan);
  ReadLimits(fields, status, plan.limits);
  ReadSamples(fields, status, plan);
  ReadClasses(fields, status, plan);
  ReadPhases(fields, status, plan);
  if (const Json* actions = fields.Array("actions", 0, kMaxActions); actions != nullptr) {
    for (size_t i = 0; i < actions->size() && status.ok(); ++i) {
      plan.actions.push_back(ReadAction((*actions)[i], absl::StrCat("actions[", i, "]"), plan, status));
    }
  }
  fields.Finish();
  if (!status.ok()) return status;
  return plan;
}

}  // namespace assay::loadgen
