// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/framework_rules.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "assay/v1/submission.pb.h"

namespace assay::readiness {
namespace {

using v1::Observation;

constexpr size_t kMaxDefects = 50;
constexpr std::array<absl::string_view, 3> kRaterRoles = {"interviewer", "manager", "peer"};

bool IsNumber(absl::string_view text) {
  return !text.empty() && text.size() <= 3 && text[0] != '0' &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// "<parent>.<number>", or a number alone when there is no parent.
bool IsIdBelow(absl::string_view id, absl::string_view parent) {
  if (parent.empty()) return IsNumber(id);
  return absl::StartsWith(id, parent) && id.size() > parent.size() && id[parent.size()] == '.' &&
         IsNumber(id.substr(parent.size() + 1));
}

bool IsWords(absl::string_view text) {
  return !text.empty() && text.size() <= 63 && absl::ascii_islower(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_'; });
}

bool IsCriterion(absl::string_view text) {
  if (absl::EndsWith(text, "/*")) text.remove_suffix(2);
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '.' || c == '/';
  });
}

class Rules {
 public:
  explicit Rules(const v1::Framework& framework) : framework_(framework) {}

  std::vector<FrameworkDefect> Run() {
    CheckHeader();
    CollectIds();
    for (int i = 0; i < framework_.areas_size(); ++i) CheckArea(i);
    for (int i = 0; i < framework_.criteria_size(); ++i) CheckCriterion(i);
    CheckEvaluators();
    for (int i = 0; i < framework_.profiles_size(); ++i) CheckProfile(i);
    if (framework_.profiles().empty()) Add("profiles", "nothing; at least one profile");
    CheckModel();
    CheckFaq();
    return std::move(defects_);
  }

 private:
  void Add(std::string field, std::string what) {
    if (defects_.size() < kMaxDefects) defects_.push_back({std::move(field), std::move(what)});
  }
  void NeedText(const std::string& field, absl::string_view text) {
    if (absl::StripAsciiWhitespace(text).empty()) Add(field, "nothing; a text");
    if (text.size() > 2000) Add(field, absl::StrCat("a text of ", text.size(), " bytes; at most 2,000"));
  }
  // Both ends are allowed. A NaN is never in range.
  void NeedRange(const std::string& field, double value, double low, double high) {
    if (!(value >= low && value <= high)) Add(field, absl::StrCat(value, "; a number from ", low, " to ", high));
  }
  bool IsUnique(std::set<std::string>& seen, const std::string& field, const std::string& id) {
    const bool fresh = seen.insert(id).second;
    if (!fresh) Add(field, absl::StrCat("\"", id, "\" a second time; ids are unique"));
    return fresh;
  }
  void NeedMember(const std::string& field, const std::string& id) {
    if (!behaviours_.contains(id) && !competencies_.contains(id)) {
      Add(field, absl::StrCat("\"", id, "\"; the id of a competency or behaviour of this framework"));
    }
  }

  void CheckHeader() {
    if (!IsWords(framework_.id())) {
      Add("id", absl::StrCat("\"", framework_.id(), "\"; lower-case words with \"-\", at most 63 bytes"));
    }
    if (framework_.version() == 0) Add("version", "0; a number from 1");
    NeedText("title", framework_.title());
    if (!framework_.extends_digest().empty()) {
      Add("extends_digest", "a digest; nothing: this version reads whole frameworks only");
    }
    if (framework_.areas().empty()) Add("areas", "nothing; at least one area");
  }

  void CollectIds() {
    for (const v1::Area& area : framework_.areas()) {
      for (const v1::Competency& competency : area.competencies()) {
        competencies_.insert(competency.id());
        for (const v1::Behaviour& behaviour : competency.behaviours()) behaviours_.insert(behaviour.id());
      }
    }
    for (const v1::CriterionMapping& mapping : framework_.criteria()) {
      if (mapping.method() == Observation::HUMAN) continue;
      machine_covered_.insert(mapping.behaviours().begin(), mapping.behaviours().end());
    }
  }

  void CheckArea(int i) {
    const v1::Area& area = framework_.areas(i);
    const std::string at = absl::StrCat("areas[", i, "]");
    CheckId(at, area.id(), "");
    NeedText(absl::StrCat(at, ".name"), area.name());
    if (area.competencies().empty()) Add(absl::StrCat(at, ".competencies"), "nothing; at least one competency");
    for (int j = 0; j < area.competencies_size(); ++j) {
      CheckCompetency(absl::StrCat(at, ".competencies[", j, "]"), area.competencies(j), area.id());
    }
  }

  void CheckId(const std::string& at, const std::string& id, const std::string& parent) {
    if (!IsIdBelow(id, parent)) {
      const std::string shape = parent.empty() ? "a number from 1" : absl::StrCat("\"", parent, ".<number>\"");
      Add(absl::StrCat(at, ".id"), absl::StrCat("\"", id, "\"; ", shape));
    } else {
      IsUnique(ids_, absl::StrCat(at, ".id"), id);
    }
  }

  void CheckCompetency(const std::string& at, const v1::Competency& competency, const std::string& area) {
    CheckId(at, competency.id(), area);
    NeedText(absl::StrCat(at, ".name"), competency.name());
    NeedRange(absl::StrCat(at, ".weight"), competency.weight(), 0, 100);
    for (int level = 0; level < competency.anchors_size(); ++level) {
      const auto& anchor = competency.anchors(level);
      if (anchor.level() != static_cast<uint32_t>(level)) {
        Add(absl::StrCat(at, ".anchors[", level, "].level"),
            absl::StrCat(anchor.level(), "; levels 0 to 4, each once and in order"));
      }
      NeedText(absl::StrCat(at, ".anchors[", level, "].text"), anchor.text());
    }
    if (competency.anchors_size() != 5) {
      Add(absl::StrCat(at, ".anchors"), absl::StrCat(competency.anchors_size(), " levels; levels 0 to 4"));
    }
    if (competency.behaviours().empty()) Add(absl::StrCat(at, ".behaviours"), "nothing; at least one behaviour");
    for (int k = 0; k < competency.behaviours_size(); ++k) {
      CheckBehaviour(absl::StrCat(at, ".behaviours[", k, "]"), competency.behaviours(k), competency.id());
    }
  }

  void CheckBehaviour(const std::string& at, const v1::Behaviour& behaviour, const std::string& competency) {
    CheckId(at, behaviour.id(), competency);
    NeedText(absl::StrCat(at, ".text"), behaviour.text());
    NeedText(absl::StrCat(at, ".source_place"), behaviour.source_place());
    NeedRange(absl::StrCat(at, ".weight"), behaviour.weight(), 0, 100);
    if (behaviour.observability() == v1::Behaviour::OBSERVABILITY_UNSPECIFIED) {
      Add(absl::StrCat(at, ".observability"), "nothing; STRONG, PARTIAL, ARTEFACT or HUMAN_ONLY");
    }
    const bool needs_person =
        behaviour.observability() == v1::Behaviour::HUMAN_ONLY || !machine_covered_.contains(behaviour.id());
    if (!needs_person) return;
    for (const auto& [name, text] : {std::pair("look_for", behaviour.look_for()), std::pair("ask", behaviour.ask())}) {
      if (absl::StripAsciiWhitespace(text).empty()) {
        Add(absl::StrCat(at, ".", name), "nothing; a text, because no machine sees this behaviour");
      }
    }
  }

  void CheckCriterion(int i) {
    const v1::CriterionMapping& mapping = framework_.criteria(i);
    const std::string at = absl::StrCat("criteria[", i, "]");
    const std::string& id = mapping.criterion();
    const bool pattern = absl::EndsWith(id, "/*");
    if (!IsCriterion(id)) {
      Add(absl::StrCat(at, ".criterion"), absl::StrCat("\"", id, "\"; 1 to 64 of [a-z0-9_./], or such a text with /*"));
    }
    IsUnique(criteria_, absl::StrCat(at, ".criterion"), id);
    if (pattern && id != "rating/*" && id != "behaviour/*") {
      Add(absl::StrCat(at, ".criterion"), absl::StrCat("\"", id, "\"; the patterns are rating/* and behaviour/*"));
    }
    if (mapping.method() == Observation::METHOD_UNSPECIFIED) {
      Add(absl::StrCat(at, ".method"), "nothing; EXPERIMENT, CODE, CONFIG, HISTORY, DOCUMENT or HUMAN");
    } else if (pattern != (mapping.method() == Observation::HUMAN)) {
      Add(absl::StrCat(at, ".method"), "HUMAN belongs to rating/* and behaviour/*, and to no other criterion");
    }
    if (!pattern && mapping.behaviours().empty() && mapping.method() != Observation::DOCUMENT) {
      Add(absl::StrCat(at, ".behaviours"), "nothing; at least one behaviour");
    }
    for (int k = 0; k < mapping.behaviours_size(); ++k) {
      if (!behaviours_.contains(mapping.behaviours(k))) {
        Add(absl::StrCat(at, ".behaviours[", k, "]"),
            absl::StrCat("\"", mapping.behaviours(k), "\"; the id of a behaviour of this framework"));
      }
    }
    NeedRange(absl::StrCat(at, ".strength"), mapping.strength(), 0.01, 1);
    NeedRange(absl::StrCat(at, ".minutes"), mapping.minutes(), 0.1, 10000);
    NeedText(absl::StrCat(at, ".obtain"), mapping.obtain());
  }

  void CheckEvaluators() {
    std::set<std::string> names;
    for (int i = 0; i < framework_.evaluators_size(); ++i) {
      const v1::EvaluatorBinding& binding = framework_.evaluators(i);
      const std::string at = absl::StrCat("evaluators[", i, "]");
      if (!IsWords(binding.evaluator())) Add(absl::StrCat(at, ".evaluator"), "no name; lower-case words");
      for (const std::string& kind : binding.kinds()) {
        v1::Submission::Kind parsed;
        if (!v1::Submission::Kind_Parse(kind, &parsed) || parsed == v1::Submission::KIND_UNSPECIFIED) {
          Add(absl::StrCat(at, ".kinds"), absl::StrCat("\"", kind, "\"; a kind of submission such as REPOSITORY"));
        }
      }
      if (binding.kinds().empty()) Add(absl::StrCat(at, ".kinds"), "nothing; at least one kind of submission");
      for (const std::string& need : binding.needs()) {
        if (!names.contains(need)) {
          Add(absl::StrCat(at, ".needs"), absl::StrCat("\"", need, "\"; an evaluator that stands before this one"));
        }
      }
      IsUnique(names, absl::StrCat(at, ".evaluator"), binding.evaluator());
      if (binding.lane() != "fast" && binding.lane() != "slow") {
        Add(absl::StrCat(at, ".lane"), absl::StrCat("\"", binding.lane(), "\"; fast or slow"));
      }
    }
  }

  void CheckProfile(int i) {
    const v1::RoleProfile& profile = framework_.profiles(i);
    const std::string at = absl::StrCat("profiles[", i, "]");
    if (!IsWords(profile.id())) Add(absl::StrCat(at, ".id"), "no name; lower-case words");
    IsUnique(profiles_, absl::StrCat(at, ".id"), profile.id());
    NeedRange(absl::StrCat(at, ".minimum_coverage"), profile.minimum_coverage(), 0, 1);
    NeedRange(absl::StrCat(at, ".minimum_reliability"), profile.minimum_reliability(), 0, 0.99);
    NeedRange(absl::StrCat(at, ".decision_probability"), profile.decision_probability(), 0.51, 0.999);
    NeedRange(absl::StrCat(at, ".area_minimum"), profile.area_minimum(), 0, 4);
    std::set<std::string> weighted;
    for (const auto& [id, weight] : profile.competency_weights()) weighted.insert(id);
    for (const std::string& id : weighted) {
      const std::string field = absl::StrCat(at, ".competency_weights");
      if (!competencies_.contains(id)) Add(field, absl::StrCat("\"", id, "\"; the id of a competency"));
      NeedRange(field, profile.competency_weights().at(id), 0.01, 100);
    }
    std::set<std::string> gates;
    for (int k = 0; k < profile.gates_size(); ++k) {
      CheckGate(absl::StrCat(at, ".gates[", k, "]"), profile.gates(k), gates);
    }
    if (profile.gates().empty()) Add(absl::StrCat(at, ".gates"), "nothing; at least one gate");
  }

  void CheckGate(const std::string& at, const v1::RoleProfile::Gate& gate, std::set<std::string>& gates) {
    if (!IsWords(gate.id())) Add(absl::StrCat(at, ".id"), "no name; lower-case words");
    IsUnique(gates, absl::StrCat(at, ".id"), gate.id());
    for (const std::string& member : gate.members()) NeedMember(absl::StrCat(at, ".members"), member);
    if (gate.members().empty()) Add(absl::StrCat(at, ".members"), "nothing; at least one competency or behaviour");
    NeedRange(absl::StrCat(at, ".minimum"), gate.minimum(), 0.1, 4);
    NeedRange(absl::StrCat(at, ".raters"), gate.raters(), 1, 20);
    for (const auto* roles : {&gate.rater_roles(), &gate.required_roles()}) {
      for (const std::string& role : *roles) {
        if (std::find(kRaterRoles.begin(), kRaterRoles.end(), role) == kRaterRoles.end()) {
          Add(absl::StrCat(at, ".rater_roles"), absl::StrCat("\"", role, "\"; interviewer, manager or peer"));
        }
      }
    }
    NeedText(absl::StrCat(at, ".rule"), gate.rule());
  }

  void CheckModel() {
    const v1::MeasurementModel& model = framework_.model();
    NeedRange("model.prior_mean", model.prior_mean(), 0, 4);
    const std::pair<const char*, double> variances[] = {{"prior_variance", model.prior_variance()},
                                                        {"behaviour_variance", model.behaviour_variance()},
                                                        {"rating_variance", model.rating_variance()}};
    for (const auto& [name, value] : variances) NeedRange(absl::StrCat("model.", name), value, 0.01, 100);
    NeedRange("model.session_variance", model.session_variance(), 0, 100);
    NeedRange("model.machine_information_cap", model.machine_information_cap(), 0, 10);
    NeedRange("model.document_information_cap", model.document_information_cap(), 0, 10);
    NeedRange("model.rating_coverage", model.rating_coverage(), 0, 1);
    for (const char* method : {"EXPERIMENT", "CODE", "CONFIG", "HISTORY", "DOCUMENT"}) {
      const auto found = model.method_variance().find(method);
      const std::string field = absl::StrCat("model.method_variance.", method);
      NeedRange(field, found == model.method_variance().end() ? -1 : found->second, 0.01, 100);
    }
    for (const char* verdict : {"CONFIRMED", "REFUTED", "INCONCLUSIVE"}) {
      NeedValue("model.experiment_values.", verdict, model.experiment_values());
    }
    for (const char* mark : {"present", "absent", "contradicted"}) {
      NeedValue("model.mark_values.", mark, model.mark_values());
    }
    for (const char* authorship : {"SHARED", "UNKNOWN"}) {
      const auto found = model.authorship_factor().find(authorship);
      if (found != model.authorship_factor().end()) {
        NeedRange(absl::StrCat("model.authorship_factor.", authorship), found->second, 1, 1000);
      }
    }
  }

  void NeedValue(absl::string_view table, const std::string& key,
                 const google::protobuf::Map<std::string, v1::ExperimentValue>& values) {
    const std::string field = absl::StrCat(table, key);
    const auto found = values.find(key);
    if (found == values.end()) {
      Add(field, "nothing; a value and a standard_error");
      return;
    }
    NeedRange(absl::StrCat(field, ".value"), found->second.value(), 0, 1);
    NeedRange(absl::StrCat(field, ".standard_error"), found->second.standard_error(), 0, 0.5);
  }

  void CheckFaq() {
    std::set<std::string> ids;
    for (int i = 0; i < framework_.faq_size(); ++i) {
      const v1::FaqAnswer& answer = framework_.faq(i);
      const std::string at = absl::StrCat("faq[", i, "]");
      IsUnique(ids, absl::StrCat(at, ".id"), answer.id());
      NeedText(absl::StrCat(at, ".question"), answer.question());
      NeedText(absl::StrCat(at, ".guidance"), answer.guidance());
      for (const std::string& id : answer.covered_by()) NeedMember(absl::StrCat(at, ".covered_by"), id);
    }
  }

  const v1::Framework& framework_;
  std::set<std::string> ids_, competencies_, behaviours_, machine_covered_, criteria_, profiles_;
  std::vector<FrameworkDefect> defects_;
};

}  // namespace

std::vector<FrameworkDefect> FindDefects(const v1::Framework& framework) { return Rules(framework).Run(); }

}  // namespace assay::readiness
