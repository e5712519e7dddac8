// The evaluator: hands the submission's files to the analysis and its report to the host.
#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "assay/plugin.hpp"
#include "plugins/code_analysis/artifacts.h"
#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/model/analyser.h"

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxRoutesBytes = 3u << 20;
constexpr uint32_t kMaxSpanLines = 60;
constexpr size_t kMaxNotRead = 20;

class CodeAnalysis final : public sdk::Evaluator {
 public:
  static constexpr sdk::Identity kIdentity = {"code_analysis", "1.0.0", "code-analysis", ASSAY_DETERMINISM_BITWISE,
                                              ASSAY_FLAG_REUSABLE};

  sdk::Status Evaluate(sdk::Evaluation& evaluation) override;
};

// Hands one report over; spans become evidence once each.
class Delivery {
 public:
  Delivery(sdk::Evaluation& evaluation, const std::vector<sdk::Input>& inputs)
      : evaluation_(evaluation), inputs_(inputs) {}

  sdk::Status Deliver(const Report& report);
  // Tells a reader which files of the submission were not read, or not whole, and why.
  sdk::Status DeliverNotRead(const Model& model);
  sdk::Result<sdk::Evidence> EvidenceOf(const Span& span);

 private:
  sdk::Status DeliverNote(const SourceFile& file, const std::string& message);
  sdk::Status DeliverObservation(const Observation& observation);
  sdk::Status DeliverFinding(const Finding& finding);
  sdk::Status DeliverClaim(const ReportedClaim& claim);

  sdk::Evaluation& evaluation_;
  const std::vector<sdk::Input>& inputs_;
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, sdk::Evidence> recorded_;
};

sdk::Result<sdk::Evidence> Delivery::EvidenceOf(const Span& span) {
  const sdk::Input& input = inputs_[span.file->index];
  if (span.line == 0) return input.evidence;
  const uint32_t end = std::min(std::max(span.end_line, span.line), span.line + kMaxSpanLines);
  const auto key = std::make_tuple(span.file->index, span.line, end);
  if (const auto known = recorded_.find(key); known != recorded_.end()) return known->second;
  const sdk::Result<sdk::Evidence> evidence = evaluation_.Span(input, span.line, end);
  if (evidence.ok()) recorded_[key] = *evidence;
  return evidence;
}

sdk::Status Delivery::DeliverObservation(const Observation& observation) {
  sdk::Observation out;
  out.criterion = observation.check->criterion;
  out.rationale = observation.rationale;
  out.method = static_cast<sdk::Method>(observation.method);
  if (observation.state != State::kObserved) {
    out.state = observation.state == State::kNotObservable ? sdk::State::kNotObservable : sdk::State::kNotObservedYet;
    return evaluation_.Observe(out);
  }
  out.value = observation.value;
  out.standard_error = observation.standard_error;
  for (const Span& span : observation.evidence) {
    const sdk::Result<sdk::Evidence> evidence = EvidenceOf(span);
    if (!evidence.ok()) return evidence.status();
    if (std::find(out.evidence.begin(), out.evidence.end(), *evidence) == out.evidence.end())
      out.evidence.push_back(*evidence);
  }
  return evaluation_.Observe(out);
}

sdk::Status Delivery::DeliverFinding(const Finding& finding) {
  const sdk::Result<sdk::Evidence> evidence = EvidenceOf(finding.span);
  if (!evidence.ok()) return evidence.status();
  sdk::Finding out;
  out.check = finding.check->id;
  out.criterion = finding.check->criterion;
  out.message = finding.message;
  out.path = finding.span.file->path;
  out.help = finding.check->help;
  out.question = finding.check->question;
  out.good_answer = finding.check->good_answer;
  out.severity = static_cast<sdk::Severity>(finding.severity);
  out.line = std::max(finding.span.line, 1u);
  out.column = std::max(finding.span.column, 1u);
  out.end_line = std::max(finding.span.end_line, out.line);
  out.end_column = finding.span.end_column;
  out.evidence = *evidence;
  return evaluation_.AddFinding(out);
}

sdk::Status Delivery::DeliverClaim(const ReportedClaim& claim) {
  const sdk::Result<sdk::Evidence> evidence = EvidenceOf(claim.span);
  if (!evidence.ok()) return evidence.status();
  sdk::Claim out;
  out.id = claim.check->criterion;
  out.criterion = claim.check->criterion;
  out.statement = claim.statement;
  out.path = claim.span.file->path;
  out.line = std::max(claim.span.line, 1u);
  out.evidence = *evidence;
  return evaluation_.AddClaim(out);
}

sdk::Status Delivery::Deliver(const Report& report) {
  for (const Observation& observation : report.observations) {
    if (const sdk::Status status = DeliverObservation(observation); !status.ok()) return status;
  }
  for (const ReportedClaim& claim : report.claims) {
    if (const sdk::Status status = DeliverClaim(claim); !status.ok()) return status;
  }
  for (const Finding& finding : report.findings) {
    if (const sdk::Status status = DeliverFinding(finding); !status.ok()) return status;
  }
  return sdk::Ok();
}

sdk::Status Delivery::DeliverNote(const SourceFile& file, const std::string& message) {
  const sdk::Result<sdk::Evidence> evidence = EvidenceOf(WholeFile(file));
  if (!evidence.ok()) return evidence.status();
  sdk::Finding out;
  out.check = "analysis";
  out.message = message;
  out.path = file.path;
  out.severity = sdk::Severity::kNote;
  out.line = out.column = out.end_line = 1;
  out.evidence = *evidence;
  return evaluation_.AddFinding(out);
}

sdk::Status Delivery::DeliverNotRead(const Model& model) {
  std::vector<std::pair<const SourceFile*, std::string>> notes;
  for (const auto& manifest : model.package().manifests) {
    if (!manifest.error.empty()) notes.emplace_back(manifest.file, manifest.error + "; the rest was read without it");
  }
  for (const Skipped& skipped : model.skipped()) {
    if (!skipped.ordinary) notes.emplace_back(skipped.file, "this file was not read: " + skipped.reason);
  }
  for (const auto& module : model.modules()) {
    if (module->tree.has_errors())
      notes.emplace_back(&module->file(), "this file has syntax that could not be read; the rest of it was");
  }
  const size_t told = std::min(notes.size(), kMaxNotRead);
  for (size_t i = 0; i < told; ++i) {
    std::string message = std::move(notes[i].second);
    if (i + 1 == told && notes.size() > told)
      message += " (and so for " + std::to_string(notes.size() - told) + " further files)";
    if (const sdk::Status status = DeliverNote(*notes[i].first, message); !status.ok()) return status;
  }
  return sdk::Ok();
}

sdk::Result<std::vector<SourceFile>> ReadFiles(sdk::Evaluation& evaluation, const std::vector<sdk::Input>& inputs) {
  std::vector<SourceFile> files;
  for (uint32_t i = 0; i < inputs.size(); ++i) {
    const sdk::Input& input = inputs[i];
    if (input.role != sdk::InputRole::kFile) continue;
    const sdk::Result<std::string_view> bytes = evaluation.Bytes(input);
    if (!bytes.ok()) return bytes.status();
    files.push_back({.path = input.path, .bytes = *bytes, .index = i});
  }
  return files;
}

// For whoever runs the platform: every file of code that was left out, ordinary or not.
void LogSkipped(const sdk::Evaluation& evaluation, const Model& model) {
  size_t told = 0;
  for (const Skipped& skipped : model.skipped()) {
    if (++told > 100) break;
    evaluation.Log(ASSAY_LOG_INFO, "not analysed: " + std::string(skipped.file->path) + ": " + skipped.reason);
  }
}

sdk::Status CodeAnalysis::Evaluate(sdk::Evaluation& evaluation) {
  const std::vector<sdk::Input>& inputs = evaluation.Inputs();
  sdk::Result<std::vector<SourceFile>> files = ReadFiles(evaluation, inputs);
  if (!files.ok()) return files.status();

  AnalyserOptions options;
  options.should_stop = [&evaluation] { return evaluation.should_stop() != ASSAY_RUN; };
  options.progress = [&evaluation](std::string_view phase, uint64_t done, uint64_t total) {
    // Only every hundredth file: the host forwards each report.
    if (done % 100 == 0 || done == total) evaluation.Progress(phase, done, total);
  };
  const std::unique_ptr<Model> model = AnalyseRepository(*std::move(files), options);
  if (model == nullptr) return sdk::Stopped();
  LogSkipped(evaluation, *model);
  if (const std::string reason = NotAnExpressApplication(*model); !reason.empty())
    return sdk::SubmissionFault("not an Express application: " + reason);

  evaluation.Progress("checking");
  const Report report = RunChecks(
      *model, [](void* context) { return static_cast<sdk::Evaluation*>(context)->should_stop() != ASSAY_RUN; },
      &evaluation);
  if (evaluation.should_stop() != ASSAY_RUN) return sdk::Stopped();

  std::string routes = RoutesJson(*model);
  if (routes.size() > kMaxRoutesBytes) return sdk::Status(ASSAY_E_LIMIT, "the route table takes more than 3 MiB");
  if (const auto put = evaluation.PutArtifact("routes.json", "application/json", routes); !put.ok())
    return put.status();
  if (const auto put = evaluation.PutArtifact("server.json", "application/json", ServerJson(*model)); !put.ok())
    return put.status();
  Delivery delivery(evaluation, inputs);
  if (const sdk::Status status = delivery.DeliverNotRead(*model); !status.ok()) return status;
  return delivery.Deliver(report);
}

}  // namespace
}  // namespace assay::code_analysis

ASSAY_PLUGIN(assay::code_analysis::CodeAnalysis)
