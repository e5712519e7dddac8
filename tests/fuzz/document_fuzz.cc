// SPDX-License-Identifier: Apache-2.0
// Documents come from people and files: any bytes must end in a checked message or a clean error. The first byte
// chooses the language and the kind.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "assay/v1/document.pb.h"
#include "assay/v1/framework.pb.h"
#include "services/common/base/document.h"
#include "services/readiness/document_rules.h"
#include "services/readiness/embedded.h"
#include "services/readiness/framework.h"

namespace {

using assay::readiness::CompiledFramework;
using assay::readiness::Violation;

const CompiledFramework& Framework() {
  static const auto& framework = *new std::shared_ptr<const CompiledFramework>(*CompiledFramework::Create(
      *assay::readiness::ParseFramework(assay::readiness::EmbeddedFiles())));
  return *framework;
}

template <typename Document>
void Read(absl::string_view text, absl::string_view name,
          std::vector<Violation> (*check)(const Document&, const CompiledFramework&)) {
  Document document;
  assay::LineIndex lines;
  std::vector<assay::DocumentError> errors;
  const absl::Status status = assay::ParseDocument(text, name, &document, {{"source"}, &lines, &errors});
  if (status.ok() != errors.empty() && !absl::IsResourceExhausted(status)) std::abort();
  if (errors.size() > assay::kMaxDocumentErrors) std::abort();
  if (!status.ok()) return;
  const std::vector<Violation> violations = check(document, Framework());
  if (violations.size() > assay::readiness::kMaxViolations) std::abort();
  if (assay::readiness::ToStatus(violations, document.source()).ok() != violations.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace readiness = assay::readiness;
  namespace v1 = assay::v1;
  if (size == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const absl::string_view name = data[0] % 2 == 0 ? "a.yaml" : "a.json";
  assay::DocumentKind(text, name).status().IgnoreError();
  switch (data[0] / 2 % 6) {
    case 0:
      Read<v1::TaskDocument>(text, name, &readiness::CheckTask);
      break;
    case 1:
      Read<v1::Scorecard>(text, name, &readiness::CheckScorecard);
      break;
    case 2:
      Read<v1::Portfolio>(text, name, &readiness::CheckPortfolio);
      break;
    case 3:
      Read<v1::Outcome>(text, name, &readiness::CheckOutcome);
      break;
    case 4:
      Read<v1::DecisionDocument>(text, name, &readiness::CheckDecision);
      break;
    default:
      readiness::ParseFramework(std::vector<readiness::FrameworkFile>{{std::string(name), std::string(text)}})
          .status()
          .IgnoreError();
  }
  return 0;
}
