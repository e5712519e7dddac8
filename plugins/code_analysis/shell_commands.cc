// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "plugins/code_analysis/repository_pipelines.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxCommands = 2'000;
constexpr size_t kMaxWords = 200;

// What the right side of "||" must start with for the failure on the left to count all the same.
bool PassesFailureOn(std::string_view rest) {
  rest = rest.substr(0, rest.find('\n'));
  if (text::Contains(rest, "exit 0")) return false;
  return text::Contains(rest, "exit") || text::Contains(rest, "return 1") || text::Contains(rest, "false");
}

class ShellSplitter {
 public:
  ShellSplitter(std::string_view script, bool pipefail) : script_(script), pipefail_(pipefail) {}

  std::vector<ShellCommand> Split() {
    while (position_ < script_.size() && commands_.size() < kMaxCommands) Step();
    EndCommand(false);
    return std::move(commands_);
  }

 private:
  char At(size_t offset) const { return position_ + offset < script_.size() ? script_[position_ + offset] : '\0'; }

  void Step() {
    const char c = At(0);
    if (c == '\\' && At(1) == '\n') {
      EndWord();
      position_ += 2;
      ++line_;
    } else if (c == '\'' || c == '"') {
      Quoted(c);
    } else if (c == '#' && word_.empty()) {
      while (position_ < script_.size() && At(0) != '\n') ++position_;
    } else if (c == '\n') {
      EndCommand(false);
      ++position_;
      ++line_;
    } else if (c == '|' && At(1) == '|') {
      EndCommand(!PassesFailureOn(script_.substr(position_ + 2)));
      position_ += 2;
    } else if (c == '|') {
      EndCommand(!pipefail_);
      position_ += At(1) == '&' ? 2 : 1;
    } else if (c == '&' && At(1) == '&') {
      EndCommand(false);
      position_ += 2;
    } else if (c == '&' && At(1) != '>' && !(position_ > 0 && script_[position_ - 1] == '>')) {
      EndCommand(true);  // in the background: nobody looks at its exit status
      ++position_;
    } else if (c == ';' || ((c == '(' || c == ')' || c == '{' || c == '}') && word_.empty())) {
      EndCommand(false);
      ++position_;
    } else if (text::IsSpace(c)) {
      EndWord();
      ++position_;
    } else {
      word_.push_back(c);
      ++position_;
    }
  }

  void Quoted(char quote) {
    ++position_;
    quoted_ = true;
    while (position_ < script_.size() && At(0) != quote) {
      if (quote == '"' && At(0) == '\\' && position_ + 1 < script_.size()) ++position_;
      line_ += At(0) == '\n';
      word_.push_back(At(0));
      ++position_;
    }
    ++position_;
  }

  void EndWord() {
    if ((!word_.empty() || quoted_) && command_.words.size() < kMaxWords) {
      if (command_.words.empty()) command_.line = line_;
      command_.words.push_back(std::move(word_));
    }
    word_.clear();
    quoted_ = false;
  }

  void EndCommand(bool failure_ignored) {
    EndWord();
    bool condition = false;
    std::vector<std::string>& words = command_.words;
    while (!words.empty() &&
           text::IsOneOf(words[0], {"if", "elif", "while", "until", "!", "then", "else", "do", "time"})) {
      condition |= text::IsOneOf(words[0], {"if", "elif", "while", "until", "!"});
      words.erase(words.begin());
    }
    if (words.empty()) return;
    if (words[0] == "set") ReadOptions();
    command_.failure_ignored = failure_ignored || condition || !stops_on_error_;
    commands_.push_back(std::exchange(command_, {}));
  }

  void ReadOptions() {
    for (size_t i = 1; i < command_.words.size(); ++i) {
      const std::string& word = command_.words[i];
      if (word == "+e") stops_on_error_ = false;
      if (word.starts_with("-") && text::Contains(word, "e")) stops_on_error_ = true;
      if (word == "pipefail" && command_.words[i - 1] != "+o") pipefail_ = true;
    }
  }

  std::string_view script_;
  bool pipefail_;
  bool stops_on_error_ = true;
  bool quoted_ = false;
  size_t position_ = 0;
  uint32_t line_ = 1;
  std::string word_;
  ShellCommand command_;
  std::vector<ShellCommand> commands_;
};

}  // namespace

std::vector<ShellCommand> SplitShell(std::string_view script, bool pipefail) {
  return ShellSplitter(script, pipefail).Split();
}

}  // namespace assay::code_analysis
