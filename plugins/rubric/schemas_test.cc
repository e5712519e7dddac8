// SPDX-License-Identifier: Apache-2.0
// The JSON Schemas are for editors and other programs; what counts are the messages. This keeps the two together.
#include <set>
#include <string>

#include "assay/json.hpp"
#include "assay/v1/document.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "services/common/base/file.h"

namespace rubric {
namespace {

using assay::sdk::Json;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// The schema's type for one value of a field.
std::string TypeOf(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return "string";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "boolean";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "number";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return field.message_type()->full_name() == "google.protobuf.Timestamp" ? "string" : "object";
    default:
      return "integer";
  }
}

void ExpectAgreement(const Json& schema, const Descriptor& message, const std::string& at) {
  EXPECT_TRUE(schema.has("additionalProperties") && !schema["additionalProperties"].boolean(true)) << at;
  std::set<std::string> in_schema;
  for (const auto& [name, property] : schema["properties"].members()) in_schema.insert(name);
  std::set<std::string> in_message;
  for (int i = 0; i < message.field_count(); ++i) {
    // Filled in by programs, never typed.
    if (message.field(i)->name() != "source") in_message.insert(message.field(i)->name());
  }
  EXPECT_EQ(in_schema, in_message) << at;
  for (const Json& name : schema["required"].items()) EXPECT_EQ(in_schema.count(name.text()), 1u) << at;
  for (const std::string& name : in_schema) {
    const FieldDescriptor* field = message.FindFieldByName(name);
    if (field == nullptr) continue;
    const std::string place = at + "." + name;
    const Json* value = &schema["properties"][name];
    if (field->is_map()) {
      EXPECT_EQ((*value)["type"].text(), "object") << place;
      EXPECT_EQ((*value)["additionalProperties"]["type"].text(), TypeOf(*field->message_type()->map_value())) << place;
      continue;
    }
    if (field->is_repeated()) {
      EXPECT_EQ((*value)["type"].text(), "array") << place;
      EXPECT_GT((*value)["maxItems"].number(), 0) << place << " is not bounded";
      value = &(*value)["items"];
    }
    EXPECT_EQ((*value)["type"].text(), TypeOf(*field)) << place;
    if (TypeOf(*field) == "object") ExpectAgreement(*value, *field->message_type(), place);
  }
}

TEST(Schemas, AgreeWithTheMessages) {
  const std::pair<const char*, const Descriptor*> documents[] = {
      {"scorecard", assay::v1::Scorecard::descriptor()}, {"portfolio", assay::v1::Portfolio::descriptor()},
      {"outcome", assay::v1::Outcome::descriptor()},     {"decision", assay::v1::DecisionDocument::descriptor()},
      {"task", assay::v1::TaskDocument::descriptor()},
  };
  for (const auto& [name, descriptor] : documents) {
    const auto text = assay::ReadFile(std::string("plugins/rubric/schemas/") + name + ".schema.json", 1 << 20);
    ASSERT_TRUE(text.ok()) << text.status();
    std::string error;
    const std::optional<Json> schema = Json::Parse(*text, &error);
    ASSERT_TRUE(schema.has_value()) << name << ": " << error;
    EXPECT_EQ((*schema)["properties"]["kind"]["const"].text(), name);
    ExpectAgreement(*schema, *descriptor, name);
  }
}

}  // namespace
}  // namespace rubric
