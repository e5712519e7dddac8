// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "assay/v1/server_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "tools/assay/connection.h"
#include "tools/assay/failure.h"
#include "tools/assay/globals.h"
#include "tools/assay/output.h"
#include "tools/assay/terminal_report.h"

namespace assay::cli {
namespace {

// The sum over the shards, and every place that does not add up.
void PrintAccounting(const v1::ServerInfo& info) {
  if (info.accounting().empty()) return;
  uint64_t accepted = 0, published = 0, failed = 0, in_flight = 0;
  int swept = 0;
  bool holds = true;
  for (const auto& shard : info.accounting()) {
    accepted += shard.accepted();
    published += shard.published();
    failed += shard.failed();
    in_flight += shard.in_flight();
    swept += shard.has_sweep_time() ? 1 : 0;
    holds = holds && shard.holds();
  }
  std::cout << absl::StrFormat(
      "\n  %d submissions accepted = %d published + %d visibly without a result + %d in flight%s\n", accepted,
      published, failed, in_flight, holds ? "" : ": THIS DOES NOT ADD UP");
  std::cout << absl::StrFormat("  lost work was looked for in %d of %d shards\n", swept, info.accounting_size());
  for (const auto& shard : info.accounting()) {
    if (shard.holds()) continue;
    std::cout << absl::StrFormat("  shard %d: %d places are wrong\n", shard.shard(), shard.sweep_findings());
    for (const std::string& finding : shard.first_findings()) std::cout << "    " << Printable(finding) << "\n";
  }
}

// Exit code 1 when something limits what this machine can do.
absl::StatusOr<int> Examine(const Globals& globals) {
  ASSAY_ASSIGN_OR_RETURN(auto connection,
                         globals.server.empty() ? Connection::ToDataFolder(globals) : Connection::ToServer(globals));
  auto stub = v1::ServerService::NewStub(connection->channel());
  grpc::ClientContext context;
  connection->Prepare(context, absl::Seconds(30));
  v1::ServerInfo info;
  ASSAY_RETURN_IF_ERROR(FromGrpc(stub->GetServerInfo(&context, {}, &info)));
  bool limited = info.limits_size() > 0;
  for (const auto& check : info.checks()) limited = limited || check.result() != v1::ServerInfo::Check::ENFORCED;
  for (const auto& shard : info.accounting()) limited = limited || !shard.holds();
  if (globals.json) {
    ASSAY_RETURN_IF_ERROR(PrintJson(info));
    return limited ? kAnswerIsNo : kDone;
  }
  std::cout << "assay " << info.version();
  if (!info.data_directory().empty()) std::cout << ", data in " << info.data_directory();
  std::cout << "\n\n";
  for (const auto& plugin : info.plugins()) {
    std::cout << absl::StrFormat("  plugin %-14s %s  %s\n", plugin.evaluator(), plugin.version(), plugin.digest());
  }
  std::cout << "\n";
  const TerminalStyle style = DetectStyle();
  std::map<std::string, std::vector<std::string>> mends;
  for (const auto& check : info.checks()) {
    std::cout << absl::StrFormat("  %-9s %-18s %s\n",
                                 absl::AsciiStrToLower(v1::ServerInfo::Check::Result_Name(check.result())), check.id(),
                                 Printable(check.detail()));
    // Several layers are mended in the same way; the text stands once, below the last of them.
    mends[check.mend()].push_back(check.id());
  }
  // Limits beyond the layers that were checked.
  for (const auto& limit : info.limits()) {
    const auto& checks = info.checks();
    const bool checked =
        std::any_of(checks.begin(), checks.end(), [&](const auto& check) { return check.id() == limit.id(); });
    if (checked) continue;
    std::cout << absl::StrFormat("  %-9s %-18s %s\n", "limit", limit.id(), Printable(limit.what()));
    mends[limit.mend()].push_back(limit.id());
  }
  for (const auto& [mend, ids] : mends) {
    if (!mend.empty())
      std::cout << "\n"
                << Wrap(absl::StrCat("To mend ", absl::StrJoin(ids, ", "), ": ", Printable(mend)), style.width, "  ");
  }
  PrintAccounting(info);
  if (!limited) std::cout << "\nNothing on this machine limits isolation, load tests or durability.\n";
  return limited ? kAnswerIsNo : kDone;
}

}  // namespace

void AddDoctor(CLI::App& app, Globals& globals, Action& action) {
  CLI::App* command =
      app.add_subcommand("doctor", "What limits isolation, load tests or durability here, and how to mend it");
  command->footer("Example: assay doctor");
  AddConnectionOptions(*command, globals);
  command->callback([&globals, &action] {
    action = [&globals]() -> int {
      absl::StatusOr<int> code = Examine(globals);
      return code.ok() ? *code : ReportFailure(code.status(), globals.json);
    };
  });
}

}  // namespace assay::cli
