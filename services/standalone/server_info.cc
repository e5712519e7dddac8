// SPDX-License-Identifier: Apache-2.0
#include "services/standalone/server_info.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/build_id.h"

namespace assay::standalone {
namespace {

v1::ServerInfo::Check::Result ResultOf(sandbox::Launcher::Check::Result result) {
  switch (result) {
    case sandbox::Launcher::Check::Result::kEnforced:
      return v1::ServerInfo::Check::ENFORCED;
    case sandbox::Launcher::Check::Result::kAbsent:
      return v1::ServerInfo::Check::ABSENT;
    case sandbox::Launcher::Check::Result::kBroken:
      return v1::ServerInfo::Check::BROKEN;
  }
  return v1::ServerInfo::Check::RESULT_UNSPECIFIED;
}

// Layers that one step mends are one limit. What it means for evaluations comes first, then the layers and why.
void AddLimits(const sandbox::Launcher& launcher, v1::ServerInfo& info) {
  const bool runs = launcher.CanRunUntrusted().ok();
  std::vector<std::pair<std::string, std::vector<const sandbox::Launcher::Check*>>> groups;
  for (const sandbox::Launcher::Check& check : launcher.checks()) {
    if (check.result == sandbox::Launcher::Check::Result::kEnforced) continue;
    auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& other) { return other.first == check.mend; });
    if (group == groups.end()) group = groups.insert(groups.end(), {check.mend, {}});
    group->second.push_back(&check);
  }
  for (const auto& [mend, checks] : groups) {
    std::vector<std::string> names, details;
    for (const sandbox::Launcher::Check* check : checks) {
      names.push_back(check->id);
      if (std::find(details.begin(), details.end(), check->detail) == details.end()) details.push_back(check->detail);
    }
    v1::PlatformLimit& limit = *info.add_limits();
    limit.set_id(names.front());
    limit.set_what(absl::StrCat(runs ? "Servers under test run with less isolation" : "Submissions are not run here, so there is no load test",
                                ": this machine lacks the isolation of ", absl::StrJoin(names, ", "), " (",
                                absl::StrJoin(details, "; "), ")"));
    limit.set_mend(mend);
  }
}

void AddAccounting(const aggregator::Server& aggregator, v1::ServerInfo& info) {
  for (uint32_t shard = 0; shard < aggregator.shards(); ++shard) {
    const absl::StatusOr<aggregator::Server::Accounts> accounts = aggregator.AccountsOf(shard);
    if (!accounts.ok()) continue;
    v1::ServerInfo::ShardAccounting& shown = *info.add_accounting();
    shown.set_shard(shard);
    shown.set_accepted(accounts->accounting.accepted());
    shown.set_published(accounts->accounting.published());
    shown.set_failed(accounts->accounting.failed());
    shown.set_in_flight(accounts->accounting.in_flight());
    shown.set_holds(accounts->holds);
    if (!accounts->sweep) continue;
    shown.mutable_sweep_time()->set_seconds(absl::ToUnixSeconds(accounts->sweep->end));
    shown.set_sweep_findings(accounts->sweep->report.findings);
    for (const std::string& finding : accounts->sweep->report.first_findings) shown.add_first_findings(finding);
  }
}

}  // namespace

v1::ServerInfo DescribeServer(const config::v1::Standalone& config, const aggregator::Server& aggregator,
                              const std::string& plugin_folder,
                              const sandbox::Launcher* launcher, const evaluator::Server* evaluator) {
  v1::ServerInfo info;
  info.set_version(std::string(BuildVersion()));
  info.set_build_id(std::string(BuildId()));
  info.set_data_directory(config.data_directory());
  info.set_shards(aggregator.shards());
  info.set_read_only(config.read_only());
  if (evaluator != nullptr) {
    for (const evaluator::OfferedPlugin& plugin : evaluator->plugins()) {
      for (const auto& offered : plugin.manifest.evaluators()) {
        v1::ServerInfo::Plugin& shown = *info.add_plugins();
        shown.set_evaluator(offered.id());
        shown.set_digest(plugin.digest);
        shown.set_version(plugin.manifest.version());
        shown.set_path(plugin_folder);
      }
    }
  }
  AddAccounting(aggregator, info);
  if (launcher == nullptr) return info;
  for (const sandbox::Launcher::Check& check : launcher->checks()) {
    v1::ServerInfo::Check& shown = *info.add_checks();
    shown.set_id(check.id);
    shown.set_result(ResultOf(check.result));
    shown.set_detail(check.detail);
    shown.set_mend(check.mend);
  }
  AddLimits(*launcher, info);
  return info;
}

}  // namespace assay::standalone
