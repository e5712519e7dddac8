// SPDX-License-Identifier: Apache-2.0
#include "plugins/rubric/json_lines.h"

namespace rubric {
namespace {

// Depth 1 is inside the root object, depth 2 inside an array or object right below it.
class Walker {
 public:
  explicit Walker(std::string_view json) : json_(json) {}

  std::map<std::string, std::vector<LineRange>> Run() {
    while (at_ < json_.size()) {
      const char c = json_[at_];
      if (c == '"') {
        TakeString();
      } else {
        TakeMark(c);
        ++at_;
      }
    }
    return std::move(found_);
  }

 private:
  void TakeString() {
    const size_t begin = ++at_;
    while (at_ < json_.size() && json_[at_] != '"') at_ += json_[at_] == '\\' ? 2 : 1;
    const size_t end = at_ < json_.size() ? at_ : json_.size();
    // The last text before a value on the root's level is that value's name.
    if (depth_ == 1) name_ = std::string(json_.substr(begin, end - begin));
    at_ = end + 1;
  }

  void TakeMark(char c) {
    switch (c) {
      case '\n':
        ++line_;
        break;
      case '{':
      case '[':
        if (depth_ == 1) in_array_ = c == '[';
        if (depth_ == 2 && in_array_) start_ = line_;
        ++depth_;
        break;
      case '}':
      case ']':
        if (depth_ > 0) --depth_;
        if (depth_ == 2 && in_array_) found_[name_].push_back({start_, line_});
        break;
      default:
        break;
    }
  }

  std::string_view json_;
  size_t at_ = 0;
  size_t depth_ = 0;
  uint32_t line_ = 1;
  uint32_t start_ = 1;
  bool in_array_ = false;
  std::string name_;
  std::map<std::string, std::vector<LineRange>> found_;
};

}  // namespace

std::map<std::string, std::vector<LineRange>> ElementLines(std::string_view json) { return Walker(json).Run(); }

}  // namespace rubric
