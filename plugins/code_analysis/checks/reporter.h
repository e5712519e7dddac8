// What a check says. Checks know nothing of the plugin interface; plugin.cc hands the report to the host.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_REPORTER_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_REPORTER_H_

#include <string>
#include <vector>

#include "plugins/code_analysis/source/source_file.h"

namespace assay::code_analysis {

enum class Severity : uint8_t { kNote = 1, kWarning = 2, kError = 3 };
enum class Method : uint8_t { kCode = 2, kConfig = 3, kDocument = 5 };
enum class State : uint8_t { kObserved = 1, kNotObservable = 2, kNotObservedYet = 3 };

struct Check;

struct Finding {
  const Check* check = nullptr;
  Severity severity = Severity::kWarning;
  Span span;
  std::string message;
};

struct Observation {
  const Check* check = nullptr;
  State state = State::kObserved;
  double value = 0;
  double standard_error = 0;
  std::string rationale;
  std::vector<Span> evidence;  // at most 16; the most telling first
  Method method = Method::kCode;
};

struct ReportedClaim {
  const Check* check = nullptr;
  std::string statement;
  Span span;
};

// All that was found, in a fixed order.
struct Report {
  std::vector<Finding> findings;
  std::vector<Observation> observations;
  std::vector<ReportedClaim> claims;
};

// Standard errors of the usual kinds of evidence.
namespace error_of {
inline constexpr double kHarmfulPlace = 0.12;  // the place itself shows it
inline constexpr double kCrossFile = 0.15;     // followed over files, with version facts
inline constexpr double kSinglePlace = 0.2;    // one pattern in one place
inline constexpr double kConfiguration = 0.2;
inline constexpr double kAbsence = 0.35;  // not found, which may only mean not recognised
}  // namespace error_of

class Reporter {
 public:
  Reporter(const Check& check, Report& report) : check_(check), report_(report) {}

  // One place worth a reader's look, with the severity of the table entry or another. Messages say "the code suggests
  // …", name what is there and what follows from it. A place is reported once; at most 50 per check, the rest is
  // counted in the observation's rationale by the caller.
  void Find(const Span& span, std::string message);
  void Find(const Span& span, Severity severity, std::string message);

  // What the whole repository shows of the criterion; once per check. `evidence` must not be empty.
  void Observe(double value, double standard_error, std::string rationale, std::vector<Span> evidence,
               Method method = Method::kCode);
  // It cannot apply, or nothing submitted shows it.
  void NotObservedYet(std::string reason);

  // What the code says it does, for a run to test. The claim's id is the criterion.
  void Claim(const Span& span, std::string statement);

  size_t found() const { return found_; }

 private:
  const Check& check_;
  Report& report_;
  size_t found_ = 0;
  bool observed_ = false;
};

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_REPORTER_H_
