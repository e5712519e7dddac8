// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/plans.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "assay/json.hpp"

namespace assay::load_test {
namespace {

using sdk::QuoteJson;

// The engine takes 256.
constexpr size_t kMaxClasses = 250;
// Of one application; a router that makes more of them repeats itself.
constexpr size_t kMostBodyRoutes = 2000;

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

// Gathers a plan's parts; each is a JSON object already written.
class Writer {
 public:
  Writer(uint32_t port, double wall_seconds)
      : head_("{\"target\":{\"port\":" + std::to_string(port) +
              "},\"limits\":{\"send_delay_ms\":10,\"wall_seconds\":" + Number(wall_seconds)) {}

  // `members`: what follows the name, written as JSON members.
  void Class(const std::string& name, const std::string& members) {
    if (count_ >= kMaxClasses) return;
    ++count_;
    classes_ += (classes_.empty() ? "" : ",") + std::string("{\"name\":") + QuoteJson(name) + "," + members + "}";
    mix_ += (mix_.empty() ? "" : ",") + std::string("{\"class\":") + QuoteJson(name) + "}";
  }
  void Phase(const std::string& name, const std::string& members, const std::string& mix) {
    phases_ += (phases_.empty() ? "" : ",") + std::string("{\"name\":") + QuoteJson(name) + "," + members +
               ",\"mix\":[" + mix + "]}";
  }
  void Action(const std::string& members) { actions_ = "{" + members + "}"; }
  void Samples(int per_status, int bytes) {
    samples_ =
        "\"samples\":{\"per_status\":" + std::to_string(per_status) + ",\"bytes\":" + std::to_string(bytes) + "},";
  }
  // The classes added since the last call, as a mix.
  std::string TakeMix() { return std::move(mix_); }
  size_t count() const { return count_; }

  std::string Finish() const {
    return head_ + "}," + samples_ + "\"classes\":[" + classes_ + "],\"phases\":[" + phases_ + "],\"actions\":[" +
           actions_ + "]}";
  }

 private:
  std::string head_, samples_, classes_, mix_, phases_, actions_;
  size_t count_ = 0;
};

std::string Get(const std::string& path, double timeout_seconds) {
  return "\"path\":" + QuoteJson(path) +
         ",\"headers\":{\"Accept\":\"application/json, */*\"},\"timeout_seconds\":" + Number(timeout_seconds);
}

std::string Send(const std::string& method, const std::string& path, const std::string& type,
                 const std::string& body_member) {
  return "\"method\":" + QuoteJson(method) + ",\"path\":" + QuoteJson(path) +
         ",\"headers\":{\"Content-Type\":" + QuoteJson(type) + "}," + body_member;
}

// Unfinished JSON: a parser reads all of it and then refuses, so no handler ever acts on it.
std::string SlowUpload(const std::string& method, const std::string& path, double seconds) {
  return Send(method, path, "application/json",
              "\"body_fill\":{\"prefix\":\"{\\\"assay\\\":\\\"\",\"text\":\"x\",\"times\":2000}") +
         ",\"upload_seconds\":" + Number(seconds) + ",\"timeout_seconds\":" + Number(seconds + 5);
}

// A GET whose head comes in pieces over this time.
std::string SlowHead(const std::string& path, double seconds) {
  const std::string head =
      "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Assay: " + std::string(400, 'x') + "\r\n\r\n";
  return "\"raw\":" + QuoteJson(head) + ",\"upload_seconds\":" + Number(seconds) +
         ",\"timeout_seconds\":" + Number(seconds + 5);
}

std::string Rate(double rate, double seconds) { return "\"seconds\":" + Number(seconds) + ",\"rate\":" + Number(rate); }

// Enough time at this rate for each class to be sent `times` times.
std::string EachTimes(size_t classes, int times, double rate) {
  return Rate(rate, std::max(0.05, (static_cast<double>(classes) * times - 0.5) / rate));
}

// Bodies that a careless handler stumbles over: (name, content type, plan member).
struct Bad {
  const char* name;
  const char* type;
  const char* member;
};
constexpr Bad kBad[] = {
    {"wrong types", "application/json",
     "\"body\":\"{\\\"id\\\":{\\\"$gt\\\":\\\"\\\"},\\\"name\\\":12,\\\"email\\\":[],\\\"items\\\":\\\"x\\\","
     "\\\"lines\\\":{},\\\"password\\\":null}\""},
    {"empty object", "application/json", "\"body\":\"{}\""},
    {"array", "application/json", "\"body\":\"[[],{},null]\""},
    {"huge numbers", "application/json",
     "\"body\":\"{\\\"id\\\":99999999999999999999999,\\\"quantity\\\":1e308,\\\"amount\\\":-1e308,\\\"limit\\\":-1}\""},
    {"__proto__", "application/json",
     "\"body\":\"{\\\"__proto__\\\":{\\\"polluted\\\":1},\\\"constructor\\\":{\\\"prototype\\\":{\\\"polluted\\\":1}}}"
     "\""},
    {"no body", "application/json", "\"body\":\"\""},
    {"malformed JSON", "application/json", "\"body\":\"{\\\"name\\\": \\\"x\\\", \""},
    {"bad UTF-8", "application/json", "\"body_base64\":\"eyJuYW1lIjoi//7A/yJ9\""},
    {"bad charset", "application/json; charset=utf-99", "\"body\":\"{}\""},
    {"bad form", "application/x-www-form-urlencoded", "\"body\":\"a[b][c][d][e][f][g]=1&a=%ZZ&%=&__proto__[x]=1\""},
    {"bad multipart", "multipart/form-data; boundary=x",
     "\"body\":\"--x\\r\\nContent-Disposition: form-data; name=\\\"f\\\"; filename=\\\"../../x\\\"\\r\\n\\r\\n\""},
};

constexpr std::pair<const char*, const char*> kRaw[] = {
    {"raw-request-line", "GET  / \\u0001 HTTP/1.1\\r\\n\\r\\n"},
    {"raw-no-host", "GET / HTTP/1.1\\r\\n\\r\\n"},
    {"raw-bad-header", "GET / HTTP/1.1\\r\\nHost: a\\r\\nbad header\\r\\n\\r\\n"},
    {"raw-bad-length", "POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: -5\\r\\n\\r\\n"},
    {"raw-bad-chunk", "POST / HTTP/1.1\\r\\nHost: a\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\n"},
};

}  // namespace

std::string ReadyPlan(uint32_t port, const std::vector<std::string>& paths) {
  Writer plan(port, 10);
  for (size_t i = 0; i < paths.size(); ++i) plan.Class(std::to_string(i), Get(paths[i], 2));
  const size_t count = plan.count();
  plan.Phase("ready", EachTimes(count, 1, 100) + ",\"connections\":0", plan.TakeMix());
  return plan.Finish();
}

std::string ProbePlan(uint32_t port, const std::vector<std::string>& paths,
                      const std::vector<std::pair<std::string, std::string>>& bodies) {
  Writer plan(port, 20);
  for (size_t i = 0; i < paths.size(); ++i) plan.Class(std::to_string(i), Get(paths[i], 2));
  plan.Phase("gets", EachTimes(plan.count(), 3, 40) + ",\"connections\":2", plan.TakeMix());
  const size_t before = plan.count();
  for (size_t i = 0; i < bodies.size(); ++i)
    plan.Class("body-" + std::to_string(i), SlowUpload(bodies[i].first, bodies[i].second, 0.3));
  if (plan.count() > before)
    plan.Phase("bodies", EachTimes(plan.count() - before, 1, 40) + ",\"connections\":2", plan.TakeMix());
  return plan.Finish();
}

namespace {

// (route, kind of body) as indices: the first route gets every kind; the others all get one before any gets the next,
// those first that reach a handler and are not stopped by a parser.
std::vector<std::pair<size_t, size_t>> SpreadBodies(size_t routes, size_t limit) {
  std::vector<std::pair<size_t, size_t>> chosen;
  for (size_t kind = 0; kind < std::size(kBad) && routes > 0; ++kind) chosen.emplace_back(0, kind);
  for (size_t kind = 0; kind < std::size(kBad); ++kind) {
    for (size_t route = 1; route < routes && chosen.size() < limit; ++route) chosen.emplace_back(route, kind);
  }
  return chosen;
}

}  // namespace

BadInput BadInputPlan(uint32_t port, const Facts& facts, const std::string& sound, const Profile& profile) {
  Writer plan(port, profile.quick ? 20 : 40);
  plan.Samples(1, 2048);
  std::vector<std::pair<std::string, std::string>> routes = BodyRoutes(facts, kMostBodyRoutes);
  BadInput out{"", 0, routes.size()};
  if (routes.empty()) routes.emplace_back("POST", sound);
  for (const auto& [route, kind] : SpreadBodies(routes.size(), profile.quick ? 33 : 160)) {
    const auto& [method, path] = routes[route];
    const std::string name = (method + " " + path).substr(0, 40) + " " + kBad[kind].name;
    plan.Class(route > 0 ? std::to_string(route) + " " + name : name,
               Send(method, path, kBad[kind].type, kBad[kind].member));
    out.routes = std::min(out.all_routes, std::max(out.routes, route + 1));
  }
  size_t number = 0;
  for (const std::string& path : LookupPaths(facts, profile.quick ? 10 : 40))
    plan.Class(std::to_string(++number) + " GET " + path.substr(0, 50), Get(path, 5));
  for (const std::string& path : LoadPaths(facts, 3)) {
    plan.Class(std::to_string(++number) + " GET " + path.substr(0, 40) + " odd query",
               Get(path + "?limit=-1&page=NaN&id[]=1&id[a]=2&q=%25%27%22", 5));
  }
  plan.Class("unknown path", Get("/assay-no-such-path", 5));
  plan.Class("bad escape", Get("/%E0%A4%A", 5));
  plan.Class("long path", Get("/" + std::string(4000, 'a'), 5));
  for (const auto& [name, bytes] : kRaw) plan.Class(name, std::string("\"raw\":\"") + bytes + "\"");
  const int times = profile.quick ? 4 : std::max<int>(5, static_cast<int>(1000 / plan.count()));
  plan.Phase("storm", EachTimes(plan.count(), times, 200) + ",\"connections\":8", plan.TakeMix());
  plan.Class("sound", Get(sound, 5));
  plan.Phase("after", Rate(20, 0.24), plan.TakeMix());
  out.plan = plan.Finish();
  return out;
}

std::string BodiesPlan(uint32_t port, const BodyPath& path, const std::string& cheap) {
  Writer plan(port, 30);
  plan.Samples(1, 512);
  const auto text = [&](const std::string& name, uint32_t bytes) {
    plan.Class(name, Send(path.method, path.path, "application/json",
                          "\"body_fill\":{\"prefix\":\"{\\\"assay\\\":\\\"\",\"text\":\"x\",\"times\":" +
                              std::to_string(bytes) + ",\"suffix\":\"\\\"}\"}"));
  };
  text("90kB", 90'000);
  text("101kB", 104'000);
  text("1MB", 1'000'000);
  text("20MB", 20'000'000);
  plan.Class("10000-keys", Send(path.method, path.path, "application/x-www-form-urlencoded",
                                "\"body_fill\":{\"text\":\"a[]=1&\",\"times\":10000}"));
  plan.Class("5000-deep", Send(path.method, path.path, "application/json",
                               "\"body_fill\":{\"prefix\":\"{\\\"a\\\":\",\"text\":\"[\",\"times\":5000}"));
  plan.Class("gzip-10MB",
             "\"method\":" + QuoteJson(path.method) + ",\"path\":" + QuoteJson(path.path) +
                 ",\"headers\":{\"Content-Type\":\"application/json\",\"Content-Encoding\":\"gzip\"},\"body_base64\":" +
                 QuoteJson(Base64(GzipOfRepeats(10'000'000))));
  const std::string bodies = plan.TakeMix();
  constexpr size_t kCheapForEach = 4;
  const size_t count = plan.count() * (1 + kCheapForEach);
  const std::string cheap_weight =
      ",{\"class\":\"cheap\",\"weight\":" + std::to_string(plan.count() * kCheapForEach) + "}";
  plan.Class("cheap", Get(cheap, 5));
  plan.TakeMix();
  plan.Phase("bodies", EachTimes(count, 1, 25) + ",\"keep_alive\":false", bodies + cheap_weight);
  return plan.Finish();
}

std::string StepsPlan(uint32_t port, const std::vector<Steady>& steady, const Profile& profile) {
  const double step = profile.quick ? 2 : 12;
  Writer plan(port, profile.quick ? 40 : 140);
  size_t number = 0;
  for (const Steady& path : steady) {
    // A limiter's 429 is an answer here; how many there were is looked at afterwards.
    plan.Class(std::to_string(++number) + " " + path.path.substr(0, 56),
               Get(path.path, 5) + ",\"expect\":[" + std::to_string(path.status) + ",429]");
  }
  const std::string mix = plan.TakeMix();
  plan.Phase("warm-up", Rate(profile.quick ? 50 : 100, profile.quick ? 1 : 3) + ",\"record\":false", mix);
  plan.Phase("capacity",
             std::string("\"search\":{\"from\":100,\"to\":20000,\"probe_seconds\":") + (profile.quick ? "0.4" : "1") +
                 ",\"precision\":" + (profile.quick ? "0.25" : "0.1") +
                 ",\"budget_seconds\":" + (profile.quick ? "5" : "30") + "}",
             mix);
  for (const char* share : {"0.5", "0.8", "1", "1.2"}) {
    if (profile.quick && std::string_view(share) == "1") continue;
    plan.Phase(std::string(share) + "C",
               "\"seconds\":" + Number(step) + ",\"rate\":{\"of_capacity\":" + share + "},\"connections\":32", mix);
  }
  return plan.Finish();
}

Drain DrainPlan(uint32_t port, const Steady& steady, const BodyPath& body, const std::string& readiness,
                double capacity, bool to_listener, const Profile& profile) {
  Drain out;
  out.under_way.heads_only = body.path.empty();
  out.under_way.readiness = readiness;
  double total = 0;
  std::string mix;
  Writer plan(port, 40);
  const auto add = [&](const std::string& name, const std::string& members, double rate) {
    plan.Class(name, members);
    mix += (mix.empty() ? "" : ",") + std::string("{\"class\":") + QuoteJson(name) +
           ",\"weight\":" + std::to_string(static_cast<int>(rate * 10)) + "}";
    total += rate;
  };
  const std::string own_connection = ",\"keep_alive\":false";
  add("quick", Get(steady.path, 5), std::clamp(capacity / 2, 20.0, 200.0));
  add(kNewConnections, Get(steady.path, 5) + own_connection, 20);
  if (!readiness.empty()) add(kReadiness, Get(readiness, 5) + own_connection, 20);
  for (const double seconds : {0.2, 0.5, 1.0, 2.0, 5.0}) {
    if (profile.quick && seconds > 2) break;
    const bool upload = !out.under_way.heads_only;
    // Eight of each length under way at any time.
    add((upload ? "upload of " : "head of ") + Number(seconds) + " s",
        upload ? SlowUpload(body.method, body.path, seconds) : SlowHead(steady.path, seconds), 8 / seconds);
    out.under_way.longest_seconds = seconds;
  }
  const double at = std::max(1.0, out.under_way.longest_seconds + 0.2);
  plan.Phase("drain", Rate(total, at + 0.8), mix);
  plan.Action("\"phase\":\"drain\",\"at\":" + Number(at) +
              ",\"signal\":\"TERM\",\"to\":" + (to_listener ? "\"listener\"" : "\"process\""));
  out.plan = plan.Finish();
  return out;
}

std::string Base64(const std::string& bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += i + k <= bytes.size() ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

namespace {

// Bits of a deflate stream, lowest first.
class Bits {
 public:
  void Put(uint32_t value, int count) {
    held_ |= uint64_t{value} << have_;
    for (have_ += count; have_ >= 8; have_ -= 8, held_ >>= 8) out += static_cast<char>(held_ & 0xff);
  }
  void Flush() {
    if (have_ > 0) Put(0, 8 - have_);
  }
  std::string out;

 private:
  uint64_t held_ = 0;
  int have_ = 0;
};

uint32_t CrcOfRepeats(char byte, uint32_t count) {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1) != 0 ? 0xedb88320U ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  uint32_t crc = 0xffffffffU;
  for (uint32_t i = 0; i < count; ++i) crc = table[(crc ^ static_cast<unsigned char>(byte)) & 0xff] ^ (crc >> 8);
  return ~crc;
}

}  // namespace

std::string GzipOfRepeats(uint32_t bytes) {
  Bits bits;
  bits.out = std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
  // One final block with the fixed codes of RFC 1951: code bits go highest first, so each is written reversed. Literal
  // 'x' (0x30 + 120 = 10101000), length 258 (11000101), distance 1 (00000), end (0000000).
  constexpr uint32_t kLiteral = 0b00010101, kLongest = 0b10100011;
  bits.Put(1, 1);
  bits.Put(1, 2);
  uint32_t left = bytes;
  for (; left % 258 != 0 || left == bytes; --left) bits.Put(kLiteral, 8);
  for (; left > 0; left -= 258) {
    bits.Put(kLongest, 8);
    bits.Put(0, 5);
  }
  bits.Put(0, 7);
  bits.Flush();
  for (const uint32_t word : {CrcOfRepeats('x', bytes), bytes}) {
    for (int shift = 0; shift < 32; shift += 8) bits.out += static_cast<char>(word >> shift & 0xff);
  }
  return bits.out;
}

}  // namespace assay::load_test
