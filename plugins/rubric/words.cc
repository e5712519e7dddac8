// SPDX-License-Identifier: Apache-2.0
#include "plugins/rubric/words.h"

#include <algorithm>
#include <set>

namespace rubric {
namespace {

bool IsWordByte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

std::set<std::string> SetOf(std::string_view text) {
  const std::vector<std::string> words = WordsOf(text);
  return {words.begin(), words.end()};
}

}  // namespace

std::vector<std::string> WordsOf(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (IsWordByte(c)) {
      word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

std::string Normalised(std::string_view text) {
  std::string result;
  for (const std::string& word : WordsOf(text)) {
    if (!result.empty()) result += ' ';
    result += word;
  }
  return result;
}

double Overlap(std::string_view text, std::string_view other) {
  const std::set<std::string> mine = SetOf(text);
  const std::set<std::string> theirs = SetOf(other);
  if (mine.empty()) return 0;
  const auto shared =
      std::count_if(mine.begin(), mine.end(), [&](const std::string& w) { return theirs.count(w) > 0; });
  return static_cast<double>(shared) / static_cast<double>(mine.size());
}

size_t DistinctWords(std::string_view text) { return SetOf(text).size(); }

std::string Cut(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace rubric
