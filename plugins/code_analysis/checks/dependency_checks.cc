// SPDX-License-Identifier: Apache-2.0
// O1: dependencies are locked, the lock is true to the manifest, and installs keep to it.
#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/checks/repository_facts.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

// An install of all dependencies in a pipeline or an image.
struct Install {
  std::string command;
  Span place;
  bool keeps_to_lock = false;
};

// What an install command does with the lock file; nothing when it is no install of everything.
std::optional<bool> KeepsToLock(const std::vector<std::string>& words, bool in_pipeline) {
  if (words.empty() || !text::IsOneOf(words[0], {"npm", "yarn", "pnpm", "bun"})) return std::nullopt;
  std::string_view verb = words[0] == "yarn" && words.size() == 1 ? std::string_view("install") : std::string_view();
  bool frozen = false, global = false;
  for (size_t i = 1; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word.starts_with("-")) {
      frozen |= text::IsOneOf(word, {"--frozen-lockfile", "--immutable", "--frozen-lockfile=true", "--pure-lockfile"});
      global |= text::IsOneOf(word, {"-g", "--global", "--location=global"});
    } else if (verb.empty()) {
      verb = word;
    } else if (!text::IsOneOf(words[i - 1], {"--prefix", "-C", "--dir", "--cwd", "-w", "--workspace", "--filter"})) {
      return std::nullopt;  // installs named packages
    }
  }
  if (verb.empty() && words[0] == "yarn") verb = "install";
  if (global || !text::IsOneOf(verb, {"install", "i", "ci", "clean-install"})) return std::nullopt;
  if (text::IsOneOf(verb, {"ci", "clean-install"})) return true;
  // In a pipeline pnpm and yarn 2 refuse to change the lock file by themselves; yarn 1 does not.
  return frozen || (in_pipeline && words[0] == "pnpm");
}

void AddInstalls(const std::vector<ShellCommand>& commands, bool in_pipeline, const Model& model, std::string_view path,
                 uint32_t first_line, std::vector<Install>* installs) {
  for (const ShellCommand& command : commands) {
    const std::optional<bool> keeps = KeepsToLock(command.words, in_pipeline);
    if (keeps)
      installs->push_back({text::Join(command.words, " "), PlaceIn(model, path, first_line + command.line), *keeps});
  }
}

std::vector<Install> FindInstalls(const Model& model, bool yarn_berry) {
  std::vector<Install> installs;
  for (const Pipeline& pipeline : ReadPipelines(model.files())) {
    for (const PipelineJob& job : pipeline.jobs) {
      for (const PipelineStep& step : job.steps) AddInstalls(step.commands, true, model, pipeline.path, 0, &installs);
    }
  }
  for (const SourceFile& file : model.files()) {
    if (!IsDockerfilePath(file.path)) continue;
    for (const DockerInstruction& instruction : ReadDockerfile(file.bytes)) {
      if (instruction.name != "RUN") continue;
      AddInstalls(SplitShell(instruction.arguments, false), false, model, file.path, instruction.line - 1, &installs);
    }
  }
  if (yarn_berry) {
    for (Install& install : installs) install.keeps_to_lock |= install.command.starts_with("yarn");
  }
  return installs;
}

const SourceFile* FindLockfile(const Model& model, std::string_view directory, std::vector<const SourceFile*>* all) {
  for (const SourceFile& file : model.files()) {
    if (IsLockfilePath(file.path) && DirectoryOf(file.path) == directory) all->push_back(&file);
  }
  if (all->empty() && !directory.empty()) return FindLockfile(model, DirectoryOf(directory), all);
  return all->empty() ? nullptr : all->front();
}

std::string_view ToolName(const Lockfile& lock) {
  switch (lock.tool) {
    case Lockfile::Tool::kNpm:
      return "npm";
    case Lockfile::Tool::kYarn:
      return "yarn";
    case Lockfile::Tool::kPnpm:
      return "pnpm";
    case Lockfile::Tool::kBun:
      return "bun";
  }
  return {};
}

void ReportMissing(const Model& model, const Manifest& manifest, Reporter& reporter) {
  const Span place = PlaceIn(model, manifest.path, 1);
  reporter.Find(
      place, text::Cat({"The code suggests that no versions are pinned: there is no lock file beside `", manifest.path,
                        "`, so every install may bring other code than the one that was tested."}));
  reporter.Observe(0.1, error_of::kAbsence, "There is no lock file.", {place}, Method::kConfig);
}

// Findings about a lock file that is there; returns how far dependencies are locked.
double JudgeLock(const Model& model, const std::vector<Manifest>& manifests, const SourceFile& file,
                 const Lockfile& lock, Reporter& reporter, std::string* rationale) {
  const std::vector<std::string> names = LockfileMismatches(manifests[0], lock, manifests);
  if (names.empty()) {
    *rationale = text::Cat({"`", file.path, "` matches `", manifests[0].path, "`"});
    return lock.wanted_known ? 0.75 : 0.65;
  }
  const std::vector<std::string> shown(names.begin(),
                                       names.begin() + static_cast<ptrdiff_t>(std::min<size_t>(names.size(), 5)));
  const Dependency* first = manifests[0].FindDependency(names[0]);
  reporter.Find(PlaceIn(model, manifests[0].path, first == nullptr ? 1 : first->line),
                text::Cat({"The code suggests that `", file.path,
                           "` was not updated with the manifest: ", Counted(names.size(), "range"), " differ (",
                           text::Join(shown, ", "), names.size() > 5 ? ", …" : "", "). `", ToolName(lock),
                           "` then refuses a clean install or resolves anew."}));
  *rationale = text::Cat({"`", file.path, "` differs from the manifest for ", Counted(names.size(), "package")});
  return 0.35;
}

void Locked(const Model& model, Reporter& reporter) {
  const std::vector<Manifest> manifests = ReadManifests(model);
  if (manifests.empty() || manifests[0].dependencies.empty()) {
    reporter.NotObservedYet("No package.json with dependencies is in the repository.");
    return;
  }
  std::vector<const SourceFile*> locks;
  const SourceFile* file = FindLockfile(model, DirectoryOf(manifests[0].path), &locks);
  if (file == nullptr) return ReportMissing(model, manifests[0], reporter);
  std::string problem, rationale;
  const std::optional<Lockfile> lock = ReadLockfile(file->path, file->bytes, &problem);
  if (!lock) {
    reporter.Find(PlaceIn(model, file->path, 1), text::Cat({"The lock file cannot be read: ", problem, "."}));
    reporter.Observe(0.15, error_of::kConfiguration, "The lock file cannot be read.", {WholeFile(*file)},
                     Method::kConfig);
    return;
  }
  double value = JudgeLock(model, manifests, *file, *lock, reporter, &rationale);
  std::vector<Span> evidence = {WholeFile(*file)};
  const bool yarn_berry =
      lock->tool == Lockfile::Tool::kYarn && text::Contains(file->bytes.substr(0, 4096), "__metadata:");
  const std::vector<Install> installs = FindInstalls(model, yarn_berry);
  size_t loose = 0;
  for (const Install& install : installs) {
    if (evidence.size() < 8) evidence.push_back(install.place);
    if (install.keeps_to_lock) continue;
    ++loose;
    reporter.Find(install.place, Severity::kNote,
                  text::Cat({"The code suggests that `", install.command,
                             "` runs here and may change the lock file instead of keeping to it."}));
  }
  if (!installs.empty()) {
    value += loose == 0 ? 0.25 : -0.15 * static_cast<double>(loose) / static_cast<double>(installs.size());
    rationale += loose == 0 ? ", and pipelines and images install exactly what it says"
                            : text::Cat({", and ", Counted(loose, "install"), " may depart from it"});
  }
  std::set<Lockfile::Tool> tools;
  for (const SourceFile* each : locks) {
    if (const auto other = ReadLockfile(each->path, each->bytes)) tools.insert(other->tool);
  }
  if (tools.size() > 1) {
    value -= 0.15;
    reporter.Find(WholeFile(*locks.back()), Severity::kNote,
                  text::Cat({"The code suggests two package managers at once: `", locks.front()->path, "` and `",
                             locks.back()->path, "` can pin different versions."}));
  }
  reporter.Observe(std::clamp(value, 0.0, 1.0), error_of::kConfiguration, rationale + ".", std::move(evidence),
                   Method::kConfig);
}

constexpr Check kChecks[] = {{
    .id = "O1",
    .criterion = "dependencies.locked",
    .title = "Dependencies are locked and installed as locked",
    .severity = Severity::kWarning,
    .help = "A range like ^4.18.2 allows code nobody has run yet. Commit the lock file, keep it in step with "
            "package.json, and "
            "install with `npm ci` (`yarn install --immutable`, `pnpm install --frozen-lockfile`) wherever a build or "
            "an image is "
            "made: it fails instead of resolving anew, so what was tested is what runs.",
    .question =
        "Two builds of this commit, a week apart: which of their dependencies could differ, and what would tell you?",
    .good_answer = "Explains ranges and the lock file, that `npm ci` installs exactly the lock and fails when it does "
                   "not match the "
                   "manifest while `npm install` may rewrite it, and names how updates are then made on purpose (a "
                   "bot, a review).",
    .run = Locked,
}};

}  // namespace

std::span<const Check> DependencyChecks() { return kChecks; }

}  // namespace assay::code_analysis
