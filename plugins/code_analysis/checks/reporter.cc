#include "plugins/code_analysis/checks/reporter.h"

#include <algorithm>

#include "plugins/code_analysis/checks/check.h"

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxFindings = 50;
constexpr size_t kMaxEvidence = 16;
constexpr size_t kMaxMessage = 1000;
constexpr size_t kMaxRationale = 2000;

// At most `size` bytes, whole characters of UTF-8.
std::string Shortened(std::string text, size_t size) {
  if (text.size() <= size) return text;
  size -= 3;
  while (size > 0 && (static_cast<uint8_t>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size) + "…";
}

}  // namespace

void Reporter::Find(const Span& span, std::string message) { Find(span, check_.severity, std::move(message)); }

void Reporter::Find(const Span& span, Severity severity, std::string message) {
  if (!span || found_ >= kMaxFindings) return;
  for (const Finding& finding : report_.findings) {
    if (finding.check == &check_ && finding.span.file == span.file && finding.span.line == span.line &&
        finding.span.column == span.column)
      return;
  }
  ++found_;
  report_.findings.push_back(
      {.check = &check_, .severity = severity, .span = span, .message = Shortened(std::move(message), kMaxMessage)});
}

void Reporter::Observe(double value, double standard_error, std::string rationale, std::vector<Span> evidence,
                       Method method) {
  std::erase_if(evidence, [](const Span& span) { return !span; });
  if (observed_) return;
  if (evidence.empty()) return NotObservedYet(std::move(rationale));
  observed_ = true;
  if (evidence.size() > kMaxEvidence) evidence.resize(kMaxEvidence);
  report_.observations.push_back({.check = &check_,
                                  .state = State::kObserved,
                                  .value = std::clamp(value, 0.0, 1.0),
                                  .standard_error = std::clamp(standard_error, 0.0, 0.5),
                                  .rationale = Shortened(std::move(rationale), kMaxRationale),
                                  .evidence = std::move(evidence),
                                  .method = method});
}

void Reporter::NotObservedYet(std::string reason) {
  if (observed_) return;
  observed_ = true;
  report_.observations.push_back(
      {.check = &check_, .state = State::kNotObservedYet, .rationale = Shortened(std::move(reason), kMaxRationale)});
}

void Reporter::Claim(const Span& span, std::string statement) {
  if (!span) return;
  for (const ReportedClaim& claim : report_.claims) {
    if (claim.check == &check_) return;
  }
  report_.claims.push_back({.check = &check_, .statement = Shortened(std::move(statement), kMaxMessage), .span = span});
}

}  // namespace assay::code_analysis
