// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace assay::load_test {

// A code block of a README and the words that introduce it.
struct CodeBlock {
  std::string language;  // lower case; empty: none named
  std::string text;
  std::string before;  // the last lines above it, back to a heading or another block
};

// The fenced code blocks of a Markdown text, at most 100 of at most 64 KiB. Pure; a fence without an end is left out.
std::vector<CodeBlock> CodeBlocks(std::string_view markdown);

// The command lines in its shell blocks, without prompts, comments and the lines of output between them; at most 200.
std::vector<std::string> ShellLines(const std::vector<CodeBlock>& blocks);

// What the README shows as the content of a file of this name: the first block that fits its ending and is introduced by
// its name. Null: none.
const CodeBlock* ExampleOf(const std::vector<CodeBlock>& blocks, std::string_view file);

}  // namespace assay::load_test
