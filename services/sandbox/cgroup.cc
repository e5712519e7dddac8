// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace assay::sandbox {
namespace {

constexpr const char* kControllers[] = {"memory", "pids", "cpu", "cpuacct"};
constexpr absl::string_view kPrefix = "assay-launcher-";

// Kernel files report no size, so they are read until they end; none of those read here is larger than this.
std::string ReadKernelFile(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  if (!file.is_open()) return text;
  char buffer[16384];
  for (ssize_t size; text.size() < (1 << 20) && (size = read(file.get(), buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(size));
  }
  return text;
}

absl::Status WriteKernelFile(const std::string& path, absl::string_view text) {
  UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.is_open()) return ErrnoStatus(errno, absl::StrCat("open ", path));
  if (write(file.get(), text.data(), text.size()) < 0) {
    return ErrnoStatus(errno, absl::StrCat("write '", text, "' to ", path));
  }
  return absl::OkStatus();
}

uint64_t NumberIn(const std::string& text) {
  uint64_t value = 0;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &value)) return 0;
  return value;
}

// The number after `key` in a file of "key number" lines.
uint64_t NumberAfter(const std::string& text, absl::string_view key) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    uint64_t value = 0;
    if (absl::ConsumePrefix(&line, key) && absl::ConsumePrefix(&line, " ") && absl::SimpleAtoi(line, &value)) {
      return value;
    }
  }
  return 0;
}

void KillListed(const std::string& folder) {
  for (absl::string_view line : absl::StrSplit(ReadKernelFile(folder + "/cgroup.procs"), '\n', absl::SkipEmpty())) {
    int pid = 0;
    if (absl::SimpleAtoi(line, &pid) && pid > 1) kill(pid, SIGKILL);
  }
}

// A folder can be removed once its last process is reaped and its exit has been accounted, shortly after the reaping.
bool RemoveFolder(const std::string& folder) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (rmdir(folder.c_str()) == 0 || errno == ENOENT) return true;
    if (errno != EBUSY) return false;
    KillListed(folder);
    timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
  return false;
}

std::vector<std::string> SubFolders(const std::string& folder) {
  std::vector<std::string> names;
  DIR* directory = opendir(folder.c_str());
  if (directory == nullptr) return names;
  while (dirent* entry = readdir(directory)) {
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(directory);
  return names;
}

void RemoveTree(const std::string& folder) {
  for (const std::string& name : SubFolders(folder)) RemoveFolder(folder + "/" + name);
  RemoveFolder(folder);
}

UniqueFd LockFolder(const std::string& folder) {
  UniqueFd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (fd.is_open() && flock(fd.get(), LOCK_EX | LOCK_NB) != 0) fd.reset();
  return fd;
}

void SweepDead(const std::string& parent) {
  for (const std::string& name : SubFolders(parent)) {
    if (!absl::StartsWith(name, kPrefix)) continue;
    std::string folder = parent + "/" + name;
    if (UniqueFd lock = LockFolder(folder); lock.is_open()) RemoveTree(folder);
  }
}

// "\040" and the like, as mountinfo writes blanks.
std::string Unescape(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// The folder of cgroup path `path` in a hierarchy whose subtree `root` is mounted at `mount`. A path outside of the
// mounted subtree (a container that sees only its own part) falls back to the mount itself.
std::string Below(const std::string& mount, const std::string& root, absl::string_view path) {
  if (root != "/" && !absl::ConsumePrefix(&path, root)) return mount;
  if (path.empty() || path == "/" || absl::StrContains(path, "..")) return mount;
  return absl::StrCat(mount, absl::StartsWith(path, "/") ? "" : "/", path);
}

bool HasAll(const std::string& text, const std::vector<std::string>& names) {
  std::set<std::string> have = absl::StrSplit(absl::StripAsciiWhitespace(text), ' ');
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) { return have.contains(name); });
}

// Version 2 lets a folder hold either processes or controlled children. Moves the processes of `folder` into a leaf of
// their own so that it may hold children; only done where the folder is ours alone.
absl::Status MoveProcessesToLeaf(const std::string& folder) {
  std::string leaf = folder + "/assay-services";
  if (mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) return ErrnoStatus(errno, absl::StrCat("mkdir ", leaf));
  for (absl::string_view pid : absl::StrSplit(ReadKernelFile(folder + "/cgroup.procs"), '\n', absl::SkipEmpty())) {
    ASSAY_RETURN_IF_ERROR(WriteKernelFile(leaf + "/cgroup.procs", pid));
  }
  return absl::OkStatus();
}

absl::Status EnableControllers(const std::string& folder, const std::vector<std::string>& names) {
  if (HasAll(ReadKernelFile(folder + "/cgroup.subtree_control"), names)) return absl::OkStatus();
  return WriteKernelFile(folder + "/cgroup.subtree_control", "+" + absl::StrJoin(names, " +"));
}

// True when nobody but this process and its client lives in the folder: a service with a group of its own.
bool OnlyOurs(const std::string& folder) {
  std::set<std::string> ours = {absl::StrCat(getpid()), absl::StrCat(getppid())};
  for (absl::string_view pid : absl::StrSplit(ReadKernelFile(folder + "/cgroup.procs"), '\n', absl::SkipEmpty())) {
    if (!ours.contains(std::string(pid))) return false;
  }
  return true;
}

// The folder below which version 2 groups can be made: our own where it may have children (already, or after our
// processes stepped aside), else the one above, where ours is one child among others.
absl::StatusOr<std::string> Version2Parent(const ControllerPlace& place, const std::vector<std::string>& names) {
  absl::Status own = EnableControllers(place.own, names);
  if (own.ok()) return place.own;
  const bool at_top = place.own == place.mount;
  if (absl::IsFailedPrecondition(own) || absl::StrContains(own.message(), "busy")) {
    if (at_top || OnlyOurs(place.own)) {
      own = MoveProcessesToLeaf(place.own);
      if (own.ok()) own = EnableControllers(place.own, names);
      if (own.ok()) return place.own;
    }
  }
  if (at_top) return own;
  std::string above = place.own.substr(0, place.own.rfind('/'));
  ASSAY_RETURN_IF_ERROR(EnableControllers(above, names));
  return above;
}

std::string OwnFolderName() {
  // The start time tells launchers apart that had the same process id one after the other.
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::StrCat(kPrefix, getpid(), "-", now.tv_sec, now.tv_nsec);
}

absl::StatusOr<UniqueFd> MakeLocked(const std::string& folder) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return ErrnoStatus(errno, absl::StrCat("mkdir ", folder));
    UniqueFd lock = LockFolder(folder);
    // A sweeper may have taken the folder for a dead one before it was locked.
    if (lock.is_open() && access(folder.c_str(), F_OK) == 0) return lock;
  }
  return absl::UnavailableError(absl::StrCat("cannot keep ", folder));
}

absl::StatusOr<UniqueFd> WatchMemoryKills(const std::string& folder) {
  UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  UniqueFd control(open((folder + "/memory.oom_control").c_str(), O_RDONLY | O_CLOEXEC));
  if (!event.is_open() || !control.is_open()) return ErrnoStatus(errno, "watch memory.oom_control");
  ASSAY_RETURN_IF_ERROR(
      WriteKernelFile(folder + "/cgroup.event_control", absl::StrCat(event.get(), " ", control.get())));
  return event;
}

absl::Status SetMemory(const std::string& folder, bool version2, uint64_t bytes) {
  if (version2) {
    ASSAY_RETURN_IF_ERROR(WriteKernelFile(folder + "/memory.max", absl::StrCat(bytes)));
    // Older kernels lack these; the limit above holds without them.
    WriteKernelFile(folder + "/memory.swap.max", "0").IgnoreError();
    WriteKernelFile(folder + "/memory.oom.group", "1").IgnoreError();
    return absl::OkStatus();
  }
  ASSAY_RETURN_IF_ERROR(WriteKernelFile(folder + "/memory.limit_in_bytes", absl::StrCat(bytes)));
  // Absent where swap is not accounted.
  WriteKernelFile(folder + "/memory.memsw.limit_in_bytes", absl::StrCat(bytes)).IgnoreError();
  return absl::OkStatus();
}

absl::Status SetCpu(const std::string& folder, bool version2, double cpus) {
  constexpr int64_t kPeriod = 20'000;  // short, so that a limited server stutters less
  int64_t quota = std::max<int64_t>(1000, static_cast<int64_t>(cpus * kPeriod));
  if (version2) return WriteKernelFile(folder + "/cpu.max", absl::StrCat(quota, " ", kPeriod));
  ASSAY_RETURN_IF_ERROR(WriteKernelFile(folder + "/cpu.cfs_period_us", absl::StrCat(kPeriod)));
  return WriteKernelFile(folder + "/cpu.cfs_quota_us", absl::StrCat(quota));
}

}  // namespace

std::map<std::string, ControllerPlace> FindControllers(absl::string_view mountinfo, absl::string_view own_cgroups,
                                                       absl::string_view version2_controllers) {
  std::map<std::string, std::string> own_paths;  // controller → path; "" is version 2
  for (absl::string_view line : absl::StrSplit(own_cgroups, '\n', absl::SkipEmpty())) {
    std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    for (absl::string_view name : absl::StrSplit(parts[1], ',')) own_paths[std::string(name)] = std::string(parts[2]);
  }
  std::map<std::string, ControllerPlace> places;
  for (absl::string_view line : absl::StrSplit(mountinfo, '\n', absl::SkipEmpty())) {
    std::vector<absl::string_view> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    if (halves.size() != 2) continue;
    std::vector<absl::string_view> left = absl::StrSplit(halves[0], ' ');
    std::vector<absl::string_view> right = absl::StrSplit(halves[1], ' ');
    if (left.size() < 6 || right.size() < 3) continue;
    const bool version2 = right[0] == "cgroup2";
    if (!version2 && right[0] != "cgroup") continue;
    std::string mount = Unescape(left[4]), root = Unescape(left[3]);
    std::vector<std::string> names = version2 ? absl::StrSplit(absl::StripAsciiWhitespace(version2_controllers), ' ')
                                              : absl::StrSplit(right[2], ',');
    for (const std::string& name : names) {
      if (std::find(std::begin(kControllers), std::end(kControllers), name) == std::end(kControllers)) continue;
      auto own = own_paths.find(version2 ? "" : name);
      if (own == own_paths.end() || places.contains(name)) continue;
      places[name] = ControllerPlace{version2, mount, Below(mount, root, own->second)};
    }
  }
  return places;
}

Cgroup& Cgroup::operator=(Cgroup&& other) noexcept {
  std::swap(folders_, other.folders_);
  std::swap(created_, other.created_);
  std::swap(version2_, other.version2_);
  std::swap(version2_fd_, other.version2_fd_);
  std::swap(memory_event_, other.memory_event_);
  return *this;
}

Cgroup::~Cgroup() {
  memory_event_.reset();
  for (const std::string& folder : created_) RemoveFolder(folder);
}

absl::Status Cgroup::Attach(int pid) {
  for (const std::string& folder : created_) {
    ASSAY_RETURN_IF_ERROR(WriteKernelFile(folder + "/cgroup.procs", absl::StrCat(pid)));
  }
  return absl::OkStatus();
}

void Cgroup::KillAll() {
  for (const std::string& folder : created_) {
    if (version2_ && WriteKernelFile(folder + "/cgroup.kill", "1").ok()) continue;
    KillListed(folder);
  }
}

GroupUsage Cgroup::Usage() const {
  GroupUsage usage;
  auto text = [&](const std::string& controller, const std::string& file) {
    auto folder = folders_.find(controller);
    return folder == folders_.end() ? std::string() : ReadKernelFile(folder->second + "/" + file);
  };
  usage.refused_forks = NumberAfter(text("pids", "pids.events"), "max");
  // RLIMIT_NPROC refuses first, and counts nothing; it leaves out the process that keeps the others.
  const uint64_t most = NumberIn(text("pids", "pids.max")), peak = NumberIn(text("pids", "pids.peak"));
  if (most != 0 && peak + 1 >= most) usage.refused_forks = std::max<uint64_t>(usage.refused_forks, 1);
  usage.throttled = NumberAfter(text("cpu", "cpu.stat"), "nr_throttled");
  if (version2_) {
    usage.peak_bytes = NumberIn(text("memory", "memory.peak"));
    usage.memory_kills = NumberAfter(text("memory", "memory.events"), "oom_kill");
    usage.cpu = absl::Microseconds(NumberAfter(text("cpu", "cpu.stat"), "usage_usec"));
  } else {
    usage.peak_bytes = NumberIn(text("memory", "memory.max_usage_in_bytes"));
    usage.memory_kills = NumberAfter(text("memory", "memory.oom_control"), "oom_kill");
    usage.cpu = absl::Nanoseconds(NumberIn(text("cpuacct", "cpuacct.usage")));
  }
  return usage;
}

CgroupTree CgroupTree::Open() {
  CgroupTree tree;
  std::string mountinfo = ReadKernelFile("/proc/self/mountinfo"), own = ReadKernelFile("/proc/self/cgroup");
  // Which controllers version 2 has stands in its own folder; that it is mounted is learned from a first pass.
  std::string version2_controllers;
  for (const auto& [name, place] : FindControllers(mountinfo, own, "memory")) {
    if (place.version2) version2_controllers = ReadKernelFile(place.own + "/cgroup.controllers");
  }
  if (version2_controllers.empty()) {
    // Where memory is a version 1 controller, version 2 may still hold others.
    for (const auto& [name, place] : FindControllers(mountinfo, own, "pids cpu")) {
      if (place.version2) version2_controllers = ReadKernelFile(place.own + "/cgroup.controllers");
    }
  }
  auto places = FindControllers(mountinfo, own, version2_controllers);
  std::vector<std::string> version2_names;
  for (const auto& [name, place] : places) {
    if (place.version2) version2_names.push_back(name);
  }
  const std::string folder_name = OwnFolderName();
  std::map<std::string, absl::Status> made;  // folder → how making it ended
  for (const char* name : kControllers) {
    auto place = places.find(name);
    if (place == places.end()) {
      tree.missing_[name] = "no cgroup hierarchy with this controller is mounted";
      continue;
    }
    std::vector<std::string> parents;
    if (place->second.version2) {
      absl::StatusOr<std::string> parent = Version2Parent(place->second, version2_names);
      if (!parent.ok()) {
        tree.missing_[name] = std::string(parent.status().message());
        continue;
      }
      parents = {*parent};
    } else {
      parents = {place->second.own, place->second.mount};
    }
    absl::Status last;
    for (const std::string& parent : parents) {
      std::string folder = parent + "/" + folder_name;
      auto [entry, is_new] = made.try_emplace(folder, absl::OkStatus());
      if (is_new) {
        SweepDead(parent);
        absl::StatusOr<UniqueFd> lock = MakeLocked(folder);
        entry->second = lock.status();
        if (lock.ok()) {
          tree.created_.push_back(folder);
          tree.locks_.push_back(*std::move(lock));
          if (place->second.version2) entry->second = EnableControllers(folder, version2_names);
        }
      }
      last = entry->second;
      if (!last.ok()) continue;
      tree.bases_[name] = Base{place->second.version2, folder};
      break;
    }
    if (!last.ok()) tree.missing_[name] = std::string(last.message());
  }
  return tree;
}

CgroupTree::~CgroupTree() {
  for (const std::string& folder : created_) RemoveTree(folder);
}

absl::StatusOr<Cgroup> CgroupTree::Create(uint64_t id, const Limits& limits, uint32_t extra_processes) const {
  Cgroup group;
  auto use = [&](const char* controller) -> absl::StatusOr<const Base*> {
    auto base = bases_.find(controller);
    if (base == bases_.end()) return nullptr;
    std::string folder = absl::StrCat(base->second.folder, "/", id);
    if (std::find(group.created_.begin(), group.created_.end(), folder) == group.created_.end()) {
      if (mkdir(folder.c_str(), 0755) != 0) return ErrnoStatus(errno, absl::StrCat("mkdir ", folder));
      group.created_.push_back(folder);
    }
    group.folders_[controller] = folder;
    group.version2_ = base->second.version2;
    return &base->second;
  };
  if (limits.memory_bytes != 0) {
    ASSAY_ASSIGN_OR_RETURN(const Base* base, use("memory"));
    if (base != nullptr) {
      ASSAY_RETURN_IF_ERROR(SetMemory(group.folders_["memory"], base->version2, limits.memory_bytes));
      if (!base->version2) {
        // Without the event the kill is still seen at the end.
        absl::StatusOr<UniqueFd> event = WatchMemoryKills(group.folders_["memory"]);
        if (event.ok()) group.memory_event_ = *std::move(event);
      }
    }
  }
  if (limits.max_processes != 0) {
    ASSAY_ASSIGN_OR_RETURN(const Base* base, use("pids"));
    if (base != nullptr) {
      ASSAY_RETURN_IF_ERROR(
          WriteKernelFile(group.folders_["pids"] + "/pids.max", absl::StrCat(limits.max_processes + extra_processes)));
    }
  }
  if (limits.cpus > 0) {
    ASSAY_ASSIGN_OR_RETURN(const Base* base, use("cpu"));
    if (base != nullptr) ASSAY_RETURN_IF_ERROR(SetCpu(group.folders_["cpu"], base->version2, limits.cpus));
  }
  if (limits.cpu_time != absl::InfiniteDuration()) {
    // Version 2 counts in the cpu controller's own folder.
    ASSAY_RETURN_IF_ERROR(use(Has("cpuacct") ? "cpuacct" : "cpu").status());
  }
  if (group.version2_ && group.created_.size() == 1) {
    group.version2_fd_.reset(open(group.created_[0].c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  return group;
}

}  // namespace assay::sandbox
