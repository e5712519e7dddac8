// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/framework.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "services/common/base/document.h"
#include "services/common/base/status_macros.h"
#include "services/readiness/framework_rules.h"

namespace assay::readiness {
namespace {

constexpr size_t kMaxFiles = 64;
constexpr absl::string_view kRating = "rating/*";
constexpr absl::string_view kBehaviour = "behaviour/*";

// One file as it was read, with what is needed to find a defect's line in it.
struct ReadFile {
  std::string name;
  v1::Framework part;
  LineIndex lines;
};

// A field of the merged framework in the file it came from.
struct FilePlace {
  std::string file;
  uint32_t line = 0;
};

// "areas[5].name" of the whole is "areas[0].name" of the sixth file: walk the files, counting elements.
FilePlace Locate(const std::vector<ReadFile>& files, absl::string_view field) {
  const size_t name_end = std::min(field.find_first_of(".["), field.size());
  const std::string name(field.substr(0, name_end));
  const google::protobuf::FieldDescriptor* descriptor = v1::Framework::descriptor()->FindFieldByName(name);
  if (descriptor == nullptr) return {};
  int index = 0;
  absl::string_view rest = field.substr(name_end);
  const size_t close = rest.find(']');
  const bool indexed = descriptor->is_repeated() && close != absl::string_view::npos &&
                       absl::SimpleAtoi(rest.substr(1, close - 1), &index);
  for (const ReadFile& file : files) {
    const google::protobuf::Reflection& reflection = *file.part.GetReflection();
    if (!descriptor->is_repeated()) {
      if (file.lines.LineOf(name) != 0) return {file.name, file.lines.LineOf(field)};
      continue;
    }
    const int size = reflection.FieldSize(file.part, descriptor);
    if (indexed && index < size) {
      return {file.name, file.lines.LineOf(absl::StrCat(name, "[", index, rest.substr(close)))};
    }
    index -= size;
  }
  return {};
}

// Scalars and single messages may be given once; repeated fields add up.
absl::Status Merge(const ReadFile& file, const std::vector<ReadFile>& earlier, v1::Framework& framework) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  const google::protobuf::Reflection& reflection = *file.part.GetReflection();
  reflection.ListFields(file.part, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    if (field->is_repeated()) continue;
    for (const ReadFile& other : earlier) {
      if (!reflection.HasField(other.part, field)) continue;
      return absl::InvalidArgumentError(absl::StrCat(file.name, ":", file.lines.LineOf(field->name()), ": ",
                                                     field->name(), ": given already in ", other.name,
                                                     "; it may be given once"));
    }
  }
  framework.MergeFrom(file.part);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::Framework> ParseFramework(absl::Span<const FrameworkFile> files) {
  if (files.empty() || files.size() > kMaxFiles) {
    return absl::InvalidArgumentError(absl::StrCat("a framework of ", files.size(), " files; 1 to ", kMaxFiles));
  }
  std::vector<FrameworkFile> sorted(files.begin(), files.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const FrameworkFile& a, const FrameworkFile& b) { return a.name < b.name; });
  v1::Framework framework;
  std::vector<ReadFile> read;
  for (const FrameworkFile& file : sorted) {
    ReadFile next;
    next.name = file.name;
    DocumentOptions options;
    options.lines = &next.lines;
    ASSAY_RETURN_IF_ERROR(ParseDocument(file.content, file.name, &next.part, options));
    ASSAY_RETURN_IF_ERROR(Merge(next, read, framework));
    read.push_back(std::move(next));
  }
  std::vector<std::string> lines;
  for (const FrameworkDefect& defect : FindDefects(framework)) {
    const FilePlace place = Locate(read, defect.field);
    const std::string prefix = place.file.empty() ? "" : absl::StrCat(place.file, ":", place.line, ": ");
    lines.push_back(absl::StrCat(prefix, defect.field, ": ", defect.what));
  }
  if (!lines.empty()) return absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
  return framework;
}

absl::Status ValidateFramework(const v1::Framework& framework) {
  std::vector<std::string> lines;
  for (const FrameworkDefect& defect : FindDefects(framework)) {
    lines.push_back(absl::StrCat(defect.field, ": ", defect.what));
  }
  return lines.empty() ? absl::OkStatus() : absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
}

std::string CanonicalBytes(const v1::Framework& framework) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    framework.SerializeToCodedStream(&coded);
  }
  return bytes;
}

CompiledFramework::CompiledFramework(v1::Framework framework) : framework_(std::move(framework)) {
  name_ = absl::StrCat(framework_.id(), "@", framework_.version());
  digest_ = Digest::Of(CanonicalBytes(framework_));
  digest_text_ = digest_.ToString();
  for (const v1::Area& area : framework_.areas()) {
    areas_[area.id()] = &area;
    for (const v1::Competency& competency : area.competencies()) {
      competencies_[competency.id()] = &competency;
      for (const v1::Behaviour& behaviour : competency.behaviours()) {
        behaviours_[behaviour.id()] = {&behaviour, &competency};
      }
    }
  }
  for (const v1::CriterionMapping& mapping : framework_.criteria()) {
    criteria_[mapping.criterion()] = &mapping;
    if (mapping.method() == v1::Observation::HUMAN || mapping.method() == v1::Observation::DOCUMENT) continue;
    seen_by_machines_.insert(mapping.behaviours().begin(), mapping.behaviours().end());
  }
}

absl::StatusOr<std::shared_ptr<const CompiledFramework>> CompiledFramework::Create(v1::Framework framework) {
  ASSAY_RETURN_IF_ERROR(ValidateFramework(framework));
  return std::shared_ptr<const CompiledFramework>(new CompiledFramework(std::move(framework)));
}

const v1::Area* CompiledFramework::FindArea(absl::string_view id) const {
  const auto found = areas_.find(id);
  return found == areas_.end() ? nullptr : found->second;
}

const v1::Competency* CompiledFramework::FindCompetency(absl::string_view id) const {
  const auto found = competencies_.find(id);
  return found == competencies_.end() ? nullptr : found->second;
}

const v1::Behaviour* CompiledFramework::FindBehaviour(absl::string_view id) const {
  const auto found = behaviours_.find(id);
  return found == behaviours_.end() ? nullptr : found->second.behaviour;
}

const v1::Competency* CompiledFramework::CompetencyOf(absl::string_view behaviour) const {
  const auto found = behaviours_.find(behaviour);
  return found == behaviours_.end() ? nullptr : found->second.competency;
}

const v1::RoleProfile* CompiledFramework::FindProfile(absl::string_view id) const {
  for (const v1::RoleProfile& profile : framework_.profiles()) {
    if (profile.id() == id) return &profile;
  }
  return nullptr;
}

CompiledFramework::Target CompiledFramework::Resolve(absl::string_view criterion) const {
  Target target;
  if (const auto exact = criteria_.find(criterion); exact != criteria_.end()) {
    target.mapping = exact->second;
    for (const std::string& id : target.mapping->behaviours()) target.behaviours.push_back(FindBehaviour(id));
    return target;
  }
  const size_t slash = criterion.rfind('/');
  if (slash == absl::string_view::npos) return target;
  const absl::string_view id = criterion.substr(slash + 1);
  const v1::Behaviour* behaviour = FindBehaviour(id);
  if (const auto narrowed = criteria_.find(criterion.substr(0, slash)); narrowed != criteria_.end()) {
    if (behaviour == nullptr) return target;
    target.mapping = narrowed->second;
    target.behaviours.push_back(behaviour);
    return target;
  }
  const auto pattern = criteria_.find(absl::StrCat(criterion.substr(0, slash), "/*"));
  if (pattern == criteria_.end()) return target;
  if (pattern->first == kRating) {
    target.competency = FindCompetency(id);
    if (target.competency != nullptr) target.mapping = pattern->second;
  } else if (pattern->first == kBehaviour && behaviour != nullptr) {
    target.mapping = pattern->second;
    target.behaviours.push_back(behaviour);
  }
  return target;
}

std::vector<std::string> CompiledFramework::BehavioursOf(absl::string_view criterion) const {
  std::vector<std::string> ids;
  const Target target = Resolve(criterion);
  if (target.competency != nullptr) {
    for (const v1::Behaviour& behaviour : target.competency->behaviours()) ids.push_back(behaviour.id());
  }
  for (const v1::Behaviour* behaviour : target.behaviours) ids.push_back(behaviour->id());
  return ids;
}

}  // namespace assay::readiness
