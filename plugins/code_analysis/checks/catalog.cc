// The list of all checks, and how they are run.
#include <algorithm>
#include <tuple>

#include "plugins/code_analysis/checks/check.h"

namespace assay::code_analysis {
namespace {

// E4 before E10: letters, then the number, then what follows it ("D3" before "D3b").
std::tuple<std::string_view, int, std::string_view> OrderOf(const Check& check) {
  const size_t digit = check.id.find_first_of("0123456789");
  size_t end = digit;
  int number = 0;
  while (end < check.id.size() && check.id[end] >= '0' && check.id[end] <= '9')
    number = number * 10 + (check.id[end++] - '0');
  return {check.id.substr(0, digit), number, check.id.substr(end)};
}

std::tuple<std::string_view, uint32_t, uint32_t, std::tuple<std::string_view, int, std::string_view>> OrderOf(
    const Finding& finding) {
  return {finding.span.file->path, finding.span.line, finding.span.column, OrderOf(*finding.check)};
}

}  // namespace

const std::vector<const Check*>& AllChecks() {
  static const auto* all = [] {
    auto* checks = new std::vector<const Check*>();
    for (std::span<const Check> table : {
             WiringChecks(),
             AsyncChecks(),
             InjectionChecks(),
             SecretChecks(),
             ResilienceChecks(),
             EventLoopChecks(),
             DatabaseChecks(),
             StateChecks(),
             ConfigurationChecks(),
             StructureChecks(),
             DeliveryChecks(),
             DependencyChecks(),
             WiredSecurityChecks(),
         }) {
      for (const Check& check : table) checks->push_back(&check);
    }
    std::sort(checks->begin(), checks->end(), [](const Check* a, const Check* b) { return OrderOf(*a) < OrderOf(*b); });
    return checks;
  }();
  return *all;
}

const Check* FindCheck(std::string_view id) {
  for (const Check* check : AllChecks()) {
    if (check->id == id) return check;
  }
  return nullptr;
}

Report RunChecks(const Model& model, bool (*stop)(void*), void* context) {
  Report report;
  for (const Check* check : AllChecks()) {
    if (stop != nullptr && stop(context)) break;
    Reporter reporter(*check, report);
    check->run(model, reporter);
  }
  std::stable_sort(report.findings.begin(), report.findings.end(),
                   [](const Finding& a, const Finding& b) { return OrderOf(a) < OrderOf(b); });
  return report;
}

}  // namespace assay::code_analysis
