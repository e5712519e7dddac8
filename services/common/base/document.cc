// SPDX-License-Identifier: Apache-2.0
#include "services/common/base/document.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "services/common/base/document_tree.h"
#include "services/common/base/logging.h"

namespace assay {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kMaxShownBytes = 60;

// Text of the document as it appears in an error: short, and on one line.
std::string Shown(absl::string_view text) {
  if (text.size() <= kMaxShownBytes) return JsonQuote(text);
  size_t length = kMaxShownBytes;
  // Not in the middle of a character.
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  return absl::StrCat(JsonQuote(text.substr(0, length)), "…");
}

std::string NameOf(const DocumentNode& node) {
  switch (node.kind) {
    case DocumentNode::Kind::kNull:
      return "nothing";
    case DocumentNode::Kind::kScalar:
      return Shown(node.text);
    case DocumentNode::Kind::kSequence:
      return "a list";
    case DocumentNode::Kind::kMap:
      return "a map";
  }
  return "nothing";
}

// Fills messages from a tree, collecting every error on the way.
class Binder {
 public:
  Binder(const DocumentTree& tree, const DocumentOptions& options, std::vector<DocumentError>& errors)
      : tree_(tree), options_(options), errors_(errors) {}

  void BindRoot(Message* out) {
    const DocumentNode& root = tree_.nodes[tree_.root];
    if (root.kind != DocumentNode::Kind::kMap) {
      return Add(root.line, "", absl::StrCat("found ", NameOf(root), ", a map of keys and values is expected"));
    }
    BindMessage(root, "", out);
  }

  bool over_bound() const { return over_bound_; }

 private:
  bool IsFull() const { return over_bound_ || errors_.size() >= kMaxDocumentErrors; }

  void Add(uint32_t line, absl::string_view field, std::string what) {
    if (errors_.size() < kMaxDocumentErrors) errors_.push_back({line, std::string(field), std::move(what)});
  }

  // Aliases let a small document spell a huge one: every visit counts.
  bool Visit(const DocumentNode& node, const std::string& path) {
    if (++visited_ > kMaxDocumentNodes && !over_bound_) {
      Add(node.line, path, absl::StrCat("more than ", kMaxDocumentNodes, " values"));
      over_bound_ = true;
    }
    return !IsFull();
  }

  void BindMessage(const DocumentNode& map, const std::string& path, Message* out) {
    // Aliases can nest deeper than the text does.
    if (depth_ >= kMaxDocumentDepth) {
      return Add(map.line, path, absl::StrCat("nested deeper than ", kMaxDocumentDepth, " levels"));
    }
    ++depth_;
    BindEntries(map, path, out);
    --depth_;
  }

  void BindEntries(const DocumentNode& map, const std::string& path, Message* out) {
    const Descriptor& type = *out->GetDescriptor();
    for (const DocumentNode::Entry& entry : map.entries) {
      const DocumentNode& value = tree_.nodes[entry.value];
      const std::string field_path = path.empty() ? entry.key : absl::StrCat(path, ".", entry.key);
      if (!Visit(value, field_path)) return;
      const FieldDescriptor* field = FindField(type, entry.key, path.empty());
      if (field == nullptr) {
        Add(entry.line, path.empty() ? Clip(entry.key) : absl::StrCat(path, ".", Clip(entry.key)),
            absl::StrCat("unknown key; allowed: ", AllowedKeys(type, path.empty())));
        continue;
      }
      if (options_.lines != nullptr) options_.lines->Add(field_path, entry.line);
      if (field->containing_oneof() != nullptr && out->GetReflection()->HasOneof(*out, field->containing_oneof()) &&
          !field->containing_oneof()->is_synthetic()) {
        Add(entry.line, field_path, absl::StrCat("only one key of ", OneofKeys(*field), " may be given"));
        continue;
      }
      BindField(value, field_path, *field, out);
    }
  }

  static std::string Clip(absl::string_view key) { return std::string(key.substr(0, kMaxShownBytes)); }

  bool IsHidden(absl::string_view name, bool outermost) const {
    return outermost && std::find(options_.hidden_fields.begin(), options_.hidden_fields.end(), name) !=
                            options_.hidden_fields.end();
  }

  const FieldDescriptor* FindField(const Descriptor& type, const std::string& key, bool outermost) const {
    return IsHidden(key, outermost) ? nullptr : type.FindFieldByName(key);
  }

  std::string AllowedKeys(const Descriptor& type, bool outermost) const {
    std::vector<absl::string_view> names;
    for (int i = 0; i < type.field_count(); ++i) {
      if (!IsHidden(type.field(i)->name(), outermost)) names.push_back(type.field(i)->name());
    }
    return names.empty() ? "none" : absl::StrJoin(names, ", ");
  }

  static std::string OneofKeys(const FieldDescriptor& field) {
    std::vector<absl::string_view> names;
    for (int i = 0; i < field.containing_oneof()->field_count(); ++i) {
      names.push_back(field.containing_oneof()->field(i)->name());
    }
    return absl::StrJoin(names, ", ");
  }

  void BindField(const DocumentNode& value, const std::string& path, const FieldDescriptor& field, Message* out) {
    if (value.kind == DocumentNode::Kind::kNull) {
      return Add(value.line, path, "has no value; leave the key out or give one");
    }
    if (field.is_map()) return BindMap(value, path, field, out);
    if (field.is_repeated()) return BindList(value, path, field, out);
    BindOne(value, path, field, out);
  }

  void BindList(const DocumentNode& list, const std::string& path, const FieldDescriptor& field, Message* out) {
    if (list.kind != DocumentNode::Kind::kSequence) {
      return Add(list.line, path, absl::StrCat("found ", NameOf(list), ", a list is expected"));
    }
    for (size_t i = 0; i < list.items.size(); ++i) {
      const DocumentNode& item = tree_.nodes[list.items[i]];
      const std::string item_path = absl::StrCat(path, "[", i, "]");
      if (!Visit(item, item_path)) return;
      if (options_.lines != nullptr) options_.lines->Add(item_path, item.line);
      if (item.kind == DocumentNode::Kind::kNull) {
        Add(item.line, item_path, "has no value");
      } else {
        BindOne(item, item_path, field, out);
      }
    }
  }

  void BindMap(const DocumentNode& map, const std::string& path, const FieldDescriptor& field, Message* out) {
    if (map.kind != DocumentNode::Kind::kMap) {
      return Add(map.line, path, absl::StrCat("found ", NameOf(map), ", a map of keys and values is expected"));
    }
    const FieldDescriptor& key_field = *field.message_type()->map_key();
    const FieldDescriptor& value_field = *field.message_type()->map_value();
    for (const DocumentNode::Entry& entry : map.entries) {
      const DocumentNode& value = tree_.nodes[entry.value];
      const std::string entry_path = absl::StrCat(path, ".", Clip(entry.key));
      if (!Visit(value, entry_path)) return;
      if (options_.lines != nullptr) options_.lines->Add(entry_path, entry.line);
      if (value.kind == DocumentNode::Kind::kNull) {
        Add(value.line, entry_path, "has no value");
        continue;
      }
      Message* pair = out->GetReflection()->AddMessage(out, &field);
      DocumentNode key{DocumentNode::Kind::kScalar, entry.line};
      key.may_be_string = true;
      key.text = entry.key;
      BindOne(key, entry_path, key_field, pair);
      BindOne(value, entry_path, value_field, pair);
    }
  }

  void BindOne(const DocumentNode& value, const std::string& path, const FieldDescriptor& field, Message* out) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) return BindSubmessage(value, path, field, out);
    if (value.kind != DocumentNode::Kind::kScalar) {
      return Add(value.line, path, absl::StrCat("found ", NameOf(value), ", ", Expected(field), " is expected"));
    }
    if (!SetScalar(value, field, out)) {
      Add(value.line, path, absl::StrCat("found ", NameOf(value), ", ", Expected(field), " is expected"));
    }
  }

  void BindSubmessage(const DocumentNode& value, const std::string& path, const FieldDescriptor& field, Message* out) {
    const Reflection& reflection = *out->GetReflection();
    Message* message =
        field.is_repeated() ? reflection.AddMessage(out, &field) : reflection.MutableMessage(out, &field);
    const std::string& type = field.message_type()->full_name();
    const bool is_timestamp = type == "google.protobuf.Timestamp";
    if (is_timestamp || type == "google.protobuf.Duration") {
      const bool good = value.kind == DocumentNode::Kind::kScalar &&
                        (is_timestamp ? SetTimestamp(value.text, message) : SetDuration(value.text, message));
      if (good) return;
      return Add(value.line, path,
                 absl::StrCat("found ", NameOf(value),
                              is_timestamp ? ", a time such as 2026-10-01T14:00:00Z is expected"
                                           : ", a duration such as 1.5s or 10m is expected"));
    }
    if (value.kind != DocumentNode::Kind::kMap) {
      return Add(value.line, path, absl::StrCat("found ", NameOf(value), ", a map of keys and values is expected"));
    }
    BindMessage(value, path, message);
  }

  static bool SetTimestamp(const std::string& text, Message* out) {
    absl::Time time;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return false;
    // The years a Timestamp may hold.
    if (time < absl::FromUnixSeconds(-62135596800) || time >= absl::FromUnixSeconds(253402300800)) return false;
    const int64_t seconds = absl::ToUnixSeconds(time);
    SetParts(seconds, (time - absl::FromUnixSeconds(seconds)) / absl::Nanoseconds(1), out);
    return true;
  }

  static bool SetDuration(const std::string& text, Message* out) {
    absl::Duration duration;
    if (!absl::ParseDuration(text, &duration)) return false;
    if (absl::AbsDuration(duration) > absl::Hours(24 * 365 * 100)) return false;
    const int64_t seconds = duration / absl::Seconds(1);
    SetParts(seconds, (duration - absl::Seconds(seconds)) / absl::Nanoseconds(1), out);
    return true;
  }

  // Timestamp and Duration have the same two fields.
  static void SetParts(int64_t seconds, int64_t nanos, Message* out) {
    const Descriptor& type = *out->GetDescriptor();
    out->GetReflection()->SetInt64(out, type.FindFieldByName("seconds"), seconds);
    out->GetReflection()->SetInt32(out, type.FindFieldByName("nanos"), static_cast<int32_t>(nanos));
  }

  static std::string Expected(const FieldDescriptor& field) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return "a whole number from -2147483648 to 2147483647";
      case FieldDescriptor::CPPTYPE_UINT32:
        return "a whole number from 0 to 4294967295";
      case FieldDescriptor::CPPTYPE_INT64:
        return "a whole number";
      case FieldDescriptor::CPPTYPE_UINT64:
        return "a whole number from 0";
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
        return "a number";
      case FieldDescriptor::CPPTYPE_BOOL:
        return "true or false";
      case FieldDescriptor::CPPTYPE_ENUM:
        return absl::StrCat("one of ", EnumNames(field));
      default:
        return field.type() == FieldDescriptor::TYPE_BYTES ? "base64" : "text";
    }
  }

  // The value 0 of our enums says that nothing was said, so nobody says it.
  static bool IsNamable(const EnumValueDescriptor& value) {
    return value.number() != 0 || !absl::EndsWith(value.name(), "_UNSPECIFIED");
  }

  static std::string EnumNames(const FieldDescriptor& field) {
    std::vector<absl::string_view> names;
    for (int i = 0; i < field.enum_type()->value_count(); ++i) {
      if (IsNamable(*field.enum_type()->value(i))) names.push_back(field.enum_type()->value(i)->name());
    }
    return absl::StrJoin(names, ", ");
  }

  // Sets or adds `value` with the setter for its type.
  template <typename Value>
  static bool Store(Message* out, const FieldDescriptor& field,
                    void (Reflection::*set)(Message*, const FieldDescriptor*, Value) const,
                    void (Reflection::*add)(Message*, const FieldDescriptor*, Value) const, Value value) {
    const auto store = field.is_repeated() ? add : set;
    (out->GetReflection()->*store)(out, &field, std::move(value));
    return true;
  }

  template <typename Number>
  static bool SetInteger(const DocumentNode& node, const FieldDescriptor& field, Message* out,
                         void (Reflection::*set)(Message*, const FieldDescriptor*, Number) const,
                         void (Reflection::*add)(Message*, const FieldDescriptor*, Number) const) {
    // Our own JSON writes 64-bit numbers in quotes, as protojson does.
    if (node.quoted && sizeof(Number) < 8) return false;
    Number number = 0;
    // SimpleAtoi would take spaces.
    const bool is_plain =
        !node.text.empty() && (absl::ascii_isdigit(static_cast<unsigned char>(node.text[0])) || node.text[0] == '-');
    return is_plain && absl::SimpleAtoi(node.text, &number) && Store(out, field, set, add, number);
  }

  static bool ParseNumber(const DocumentNode& node, double& number) {
    const bool is_plain =
        !node.quoted && !node.text.empty() && node.text.find_first_not_of("0123456789+-.eE") == std::string::npos;
    return is_plain && absl::SimpleAtod(node.text, &number) && std::isfinite(number);
  }

  static bool SetScalar(const DocumentNode& node, const FieldDescriptor& field, Message* out) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return SetInteger<int32_t>(node, field, out, &Reflection::SetInt32, &Reflection::AddInt32);
      case FieldDescriptor::CPPTYPE_UINT32:
        return SetInteger<uint32_t>(node, field, out, &Reflection::SetUInt32, &Reflection::AddUInt32);
      case FieldDescriptor::CPPTYPE_INT64:
        return SetInteger<int64_t>(node, field, out, &Reflection::SetInt64, &Reflection::AddInt64);
      case FieldDescriptor::CPPTYPE_UINT64:
        return SetInteger<uint64_t>(node, field, out, &Reflection::SetUInt64, &Reflection::AddUInt64);
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
        return SetNumber(node, field, out);
      case FieldDescriptor::CPPTYPE_BOOL:
        if (node.quoted || (node.text != "true" && node.text != "false")) return false;
        return Store(out, field, &Reflection::SetBool, &Reflection::AddBool, node.text == "true");
      case FieldDescriptor::CPPTYPE_ENUM: {
        const EnumValueDescriptor* value = field.enum_type()->FindValueByName(node.text);
        if (value == nullptr || !IsNamable(*value)) return false;
        return Store(out, field, &Reflection::SetEnum, &Reflection::AddEnum, value);
      }
      default:
        return SetText(node, field, out);
    }
  }

  static bool SetNumber(const DocumentNode& node, const FieldDescriptor& field, Message* out) {
    double number = 0;
    if (!ParseNumber(node, number)) return false;
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) {
      return Store(out, field, &Reflection::SetDouble, &Reflection::AddDouble, number);
    }
    if (std::abs(number) > static_cast<double>(std::numeric_limits<float>::max())) return false;
    return Store(out, field, &Reflection::SetFloat, &Reflection::AddFloat, static_cast<float>(number));
  }

  static bool SetText(const DocumentNode& node, const FieldDescriptor& field, Message* out) {
    if (!node.quoted && !node.may_be_string) return false;
    std::string text = node.text;
    if (field.type() == FieldDescriptor::TYPE_BYTES && !absl::Base64Unescape(node.text, &text)) return false;
    return Store(out, field, &Reflection::SetString, &Reflection::AddString, std::move(text));
  }

  const DocumentTree& tree_;
  const DocumentOptions& options_;
  std::vector<DocumentError>& errors_;
  size_t visited_ = 0;
  size_t depth_ = 0;
  bool over_bound_ = false;
};

// The offset of the first byte that no document may hold, or npos: not UTF-8, or a control character (one of them would
// silently end the YAML parser's input).
size_t FindForbiddenByte(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text.substr(i));
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (length == 0 || (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F) return i;
    i += length;
  }
  return absl::string_view::npos;
}

bool LooksLikeJson(absl::string_view text) {
  text = absl::StripLeadingAsciiWhitespace(text);
  return absl::StartsWith(text, "{") || absl::StartsWith(text, "[");
}

void ParseTree(absl::string_view text, absl::string_view file_name, DocumentTree& tree,
               std::vector<DocumentError>& errors) {
  if (absl::EndsWithIgnoreCase(file_name, ".json")) return ParseJson(text, tree, errors);
  if (LooksLikeJson(text)) {
    ParseJson(text, tree, errors);
    if (errors.empty()) return;
    // YAML's flow style starts like JSON.
    tree = {};
    errors.clear();
  }
  ParseYaml(text, tree, errors);
}

absl::Status ToStatus(absl::string_view file_name, const std::vector<DocumentError>& errors) {
  if (errors.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(errors, "\n", [&](std::string* out, const DocumentError& error) {
    absl::StrAppend(out, file_name);
    if (error.line > 0) absl::StrAppend(out, ":", error.line);
    if (!error.field.empty()) absl::StrAppend(out, ": ", error.field);
    absl::StrAppend(out, ": ", error.what);
  }));
}

// Everything that can be said before a message type is known.
absl::Status ReadTree(absl::string_view text, absl::string_view file_name, DocumentTree& tree,
                      std::vector<DocumentError>& errors) {
  if (text.size() > kMaxDocumentBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(file_name, ": ", text.size(), " bytes, at most ", kMaxDocumentBytes, " are allowed"));
  }
  if (const size_t at = FindForbiddenByte(text); at != absl::string_view::npos) {
    const auto lines = std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), '\n');
    errors.push_back({static_cast<uint32_t>(lines) + 1, "", "holds a byte that is not text (UTF-8 is expected)"});
  } else {
    ParseTree(text, file_name, tree, errors);
    if (errors.empty() && !tree.has_root) errors.push_back({0, "", "is empty"});
    if (errors.size() > kMaxDocumentErrors) errors.resize(kMaxDocumentErrors);
  }
  return absl::OkStatus();
}

}  // namespace

void LineIndex::Add(std::string field, uint32_t line) {
  if (entries_.size() < kMaxEntries) entries_.emplace_back(std::move(field), line);
}

uint32_t LineIndex::LineOf(absl::string_view field) const {
  uint32_t line = 0;
  size_t best = 0;
  for (const auto& [known, known_line] : entries_) {
    const bool encloses = field == known || (absl::StartsWith(field, known) && field.size() > known.size() &&
                                             (field[known.size()] == '.' || field[known.size()] == '['));
    if (encloses && known.size() >= best) {
      best = known.size();
      line = known_line;
    }
  }
  return line;
}

absl::Status ParseDocument(absl::string_view text, absl::string_view file_name, Message* out,
                           const DocumentOptions& options) {
  out->Clear();
  DocumentTree tree;
  std::vector<DocumentError> errors;
  absl::Status status = ReadTree(text, file_name, tree, errors);
  bool over_bound = false;
  if (status.ok() && tree.has_root) {
    Binder binder(tree, options, errors);
    binder.BindRoot(out);
    over_bound = binder.over_bound();
  }
  if (status.ok()) status = ToStatus(file_name, errors);
  if (over_bound) status = absl::ResourceExhaustedError(status.message());
  if (options.errors != nullptr) *options.errors = std::move(errors);
  return status;
}

absl::StatusOr<std::string> DocumentKind(absl::string_view text, absl::string_view file_name) {
  DocumentTree tree;
  std::vector<DocumentError> errors;
  if (const absl::Status status = ReadTree(text, file_name, tree, errors); !status.ok()) return status;
  if (tree.has_root && tree.nodes[tree.root].kind == DocumentNode::Kind::kMap) {
    for (const DocumentNode::Entry& entry : tree.nodes[tree.root].entries) {
      const DocumentNode& value = tree.nodes[entry.value];
      if (entry.key == "kind" && value.kind == DocumentNode::Kind::kScalar) return value.text;
    }
  }
  if (errors.empty()) errors.push_back({0, "kind", "is missing; it says what the document is"});
  return ToStatus(file_name, errors);
}

}  // namespace assay
