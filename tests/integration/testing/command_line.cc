// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/testing/command_line.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "tests/integration/testing/server_process.h"

namespace assay::testing {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(2);

void Check(bool condition, const char* what) {
  if (condition) return;
  std::perror(what);
  std::abort();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Command>> Command::Start(const std::vector<std::string>& arguments) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  UniqueFd out_end(out[1]), err_end(err[1]);
  std::unique_ptr<Command> command(new Command);
  command->out_.fd.reset(out[0]);
  command->err_.fd.reset(err[0]);
  const std::string program = Built("bin/assay");
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  command->pid_ = fork();
  if (command->pid_ < 0) return ErrnoStatus(errno, "fork");
  if (command->pid_ == 0) {
    // A test that dies leaves no server behind.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out_end.get(), STDOUT_FILENO);
    dup2(err_end.get(), STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  return command;
}

Command::~Command() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

bool Command::ReadSome() {
  pollfd events[] = {{out_.fd.get(), POLLIN, 0}, {err_.fd.get(), POLLIN, 0}};
  if (poll(events, 2, static_cast<int>(absl::ToInt64Milliseconds(kPatience))) <= 0) return false;
  Stream* const streams[] = {&out_, &err_};
  for (int i = 0; i < 2; ++i) {
    if (events[i].revents == 0) continue;
    char buffer[16384];
    const ssize_t count = read(streams[i]->fd.get(), buffer, sizeof buffer);
    if (count > 0) {
      streams[i]->text.append(buffer, static_cast<size_t>(count));
    } else if (count == 0 || errno != EINTR) {
      streams[i]->fd.reset();
    }
  }
  return out_.fd.is_open() || err_.fd.is_open();
}

bool Command::WaitFor(Stream& stream, const std::string& text) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (stream.text.find(text) == std::string::npos) {
    if (absl::Now() > deadline || !ReadSome()) return stream.text.find(text) != std::string::npos;
  }
  return true;
}

int Command::NumberAfter(const std::string& text) const {
  const size_t at = err_.text.find(text);
  return at == std::string::npos ? 0 : std::atoi(err_.text.c_str() + at + text.size());
}

void Command::Signal(int number) { kill(pid_, number); }

CommandResult Command::Finish() {
  while (ReadSome()) {
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), out_.text, err_.text};
}

CommandResult RunAssay(const std::vector<std::string>& arguments) {
  auto command = Command::Start(arguments);
  if (!command.ok()) return {-1, "", command.status().ToString()};
  return (*command)->Finish();
}

absl::StatusOr<std::unique_ptr<Command>> Serve(const std::string& data, const std::string& plugins,
                                               std::vector<std::string> more) {
  std::vector<std::string> arguments = {"serve", "--data", data, "--set", "http_listen=", "--set",
                                        "limits.reserved_disk_bytes=1048576", "--set",
                                        absl::StrCat("plugin_directory=", plugins)};
  if (more.empty()) more = {"--set", "listen="};
  arguments.insert(arguments.end(), more.begin(), more.end());
  auto command = Command::Start(arguments);
  if (!command.ok()) return command;
  if (!(*command)->WaitForErrors("serving {")) return absl::UnavailableError((*command)->Finish().err);
  return command;
}

void WriteCertificate(const std::string& certificate_file, const std::string& key_file) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  Check(key != nullptr && certificate != nullptr, "make a key");
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* const name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("assay test"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  for (const auto& [id, value] : {std::pair{NID_subject_alt_name, "IP:127.0.0.1"}, {NID_basic_constraints, "CA:TRUE"}}) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value);
    Check(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "extend the certificate");
    X509_EXTENSION_free(extension);
  }
  Check(X509_sign(certificate, key, EVP_sha256()) > 0, "sign the certificate");
  std::FILE* file = std::fopen(certificate_file.c_str(), "w");
  Check(file != nullptr && PEM_write_X509(file, certificate) == 1 && std::fclose(file) == 0, "write the certificate");
  file = std::fopen(key_file.c_str(), "w");
  Check(file != nullptr && PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1 &&
            std::fclose(file) == 0,
        "write the key");
  X509_free(certificate);
  EVP_PKEY_free(key);
}

}  // namespace assay::testing
