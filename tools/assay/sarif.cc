// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/sarif.h"

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/str_cat.h"

namespace assay::cli {
namespace {

using Json = nlohmann::ordered_json;

const char* Level(v1::Finding::Severity severity) {
  switch (severity) {
    case v1::Finding::ERROR:
      return "error";
    case v1::Finding::WARNING:
      return "warning";
    default:
      return "note";
  }
}

// SARIF wants URIs: everything outside RFC 3986's unreserved characters and "/" is percent-encoded.
std::string Uri(const std::string& path) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string uri;
  for (unsigned char c : path) {
    if (std::isalnum(c) || c == '/' || c == '-' || c == '.' || c == '_' || c == '~') {
      uri += static_cast<char>(c);
    } else {
      uri += '%';
      uri += kHex[c >> 4];
      uri += kHex[c & 15];
    }
  }
  return uri;
}

Json Region(const v1::Finding& finding) {
  Json region;
  region["startLine"] = std::max<uint32_t>(1, finding.line());
  if (finding.column() > 0) region["startColumn"] = finding.column();
  if (finding.end_line() >= finding.line() && finding.end_line() > 0) region["endLine"] = finding.end_line();
  if (finding.end_column() > 0) region["endColumn"] = finding.end_column();
  return region;
}

Json Result(const v1::Finding& finding) {
  Json result;
  result["ruleId"] = finding.check();
  result["level"] = Level(finding.severity());
  result["message"] = {{"text", finding.message()}};
  if (!finding.file().empty()) {
    result["locations"] =
        Json::array({{{"physicalLocation",
                       {{"artifactLocation", {{"uri", Uri(finding.file())}, {"uriBaseId", "SRCROOT"}}},
                        {"region", Region(finding)}}}}});
  }
  result["partialFingerprints"] = {
      {"assay/v1", absl::StrCat(finding.check(), ":", finding.file(), ":", finding.evidence())}};
  return result;
}

// Ids of what is not code: a code host has no file to show a remark on a scorecard at.
std::set<std::string> DocumentsOf(const v1::EvaluationReport& report) {
  std::set<std::string> ids;
  for (const auto& submission : report.submissions()) {
    if (submission.kind() != v1::Submission::REPOSITORY) ids.insert(submission.id());
  }
  return ids;
}

}  // namespace

std::string RenderSarif(const v1::EvaluationReport& report) {
  std::map<std::string, Json> rules;
  Json results = Json::array();
  const std::set<std::string> documents = DocumentsOf(report);
  for (const auto& finding : report.findings()) {
    if (finding.authorship() == v1::GIVEN || documents.count(finding.submission()) > 0) continue;
    Json& rule = rules[finding.check()];
    if (rule.is_null()) {
      rule = {{"id", finding.check()}, {"name", finding.criterion()}};
      if (!finding.help().empty()) rule["help"] = {{"text", finding.help()}};
      if (!finding.criterion().empty()) rule["shortDescription"] = {{"text", finding.criterion()}};
    }
    results.push_back(Result(finding));
  }
  Json rule_list = Json::array();
  for (auto& [id, rule] : rules) rule_list.push_back(std::move(rule));
  Json driver = {{"name", "Assay"}, {"semanticVersion", ASSAY_VERSION}, {"rules", std::move(rule_list)}};
  Json run = {
      {"tool", {{"driver", std::move(driver)}}}, {"columnKind", "utf16CodeUnits"}, {"results", std::move(results)}};
  Json log = {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
              {"version", "2.1.0"},
              {"runs", Json::array({std::move(run)})}};
  return log.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace assay::cli
