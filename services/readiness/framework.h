// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "assay/v1/framework.pb.h"
#include "services/common/base/digest.h"

namespace assay::readiness {

// One YAML file of a framework. `name` is what errors call it, for example "area-3.yaml".
struct FrameworkFile {
  std::string name;
  std::string content;
};

// Reads a framework that may be split over several files: repeated fields add up in the order of the file names, a
// scalar may be given once. Unknown keys, wrong types and scalars given twice are INVALID_ARGUMENT with "file:line: ".
// The result is checked by ValidateFramework.
absl::StatusOr<v1::Framework> ParseFramework(absl::Span<const FrameworkFile> files);

// INVALID_ARGUMENT listing what is wrong (at most 50 lines): ids missing, malformed or given twice; anchors not exactly
// 0..4; references to what does not exist; weights, strengths and variances out of range; behaviours that no criterion
// speaks for and that have nothing to look for and ask.
absl::Status ValidateFramework(const v1::Framework& framework);

// The bytes a framework is addressed by: deterministic serialization, maps sorted by key.
std::string CanonicalBytes(const v1::Framework& framework);

// A validated framework with everything that is looked up often. Immutable, thread-safe; pointers into it live as long
// as it does.
class CompiledFramework {
 public:
  // Checks it first; INVALID_ARGUMENT as ValidateFramework.
  static absl::StatusOr<std::shared_ptr<const CompiledFramework>> Create(v1::Framework framework);

  CompiledFramework(const CompiledFramework&) = delete;
  CompiledFramework& operator=(const CompiledFramework&) = delete;

  const v1::Framework& proto() const { return framework_; }
  // "id@version".
  const std::string& name() const { return name_; }
  const Digest& digest() const { return digest_; }
  // "sha256:…".
  const std::string& digest_text() const { return digest_text_; }

  // Null when there is none of that id.
  const v1::Area* FindArea(absl::string_view id) const;
  const v1::Competency* FindCompetency(absl::string_view id) const;
  const v1::Behaviour* FindBehaviour(absl::string_view id) const;
  const v1::RoleProfile* FindProfile(absl::string_view id) const;
  // The competency a behaviour belongs to, or null.
  const v1::Competency* CompetencyOf(absl::string_view behaviour) const;

  // What a criterion speaks for.
  struct Target {
    const v1::CriterionMapping* mapping = nullptr;  // null: unmapped
    // Set for ratings of a whole competency.
    const v1::Competency* competency = nullptr;
    std::vector<const v1::Behaviour*> behaviours;
  };
  // An exact mapping wins. Else "<mapped criterion>/<behaviour id>" narrows that mapping to one behaviour (a portfolio
  // item that names what it speaks for); else a pattern "rating/*" or "behaviour/*" takes the rest as the id of a
  // competency or behaviour. What fits none of these is unmapped.
  Target Resolve(absl::string_view criterion) const;
  // The ids of the behaviours Resolve finds; for a competency's rating the competency's six.
  std::vector<std::string> BehavioursOf(absl::string_view criterion) const;
  // Whether a criterion that is read from code, configuration, history or a run names the behaviour.
  bool IsSeenByMachines(absl::string_view behaviour) const { return seen_by_machines_.contains(behaviour); }

 private:
  explicit CompiledFramework(v1::Framework framework);

  v1::Framework framework_;
  std::string name_;
  Digest digest_;
  std::string digest_text_;
  std::map<std::string, const v1::Area*, std::less<>> areas_;
  std::map<std::string, const v1::Competency*, std::less<>> competencies_;
  struct BehaviourPlace {
    const v1::Behaviour* behaviour;
    const v1::Competency* competency;
  };
  std::map<std::string, BehaviourPlace, std::less<>> behaviours_;
  std::map<std::string, const v1::CriterionMapping*, std::less<>> criteria_;
  std::set<std::string, std::less<>> seen_by_machines_;
};

// The frameworks that come with the product, compiled into the library: no file is read. Thread-safe.
class Catalog {
 public:
  // Parses and checks the built-in frameworks once for the process. A defect in them is a defect of the build: CHECK.
  static const Catalog& BuiltIn();

  // By "id@version", "id" (its newest version) or "sha256:…". NOT_FOUND names what there is.
  absl::StatusOr<std::shared_ptr<const CompiledFramework>> Find(absl::string_view name) const;
  // Sorted by id, then version.
  const std::vector<std::shared_ptr<const CompiledFramework>>& frameworks() const { return frameworks_; }
  // The files a built-in framework was read from, for `frameworks validate` and as an example to start from.
  static absl::Span<const FrameworkFile> Sources();

 private:
  explicit Catalog(std::vector<std::shared_ptr<const CompiledFramework>> frameworks);
  std::vector<std::shared_ptr<const CompiledFramework>> frameworks_;
};

}  // namespace assay::readiness
