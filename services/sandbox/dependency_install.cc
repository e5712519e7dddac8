// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/dependency_install.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/sandbox/install_script.h"
#include "services/sandbox/runtime_mounts.h"
#include "services/sandbox/tool_run.h"

namespace assay::sandbox {
namespace {

constexpr uint64_t kMaxRecordBytes = 64 << 20;
constexpr size_t kMaxNotes = 200;

absl::StatusOr<std::string> PercentDecode(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size() || !absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 1])) ||
        !absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 2]))) {
      return absl::InvalidArgumentError("malformed installation record");
    }
    out += absl::HexStringToBytes(text.substr(i + 1, 2));
    i += 2;
  }
  return out;
}

absl::Status AddRecord(const std::vector<std::string>& fields, Resolution& into, bool& done) {
  const std::string& word = fields[0];
  if (word == "failure" && fields.size() == 5) {
    auto domain = fields[1] == "platform" ? Failure::FaultDomain::kPlatform : Failure::FaultDomain::kSubmission;
    into.failures.push_back({domain, fields[2], fields[3], fields[4]});
    done = true;
  } else if (word == "note" && fields.size() == 4) {
    if (into.notes.size() < kMaxNotes) {
      into.notes.push_back({Failure::FaultDomain::kSubmission, fields[1], fields[2], fields[3]});
    }
  } else if (word == "manifest" && fields.size() == 2) {
    into.manifest = fields[1];
  } else if (word == "lock" && fields.size() == 2) {
    into.lock = fields[1];
  } else if (word == "missing" && fields.size() == 1) {
    into.lockfile_missing = true;
  } else if (word == "legacy" && fields.size() == 1) {
    into.legacy_peers = true;
  } else if (word == "done" && fields.size() == 1) {
    done = true;
  } else if (word != "empty" || fields.size() != 1) {
    return absl::InvalidArgumentError("unknown installation record");
  }
  return absl::OkStatus();
}

// Writes one input; the sandbox's user must be able to read it, and the folder above keeps everybody else away.
absl::Status WriteInput(const std::string& path, absl::string_view content) {
  ASSAY_RETURN_IF_ERROR(WriteFileAtomically(path, content));
  return chmod(path.c_str(), 0644) == 0 ? absl::OkStatus() : ErrnoStatus(errno, absl::StrCat("open ", path));
}

// Makes the folders that the process sees as /in and /script. They are apart because Node looks for a package.json above
// its script.
absl::Status WriteInputs(const std::string& folder, const RegistryConfig& registry, absl::string_view manifest,
                         absl::string_view lock) {
  for (const std::string& part : {folder, folder + "/in", folder + "/script"}) {
    ASSAY_RETURN_IF_ERROR(MakeDirectories(part));
    if (chmod(part.c_str(), 0755) != 0) return ErrnoStatus(errno, absl::StrCat("open ", part));
  }
  ASSAY_RETURN_IF_ERROR(WriteInput(folder + "/script/install_dependencies.js", kInstallScript));
  ASSAY_RETURN_IF_ERROR(WriteInput(folder + "/in/npmrc", registry.npmrc));
  ASSAY_RETURN_IF_ERROR(WriteInput(folder + "/in/package.json", manifest));
  return lock.empty() ? absl::OkStatus() : WriteInput(folder + "/in/package-lock.json", lock);
}

// The end of what the process wrote about itself, without what could not be printed.
std::string Shorten(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (text.size() > 1000) text.remove_prefix(text.size() - 1000);
  return absl::CHexEscape(text);
}

std::string DescribeEnd(const ToolResult& result, const WorkspaceOptions& options) {
  switch (result.exit.limit) {
    case ExitInfo::Limit::kWall:
      return absl::StrCat("the installation took longer than ", absl::FormatDuration(options.install_timeout));
    case ExitInfo::Limit::kMemory:
      return absl::StrCat("the installation used more memory than ", options.install_memory_bytes >> 20, " MiB");
    case ExitInfo::Limit::kDisk:
      return absl::StrCat("the dependencies take more than ", options.install_disk_bytes >> 20, " MiB");
    default:
      return absl::StrCat("the installation ended with ", result.exit.signalled ? "signal " : "exit code ",
                          result.exit.code, ": ", Shorten(result.errors));
  }
}

}  // namespace

absl::StatusOr<RegistryConfig> LearnRegistry(Launcher& launcher) {
  ASSAY_ASSIGN_OR_RETURN(std::string npm, FindTool("npm"));
  LaunchSpec spec;
  spec.argv = {npm, "config", "get", "registry", "cafile", "userconfig", "globalconfig"};
  spec.environment = OperatorEnvironment();
  spec.limits.wall = absl::Minutes(1);
  spec.isolation.drop_privileges = false;
  spec.isolation.seccomp = false;
  spec.isolation.best_effort = true;
  ASSAY_ASSIGN_OR_RETURN(ToolResult result, RunTool(launcher, std::move(spec)));
  if (result.exit.signalled || result.exit.code != 0) {
    return absl::UnavailableError(absl::StrCat("npm config: ", Shorten(result.errors)));
  }
  std::map<std::string, std::string> values;
  for (absl::string_view line : absl::StrSplit(result.output, '\n')) {
    std::pair<std::string, std::string> pair = absl::StrSplit(line, absl::MaxSplits('=', 1));
    if (pair.second != "null" && pair.second != "undefined") values[pair.first] = pair.second;
  }
  RegistryConfig config;
  config.registry = values["registry"];
  config.certificates = values["cafile"];
  for (const char* file : {"globalconfig", "userconfig"}) {
    absl::StatusOr<std::string> text = ReadFile(values[file], 1 << 20);
    if (!text.ok()) continue;
    for (absl::string_view line : absl::StrSplit(*text, '\n')) {
      line = absl::StripAsciiWhitespace(line);
      const bool scope = absl::StartsWith(line, "@") && absl::StrContains(line, ":registry");
      if (absl::StartsWith(line, "//") || scope) absl::StrAppend(&config.npmrc, line, "\n");
    }
  }
  for (const std::string& variable : OperatorEnvironment()) {
    const std::string name = absl::AsciiStrToLower(variable.substr(0, variable.find('=')));
    if (absl::EndsWith(name, "_proxy")) config.environment.push_back(variable);
    if (name == "node_extra_ca_certs" && config.certificates.empty()) {
      config.certificates = variable.substr(variable.find('=') + 1);
    }
  }
  return config;
}

absl::StatusOr<Resolution> ParseRecords(absl::string_view records) {
  Resolution resolution;
  bool done = false;
  for (absl::string_view line : absl::StrSplit(records, '\n', absl::SkipEmpty())) {
    std::vector<std::string> fields;
    for (absl::string_view field : absl::StrSplit(line, '\t')) {
      ASSAY_ASSIGN_OR_RETURN(std::string text, PercentDecode(field));
      fields.push_back(std::move(text));
    }
    ASSAY_RETURN_IF_ERROR(AddRecord(fields, resolution, done));
  }
  if (!done) return absl::InvalidArgumentError("the installation's report has no end");
  return resolution;
}

absl::StatusOr<Resolution> DependencyInstaller::Run(const std::string& inputs, std::vector<std::string> words,
                                                    const std::string& layer) const {
  UniqueFd report(memfd_create("report", MFD_CLOEXEC));
  if (!report.is_open()) return ErrnoStatus(errno, "memfd for the installation's report");
  LaunchSpec spec;
  spec.argv = {"/node/bin/node", "/script/install_dependencies.js"};
  spec.argv.insert(spec.argv.end(), words.begin(), words.end());
  spec.environment = registry_.environment;
  for (const char* variable :
       {"HOME=/home/app", "TMPDIR=/tmp", "PATH=/node/bin:/usr/bin:/bin", "npm_config_userconfig=/in/npmrc",
        "npm_config_globalconfig=/in/no-npmrc", "npm_config_cache=/home/app/cache", "npm_config_update_notifier=false",
        "npm_config_progress=false", "npm_config_loglevel=error", "npm_config_logs_max=0", "npm_config_engine_strict=false"}) {
    spec.environment.push_back(variable);
  }
  if (!registry_.registry.empty()) spec.environment.push_back("npm_config_registry=" + registry_.registry);
  spec.descriptors = {{report.get(), 3}};
  spec.limits.wall = options_.install_timeout;
  spec.limits.memory_bytes = options_.install_memory_bytes;
  spec.limits.disk_bytes = options_.install_disk_bytes;
  spec.limits.max_processes = 128;
  Isolation& isolation = spec.isolation;
  isolation.new_mounts = isolation.new_processes = true;  // with the machine's network: npm must reach the registry
  isolation.profile = Profile::kInstall;
  isolation.mounts = NodeLibraryMounts();
  isolation.mounts.push_back({node_, "/node"});
  isolation.mounts.push_back({npm_, "/npm"});
  isolation.mounts.push_back({inputs + "/in", "/in"});
  isolation.mounts.push_back({inputs + "/script", "/script"});
  if (!layer.empty()) isolation.mounts.push_back({layer, "/layer", true});
  for (const char* file : {"/etc/resolv.conf", "/etc/hosts"}) {
    if (access(file, R_OK) == 0) isolation.mounts.push_back({file, file});
  }
  if (!registry_.certificates.empty() && access(registry_.certificates.c_str(), R_OK) == 0) {
    isolation.mounts.push_back({registry_.certificates, "/etc/registry-certificates.pem"});
    spec.environment.push_back("npm_config_cafile=/etc/registry-certificates.pem");
  }
  ASSAY_ASSIGN_OR_RETURN(ToolResult result, RunTool(launcher_, std::move(spec)));
  struct stat size{};
  if (fstat(report.get(), &size) != 0 || static_cast<uint64_t>(size.st_size) > kMaxRecordBytes) {
    return absl::ResourceExhaustedError("the installation's report is too large");
  }
  std::string records(static_cast<size_t>(size.st_size), '\0');
  if (pread(report.get(), records.data(), records.size(), 0) != size.st_size) {
    return ErrnoStatus(errno, "read the installation's report");
  }
  absl::StatusOr<Resolution> resolution = ParseRecords(records);
  if (!resolution.ok() || result.exit.signalled || result.exit.code != 0) {
    Resolution failed;
    const bool theirs = result.exit.limit != ExitInfo::Limit::kNone;
    failed.failures.push_back({theirs ? Failure::FaultDomain::kSubmission : Failure::FaultDomain::kPlatform, "",
                               words[0] == "check" ? "resolve" : "install", DescribeEnd(result, options_)});
    return failed;
  }
  return resolution;
}

absl::StatusOr<Resolution> DependencyInstaller::Check(const std::string& scratch, absl::string_view manifest,
                                                      absl::string_view lock) const {
  const std::string inputs = scratch + "/check";
  ASSAY_RETURN_IF_ERROR(WriteInputs(inputs, registry_, manifest, lock));
  return Run(inputs, {"check"}, "");
}

absl::StatusOr<Resolution> DependencyInstaller::Install(const std::string& scratch, const Resolution& resolved,
                                                        const std::string& layer) const {
  const std::string inputs = scratch + "/install";
  ASSAY_RETURN_IF_ERROR(WriteInputs(inputs, registry_, resolved.manifest, resolved.lock));
  std::vector<std::string> words = {"install"};
  if (resolved.legacy_peers) words.push_back("legacy");
  return Run(inputs, std::move(words), layer);
}

}  // namespace assay::sandbox
