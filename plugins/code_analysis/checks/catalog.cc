// The list of all checks, and how they are run.
#include <algorithm>
#include <iterator>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>

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

namespace {

// The scan for secrets reads files alone and nothing of the model that is filled on demand, so it runs beside the
// others.
constexpr std::string_view kBeside = "D1";

void Append(Report part, Report& whole) {
  std::move(part.findings.begin(), part.findings.end(), std::back_inserter(whole.findings));
  std::move(part.observations.begin(), part.observations.end(), std::back_inserter(whole.observations));
  std::move(part.claims.begin(), part.claims.end(), std::back_inserter(whole.claims));
}

Report RunOne(const Check& check, const Model& model) {
  Report report;
  Reporter reporter(check, report);
  check.run(model, reporter);
  return report;
}

}  // namespace

Report RunChecks(const Model& model, bool (*stop)(void*), void* context) {
  Report report, beside;
  std::thread other;
  const Check* apart = FindCheck(kBeside);
  try {
    other = std::thread([&] { beside = RunOne(*apart, model); });
  } catch (const std::system_error&) {
    apart = nullptr;  // a machine without room for a thread: it takes its turn
  }
  bool stopped = false;
  for (const Check* check : AllChecks()) {
    stopped = stopped || (stop != nullptr && stop(context));
    if (check == apart) {
      other.join();
      Append(std::move(beside), report);
    } else if (!stopped) {
      Append(RunOne(*check, model), report);
    }
  }
  std::stable_sort(report.findings.begin(), report.findings.end(),
                   [](const Finding& a, const Finding& b) { return OrderOf(a) < OrderOf(b); });
  return report;
}

}  // namespace assay::code_analysis
