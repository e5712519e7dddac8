// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugins/rubric/days.h"
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
using assay::sdk::State;
using assay::sdk::Status;

// A summary of fewer different words tells nothing that could be asked about.
constexpr size_t kFewWords = 8;
// A figure held over so many days is more than a good day.
constexpr double kWindowDays = 14;
constexpr double kDaysOfAYear = 365.25;
// The source's range: five to eight years or more, three or more of them with Node.js and Express.
constexpr double kYearsOfBackend = 5;
constexpr double kYearsOfNode = 3;

// What an item brings besides its words. Each part adds to 0.5, where it says neither much nor little.
struct Substance {
  bool words = false;       // a summary one can ask about
  bool figure = false;      // a named figure with unit that changed
  bool window = false;      // … held over two weeks or more
  bool confirmed = false;   // by somebody else
  bool attachment = false;  // something to look at
  double Value() const {
    return 0.5 + (words ? 0.1 : 0) + (figure ? 0.15 : 0) + (window ? 0.05 : 0) + (confirmed ? 0.15 : 0) +
           (attachment ? 0.05 : 0);
  }
};

bool Contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

bool NamesNode(const std::string& text) {
  for (const std::string& word : WordsOf(text)) {
    if (word == "node" || word == "nodejs" || word == "express" || word == "expressjs") return true;
  }
  return false;
}

// -1: less is better, 1: more is better, 0: not known from the name.
int BetterDirection(const std::string& name) {
  constexpr std::array kLess = {"latency",  "error", "timeout", "incident", "cost",    "mttr",   "duration",
                                "downtime", "p50",   "p95",     "p99",      "failure", "defect", "revert"};
  constexpr std::array kMore = {"availability", "throughput", "uptime", "coverage",
                                "frequency",    "hit_ratio",  "goodput"};
  for (const char* word : kMore) {
    if (Contains(name, word)) return 1;
  }
  for (const char* word : kLess) {
    if (Contains(name, word)) return -1;
  }
  return 0;
}

std::string Years(double years) {
  const auto tenths = static_cast<int>(years * 10 + 0.5);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

class PortfolioJudge {
 public:
  PortfolioJudge(const RubricFramework& framework, Report& report)
      : framework_(framework), report_(report), root_(report.document().root()) {}

  Status Run() {
    for (size_t i = 0; i < root_["items"].size(); ++i) {
      if (report_.evaluation().should_stop() != ASSAY_RUN) return assay::sdk::Stopped();
      const bool experience = root_["items"][i]["type"].text() == "experience";
      if (const Status status = experience ? CollectExperience(i) : JudgeItem(i); !status.ok()) return status;
    }
    return JudgeExperience();
  }

 private:
  Status JudgeItem(size_t index) {
    const Json& item = root_["items"][index];
    const std::string at = "items[" + std::to_string(index) + "]";
    const std::string criterion = "portfolio/" + TypeOf(item);
    Substance substance;
    const std::string& summary = item["summary"].text();
    substance.words = DistinctWords(summary) >= kFewWords;
    substance.attachment = item["attachments"].size() > 0;
    if (const Status status = JudgeMeasures(at, criterion, item, substance); !status.ok()) return status;
    if (const Status status = JudgeConfirmation(at, criterion, item, substance); !status.ok()) return status;
    if (const Status status = JudgeRepetition(at, criterion, summary, substance); !status.ok()) return status;
    const bool checkable = substance.words || substance.figure;
    if (!checkable) {
      const Status status = Note("P1", Severity::kWarning, criterion, at,
                                 "neither figures that changed nor a summary one could ask about; it is not counted",
                                 "Say what was done, with figures before and after, and what became of it.");
      if (!status.ok()) return status;
    }
    return Emit(item, index, at, criterion, checkable ? &substance : nullptr);
  }

  static std::string TypeOf(const Json& item) {
    std::string type;
    for (const char c : item["type"].text().substr(0, 32)) {
      if ((c >= 'a' && c <= 'z') || c == '_') type += c;
    }
    return type.empty() ? "other" : type;
  }

  Status JudgeMeasures(const std::string& at, const std::string& criterion, const Json& item, Substance& substance) {
    const Json& measures = item["measures"];
    for (size_t i = 0; i < measures.size(); ++i) {
      const Json& measure = measures[i];
      const std::string field = at + ".measures[" + std::to_string(i) + "]";
      const std::string& name = measure["name"].text();
      const double before = measure["before"].number();
      const double after = measure["after"].number();
      const double change = after - before;
      if (name.empty() || measure["unit"].text().empty() || change == 0 || !std::isfinite(change)) {
        const Status status = Note("P2", Severity::kNote, criterion, field, "a figure that shows no change",
                                   "Give the figure before and after, with its unit.");
        if (!status.ok()) return status;
        continue;
      }
      if (BetterDirection(name) * change < 0) {
        const Status status = Note("P5", Severity::kNote, criterion, field,
                                   "by its name this figure got worse; it does not count as an improvement",
                                   "If that was the price of something else, say so in the summary.");
        if (!status.ok()) return status;
        continue;
      }
      substance.figure = true;
      substance.window = substance.window || Field(measure, "window_days").number() >= kWindowDays;
    }
    return Ok();
  }

  Status JudgeConfirmation(const std::string& at, const std::string& criterion, const Json& item,
                           Substance& substance) {
    const std::string& confirmed_by = Field(item, "confirmed_by").text();
    if (confirmed_by.empty()) {
      return Note("P3", Severity::kNote, criterion, at, "nobody is named who could confirm it",
                  "confirmed_by takes the id of someone who was there.");
    }
    if (confirmed_by == root_["candidate"].text()) {
      return Note("P4", Severity::kWarning, criterion, at + ".confirmed_by",
                  "it is confirmed by the candidate, which adds nothing", "Name somebody else who was there.");
    }
    substance.confirmed = true;
    return Ok();
  }

  Status JudgeRepetition(const std::string& at, const std::string& criterion, const std::string& summary,
                         Substance& substance) {
    if (!substance.words) return Ok();
    const std::string first = texts_.FirstPlaceOf(summary, at + ".summary");
    if (first.empty()) return Ok();
    substance.words = false;
    return Note("P7", Severity::kWarning, criterion, at + ".summary", "the summary is word for word that of " + first,
                "Say what is different about this piece of work, or leave one of the two out.");
  }

  // Without substance there is nothing to value: the item is shown as not observed, which lowers nothing.
  Status Emit(const Json& item, size_t index, const std::string& at, const std::string& criterion,
              const Substance* substance) {
    std::vector<std::string> criteria;
    const Json& speaks_for = Field(item, "speaks_for");
    for (size_t i = 0; i < speaks_for.size(); ++i) {
      const std::string& id = speaks_for[i].text();
      if (framework_.FindBehaviour(id) != nullptr) {
        criteria.push_back(criterion + "/" + id);
        continue;
      }
      const Status status = Note("P9", Severity::kError, criterion, at + ".speaks_for[" + std::to_string(i) + "]",
                                 "\"" + Cut(id, 60) + "\" is no behaviour of the framework; it is not counted",
                                 "assay frameworks show lists the ids.");
      if (!status.ok()) return status;
    }
    if (criteria.empty() && criterion == "portfolio/other") {
      const Status status = Note("P6", Severity::kNote, criterion, at + ".speaks_for",
                                 "an item of type other counts for the behaviours it names, and it names none",
                                 "Add speaks_for with the ids of the behaviours it shows.");
      if (!status.ok()) return status;
    }
    if (criteria.empty()) criteria.push_back(criterion);
    for (std::string& name : criteria) {
      if (const Status status = EmitOne(std::move(name), item, index, substance); !status.ok()) return status;
    }
    return Ok();
  }

  Status EmitOne(std::string criterion, const Json& item, size_t index, const Substance* substance) {
    Observation observation;
    observation.criterion = std::move(criterion);
    observation.method = Method::kDocument;
    observation.authorship = assay::sdk::Authorship::kCandidate;
    const std::string title = "\"" + Cut(item["title"].text(), 200) + "\"";
    if (substance == nullptr) {
      observation.state = State::kNotObservedYet;
      observation.rationale = "The item " + title + " holds nothing that could be checked yet.";
      return report_.Add(observation);
    }
    const Result<Evidence> evidence = report_.document().Cite(report_.evaluation(), "items", index);
    if (!evidence.ok()) return evidence.status();
    observation.evidence = {*evidence};
    observation.value = substance->Value();
    observation.standard_error = substance->confirmed ? 0.15 : 0.25;
    observation.rationale = "The candidate hands in " + title + Holds(*substance);
    return report_.Add(observation);
  }

  static std::string Holds(const Substance& substance) {
    std::string parts;
    const auto add = [&](bool there, const char* what) {
      if (there) parts += (parts.empty() ? " with " : ", ") + std::string(what);
    };
    add(substance.words, "an account one can ask about");
    add(substance.figure, "figures that changed");
    add(substance.window, "over two weeks or more");
    add(substance.confirmed, "someone who can confirm it");
    add(substance.attachment, "attachments");
    return parts + ".";
  }

  Status CollectExperience(size_t index) {
    const Json& item = root_["items"][index];
    const std::string at = "items[" + std::to_string(index) + "].period";
    const std::optional<int64_t> from = DayOf(item["period"]["from"].text());
    const std::optional<int64_t> to = DayOf(item["period"]["to"].text());
    if (!from.has_value() || !to.has_value() || *to < *from) {
      return Note("P10", Severity::kWarning, "portfolio/experience", at, "no period one can count; it is left out",
                  "Give from and to as days, YYYY-MM-DD.");
    }
    const Result<Evidence> evidence = report_.document().Cite(report_.evaluation(), "items", index);
    if (!evidence.ok()) return evidence.status();
    if (experience_evidence_.size() < 16) experience_evidence_.push_back(*evidence);
    all_.emplace_back(*from, *to);
    const std::string text = item["stack"].text() + " " + item["summary"].text() + " " + item["role"].text();
    if (NamesNode(text)) node_.emplace_back(*from, *to);
    return Ok();
  }

  // Years are shown against the source's range and weigh nothing: they say little about how someone works.
  Status JudgeExperience() {
    if (all_.empty()) return Ok();
    const double years = static_cast<double>(DaysCovered(all_)) / kDaysOfAYear;
    const double node = static_cast<double>(DaysCovered(node_)) / kDaysOfAYear;
    const bool in_range = years >= kYearsOfBackend && node >= kYearsOfNode;
    Observation observation;
    observation.criterion = "portfolio/experience";
    observation.method = Method::kDocument;
    observation.authorship = assay::sdk::Authorship::kCandidate;
    observation.unscored = true;
    observation.value = std::min(1.0, std::min(years / kYearsOfBackend, node / kYearsOfNode));
    observation.standard_error = 0.25;
    observation.evidence = experience_evidence_;
    observation.rationale = Years(years) + " years of experience, " + Years(node) +
                            " of them naming Node.js or Express: " + (in_range ? "within" : "below") +
                            " the usual range of five to eight years or more with three or more of Node.js and "
                            "Express. Shown only; years weigh nothing.";
    return report_.Add(observation);
  }

  Status Note(const char* check, Severity severity, const std::string& criterion, const std::string& field,
              std::string message, std::string help) {
    return report_.Add(Remark{check, severity, criterion, field, std::move(message), std::move(help)});
  }

  const RubricFramework& framework_;
  Report& report_;
  const Json& root_;
  RepeatedTexts texts_;
  std::vector<std::pair<int64_t, int64_t>> all_;
  std::vector<std::pair<int64_t, int64_t>> node_;
  std::vector<Evidence> experience_evidence_;
};

}  // namespace

Status JudgePortfolio(const RubricFramework& framework, Report& report) {
  return PortfolioJudge(framework, report).Run();
}

}  // namespace rubric
