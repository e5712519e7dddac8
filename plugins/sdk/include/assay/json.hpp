// SPDX-License-Identifier: Apache-2.0
//
// assay/json.hpp - a small bounded JSON (RFC 8259) reader and the quoting a writer needs, for plugins: parameters, the
// platform's documents, results of load runs. C++17, the standard library alone. Input is treated as hostile: depth,
// count and size are bounded, and any defect is an answer with its byte position.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assay::sdk {

// A JSON value. Reading something that is not there gives an empty value of the asked kind, so that chains such as
// value["a"]["b"].text() are safe. Members keep their order; of a repeated name the last counts.
class Json {
 public:
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

  Json() = default;

  // `error`, when given, receives what is wrong and where. At most 64 levels and 1,000,000 values.
  static std::optional<Json> Parse(std::string_view text, std::string* error = nullptr);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool boolean(bool otherwise = false) const { return kind_ == Kind::kBool ? number_ != 0 : otherwise; }
  // Also reads numbers written as strings, as protojson writes 64-bit integers.
  double number(double otherwise = 0) const;
  const std::string& text() const { return text_; }
  const std::vector<Json>& items() const { return items_; }
  const std::vector<std::pair<std::string, Json>>& members() const { return members_; }
  bool has(std::string_view name) const { return Find(name) != nullptr; }
  const Json& operator[](std::string_view name) const {
    const Json* found = Find(name);
    return found == nullptr ? Null() : *found;
  }
  const Json& operator[](size_t index) const { return index < items_.size() ? items_[index] : Null(); }
  size_t size() const { return kind_ == Kind::kObject ? members_.size() : items_.size(); }

 private:
  class Parser;
  static const Json& Null() {
    static const Json null;
    return null;
  }
  const Json* Find(std::string_view name) const {
    for (auto member = members_.rbegin(); member != members_.rend(); ++member) {
      if (member->first == name) return &member->second;
    }
    return nullptr;
  }

  Kind kind_ = Kind::kNull;
  double number_ = 0;
  std::string text_;
  std::vector<Json> items_;
  std::vector<std::pair<std::string, Json>> members_;
};

// `text` as a JSON string with its quotes. Bytes from 0x80 on pass unchanged: `text` should be UTF-8.
inline std::string QuoteJson(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + '"';
}

inline double Json::number(double otherwise) const {
  if (kind_ == Kind::kNumber) return number_;
  if (kind_ != Kind::kString || text_.empty()) return otherwise;
  char* end = nullptr;
  const double value = std::strtod(text_.c_str(), &end);
  return end == text_.c_str() + text_.size() ? value : otherwise;
}

class Json::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<Json> Run(std::string* error) {
    Json value;
    if (Value(value, 0)) {
      SkipSpace();
      if (at_ == text_.size()) return value;
      Fail("something follows the value");
    }
    if (error != nullptr) *error = "byte " + std::to_string(at_) + ": " + why_;
    return std::nullopt;
  }

 private:
  static constexpr int kMaxDepth = 64;
  static constexpr size_t kMaxValues = 1'000'000;

  bool Fail(const char* why) {
    if (why_.empty()) why_ = why;
    return false;
  }
  void SkipSpace() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  bool Take(char c) {
    SkipSpace();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool Word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return Fail("not a JSON value");
    at_ += word.size();
    return true;
  }

  bool Value(Json& out, int depth) {
    if (depth > kMaxDepth) return Fail("nested deeper than 64 levels");
    if (++values_ > kMaxValues) return Fail("more than 1,000,000 values");
    SkipSpace();
    if (at_ >= text_.size()) return Fail("ends too early");
    switch (text_[at_]) {
      case '{':
        return Object(out, depth);
      case '[':
        return Array(out, depth);
      case '"':
        out.kind_ = Kind::kString;
        return String(out.text_);
      case 't':
        out.kind_ = Kind::kBool;
        out.number_ = 1;
        return Word("true");
      case 'f':
        out.kind_ = Kind::kBool;
        return Word("false");
      case 'n':
        return Word("null");
      default:
        return Number(out);
    }
  }

  bool Object(Json& out, int depth) {
    out.kind_ = Kind::kObject;
    ++at_;
    if (Take('}')) return true;
    do {
      SkipSpace();
      if (at_ >= text_.size() || text_[at_] != '"') return Fail("a member needs a name in quotes");
      auto& member = out.members_.emplace_back();
      if (!String(member.first)) return false;
      if (!Take(':')) return Fail("a member needs ':'");
      if (!Value(member.second, depth + 1)) return false;
    } while (Take(','));
    return Take('}') || Fail("an object needs ',' or '}'");
  }

  bool Array(Json& out, int depth) {
    out.kind_ = Kind::kArray;
    ++at_;
    if (Take(']')) return true;
    do {
      if (!Value(out.items_.emplace_back(), depth + 1)) return false;
    } while (Take(','));
    return Take(']') || Fail("an array needs ',' or ']'");
  }

  bool Digits() {
    const size_t start = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > start;
  }

  bool Number(Json& out) {
    const size_t start = at_;
    if (text_[at_] == '-') ++at_;
    if (at_ < text_.size() && text_[at_] == '0') {
      ++at_;
    } else if (!Digits()) {
      return Fail("not a JSON value");
    }
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      if (!Digits()) return Fail("a number needs digits after '.'");
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (!Digits()) return Fail("a number needs digits in its exponent");
    }
    out.kind_ = Kind::kNumber;
    out.number_ = std::strtod(std::string(text_.substr(start, at_ - start)).c_str(), nullptr);
    return true;
  }

  bool Hex4(uint32_t& out) {
    if (text_.size() - at_ < 4) return Fail("\\u needs four hex digits");
    out = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = text_[at_++];
      uint32_t digit = 0;
      if (c >= '0' && c <= '9') {
        digit = static_cast<uint32_t>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        digit = static_cast<uint32_t>(c - 'a' + 10);
      } else if (c >= 'A' && c <= 'F') {
        digit = static_cast<uint32_t>(c - 'A' + 10);
      } else {
        return Fail("\\u needs four hex digits");
      }
      out = out * 16 + digit;
    }
    return true;
  }

  static void AppendUtf8(uint32_t point, std::string& out) {
    auto add = [&](uint32_t byte) { out += static_cast<char>(byte); };
    if (point < 0x80) {
      add(point);
    } else if (point < 0x800) {
      add(0xC0 | (point >> 6));
      add(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
      add(0xE0 | (point >> 12));
      add(0x80 | ((point >> 6) & 0x3F));
      add(0x80 | (point & 0x3F));
    } else {
      add(0xF0 | (point >> 18));
      add(0x80 | ((point >> 12) & 0x3F));
      add(0x80 | ((point >> 6) & 0x3F));
      add(0x80 | (point & 0x3F));
    }
  }

  // A surrogate without its other half becomes U+FFFD.
  bool Unicode(std::string& out) {
    uint32_t point = 0;
    if (!Hex4(point)) return false;
    if (point >= 0xD800 && point < 0xDC00 && text_.substr(at_, 2) == "\\u") {
      const size_t back = at_;
      at_ += 2;
      uint32_t low = 0;
      if (!Hex4(low)) return false;
      if (low >= 0xDC00 && low < 0xE000) {
        point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
      } else {
        at_ = back;
      }
    }
    AppendUtf8(point >= 0xD800 && point < 0xE000 ? 0xFFFD : point, out);
    return true;
  }

  bool String(std::string& out) {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return Fail("a control character inside a string");
      if (c != '\\') {
        out += c;
        continue;
      }
      if (at_ >= text_.size()) break;
      const char escape = text_[at_++];
      constexpr std::string_view kFrom = "\"\\/bfnrt";
      constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
      const size_t found = kFrom.find(escape);
      if (found != std::string_view::npos) {
        out += kTo[found];
      } else if (escape != 'u') {
        return Fail("no such escape");
      } else if (!Unicode(out)) {
        return false;
      }
    }
    return Fail("a string without its end");
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t values_ = 0;
  std::string why_;
};

inline std::optional<Json> Json::Parse(std::string_view text, std::string* error) { return Parser(text).Run(error); }

}  // namespace assay::sdk
