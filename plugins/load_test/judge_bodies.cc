// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "plugins/load_test/judge.h"
#include "plugins/load_test/judge_words.h"

namespace assay::load_test {
namespace {

using Severity = Remark::Severity;

// A cheap path that waits this long beside a few bodies waits for them.
constexpr double kStallMs = 2000;

// Classes beside the 20 MB, as a reader knows them; each is sent once.
struct Other {
  const char* name;
  const char* words;
  bool small;  // sent before a server that refuses it could have closed the connection
};
constexpr Other kOthers[] = {{"90kB", "90 kB", true},          {"101kB", "104 kB", false},
                             {"1MB", "1 MB", false},           {"10000-keys", "10,000 keys", true},
                             {"5000-deep", "5000 deep", true}, {"gzip-10MB", "10 MB in gzip", true}};

bool IsOver(const Counts* counts) { return counts != nullptr && counts->status_count(413, 413) > 0; }

bool IsCutOff(const Counts& counts) {
  return counts.answered() == 0 && counts.reset + counts.unanswered + counts.connect_error > 0;
}

// What became of a class that is sent once.
std::string Fate(const Counts& counts) {
  if (counts.answered() > 0) return std::to_string(counts.main_status());
  return counts.timeout > 0 ? "no answer within 5 s" : counts.connect_error > 0 ? "no connection" : "cut off";
}

// The 20 MB, which settle the criterion unless another body does worse.
void JudgeLargest(const LoadReport& report, const Counts& large, const Aftermath& aftermath, bool reads_bodies,
                  Judgement::Value& value, Judgement& out) {
  const uint64_t growth =
      aftermath.peak_bytes > aftermath.peak_bytes_before ? aftermath.peak_bytes - aftermath.peak_bytes_before : 0;
  // Reading 20 MB and dropping them costs some memory too; a body that is held costs several times its size.
  constexpr uint64_t kHeld = 30 << 20;
  const bool dropped = aftermath.peak_bytes > 0 && growth < kHeld;
  const std::string grew = aftermath.peak_bytes == 0 ? "" : ", peak memory grew by " + Megabytes(growth);
  Verdict verdict = Verdict::kInconclusive;
  if (!reads_bodies && !IsOver(&large)) {
    value.text = "no path was found that reads a body before it answers";
    return;
  }
  if (IsOver(&large)) {
    const bool json = std::any_of(report.samples.begin(), report.samples.end(),
                                  [](const SampleReport& s) { return s.status == 413 && IsJson(s.content_type); });
    value.value = json ? 1 : 0.5;
    value.text = "20 MB was answered with 413" + std::string(json ? " as JSON" : "") + grew;
    verdict = Verdict::kConfirmed;
  } else if (large.answered() == 0 && large.reset + large.unanswered > 0) {
    value.value = 0.5;
    value.text = "20 MB was cut off without an answer";
    verdict = Verdict::kConfirmed;
  } else if (large.answered() > 0 && large.early == large.answered()) {
    value.text = "20 MB was answered with " + std::to_string(large.main_status()) + " before it was read";
  } else if (large.answered() > 0 && dropped && large.main_status() >= 400) {
    // Express itself reads a refused request to its end before it answers.
    value.text = "20 MB was read and dropped, and answered with " + std::to_string(large.main_status()) +
                 ": no path was found that keeps a body";
  } else if (large.answered() > 0 && dropped) {
    value.value = 0.5;
    value.text = "20 MB was read to its end (" + std::to_string(large.main_status()) +
                 ") without being held in memory: its peak grew by " + Megabytes(growth);
  } else {
    value.value = 0;
    value.text = (large.answered() > 0 ? "20 MB was taken in whole (" : "20 MB was read (") + Fate(large) + ")" + grew;
    verdict = Verdict::kRefuted;
    out.remarks.push_back({"LT9.unbounded", value.criterion,
                           "The run showed no bound on request bodies: " + value.text + ".",
                           "Give each body parser the limit its route needs; refuse with 413 before reading on.",
                           "How many such uploads at once fit into the memory this service is given?",
                           "Memory over body size, with the copies a parser makes; then a limit per route and a bound "
                           "on concurrent uploads, or streaming.",
                           "limits.body_size", Severity::kWarning});
  }
  out.tested.push_back({"limits.body_size", verdict, value.text});
}

void Cap(Judgement::Value& value, double most) {
  value.value = value.value.has_value() ? std::min(*value.value, most) : most;
}

// A limit that counts the bytes on the wire lets a thousandfold through.
void JudgeCompressed(const PhaseReport& phase, bool reads_bodies, Judgement::Value& value, Judgement& out) {
  const Counts* packed = phase.Class("gzip-10MB");
  if (packed == nullptr || !reads_bodies || !IsOver(phase.Class("1MB")) || packed->answered() == 0 || packed->early > 0)
    return;
  const int status = packed->main_status();
  // Its text is no JSON: what a parser calls malformed it has unpacked to the end.
  if (status >= 300 && status != 400) return;
  const std::string what =
      "1 MB is refused, but 10 kB of gzip that unpack to 10 MB were taken in (" + std::to_string(status) + ")";
  Cap(value, 0.5);
  out.tested.push_back({"limits.body_size", Verdict::kRefuted, what});
  out.remarks.push_back(
      {"LT9.compressed", value.criterion, "The run showed a limit that compressed bodies pass: " + what + ".",
       "Count the bytes after unpacking, or refuse Content-Encoding where nobody needs it (415).",
       "What does a request of 10 kB cost this service at most?",
       "Whatever it unpacks to, some thousandfold. The limit has to count what comes out, while it comes out.",
       "limits.body_size", Severity::kWarning});
}

// Bodies of ordinary size and odd shape: what they do counts only where an ordinary body of 90 kB is answered soundly.
void JudgeShapes(const PhaseReport& phase, Judgement::Value& value, Judgement& out) {
  const Counts* ordinary = phase.Class("90kB");
  if (ordinary == nullptr || ordinary->answered() == 0 || ordinary->main_status() >= 500) return;
  std::string unanswered;
  uint64_t errors = 0, cut_off = 0;
  for (const Other& other : kOthers) {
    const Counts* counts = phase.Class(other.name);
    if (counts == nullptr) continue;
    if (counts->timeout > 0) unanswered += (unanswered.empty() ? "" : ", ") + std::string(other.words);
    errors += counts->status_count(500, 599);
    cut_off += other.small && IsCutOff(*counts);
  }
  if (const Counts* large = phase.Class("20MB"); large != nullptr) errors += large->status_count(500, 599);
  if (errors > 0 || cut_off > 0) Cap(value, 0.5);
  // An engine that was late itself gave them less time.
  if (unanswered.empty() || !phase.valid()) return;
  value.value = 0;
  out.remarks.push_back(
      {"LT9.unanswered", value.criterion,
       "The run showed bodies that are never answered: " + unanswered + " got no answer within 5 s.",
       "Bound what a parser may be given (size, depth, number of keys) and answer 400 or 413 beyond it.",
       "Which body of a few kB costs this service most, and who may send it?",
       "Deep nesting and many keys cost more than their size says; a parser with bounds, or a schema checked while "
       "reading, keeps the cost in proportion.",
       "limits.body_size", Severity::kWarning});
}

void JudgeNeighbours(const PhaseReport& phase, Judgement::Value& value, Judgement& out) {
  const Counts* cheap = phase.Class("cheap");
  if (cheap == nullptr || !cheap->measured) return;
  value.text += "; meanwhile p99 of a cheap path was " + Number(cheap->p99_ms) + " ms";
  if (cheap->p99_ms < kStallMs) return;
  Cap(value, 0.5);
  out.remarks.push_back(
      {"LT9.stall", value.criterion,
       "The run showed that bodies stop everybody: p99 of a cheap path was " + Number(cheap->p99_ms) +
           " ms beside them.",
       "Bound the bodies before parsing, and move what parses for long off the event loop.",
       "Who else waits while one client's body is parsed?",
       "Every client: one thread parses and answers. Limits keep the parse short; a worker keeps it apart.",
       "limits.body_size", Severity::kWarning});
}

}  // namespace

Judgement JudgeBodies(const LoadReport& report, const Aftermath& aftermath, bool reads_bodies) {
  Judgement out;
  Judgement::Value value{"run.body_limits", std::nullopt, ""};
  const PhaseReport* phase = report.Phase("bodies");
  const Counts* large = phase == nullptr ? nullptr : phase->Class("20MB");
  if (large == nullptr || large->sent == 0) {
    value.text = "no large body could be sent";
  } else if (!aftermath.alive) {
    value.value = 0;
    value.text = "large bodies ended the server: " + Describe(aftermath);
  } else {
    JudgeLargest(report, *large, aftermath, reads_bodies, value, out);
    JudgeCompressed(*phase, reads_bodies, value, out);
    JudgeShapes(*phase, value, out);
    for (const Other& other : kOthers) {
      const Counts* counts = phase->Class(other.name);
      if (counts != nullptr && counts->sent > 0) value.text += "; " + std::string(other.words) + ": " + Fate(*counts);
    }
    JudgeNeighbours(*phase, value, out);
  }
  out.values.push_back(std::move(value));
  return out;
}

}  // namespace assay::load_test
