// A check is a table entry: what it looks for, what it teaches, what an interviewer can ask about the line, and one
// function over the model. Each family has one file and one table; catalog.cc lists the tables.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_CHECK_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_CHECK_H_

#include <span>
#include <string_view>
#include <vector>

#include "plugins/code_analysis/checks/reporter.h"
#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

struct Check {
  std::string_view id;         // "E8"
  std::string_view criterion;  // "shutdown.drains"
  std::string_view title;
  Severity severity = Severity::kWarning;
  std::string_view help;         // why it matters and how to mend it, in two to four sentences
  std::string_view question;     // one question about that very line
  std::string_view good_answer;  // what a good answer contains
  void (*run)(const Model& model, Reporter& reporter) = nullptr;
};

// The tables, one a family.
std::span<const Check> WiringChecks();         // A
std::span<const Check> AsyncChecks();          // B
std::span<const Check> InjectionChecks();      // C
std::span<const Check> SecretChecks();         // D
std::span<const Check> ResilienceChecks();     // E
std::span<const Check> EventLoopChecks();      // F
std::span<const Check> DatabaseChecks();       // G
std::span<const Check> StateChecks();          // J1
std::span<const Check> ConfigurationChecks();  // J2
std::span<const Check> StructureChecks();      // K
std::span<const Check> DeliveryChecks();       // M, N
std::span<const Check> DependencyChecks();     // O1
std::span<const Check> WiredSecurityChecks();  // O7

// All checks, ordered by id.
const std::vector<const Check*>& AllChecks();
const Check* FindCheck(std::string_view id);

// Runs every check; the report is sorted and the same for any order of files or threads. `stop` is asked between
// checks.
Report RunChecks(const Model& model, bool (*stop)(void*), void* context);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_CHECK_H_
