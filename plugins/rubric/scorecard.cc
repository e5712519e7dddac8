// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <map>
#include <string>

#include "plugins/rubric/judgement.h"
#include "plugins/rubric/words.h"

namespace rubric {
namespace {

using assay::sdk::Evidence;
using assay::sdk::Json;
using assay::sdk::Method;
using assay::sdk::Observation;
using assay::sdk::Ok;
using assay::sdk::Result;
using assay::sdk::Severity;
using assay::sdk::Status;

// Fewer different words than this tell nothing that another person could weigh.
constexpr size_t kFewWords = 4;
// From this share of shared words on a text is the anchor again.
constexpr double kSameWords = 0.8;
constexpr size_t kEnoughWords = 6;
// Text that says little leaves the rating with this many times its variance.
constexpr double kThinFactor = 2;
// Equal ratings of this many competencies are worth a look.
constexpr size_t kManyEqual = 5;
constexpr size_t kMaxQuoteBytes = 1500;

std::string Number(double value) {
  const auto halves = static_cast<int>(value * 2 + 0.5);
  return std::to_string(halves / 2) + (halves % 2 == 0 ? "" : ".5");
}

class ScorecardJudge {
 public:
  ScorecardJudge(const RubricFramework& framework, Report& report)
      : framework_(framework), report_(report), root_(report.document().root()), role_(root_["rater"]["role"].text()) {}

  Status Run() {
    for (size_t i = 0; i < root_["ratings"].size(); ++i) {
      if (report_.evaluation().should_stop() != ASSAY_RUN) return assay::sdk::Stopped();
      if (const Status status = JudgeRating(i); !status.ok()) return status;
    }
    for (size_t i = 0; i < root_["behaviours"].size(); ++i) {
      if (report_.evaluation().should_stop() != ASSAY_RUN) return assay::sdk::Stopped();
      if (const Status status = JudgeMark(i); !status.ok()) return status;
    }
    if (const Status status = NoteSelf(); !status.ok()) return status;
    return NoteEqualRatings();
  }

 private:
  Status JudgeRating(size_t index) {
    const Json& rating = root_["ratings"][index];
    const std::string at = "ratings[" + std::to_string(index) + "]";
    const std::string& id = rating["competency"].text();
    const RubricFramework::Competency* competency = framework_.FindCompetency(id);
    if (competency == nullptr) return NoteUnknown(at + ".competency", id, "competency");
    const double level = rating["rating"].number();
    if (!(level >= 0 && level <= 4)) return NoteUnknown(at + ".rating", "a rating outside 0 to 4", "rating");
    ratings_[id] = level;

    const std::string criterion = "rating/" + id;
    const std::string& text = rating["evidence"].text();
    const bool unsupported = rating["unsupported"].boolean();
    bool thin = false;
    if (unsupported) {
      if (const Status status = NoteUnsupported(at, criterion); !status.ok()) return status;
    } else {
      const Status status = JudgeText(at + ".evidence", criterion, text, competency->anchors, thin);
      if (!status.ok()) return status;
    }
    Observation observation;
    observation.criterion = criterion;
    observation.value = level / 4;
    observation.standard_error = std::sqrt(framework_.rating_variance() * (thin ? kThinFactor : 1)) / 4;
    observation.unscored = unsupported || role_ == "self";
    observation.rationale =
        Speaker() + " rated " + id + " " + competency->name + " at " + Number(level) + " of 4" + Quoted(text);
    return Emit(std::move(observation), "ratings", index);
  }

  Status JudgeMark(size_t index) {
    const Json& mark = root_["behaviours"][index];
    const std::string at = "behaviours[" + std::to_string(index) + "]";
    const std::string& id = mark["id"].text();
    const RubricFramework::Behaviour* behaviour = framework_.FindBehaviour(id);
    if (behaviour == nullptr) return NoteUnknown(at + ".id", id, "behaviour");
    const std::string& observed = mark["observed"].text();
    const RubricFramework::Mark* value = framework_.FindMark(observed);
    if (value == nullptr) return NoteUnknown(at + ".observed", observed, "mark");

    const std::string criterion = "behaviour/" + id;
    const std::string& text = mark["evidence"].text();
    bool thin = false;
    if (const Status status = JudgeText(at + ".evidence", criterion, text, {behaviour->text}, thin); !status.ok()) {
      return status;
    }
    if (const Status status = NoteOppositeRating(at, criterion, observed, behaviour->competency); !status.ok()) {
      return status;
    }
    Observation observation;
    observation.criterion = criterion;
    observation.value = value->value;
    const double error = value->standard_error * std::sqrt(thin ? kThinFactor : 1);
    observation.standard_error = error < 0.5 ? error : 0.5;
    observation.unscored = role_ == "self";
    observation.rationale = Speaker() + " marked " + id + " as " + observed + Quoted(text);
    return Emit(std::move(observation), "behaviours", index);
  }

  Status Emit(Observation observation, const char* array, size_t index) {
    const Result<Evidence> evidence = report_.document().Cite(report_.evaluation(), array, index);
    if (!evidence.ok()) return evidence.status();
    observation.method = Method::kHuman;
    observation.authorship = assay::sdk::Authorship::kCandidate;
    observation.evidence = {*evidence};
    return report_.Add(observation);
  }

  // Written evidence is what makes a rating worth more than an opinion: say where it is missing in substance.
  Status JudgeText(const std::string& field, const std::string& criterion, const std::string& text,
                   const std::vector<std::string>& given, bool& thin) {
    Remark remark;
    remark.severity = Severity::kWarning;
    remark.criterion = criterion;
    remark.field = field;
    const std::string first = texts_.FirstPlaceOf(text, field);
    if (DistinctWords(text) < kFewWords) {
      remark.check = "R1";
      remark.message = "the evidence is too short to weigh: \"" + Cut(text, 60) + "\"";
      remark.help =
          "Write what was said or done, in a sentence another person could check: what, how much, what came of it.";
    } else if (!first.empty()) {
      remark.check = "R2";
      remark.message = "the evidence is word for word that of " + first;
      remark.help =
          "Each rating rests on what was seen of that competency. Write what is different here, or leave the rating "
          "out.";
    } else if (RepeatsGiven(text, given)) {
      remark.check = "R3";
      remark.message = "the evidence repeats the framework's own words and adds nothing that was seen";
      remark.help =
          "The anchor says which level it is; the evidence says what the person said or did that puts them there.";
    } else {
      return Ok();
    }
    thin = true;
    return report_.Add(remark);
  }

  static bool RepeatsGiven(const std::string& text, const std::vector<std::string>& given) {
    // Few words may all stand in an anchor by chance, but hardly in its order.
    const bool enough = DistinctWords(text) >= kEnoughWords;
    for (const std::string& words : given) {
      if (enough && Overlap(text, words) >= kSameWords) return true;
      if (Normalised(words).find(Normalised(text)) != std::string::npos) return true;
    }
    return false;
  }

  Status NoteUnknown(const std::string& field, const std::string& found, const char* what) {
    Remark remark;
    remark.check = "R8";
    remark.severity = Severity::kError;
    remark.field = field;
    remark.message = "\"" + Cut(found, 60) + "\" is no " + what + " of the framework; it is not counted";
    remark.help = "assay frameworks show lists the ids.";
    return report_.Add(remark);
  }

  Status NoteUnsupported(const std::string& at, const std::string& criterion) {
    Remark remark;
    remark.check = "R6";
    remark.criterion = criterion;
    remark.field = at + ".unsupported";
    remark.message = "a rating that came without evidence: it is shown and weighs nothing";
    remark.help = "Hand the scorecard in again with what was seen, and it counts.";
    return report_.Add(remark);
  }

  Status NoteSelf() {
    if (role_ != "self") return Ok();
    Remark remark;
    remark.check = "R7";
    remark.field = "rater.role";
    remark.message = "a self-rating: it is shown beside the others' and weighs nothing";
    remark.help = "Use it to find what to talk about: where one's own view and others' differ.";
    return report_.Add(remark);
  }

  // Halo: one impression that colours every rating of a session.
  Status NoteEqualRatings() {
    if (ratings_.size() < kManyEqual) return Ok();
    const double first = ratings_.begin()->second;
    for (const auto& [id, level] : ratings_) {
      if (level != first) return Ok();
    }
    Remark remark;
    remark.check = "R5";
    remark.field = "ratings";
    remark.message = "all " + std::to_string(ratings_.size()) + " competencies are rated " + Number(first) +
                     "; one impression may have coloured them all";
    remark.help = "Go through the anchors of the two competencies you saw most of and least of, and compare.";
    return report_.Add(remark);
  }

  Status NoteOppositeRating(const std::string& at, const std::string& criterion, const std::string& observed,
                            const std::string& competency) {
    const auto rated = ratings_.find(competency);
    if (observed != "contradicted" || rated == ratings_.end() || rated->second < 3) return Ok();
    Remark remark;
    remark.check = "R9";
    remark.criterion = criterion;
    remark.field = at + ".observed";
    remark.message =
        "the mark says contradicted while the same scorecard rates " + competency + " at " + Number(rated->second);
    remark.help = "Both may be right; say in the evidence how they go together.";
    return report_.Add(remark);
  }

  std::string Speaker() const {
    if (role_ == "interviewer") return "An interviewer";
    if (role_ == "self") return "The candidate";
    return role_ == "manager" || role_ == "peer" ? "A " + role_ : "A rater";
  }

  static std::string Quoted(const std::string& text) {
    return text.empty() ? "." : ": \"" + Cut(text, kMaxQuoteBytes) + "\"";
  }

  const RubricFramework& framework_;
  Report& report_;
  const Json& root_;
  const std::string role_;
  RepeatedTexts texts_;
  std::map<std::string, double> ratings_;
};

}  // namespace

Status JudgeScorecard(const RubricFramework& framework, Report& report) {
  return ScorecardJudge(framework, report).Run();
}

}  // namespace rubric
