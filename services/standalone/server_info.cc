// SPDX-License-Identifier: Apache-2.0
#include "services/standalone/server_info.h"

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

}  // namespace

v1::ServerInfo DescribeServer(const config::v1::Standalone& config, uint32_t shards,
                              const sandbox::Launcher* launcher, const evaluator::Server* evaluator) {
  v1::ServerInfo info;
  info.set_version(ASSAY_VERSION);
  info.set_data_directory(config.data_directory());
  info.set_shards(shards);
  info.set_read_only(config.read_only());
  if (evaluator != nullptr) {
    for (const evaluator::OfferedPlugin& plugin : evaluator->plugins()) {
      for (const auto& offered : plugin.manifest.evaluators()) {
        v1::ServerInfo::Plugin& shown = *info.add_plugins();
        shown.set_evaluator(offered.id());
        shown.set_digest(plugin.digest);
        shown.set_version(plugin.manifest.version());
        shown.set_path(config.plugin_directory());
      }
    }
  }
  if (launcher == nullptr) return info;
  for (const sandbox::Launcher::Check& check : launcher->checks()) {
    v1::ServerInfo::Check& shown = *info.add_checks();
    shown.set_id(check.id);
    shown.set_result(ResultOf(check.result));
    shown.set_detail(check.detail);
    shown.set_mend(check.mend);
    if (shown.result() == v1::ServerInfo::Check::ENFORCED) continue;
    v1::PlatformLimit& limit = *info.add_limits();
    limit.set_id(check.id);
    limit.set_what(check.detail);
    limit.set_mend(check.mend);
  }
  return info;
}

}  // namespace assay::standalone
