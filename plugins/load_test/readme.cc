// SPDX-License-Identifier: Apache-2.0
#include "plugins/load_test/readme.h"

#include <algorithm>
#include <cctype>

namespace assay::load_test {
namespace {

constexpr size_t kMaxBlocks = 100;
constexpr size_t kMaxBlockBytes = 64 << 10;
constexpr size_t kMaxLines = 200;
constexpr size_t kMaxBefore = 600;

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

std::string_view TakeLine(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// The fence a line opens or closes with, of at least three marks; empty: none.
std::string_view Fence(std::string_view line) {
  size_t count = 0;
  while (count < line.size() && line[count] == line[0] && (line[0] == '`' || line[0] == '~')) ++count;
  return count >= 3 ? line.substr(0, count) : std::string_view();
}

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool IsShell(const std::string& language) {
  return language == "sh" || language == "bash" || language == "shell" || language == "console" || language == "zsh" ||
         language == "shell-session" || language.empty();
}

bool FitsEnding(const std::string& language, std::string_view file) {
  const size_t dot = file.rfind('.');
  if (dot == std::string_view::npos) return false;
  const std::string ending = Lower(file.substr(dot + 1));
  if (ending == "yml" || ending == "yaml") return language == "yaml" || language == "yml";
  if (ending == "js" || ending == "cjs" || ending == "mjs") return language == "js" || language == "javascript";
  return language == ending;
}

}  // namespace

std::vector<CodeBlock> CodeBlocks(std::string_view markdown) {
  std::vector<CodeBlock> blocks;
  std::string before;
  while (!markdown.empty() && blocks.size() < kMaxBlocks) {
    const std::string_view line = Trimmed(TakeLine(markdown));
    const std::string_view fence = Fence(line);
    if (fence.empty()) {
      if (!line.empty() && line[0] == '#') before.clear();
      before.append(line).push_back('\n');
      if (before.size() > kMaxBefore) before.erase(0, before.size() - kMaxBefore);
      continue;
    }
    CodeBlock block;
    const std::string_view info = Trimmed(line.substr(fence.size()));
    block.language = Lower(info.substr(0, info.find_first_of(" \t{,:")));
    block.before = std::move(before);
    before.clear();
    bool closed = false;
    while (!markdown.empty() && !closed) {
      const std::string_view inner = TakeLine(markdown);
      const std::string_view end = Fence(Trimmed(inner));
      closed = end.size() >= fence.size() && end[0] == fence[0] && end.size() == Trimmed(inner).size();
      if (!closed && block.text.size() <= kMaxBlockBytes) block.text.append(inner).push_back('\n');
    }
    if (closed && block.text.size() <= kMaxBlockBytes) blocks.push_back(std::move(block));
  }
  return blocks;
}

std::vector<std::string> ShellLines(const std::vector<CodeBlock>& blocks) {
  std::vector<std::string> lines;
  for (const CodeBlock& block : blocks) {
    if (!IsShell(block.language)) continue;
    for (std::string_view rest = block.text; !rest.empty() && lines.size() < kMaxLines;) {
      std::string_view line = Trimmed(TakeLine(rest));
      if (line.substr(0, 2) == "$ " || line.substr(0, 2) == "> " || line.substr(0, 2) == "# ") {
        // A number sign is a comment more often than root's prompt.
        if (line[0] == '#') continue;
        line = Trimmed(line.substr(2));
      }
      line = Trimmed(line.substr(0, line.find(" #")));
      if (!line.empty()) lines.emplace_back(line);
    }
  }
  return lines;
}

const CodeBlock* ExampleOf(const std::vector<CodeBlock>& blocks, std::string_view file) {
  const auto found = std::find_if(blocks.begin(), blocks.end(), [&](const CodeBlock& block) {
    return FitsEnding(block.language, file) && block.before.find(file) != std::string::npos;
  });
  return found == blocks.end() ? nullptr : &*found;
}

}  // namespace assay::load_test
