// SPDX-License-Identifier: Apache-2.0
#include "services/sandbox/root_filesystem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/unique_fd.h"

namespace assay::sandbox {
namespace {

constexpr uint64_t kDefaultDiskBytes = 16 << 20;

absl::Status Step(int result, absl::string_view what) {
  return result >= 0 ? absl::OkStatus() : ErrnoStatus(errno, what);
}

// Opens `path` below `root`, following no link on the way: part of the tree may be the submission's.
UniqueFd OpenBeneath(int root, const std::string& path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC | O_NOFOLLOW;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

// A detached copy of the mount at `source`, read-only unless `writable`, without device nodes unless they are the point.
absl::StatusOr<UniqueFd> CloneMount(const std::string& source, bool writable, bool devices) {
  UniqueFd tree(open_tree(AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  if (!tree.is_open()) return ErrnoStatus(errno, absl::StrCat("open mount source ", source));
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID;
  if (!writable) attributes.attr_set |= MOUNT_ATTR_RDONLY;
  if (!devices) attributes.attr_set |= MOUNT_ATTR_NODEV;
  ASSAY_RETURN_IF_ERROR(Step(mount_setattr(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes),
                             absl::StrCat("restrict the mount of ", source, " (needs Linux 5.12)")));
  return tree;
}

// Makes `target` (absolute) below `root` as a folder, or as an empty file, and opens it.
absl::StatusOr<UniqueFd> MakeTarget(int root, const std::string& target, bool folder) {
  if (!absl::StartsWith(target, "/") || target.size() < 2) {
    return absl::InvalidArgumentError(absl::StrCat("mounts.target '", target, "': must be an absolute path"));
  }
  std::vector<std::string> parts = absl::StrSplit(target.substr(1), '/');
  UniqueFd parent = OpenBeneath(root, ".", O_PATH | O_DIRECTORY);
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string& part = parts[i];
    if (part.empty() || part == "." || part == "..") {
      return absl::InvalidArgumentError(absl::StrCat("mounts.target '", target, "': empty, '.' or '..' part"));
    }
    const bool as_folder = folder || i + 1 < parts.size();
    // Looked at first: on a read-only file system making an existing folder answers EROFS.
    UniqueFd next = OpenBeneath(parent.get(), part, as_folder ? O_PATH | O_DIRECTORY : O_PATH);
    if (!next.is_open() && errno == ENOENT) {
      int made = as_folder ? mkdirat(parent.get(), part.c_str(), 0755)
                           : mknodat(parent.get(), part.c_str(), S_IFREG | 0644, 0);
      if (made != 0) return ErrnoStatus(errno, absl::StrCat("make mount target ", target));
      next = OpenBeneath(parent.get(), part, as_folder ? O_PATH | O_DIRECTORY : O_PATH);
    }
    if (!next.is_open()) return ErrnoStatus(errno, absl::StrCat("open mount target ", target));
    parent = std::move(next);
  }
  return parent;
}

absl::Status MoveMount(int tree, int target, absl::string_view name) {
  return Step(move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
              absl::StrCat("mount at ", name));
}

absl::Status WriteNew(const char* path, absl::string_view content) {
  UniqueFd file(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file.is_open() || write(file.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
    return ErrnoStatus(errno, absl::StrCat("write ", path, " of the private root"));
  }
  return absl::OkStatus();
}

// The rest works with the current directory at the new root, so that every path is short and relative.

absl::Status MakeSkeleton(const RootPlan& plan) {
  for (const char* folder : {"dev", "dev/shm", "etc", "home", "home/app", "proc", "tmp", ".rw"}) {
    ASSAY_RETURN_IF_ERROR(Step(mkdir(folder, 0755), absl::StrCat("mkdir /", folder)));
  }
  const std::string ids = absl::StrCat(plan.uid, ":", plan.gid);
  ASSAY_RETURN_IF_ERROR(WriteNew("etc/passwd", absl::StrCat("app:x:", ids, "::/home/app:/bin/sh\n")));
  ASSAY_RETURN_IF_ERROR(WriteNew("etc/group", absl::StrCat("app:x:", plan.gid, ":\n")));
  ASSAY_RETURN_IF_ERROR(WriteNew("etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n"));
  ASSAY_RETURN_IF_ERROR(WriteNew("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"));
  for (auto [name, target] : {std::pair{"dev/fd", "/proc/self/fd"}, std::pair{"dev/stdin", "/proc/self/fd/0"},
                              std::pair{"dev/stdout", "/proc/self/fd/1"}, std::pair{"dev/stderr", "/proc/self/fd/2"}}) {
    ASSAY_RETURN_IF_ERROR(Step(symlink(target, name), absl::StrCat("link /", name)));
  }
  return absl::OkStatus();
}

absl::Status MountWritable(const RootPlan& plan) {
  const uint64_t bytes = plan.disk_bytes == 0 ? kDefaultDiskBytes : plan.disk_bytes;
  // Empty files cost kernel memory too.
  const uint64_t inodes = std::clamp<uint64_t>(bytes / 4096, 1024, 262'144);
  ASSAY_RETURN_IF_ERROR(Step(mount("assay-writable", ".rw", "tmpfs", MS_NOSUID | MS_NODEV,
                                   absl::StrCat("size=", bytes, ",nr_inodes=", inodes, ",mode=0755").c_str()),
                             "mount the writable memory file system"));
  for (auto [source, target] : {std::pair{".rw/tmp", "tmp"}, std::pair{".rw/home", "home/app"},
                                std::pair{".rw/shm", "dev/shm"}}) {
    ASSAY_RETURN_IF_ERROR(Step(mkdir(source, 01777), absl::StrCat("mkdir ", source)));
    ASSAY_RETURN_IF_ERROR(Step(mount(source, target, nullptr, MS_BIND, nullptr), absl::StrCat("mount /", target)));
  }
  return absl::OkStatus();
}

absl::Status MountDevices(const std::vector<UniqueFd>& trees, const char* const* names, int root) {
  for (size_t i = 0; i < trees.size(); ++i) {
    std::string target = absl::StrCat("/dev/", names[i]);
    ASSAY_ASSIGN_OR_RETURN(UniqueFd place, MakeTarget(root, target, false));
    ASSAY_RETURN_IF_ERROR(MoveMount(trees[i].get(), place.get(), target));
  }
  return absl::OkStatus();
}

// For kernels or users that may not use an overlay: the files themselves, counted against the writable space.
absl::Status CopyTree(int from, int to, int depth) {
  if (depth > 64) return absl::InvalidArgumentError("workspace is deeper than 64 folders");
  UniqueFd listing(openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR* directory = listing.is_open() ? fdopendir(listing.release()) : nullptr;
  if (directory == nullptr) return ErrnoStatus(errno, "list a workspace folder");
  absl::Status result;
  while (dirent* entry = result.ok() ? readdir(directory) : nullptr) {
    const std::string name = entry->d_name;
    struct stat status;
    if (name == "." || name == ".." || fstatat(from, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISDIR(status.st_mode)) {
      result = Step(mkdirat(to, name.c_str(), 0777), "copy a workspace folder");
      UniqueFd inner_from = OpenBeneath(from, name, O_RDONLY | O_DIRECTORY);
      UniqueFd inner_to = OpenBeneath(to, name, O_RDONLY | O_DIRECTORY);
      if (result.ok()) result = CopyTree(inner_from.get(), inner_to.get(), depth + 1);
    } else if (S_ISREG(status.st_mode)) {
      UniqueFd in = OpenBeneath(from, name, O_RDONLY);
      UniqueFd out(openat(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, status.st_mode & 0777));
      char buffer[65536];
      ssize_t size = 0;
      while (result.ok() && (size = read(in.get(), buffer, sizeof buffer)) > 0) {
        if (write(out.get(), buffer, static_cast<size_t>(size)) != size) result = ErrnoStatus(errno, "copy a file");
      }
      if (size < 0) result = ErrnoStatus(errno, "copy a workspace file");
    }
  }
  closedir(directory);
  return result;
}

absl::Status MountOverlay(int tree, int target, const Mount& wanted, size_t index, bool user_namespace) {
  const std::string lower = absl::StrCat(".lower", index), upper = absl::StrCat(".rw/upper", index),
                    work = absl::StrCat(".rw/work", index);
  for (const std::string& folder : {lower, upper, work}) {
    ASSAY_RETURN_IF_ERROR(Step(mkdir(folder.c_str(), 0777), absl::StrCat("mkdir ", folder)));
  }
  UniqueFd place(open(lower.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  ASSAY_RETURN_IF_ERROR(MoveMount(tree, place.get(), lower));
  const std::string options = absl::StrCat("lowerdir=", lower, ",upperdir=", upper, ",workdir=", work,
                                           user_namespace ? ",userxattr" : "");
  const std::string merged = absl::StrCat(".merged", index);
  ASSAY_RETURN_IF_ERROR(Step(mkdir(merged.c_str(), 0755), absl::StrCat("mkdir ", merged)));
  if (mount("assay-overlay", merged.c_str(), "overlay", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    UniqueFd from(open(lower.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    UniqueFd to(open(upper.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSAY_RETURN_IF_ERROR(Annotate(CopyTree(from.get(), to.get(), 0), wanted.target));
    ASSAY_RETURN_IF_ERROR(Step(mount(upper.c_str(), merged.c_str(), nullptr, MS_BIND, nullptr), "mount the copy"));
  }
  UniqueFd ready(open_tree(AT_FDCWD, merged.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!ready.is_open()) return ErrnoStatus(errno, absl::StrCat("open the overlay for ", wanted.target));
  ASSAY_RETURN_IF_ERROR(MoveMount(ready.get(), target, wanted.target));
  // The overlay holds its layers itself; these names would only be a way around it.
  ASSAY_RETURN_IF_ERROR(Step(umount2(merged.c_str(), MNT_DETACH), "unmount the overlay's first place"));
  ASSAY_RETURN_IF_ERROR(Step(umount2(lower.c_str(), MNT_DETACH), "unmount the overlay's lower folder"));
  rmdir(merged.c_str());
  rmdir(lower.c_str());
  return absl::OkStatus();
}

absl::Status EnterStage() {
  for (const char* stage : {"/tmp", "/run", "/var", "/mnt"}) {
    if (mount("assay-root", stage, "tmpfs", MS_NOSUID | MS_NODEV, "size=4m,nr_inodes=4096,mode=0755") == 0) {
      return Step(chdir(stage), "enter the private root");
    }
  }
  return ErrnoStatus(errno, "mount a memory file system");
}

}  // namespace

absl::Status BuildRoot(const RootPlan& plan) {
  umask(0);
  ASSAY_RETURN_IF_ERROR(Step(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make mounts private"));
  // All sources are opened before anything is covered.
  std::vector<UniqueFd> trees, devices;
  std::vector<bool> folders;
  for (const Mount& wanted : plan.mounts) {
    struct stat status;
    ASSAY_RETURN_IF_ERROR(Step(stat(wanted.source.c_str(), &status), absl::StrCat("mounts.source ", wanted.source)));
    const bool writable = wanted.writable && wanted.kind == Mount::Kind::kBind;
    ASSAY_ASSIGN_OR_RETURN(UniqueFd tree, CloneMount(wanted.source, writable, false));
    trees.push_back(std::move(tree));
    folders.push_back(S_ISDIR(status.st_mode));
  }
  constexpr const char* kDevices[] = {"null", "zero", "full", "random", "urandom"};
  for (const char* name : kDevices) {
    ASSAY_ASSIGN_OR_RETURN(UniqueFd tree, CloneMount(absl::StrCat("/dev/", name), true, true));
    devices.push_back(std::move(tree));
  }

  ASSAY_RETURN_IF_ERROR(EnterStage());
  ASSAY_RETURN_IF_ERROR(MakeSkeleton(plan));
  ASSAY_RETURN_IF_ERROR(MountWritable(plan));
  UniqueFd root(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  ASSAY_RETURN_IF_ERROR(MountDevices(devices, kDevices, root.get()));
  for (size_t i = 0; i < plan.mounts.size(); ++i) {
    const Mount& wanted = plan.mounts[i];
    ASSAY_ASSIGN_OR_RETURN(UniqueFd target, MakeTarget(root.get(), wanted.target, folders[i]));
    ASSAY_RETURN_IF_ERROR(wanted.kind == Mount::Kind::kOverlay
                              ? MountOverlay(trees[i].get(), target.get(), wanted, i, plan.user_namespace)
                              : MoveMount(trees[i].get(), target.get(), wanted.target));
  }
  if (plan.process_view) {
    ASSAY_RETURN_IF_ERROR(Step(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr),
                               "mount /proc (a container that hides parts of its /proc forbids it)"));
  }
  ASSAY_RETURN_IF_ERROR(Step(umount2(".rw", MNT_DETACH), "unmount the writable space's first place"));
  // With both at one place the old root ends up on top, and detaching it leaves the new one.
  ASSAY_RETURN_IF_ERROR(Step(static_cast<int>(syscall(SYS_pivot_root, ".", ".")), "pivot_root"));
  ASSAY_RETURN_IF_ERROR(Step(umount2(".", MNT_DETACH), "detach the old root"));
  ASSAY_RETURN_IF_ERROR(Step(chdir("/"), "enter the private root"));
  mount_attr read_only{};
  read_only.attr_set = MOUNT_ATTR_RDONLY;
  ASSAY_RETURN_IF_ERROR(Step(mount_setattr(AT_FDCWD, "/", 0, &read_only, sizeof read_only), "make / read-only"));
  umask(022);
  return absl::OkStatus();
}

bool WritableSpaceIsFull() {
  struct statvfs space;
  return statvfs("/tmp", &space) == 0 && (space.f_bavail == 0 || space.f_favail == 0);
}

}  // namespace assay::sandbox
