// SPDX-License-Identifier: Apache-2.0
// Compares today's protos with the ones that were released: additions pass, everything else breaks somebody.
//   proto_compatibility RELEASED.binpb TODAY.binpb
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <fstream>
#include <iostream>
#include <set>
#include <string>
#include <vector>

namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptorSet;
using google::protobuf::ServiceDescriptor;

class Comparison {
 public:
  explicit Comparison(const DescriptorPool& today) : today_(today) {}

  void Compare(const Descriptor& released) {
    const Descriptor* now = today_.FindMessageTypeByName(released.full_name());
    if (now == nullptr) return Break(released.full_name(), "message is gone");
    for (int i = 0; i < released.field_count(); ++i) CompareField(*released.field(i), *now);
    for (int i = 0; i < released.nested_type_count(); ++i) Compare(*released.nested_type(i));
    for (int i = 0; i < released.enum_type_count(); ++i) Compare(*released.enum_type(i));
  }

  void Compare(const EnumDescriptor& released) {
    const EnumDescriptor* now = today_.FindEnumTypeByName(released.full_name());
    if (now == nullptr) return Break(released.full_name(), "enum is gone");
    for (int i = 0; i < released.value_count(); ++i) {
      const auto* value = now->FindValueByNumber(released.value(i)->number());
      if (value == nullptr || value->name() != released.value(i)->name()) {
        Break(released.value(i)->full_name(), "enum value is gone or renamed");
      }
    }
  }

  void Compare(const ServiceDescriptor& released) {
    const ServiceDescriptor* now = today_.FindServiceByName(released.full_name());
    if (now == nullptr) return Break(released.full_name(), "service is gone");
    for (int i = 0; i < released.method_count(); ++i) {
      const auto* before = released.method(i);
      const auto* method = now->FindMethodByName(before->name());
      if (method == nullptr || method->input_type()->full_name() != before->input_type()->full_name() ||
          method->output_type()->full_name() != before->output_type()->full_name() ||
          method->client_streaming() != before->client_streaming() ||
          method->server_streaming() != before->server_streaming()) {
        Break(before->full_name(), "method is gone or has another signature");
      }
    }
  }

  int breaks() const { return breaks_; }

 private:
  void CompareField(const FieldDescriptor& released, const Descriptor& now) {
    const FieldDescriptor* field = now.FindFieldByNumber(released.number());
    if (field == nullptr) {
      if (now.IsReservedNumber(released.number())) return;
      return Break(released.full_name(), "field is gone and its number is not reserved");
    }
    if (field->name() != released.name()) Break(released.full_name(), "field was renamed to " + field->name());
    if (field->type() != released.type() || field->label() != released.label()) {
      Break(released.full_name(), "field has another type");
    } else if (released.message_type() != nullptr &&
               field->message_type()->full_name() != released.message_type()->full_name()) {
      Break(released.full_name(), "field has another message type");
    } else if (released.enum_type() != nullptr &&
               field->enum_type()->full_name() != released.enum_type()->full_name()) {
      Break(released.full_name(), "field has another enum type");
    }
    if ((field->real_containing_oneof() == nullptr) != (released.real_containing_oneof() == nullptr)) {
      Break(released.full_name(), "field moved into or out of a oneof");
    }
  }

  void Break(const std::string& name, const std::string& why) {
    std::cout << name << ": " << why << "\n";
    ++breaks_;
  }

  const DescriptorPool& today_;
  int breaks_ = 0;
};

bool Load(const char* path, DescriptorPool* pool, std::vector<std::string>* files) {
  FileDescriptorSet set;
  std::ifstream in(path, std::ios::binary);
  if (!in || !set.ParseFromIstream(&in) || set.file_size() == 0) {
    std::cout << path << ": not a descriptor set\n";
    return false;
  }
  for (const auto& file : set.file()) {
    if (pool->BuildFile(file) == nullptr) {
      std::cout << path << ": " << file.name() << " cannot be built\n";
      return false;
    }
    files->push_back(file.name());
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cout << "usage: proto_compatibility RELEASED.binpb TODAY.binpb\n";
    return 2;
  }
  DescriptorPool released, today;
  std::vector<std::string> released_files, today_files;
  if (!Load(argv[1], &released, &released_files) || !Load(argv[2], &today, &today_files)) return 1;
  Comparison comparison(today);
  int compared = 0;
  for (const std::string& name : released_files) {
    if (name.rfind("assay/", 0) != 0) continue;
    const auto* file = released.FindFileByName(name);
    for (int i = 0; i < file->message_type_count(); ++i) comparison.Compare(*file->message_type(i));
    for (int i = 0; i < file->enum_type_count(); ++i) comparison.Compare(*file->enum_type(i));
    for (int i = 0; i < file->service_count(); ++i) comparison.Compare(*file->service(i));
    compared += file->message_type_count() + file->enum_type_count() + file->service_count();
  }
  std::cout << compared << " released types compared, " << comparison.breaks() << " broken\n";
  return comparison.breaks() == 0 && compared > 0 ? 0 : 1;
}
