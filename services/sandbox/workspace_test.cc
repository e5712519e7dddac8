// SPDX-License-Identifier: Apache-2.0
//
// Makes workspaces from real npm packages: needs an npm on PATH and its registry.
#include "services/sandbox/workspace.h"

#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/testing/temp_dir.h"
#include "services/sandbox/process_view.h"
#include "services/sandbox/testing/sandbox_fixture.h"
#include "services/sandbox/tool_run.h"

namespace assay::sandbox {

// Found by the test framework.
void PrintTo(const Failure& failure, std::ostream* out) {
  *out << failure.package << " / " << failure.step << ": " << failure.text;
}

namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// A submission from texts that live as long as it.
struct Submission {
  std::map<std::string, std::string> texts;
  std::vector<SourceFile> Files() const {
    std::vector<SourceFile> files;
    for (const auto& [path, text] : texts) files.push_back({path, 0644, false, text});
    return files;
  }
};

class WorkspaceTest : public SandboxTest {
 protected:
  static void SetUpTestSuite() { cache_ = new assay::testing::TempDir; }
  static void TearDownTestSuite() {
    delete cache_;
    cache_ = nullptr;
  }
  void SetUp() override {
    SandboxTest::SetUp();
    WorkspaceOptions options;
    options.cache_directory = cache_->path();
    auto maker = WorkspaceMaker::Create(options, *launcher_);
    ASSERT_TRUE(maker.ok()) << maker.status();
    maker_ = *std::move(maker);
  }

  WorkspaceMaker::Result Make(const Submission& submission, int node_major = 20) {
    std::vector<SourceFile> files = submission.Files();
    return maker_->Make({.files = files, .node_major = node_major});
  }

  // A workspace, or null in a container after proving that the failure says how to mend the machine.
  std::unique_ptr<Workspace> MakeGood(const Submission& submission, int node_major = 20) {
    WorkspaceMaker::Result result = Make(submission, node_major);
    if (InContainer() && result.workspace == nullptr) {
      EXPECT_THAT(result.failures, Contains(AllOf(Field(&Failure::fault_domain, Failure::FaultDomain::kPlatform),
                                                  Field(&Failure::text, HasSubstr("to mend it")))));
      return nullptr;
    }
    EXPECT_THAT(result.failures, IsEmpty());
    return std::move(result.workspace);
  }

  void ExpectRefused(Failure::FaultDomain whose, const std::string& manifest, const std::string& package,
                     const std::string& text, const std::string& lock = "") {
    Submission submission{{{"package.json", manifest}}};
    if (!lock.empty()) submission.texts["package-lock.json"] = lock;
    WorkspaceMaker::Result result = Make(submission);
    EXPECT_EQ(result.workspace, nullptr);
    if (InContainer()) return;
    EXPECT_THAT(result.failures, Contains(AllOf(Field(&Failure::fault_domain, whose),
                                                Field(&Failure::package, package),
                                                Field(&Failure::text, HasSubstr(text)))));
  }

  // Runs Node in the workspace; the end of its output.
  std::string RunNode(const Workspace& workspace, std::vector<std::string> words) {
    LaunchSpec spec = workspace.ServerSpec();
    spec.argv = {Workspace::kNodePath};
    spec.argv.insert(spec.argv.end(), words.begin(), words.end());
    spec.limits.wall = absl::Minutes(1);
    spec.limits.memory_bytes = 1 << 30;
    spec.limits.max_processes = 64;
    auto result = RunTool(*launcher_, spec);
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok()) return "";
    EXPECT_EQ(result->exit.code, 0) << result->errors;
    return result->output;
  }

  static assay::testing::TempDir* cache_;
  std::unique_ptr<WorkspaceMaker> maker_;
};
assay::testing::TempDir* WorkspaceTest::cache_ = nullptr;

TEST_F(WorkspaceTest, StartsAPublishedPackageByItsBin) {
  Submission submission{{{"package/package.json", R"({"name": "app", "dependencies": {"json-server": "0.17.4"}})"},
                         {"package/db.json", R"({"posts": [{"id": 1, "title": "first"}]})"}}};
  auto workspace = MakeGood(submission);
  if (workspace == nullptr) return;
  EXPECT_EQ(workspace->root, "package");
  EXPECT_TRUE(workspace->lockfile_missing);
  EXPECT_THAT(workspace->lockfile, HasSubstr("node_modules/json-server"));

  LaunchSpec spec = workspace->ServerSpec();
  spec.argv = {Workspace::kNodePath, "node_modules/json-server/lib/cli/bin.js", "--port", "3000", "db.json"};
  spec.limits.memory_bytes = 512 << 20;
  spec.limits.max_processes = 64;
  spec.limits.wall = absl::Minutes(2);
  auto drain = OutputDrain::Create();
  ASSERT_TRUE(drain.ok());
  spec.descriptors = {{(*drain)->write_end(), 1}, {(*drain)->write_end(), 2}};
  auto process = launcher_->Launch(spec);
  ASSERT_TRUE(process.ok()) << process.status();
  (*drain)->Start();
  std::vector<ListeningSocket> sockets;
  for (absl::Time end = absl::Now() + absl::Minutes(1); sockets.empty() && absl::Now() < end;) {
    // Its end is the other thing that can happen; the wait is bounded by it.
    ASSERT_THAT((*process)->Wait(absl::Milliseconds(20)), assay::testing::StatusIs(absl::StatusCode::kDeadlineExceeded))
        << (*drain)->Tail();
    auto found = FindListeningSockets((*process)->pid());
    if (found.ok()) sockets = *std::move(found);
  }
  ASSERT_FALSE(sockets.empty()) << (*drain)->Tail();
  EXPECT_EQ(sockets[0].port, 3000);
  EXPECT_GT(sockets[0].inner_pid, 1);

  LaunchSpec client = workspace->ServerSpec();
  client.argv = {Workspace::kNodePath, "-e",
                 "require('http').get('http://127.0.0.1:3000/posts/1', r => r.pipe(process.stdout))"};
  client.join_process = (*process)->id();
  client.isolation.profile = Profile::kServer;
  client.limits.wall = absl::Minutes(1);
  auto answer = RunTool(*launcher_, client);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->output, HasSubstr("first"));
  EXPECT_TRUE((*process)->Signal(SIGTERM, sockets[0].inner_pid).ok());
  EXPECT_TRUE((*process)->Wait(absl::Minutes(1)).ok());
}

TEST_F(WorkspaceTest, UsesTheLockfileAndKeepsTheLayer) {
  Submission submission{{{"package.json", R"({"dependencies": {"ms": "^2.1.0"}})"},
                         {"package-lock.json", R"({"name": "x", "lockfileVersion": 3, "packages": {
      "": {"dependencies": {"ms": "^2.1.0"}, "devDependencies": {"broken": "git+ssh://git@example.com/x.git"}},
      "node_modules/broken": {"version": "1.0.0", "dev": true, "resolved": "git+ssh://git@example.com/x.git"},
      "node_modules/ms": {"version": "2.1.2", "resolved": "https://mirror.example.com/npm/ms/-/ms-2.1.2.tgz"}}})"},
                         {"index.js", "console.log(require('ms/package.json').version, process.version)"}}};
  auto workspace = MakeGood(submission);
  if (workspace == nullptr) return;
  EXPECT_FALSE(workspace->lockfile_missing);
  EXPECT_THAT(workspace->lockfile, Not(HasSubstr("mirror.example.com")));
  EXPECT_THAT(workspace->lockfile, Not(HasSubstr("broken")));
  EXPECT_THAT(RunNode(*workspace, {"index.js"}), AllOf(HasSubstr("2.1.2"), HasSubstr("v20.")));
  std::string layer = workspace->modules_directory, folder = workspace->temporary;
  workspace.reset();
  EXPECT_FALSE(std::filesystem::exists(folder));
  auto again = MakeGood(submission);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->modules_directory, layer);
}

TEST_F(WorkspaceTest, DoesNotRunInstallScripts) {
  Submission submission{{{"package.json", R"({"dependencies": {"bcrypt": "5.1.1"}})"}}};
  auto workspace = MakeGood(submission);
  if (workspace == nullptr) return;
  EXPECT_THAT(workspace->notes, Contains(AllOf(Field(&Failure::package, "bcrypt"), Field(&Failure::step, "install"),
                                               Field(&Failure::text, HasSubstr("not run")))));
  EXPECT_TRUE(std::filesystem::exists(workspace->modules_directory + "/bcrypt/package.json"));
  EXPECT_FALSE(std::filesystem::exists(workspace->modules_directory + "/bcrypt/lib/binding"));
}

// That a platform takes packages from its registry alone is no fault of a submission.
TEST_F(WorkspaceTest, NamesWhatIsNotFromTheRegistryAndWhoseFaultThatIs) {
  constexpr auto kOurs = Failure::FaultDomain::kPlatform, kTheirs = Failure::FaultDomain::kSubmission;
  for (auto [specifier, text] : std::map<std::string, std::string>{{"git+https://example.com/a.git", "git"},
                                                                   {"github:someone/a", "git"},
                                                                   {"someone/a", "git"},
                                                                   {"file:../../etc", "file"},
                                                                   {"link:/etc", "link"},
                                                                   {"../a", "file"},
                                                                   {"https://example.com/a.tgz", "URL"}}) {
    ExpectRefused(kOurs, absl::StrCat(R"({"dependencies": {"a": ")", specifier, R"("}})"), "a", text);
  }
  ExpectRefused(kTheirs, R"({"dependencies": {"../../escape": "1.0.0"}})", "../../escape", "not a name");
  ExpectRefused(kOurs, R"({"dependencies": {"ms": "2.1.2"}})", "ms", "URL dependencies", R"({"lockfileVersion": 3, "packages": {
      "node_modules/ms": {"version": "2.1.2", "resolved": "http://127.0.0.1:1/steal"}}})");
  ExpectRefused(kOurs, R"({"dependencies": {"ms": "2.1.2"}})", "../../x", "link", R"({"lockfileVersion": 3, "packages": {
      "../../x": {"version": "2.1.2"}}})");
  ExpectRefused(kTheirs, R"({"dependencies": )", "package.json", "not valid JSON");
  ExpectRefused(kOurs, R"({"dependencies": {"ms": "99.0.0"}})", "ms", "offers no version that fits 99.0.0");
  ExpectRefused(kOurs, R"({"dependencies": {"@no-such-scope-anywhere/x": "1.0.0"}})", "@no-such-scope-anywhere/x",
                "does not offer this package");
}

// Mirrors often know no tag but "latest".
TEST_F(WorkspaceTest, TakesTheNewestReleaseForATagTheRegistryDoesNotKnow) {
  auto workspace = MakeGood(Submission{{{"package.json", R"({"dependencies": {"ms": "a-tag-of-long-ago"}})"}}});
  if (workspace == nullptr) return;
  EXPECT_THAT(workspace->notes, Contains(AllOf(Field(&Failure::package, "ms"), Field(&Failure::text, HasSubstr("knows no tag a-tag-of-long-ago")))));
  EXPECT_TRUE(std::filesystem::exists(workspace->modules_directory + "/ms/package.json"));
}

TEST_F(WorkspaceTest, NeedsAPackageJson) {
  WorkspaceMaker::Result result = Make(Submission{{{"index.js", ""}}});
  EXPECT_EQ(result.workspace, nullptr);
  ASSERT_THAT(result.failures, SizeIs(1));
  EXPECT_EQ(result.failures[0].step, "package.json");
}

TEST_F(WorkspaceTest, MakesNoLinkAndWritesNothingOutside) {
  std::vector<SourceFile> files = {{"package.json", 0644, false, "{}"}, {"secrets", 0777, true, "/etc"}};
  auto result = maker_->Make({.files = files, .install = false});
  ASSERT_NE(result.workspace, nullptr) << result.failures[0].text;
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(result.workspace->app_directory + "/secrets")));
  EXPECT_THAT(result.workspace->notes, Contains(Field(&Failure::package, "secrets")));
  for (const char* path : {"../escape", "/escape", "a/../../escape", "a//b", "./a"}) {
    std::vector<SourceFile> hostile = {{"package.json", 0644, false, "{}"}, {path, 0644, false, "x"}};
    result = maker_->Make({.files = hostile, .install = false});
    EXPECT_EQ(result.workspace, nullptr) << path;
  }
  // A file below a file.
  std::vector<SourceFile> clash = {{"package.json", 0644, false, "{}"}, {"package.json/x", 0644, false, "x"}};
  EXPECT_EQ(maker_->Make({.files = clash, .install = false}).workspace, nullptr);
}

TEST_F(WorkspaceTest, TwoAtOnceShareOneLayer) {
  Submission submission{{{"package.json", R"({"dependencies": {"inherits": "2.0.4"}})"}}};
  std::unique_ptr<Workspace> first, second;
  std::thread other([&] { first = MakeGood(submission); });
  second = MakeGood(submission);
  other.join();
  if (first == nullptr || second == nullptr) return;
  EXPECT_EQ(first->modules_directory, second->modules_directory);
  EXPECT_THAT(RunNode(*first, {"-p", "typeof require('inherits')"}), HasSubstr("function"));
}

}  // namespace
}  // namespace assay::sandbox
