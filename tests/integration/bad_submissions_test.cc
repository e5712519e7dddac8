// SPDX-License-Identifier: Apache-2.0
//
// What a person sees who submits something broken or made to break things, through the command line as it is shipped:
// one line that names the place, exit code 3, bounded time and memory, and a server that goes on serving.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "services/common/base/testing/temp_dir.h"

extern char** environ;

namespace assay {
namespace {

using assay::testing::TempDir;
using ::testing::_;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::Matcher;
using ::testing::Pair;

constexpr char kApplication[] =
    "const express = require('express');\nconst app = express();\napp.get('/a', (req, res) => res.send('x'));\n"
    "app.listen(process.env.PORT || 3000);\n";
constexpr char kManifest[] = R"({"name": "x", "dependencies": {"express": "4.18.2"}})";

std::string Binary(const std::string& name) { return std::string(getenv("ASSAY_BUILD_DIR")) + "/bin/" + name; }

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

pid_t Spawn(std::vector<std::string> words, const std::string& out, const std::string& err, int ready_fd = -1) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (ready_fd >= 0) posix_spawn_file_actions_adddup2(&actions, ready_fd, 3);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  EXPECT_EQ(posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ), 0) << words[0];
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

// The bytes of a ustar, entry by entry.
class Tar {
 public:
  Tar& Add(const std::string& name, const std::string& content, char type = '0', const std::string& link = "") {
    return AddSized(name, content, content.size(), type, link);
  }
  // `size` is what the header says.
  Tar& AddSized(const std::string& name, const std::string& content, uint64_t size, char type = '0',
                const std::string& link = "") {
    std::string header(512, '\0');
    header.replace(0, name.size(), name);
    header.replace(100, 7, "0000644");
    char field[13];
    snprintf(field, sizeof field, "%011llo", static_cast<unsigned long long>(size));
    header.replace(124, 11, field);
    header[156] = type;
    header.replace(157, link.size(), link);
    header.replace(257, 8, std::string("ustar\0" "00", 8));
    header.replace(148, 8, 8, ' ');
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    snprintf(field, sizeof field, "%06o", sum);
    header.replace(148, 7, field, 7);
    bytes_ += header + content + std::string((512 - content.size() % 512) % 512, '\0');
    return *this;
  }
  const std::string& open() const { return bytes_; }
  std::string Done() const { return bytes_ + std::string(1024, '\0'); }

 private:
  std::string bytes_;
};

Tar Application() { return Tar().Add("package.json", kManifest).Add("app.js", kApplication); }

// `value` in little-endian order.
std::string Number(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i, value >>= 8) text += static_cast<char>(value);
  return text;
}

// What a zip says of a file: once where the file stands, and once in the directory at its end.
struct ZipFile {
  std::string name;
  // The bytes as they stand there, and how long the header says they are when inflated.
  std::string bytes = "x";
  uint64_t size = 1;
  // 0: stored, 8: deflated.
  int method = 0;
  // 1: encrypted.
  int flags = 0;

  // The part that both places share.
  std::string Fields() const {
    return Number(flags, 2) + Number(method, 2) + Number(0, 8) + Number(bytes.size(), 4) + Number(size, 4) +
           Number(name.size(), 2) + Number(0, 2);
  }
  std::string Local() const { return "PK\x03\x04" + Number(20, 2) + Fields() + name + bytes; }
  std::string Central() const { return "PK\x01\x02" + Number(20, 2) + Number(20, 2) + Fields() + Number(0, 14) + name; }
};

std::string ZipOf(const std::string& local, const std::string& central, size_t entries) {
  return local + central + "PK\x05\x06" + Number(0, 4) + Number(entries, 2) + Number(entries, 2) +
         Number(central.size(), 4) + Number(local.size(), 4) + Number(0, 2);
}
std::string Zip(const ZipFile& file) { return ZipOf(file.Local(), file.Central(), 1); }

// Deflated bytes: what is given as it is, and then the `distance` bytes before it over and over. `distance`: 1 or 512.
std::string Deflated(const std::string& first, int distance, size_t repetitions) {
  std::string bytes = '\0' + Number(first.size(), 2) + Number(~first.size(), 2) + first;
  uint64_t bits = 0;
  int count = 0;
  const auto append = [&](uint64_t value, int size) {
    bits |= value << count;
    for (count += size; count >= 8; count -= 8, bits >>= 8) bytes += static_cast<char>(bits);
  };
  // Fixed codes, the first bit lowest: "258 bytes from" is 11000101, "512 back" 10001 and 127 more, "1 back" 00000.
  append(0b011, 3);
  for (size_t i = 0; i < repetitions; ++i) {
    append(0b10100011, 8);
    append(distance == 1 ? 0 : 0b1111111'10001, distance == 1 ? 5 : 12);
  }
  append(0, 7);
  append(0, 8);
  return bytes;
}

// What follows is never reached by an archive that is refused before its end: no checksum.
std::string Gzip(const std::string& deflated) { return Number(0x088b1f, 10) + deflated; }

// A tar.zst of a few hundred bytes that inflates to `mebibytes` of one file: a block of zstd may say "128 KiB of this byte".
std::string Bomb(size_t mebibytes) {
  const std::string head = Tar().AddSized("zeros.js", "", mebibytes << 20).open();
  const auto block = [](size_t size, int type, const std::string& content) {
    const size_t field = size << 3 | static_cast<size_t>(type) << 1;
    return std::string({static_cast<char>(field), static_cast<char>(field >> 8), static_cast<char>(field >> 16)}) + content;
  };
  // One frame without its size; a window of 1 MiB.
  std::string bytes = std::string("\x28\xb5\x2f\xfd\x00\x50", 6) + block(head.size(), 0, head);
  for (size_t i = 0; i < mebibytes * 8; ++i) bytes += block(128 << 10, 1, std::string(1, '\0'));
  return bytes + std::string({'\x01', 0, 0});
}

class BadSubmissions : public ::testing::Test {
 protected:
  struct Answer {
    int code = -1;
    std::string out;
    std::string err;
  };

  // One server for all cases: what one submission does to it, the next would see.
  static void SetUpTestSuite() {
    data_ = new TempDir;
    int ready[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    server_ = Spawn({Binary("assay-standalone"), "--data=" + data_->path(), "--set=listen=", "--set=http_listen=",
                     "--ready_fd=3", "--exit_with_parent"},
                    "/dev/null", *data_ / "server.txt", ready[1]);
    ::close(ready[1]);
    char line[4096];
    ASSERT_GT(::read(ready[0], line, sizeof line), 0) << Content(*data_ / "server.txt");
    ::close(ready[0]);
  }
  static void TearDownTestSuite() {
    EXPECT_EQ(::waitpid(server_, nullptr, WNOHANG), 0) << "the server ended: " << Content(*data_ / "server.txt");
    ::kill(server_, SIGTERM);
    int status = 0;
    rusage used{};
    EXPECT_EQ(::wait4(server_, &status, 0, &used), server_);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    // In KiB, over the server and the processes it started: none came near the size of what the bombs promise.
    EXPECT_LT(used.ru_maxrss, 1 << 20);
    delete data_;
  }

  std::string Write(const std::string& name, const std::string& bytes) {
    const std::string path = inputs_ / name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  Answer Evaluate(const std::string& path, bool json = false) {
    std::vector<std::string> words = {Binary("assay"), "evaluate",     "--skip", "load_test",
                                      path,            "--candidate", "c-" + std::to_string(++candidates_)};
    words.insert(words.end(), {"--data", data_->path()});
    if (json) words.push_back("--json");
    const pid_t pid = Spawn(words, inputs_ / "out", inputs_ / "err");
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, Content(inputs_ / "out"), Content(inputs_ / "err")};
  }

  void ExpectRefused(const std::string& path, const Matcher<std::string>& why) {
    const Answer answer = Evaluate(path);
    EXPECT_EQ(answer.code, 3) << path << ": " << answer.err;
    const std::string name = std::filesystem::path(path).filename().string();
    EXPECT_THAT(answer.err, AllOf(ContainsRegex("^error: [^ ].*: .+; .+\n$"), HasSubstr(name + ": "), why));
    EXPECT_EQ(answer.out, "");
  }
  void ExpectRefused(const std::string& name, const std::string& bytes, const Matcher<std::string>& why) {
    ExpectRefused(Write(name, bytes), why);
  }

  // Evaluates to the end, finds the application's one route, and returns the notes about files and about the archive.
  std::map<std::string, std::string> Notes(const std::string& path) {
    const Answer answer = Evaluate(path, true);
    EXPECT_EQ(answer.code, 0) << path << ": " << answer.err << answer.out;
    std::map<std::string, std::string> notes;
    const nlohmann::json report = nlohmann::json::parse(answer.out, nullptr, false);
    if (!report.is_object() || !report.contains("routes")) return notes;
    EXPECT_EQ(report["routes"].size(), 1u) << path;
    for (const auto& finding : report["findings"]) {
      if (finding["check"] == "analysis") notes[finding["file"]] = finding["message"];
      if (finding["check"] == "archive") notes[finding["message"]] = "archive";
    }
    return notes;
  }

  static TempDir* data_;
  static pid_t server_;
  static int candidates_;
  TempDir inputs_;
};
TempDir* BadSubmissions::data_ = nullptr;
pid_t BadSubmissions::server_ = -1;
int BadSubmissions::candidates_ = 0;

TEST_F(BadSubmissions, WhatIsNoArchiveIsRefusedWithTheFormatsThatAre) {
  ExpectRefused("empty.tar.gz", "", HasSubstr("the file is empty"));
  ExpectRefused("none.tar", Tar().Done(), HasSubstr("the archive is empty"));
  ExpectRefused("none.zip", std::string("PK\x05\x06") + std::string(18, '\0'), HasSubstr("the archive is empty"));
  ExpectRefused("text.tar.gz", std::string(2000, 'x'), HasSubstr(".tar, .tar.gz, .tar.zst or .zip"));
  ExpectRefused("app.js", kApplication, HasSubstr(".tar, .tar.gz, .tar.zst or .zip"));
  ExpectRefused("cut.tar", Application().open().substr(0, 1600), HasSubstr("truncated"));
  ExpectRefused("cut.zip", Zip({"app.js"}).substr(0, 60), HasSubstr("truncated"));
  ExpectRefused("secret.zip", Zip({.name = "app.js", .flags = 1}), HasSubstr("entry \"app.js\": encrypted"));
  ExpectRefused(inputs_ / "nothing", HasSubstr("no such file or folder"));
  // A stream that ends in the middle of a file.
  const std::string tar = Application().Add("big.js", std::string(40'000, '1')).Done();
  ExpectRefused("cut.tar.gz", Gzip(Deflated(tar, 1, 1)).substr(0, 20'000), HasSubstr("truncated or damaged"));
  const std::string block = Number(tar.size() << 3 | 1, 3) + tar;
  ExpectRefused("cut.tar.zst", (std::string("\x28\xb5\x2f\xfd\x00\x50", 6) + block).substr(0, 20'000),
                HasSubstr("truncated or damaged"));
}

TEST_F(BadSubmissions, AnArchiveThatMisstatesSizesNamesItsEntry) {
  ExpectRefused("more.tar", Tar().AddSized("big.js", "x", 100'000).Done(), HasSubstr("\"big.js\": Truncated"));
  ExpectRefused("vast.tar", Tar().AddSized("big.js", "x", 8'000'000'000).Done(),
                HasSubstr("entry \"big.js\": its header says 8000000000 bytes"));
  const ZipFile honest = {.name = "app.js"}, longer = {.name = "app.js", .size = 7}, other = {.name = "evil.js"};
  ExpectRefused("longer.zip", ZipOf(longer.Local(), honest.Central(), 1), HasSubstr("app.js"));
  ExpectRefused("shorter.zip", ZipOf(honest.Local(), longer.Central(), 1), HasSubstr("app.js"));
  ExpectRefused("other.zip", ZipOf(honest.Local(), other.Central(), 1),
                AllOf(HasSubstr("\"app.js\""), HasSubstr("\"evil.js\"")));
}

TEST_F(BadSubmissions, NamesThatLeadElsewhereAreRefusedByName) {
  const std::pair<std::string, std::string> names[] = {
      {"../evil.js", "entry \"../evil.js\": \"..\" in a name"},
      {"a/../../evil.js", "\"..\" in a name"},
      {"/etc/evil.js", "entry \"/etc/evil.js\": an absolute name"},
      {"a\\..\\evil.js", "a control character or"},
      {"a\nb.js", "a control character or"},
      {"caf\xe9.js", "not UTF-8"},
      {"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17.js", "17 levels deep"},
      {"APP.js", "in case alone"},
      {"app.js", "occurs twice"},
      {"app.js/inner.js", "lies below \"app.js\", which is no folder"},
  };
  for (const auto& [name, why] : names) {
    ExpectRefused("name.tar", Application().Add(name, "x").Done(), HasSubstr(why));
  }
  for (const int i : {0, 1, 2, 4, 5, 6}) ExpectRefused("name.zip", Zip({names[i].first}), HasSubstr(names[i].second));
  // What packs on Windows may write so; it means the same.
  ExpectRefused("name.zip", Zip({"a\\..\\evil.js"}), HasSubstr("entry \"a/../evil.js\": \"..\" in a name"));
}

TEST_F(BadSubmissions, LinksAreToldAndNeverFollowed) {
  const auto notes = Notes(Write("links.tar", Application()
                                                  .Add("passwords", "", '2', "/etc/passwd")
                                                  .Add("up", "", '2', "../..")
                                                  .Add("again.js", "", '1', "app.js")
                                                  .Done()));
  for (const char* name : {"passwords", "up", "again.js"}) {
    EXPECT_THAT(notes, Contains(Pair("\"" + std::string(name) + "\" is a link; it was recorded and not followed", _)));
  }
  ExpectRefused("through.tar", Application().Add("d", "", '2', "/tmp").Add("d/evil.js", "x").Done(),
                HasSubstr("lies below \"d\", which is no folder"));
}

TEST_F(BadSubmissions, DevicesAndPipesAreRefusedByName) {
  ExpectRefused("device.tar", Application().Add("null", "", '3').Done(), HasSubstr("entry \"null\": neither a file"));
  ExpectRefused("pipe.tar", Application().Add("pipe", "", '6').Done(), HasSubstr("entry \"pipe\": neither a file"));
  Write("folder/app.js", kApplication);
  ASSERT_EQ(::mkfifo((inputs_ / "folder/pipe").c_str(), 0600), 0);
  ExpectRefused(inputs_ / "folder", HasSubstr("\"pipe\": neither a file"));
}

TEST_F(BadSubmissions, WhatIsTooMuchIsRefusedWithTheLimit) {
  ExpectRefused("bomb.tar.zst", Bomb(200), AllOf(HasSubstr("entry \"zeros.js\""), HasSubstr("100 times its own")));
  Tar many;
  for (int i = 0; i <= 10'000; ++i) many.Add("f" + std::to_string(i), "");
  ExpectRefused("many.tar", many.Done(), HasSubstr("entry \"f10000\": more than 10000 entries"));
  ExpectRefused("bomb.zip",
                Zip({.name = "zeros.js",
                     .bytes = Deflated(std::string(1, '\0'), 1, (200 << 20) / 258),
                     .size = 1 + (200u << 20) / 258 * 258,
                     .method = 8}),
                AllOf(HasSubstr("entry \"zeros.js\""), HasSubstr("100 times its own")));
}

TEST_F(BadSubmissions, AMillionEntriesAreRefusedWhereverTheyStand) {
  // One header a million times over, below a folder that is left out anyway.
  const std::string header = Tar().Add("node_modules/x.js", "").open();
  const size_t million = (1'000'000ull * header.size()) / 258;
  ExpectRefused("million.tar.gz", Gzip(Deflated(header, 512, million)),
                AllOf(HasSubstr("\"node_modules/x.js\""), HasSubstr("more than 200000 entries")));
  const ZipFile file = {.name = "node_modules/x.js"};
  const std::string record = file.Central();
  std::string central;
  for (int i = 0; i < 1'000'000; ++i) central += record;
  ExpectRefused("million.zip", ZipOf(file.Local(), central, 0xffff),
                AllOf(HasSubstr("\"node_modules/x.js\""), HasSubstr("more than 200000 entries")));
}

TEST_F(BadSubmissions, WhatIsNoExpressApplicationGetsNoScore) {
  ExpectRefused("koa.tar", Tar().Add("package.json", R"({"dependencies": {"koa": "2"}})").Add("a.js", "1\n").Done(),
                HasSubstr("not an Express application"));
  ExpectRefused("python.tar", Tar().Add("main.py", "print(1)\n").Done(), HasSubstr("no JavaScript or TypeScript"));
  ExpectRefused("garbled.tar", Tar().Add("package.json", "{{{").Add("a.js", "1\n").Done(),
                HasSubstr("package.json is not a JSON object"));
  std::filesystem::create_directory(inputs_ / "hollow");
  ExpectRefused(inputs_ / "hollow", HasSubstr("the folder holds no files"));
  Write("one_line/app.js", "x = '" + std::string(50 << 20, 'x') + "';");
  ExpectRefused(inputs_ / "one_line", HasSubstr("app.js was not read: larger than 8 MiB"));
}

TEST_F(BadSubmissions, OneBadFileDoesNotHideTheRest) {
  EXPECT_THAT(Notes(Write("latin.tar", Application().Add("latin.js", "'\xff\xfe'\n").Done())),
              Contains(Pair("latin.js", HasSubstr("not UTF-8"))));
  EXPECT_THAT(Notes(Write("garbled.tar", Tar().Add("package.json", "not JSON").Add("app.js", kApplication).Done())),
              Contains(Pair("package.json", HasSubstr("not a JSON object"))));
  EXPECT_THAT(Notes(Write("syntax.tar", Application().Add("b.js", "function ( { ][ => ").Done())),
              Contains(Pair("b.js", HasSubstr("syntax that could not be read"))));
  const std::string deep(200'000, '[');
  Notes(Write("deep.tar", Application().Add("deep.js", deep).Add("sub/package.json", deep).Done()));
  Notes(Write("cycle.tar", Application()
                               .Add("a.js", "const b = require('./b'); exports.a = b;\n")
                               .Add("b.js", "const a = require('./a'); exports.b = a; require('./b');\n")
                               .Done()));
  Notes(Write("folder.tar", Tar().Add("package.json/x.js", "1\n").Add("app.js", kApplication).Done()));
  Write("long/app.js", kApplication);
  Write("long/big.js", "x = '" + std::string(50 << 20, 'x') + "';");
  EXPECT_THAT(Notes(inputs_ / "long"), Contains(Pair("big.js", HasSubstr("larger than 8 MiB"))));
}

TEST_F(BadSubmissions, DocumentsOfEveryKindNameTheLineOfWhatIsWrong) {
  const std::string portfolio =
      "kind: portfolio\nitems:\n  - type: migration\n    title: Node 16 to 20\n    summary: Fourteen services in "
      "fourteen weeks.\n    speaks_for: [\"8.1.2\"]\n";
  const std::string outcome =
      "kind: outcome\nperiod: {from: 2026-01-01, to: 2026-06-30}\nmeasures: [{name: incidents, unit: count, before: 9, "
      "after: 3}]\nmanager_rating: {rater: {id: m-1, role: manager}, rating: 3, evidence: Halved the incidents of two "
      "services.}\n";
  const std::string decision =
      "kind: decision\nreadiness_version: 7\ndecided_by: Ada Example\noutcome: hire\nreasons: [Met every gate in two "
      "interviews.]\ndecided_at: 2026-11-01T10:00:00Z\n";
  const std::string task = "kind: task\nid: orders\nbehaviours: [\"1.2.2\"]\nservices: [postgres]\n";
  const struct {
    const std::string& document;
    const char* from;
    const char* to;
    const char* place;
    const char* named;
  } cases[] = {
      {portfolio, "    title:", "    titel:", "card.yaml:4", "titel"},
      {portfolio, "8.1.2", "8.1.9", "card.yaml:6", "8.1.9"},
      {portfolio, "type: migration", "type: migratoin", "card.yaml:3", "migratoin"},
      {portfolio, "Fourteen services", "Fourteen \xff services", "card.yaml:5", "UTF-8"},
      {outcome, "period:", "perid:", "card.yaml:2", "perid"},
      {outcome, "role: manager", "role: wizard", "card.yaml:4", "wizard"},
      {outcome, "rating: 3", "rating: 5", "card.yaml:4", "5"},
      {outcome, "Halved", "\xff", "card.yaml:4", "UTF-8"},
      {decision, "decided_by:", "decided_bye:", "card.yaml:3", "decided_bye"},
      {decision, "decided_by: Ada Example", "decided_by: \"\"", "card.yaml:3", "decided_by"},
      {decision, "Met every", "\xff", "card.yaml:5", "UTF-8"},
      {task, "behaviours:", "behaviors:", "card.yaml:3", "behaviors"},
      {task, "1.2.2", "1.2.9", "card.yaml:3", "1.2.9"},
      {task, "postgres", "oracle", "card.yaml:4", "oracle"},
      {task, "orders", "\xff", "card.yaml:2", "UTF-8"},
  };
  for (const auto& wrong : cases) {
    std::string text = wrong.document;
    const size_t at = text.find(wrong.from);
    ASSERT_NE(at, std::string::npos) << wrong.from;
    text.replace(at, strlen(wrong.from), wrong.to);
    const Answer answer = Evaluate(Write("card.yaml", text));
    EXPECT_EQ(answer.code, 3) << text << answer.err << answer.out;
    EXPECT_THAT(answer.err, AllOf(StartsWith("error: "), HasSubstr(wrong.place), HasSubstr(wrong.named))) << text;
    EXPECT_EQ(answer.out, "");
  }
}

TEST_F(BadSubmissions, AfterAllOfThemAGoodOneIsServed) {
  ExpectRefused("bomb.tar.zst", Bomb(200), HasSubstr("times its own"));
  Notes(Write("good.tar", Application().Done()));
}

}  // namespace
}  // namespace assay
