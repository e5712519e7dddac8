// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/document_rules.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/civil_time.h"

namespace assay::readiness {
namespace {

constexpr size_t kMaxIdBytes = 128;
constexpr size_t kMaxTextBytes = 4000;
constexpr int kMaxItems = 200;
constexpr int kMaxMeasures = 20;
constexpr size_t kMaxShownBytes = 80;

using Words = std::initializer_list<absl::string_view>;
constexpr absl::string_view kItemTypes[] = {"migration",
                                            "service_level_change",
                                            "decision_record",
                                            "incident",
                                            "postmortem",
                                            "roadmap",
                                            "capacity_plan",
                                            "threat_model",
                                            "mentoring",
                                            "competency_framework",
                                            "standard",
                                            "cost_change",
                                            "talk",
                                            "experience",
                                            "other"};
constexpr absl::string_view kHttpMethods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

// Cut where a character of UTF-8 begins.
std::string Shown(absl::string_view text) {
  if (text.empty()) return "nothing";
  size_t end = std::min(text.size(), kMaxShownBytes);
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return absl::StrCat("\"", text.substr(0, end), end < text.size() ? "…\"" : "\"");
}

bool HasControl(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return absl::ascii_iscntrl(c); });
}

bool IsBlank(absl::string_view text) { return absl::StripAsciiWhitespace(text).empty(); }

// YYYY-MM-DD of the Gregorian calendar, years 1970 to 2200.
bool ParseDay(absl::string_view text, absl::CivilDay& day) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  for (const size_t i : {0, 1, 2, 3, 5, 6, 8, 9}) {
    if (!absl::ascii_isdigit(text[i])) return false;
  }
  const auto number = [&](size_t from, size_t count) {
    int value = 0;
    for (size_t i = from; i < from + count; ++i) value = value * 10 + (text[i] - '0');
    return value;
  };
  const int year = number(0, 4);
  const int month = number(5, 2);
  const int date = number(8, 2);
  day = absl::CivilDay(year, month, date);
  // Civil days roll over; a date that changed was none.
  return year >= 1970 && year <= 2200 && day.year() == year && day.month() == month && day.day() == date;
}

class Checker {
 public:
  explicit Checker(const CompiledFramework& framework) : framework_(framework) {}

  std::vector<Violation> Take() { return std::move(violations_); }

  void Add(std::string field, std::string found, std::string allowed) {
    if (violations_.size() < kMaxViolations) {
      violations_.push_back({std::move(field), std::move(found), std::move(allowed)});
    }
  }

  template <typename Document>
  void Header(const Document& document, absl::string_view kind) {
    if (document.kind() != kind) Add("kind", Shown(document.kind()), std::string(kind));
    OptionalId("candidate", document.candidate());
    const std::string& name = document.framework();
    if (!name.empty() && name != framework_.name() && name != framework_.proto().id() &&
        name != framework_.digest_text()) {
      Add("framework", Shown(name), absl::StrCat(framework_.name(), ", the framework of this assessment"));
    }
    OptionalId("assessment", document.assessment());
  }

  void Id(const std::string& field, absl::string_view id) {
    if (IsBlank(id) || id.size() > kMaxIdBytes || HasControl(id)) {
      Add(field, Shown(id), "1 to 128 bytes without control characters");
    }
  }
  void OptionalId(const std::string& field, absl::string_view id) {
    if (!id.empty()) Id(field, id);
  }

  // A text a person wrote, in bytes.
  void Text(const std::string& field, absl::string_view text, size_t max_bytes) {
    if (IsBlank(text)) {
      Add(field, Shown(absl::StripAsciiWhitespace(text)), absl::StrCat("a text of 1 to ", max_bytes, " bytes"));
    } else {
      OptionalText(field, text, max_bytes);
    }
  }
  void OptionalText(const std::string& field, absl::string_view text, size_t max_bytes) {
    if (text.size() > max_bytes) {
      Add(field, absl::StrCat(text.size(), " bytes"), absl::StrCat("at most ", max_bytes, " bytes"));
    }
  }

  template <typename List>
  void OneOf(const std::string& field, absl::string_view word, const List& words) {
    if (std::find(std::begin(words), std::end(words), word) == std::end(words)) {
      Add(field, Shown(word), absl::StrJoin(words, ", "));
    }
  }

  void Count(const std::string& field, int count, int least, int most) {
    if (count < least || count > most) {
      Add(field, absl::StrCat(count == 0 ? "none" : absl::StrCat(count)), absl::StrCat(least, " to ", most));
    }
  }

  // 0..4 in halves.
  void Rating(const std::string& field, double rating) {
    if (!(rating >= 0 && rating <= 4) || rating * 2 != std::floor(rating * 2)) {
      Add(field, absl::StrCat(rating), "0 to 4, halves allowed");
    }
  }

  void Competency(const std::string& field, const std::string& id) {
    if (framework_.FindCompetency(id) == nullptr) {
      Add(field, Shown(id), absl::StrCat("the id of a competency of ", framework_.name(), ", such as \"3.1\""));
    }
  }
  void Behaviour(const std::string& field, const std::string& id) {
    if (framework_.FindBehaviour(id) == nullptr) {
      Add(field, Shown(id), absl::StrCat("the id of a behaviour of ", framework_.name(), ", such as \"3.1.1\""));
    }
  }
  void Once(std::set<std::string>& seen, const std::string& field, const std::string& id, absl::string_view what) {
    if (!id.empty() && !seen.insert(id).second) Add(field, Shown(id), absl::StrCat("each ", what, " once"));
  }

  void Period(const std::string& field, const v1::Period& period) {
    absl::CivilDay from;
    absl::CivilDay to;
    const bool from_good = ParseDay(period.from(), from);
    const bool to_good = ParseDay(period.to(), to);
    if (!from_good) Add(absl::StrCat(field, ".from"), Shown(period.from()), "a day as YYYY-MM-DD, from 1970 to 2200");
    if (!to_good) Add(absl::StrCat(field, ".to"), Shown(period.to()), "a day as YYYY-MM-DD, from 1970 to 2200");
    if (from_good && to_good && to < from) {
      Add(absl::StrCat(field, ".to"), Shown(period.to()), absl::StrCat(period.from(), ", the day it starts, or later"));
    }
  }

  // Present, and between 1970 and 2200.
  void Time(const std::string& field, bool present, const google::protobuf::Timestamp& time) {
    constexpr int64_t kYear2200 = 7258118400;
    if (!present) {
      Add(field, "nothing", "a time such as 2026-10-01T14:00:00Z");
    } else if (time.seconds() < 0 || time.seconds() >= kYear2200 || time.nanos() < 0 || time.nanos() > 999999999) {
      Add(field, absl::StrCat(time.seconds(), " s"), "a time between 1970 and 2200");
    }
  }

  void Measures(const std::string& field, const google::protobuf::RepeatedPtrField<v1::Measure>& measures) {
    Count(field, measures.size(), 0, kMaxMeasures);
    std::set<std::string> names;
    for (int i = 0; i < std::min(measures.size(), kMaxMeasures); ++i) {
      const v1::Measure& measure = measures[i];
      const std::string at = absl::StrCat(field, "[", i, "]");
      Text(absl::StrCat(at, ".name"), measure.name(), 64);
      Once(names, absl::StrCat(at, ".name"), measure.name(), "measure");
      Text(absl::StrCat(at, ".unit"), measure.unit(), 32);
      if (!std::isfinite(measure.before())) Add(absl::StrCat(at, ".before"), "no finite number", "a number");
      if (!std::isfinite(measure.after())) Add(absl::StrCat(at, ".after"), "no finite number", "a number");
      if (measure.window_days() > 3660) {
        Add(absl::StrCat(at, ".window_days"), absl::StrCat(measure.window_days()), "0 to 3660");
      }
    }
  }

  void Rater(const v1::Scorecard::Rater& rater, const std::string& field, Words roles) {
    Id(absl::StrCat(field, ".id"), rater.id());
    OneOf(absl::StrCat(field, ".role"), rater.role(), roles);
  }

 private:
  const CompiledFramework& framework_;
  std::vector<Violation> violations_;
};

void CheckOccasion(const v1::Scorecard& scorecard, Checker& check) {
  if (scorecard.has_session() == scorecard.has_period()) {
    check.Add("session", scorecard.has_session() ? "a session and a period" : "neither a session nor a period",
              "exactly one of session and period");
  }
  if (scorecard.has_session()) {
    check.Text("session.stage", scorecard.session().stage(), 64);
    check.Time("session.held_at", scorecard.session().has_held_at(), scorecard.session().held_at());
  }
  if (scorecard.has_period()) check.Period("period", scorecard.period());
}

void CheckItem(const std::string& at, const v1::Portfolio::Item& item, Checker& check) {
  check.OneOf(absl::StrCat(at, ".type"), item.type(), kItemTypes);
  check.Text(absl::StrCat(at, ".title"), item.title(), 200);
  const bool experience = item.type() == "experience";
  if (item.has_period()) {
    check.Period(absl::StrCat(at, ".period"), item.period());
  } else if (experience) {
    check.Add(absl::StrCat(at, ".period"), "nothing", "a period, because experience is a matter of time");
  }
  check.Measures(absl::StrCat(at, ".measures"), item.measures());
  check.Count(absl::StrCat(at, ".attachments"), item.attachments_size(), 0, 20);
  for (int i = 0; i < std::min(item.attachments_size(), 20); ++i) {
    check.Text(absl::StrCat(at, ".attachments[", i, "]"), item.attachments(i), 512);
  }
  check.OptionalId(absl::StrCat(at, ".confirmed_by"), item.confirmed_by());
  check.OptionalText(absl::StrCat(at, ".summary"), item.summary(), kMaxTextBytes);
  check.Count(absl::StrCat(at, ".speaks_for"), item.speaks_for_size(), 0, 12);
  std::set<std::string> behaviours;
  for (int i = 0; i < std::min(item.speaks_for_size(), 12); ++i) {
    const std::string field = absl::StrCat(at, ".speaks_for[", i, "]");
    check.Behaviour(field, item.speaks_for(i));
    check.Once(behaviours, field, item.speaks_for(i), "behaviour");
  }
  if (experience) {
    check.Text(absl::StrCat(at, ".role"), item.role(), 128);
  } else if (!item.role().empty()) {
    check.Add(absl::StrCat(at, ".role"), Shown(item.role()), "nothing; a role belongs to items of type experience");
  }
  check.OptionalText(absl::StrCat(at, ".stack"), item.stack(), 256);
}

void CheckRoute(const std::string& at, const v1::TaskDocument::ExpectedRoute& route, Checker& check) {
  check.OneOf(absl::StrCat(at, ".method"), route.method(), kHttpMethods);
  if (!absl::StartsWith(route.path(), "/") || route.path().size() > 1024 || HasControl(route.path())) {
    check.Add(absl::StrCat(at, ".path"), Shown(route.path()), "a path that starts with \"/\", at most 1,024 bytes");
  }
  check.OptionalText(absl::StrCat(at, ".body"), route.body(), 64 << 10);
  check.Count(absl::StrCat(at, ".headers"), static_cast<int>(route.headers_size()), 0, 32);
  std::set<std::string> names;
  for (const auto& [name, value] : route.headers()) names.insert(name);
  for (const std::string& name : names) {
    const std::string& value = route.headers().at(name);
    if (IsBlank(name) || name.size() > 128 || HasControl(name) || HasControl(value) || value.size() > 1024) {
      check.Add(absl::StrCat(at, ".headers"), Shown(name),
                "names of 1 to 128 bytes and values of at most 1,024, without control characters");
    }
  }
  check.Count(absl::StrCat(at, ".statuses"), route.statuses_size(), 0, 20);
  for (int i = 0; i < std::min(route.statuses_size(), 20); ++i) {
    if (route.statuses(i) < 100 || route.statuses(i) > 599) {
      check.Add(absl::StrCat(at, ".statuses[", i, "]"), absl::StrCat(route.statuses(i)), "100 to 599");
    }
  }
}

void CheckLoad(const v1::TaskDocument::Load& load, Checker& check) {
  if (!(load.peak_rate() > 0 && load.peak_rate() <= 1000000)) {
    check.Add("load.peak_rate", absl::StrCat(load.peak_rate()), "requests per second, above 0 and at most 1,000,000");
  }
  check.Count("load.mix", static_cast<int>(load.mix_size()), 0, 100);
  std::set<std::string> names;
  for (const auto& [name, share] : load.mix()) names.insert(name);
  for (const std::string& name : names) {
    const double share = load.mix().at(name);
    if (!(share > 0 && share <= 1000000)) {
      check.Add(absl::StrCat("load.mix.", name.substr(0, kMaxShownBytes)), absl::StrCat(share),
                "a weight above 0 and at most 1,000,000");
    }
  }
}

void Prefix(absl::string_view prefix, std::vector<Violation>& violations) {
  for (Violation& violation : violations) violation.field = absl::StrCat(prefix, ".", violation.field);
}

}  // namespace

std::vector<Violation> CheckScorecard(const v1::Scorecard& scorecard, const CompiledFramework& framework) {
  Checker check(framework);
  check.Header(scorecard, "scorecard");
  check.Rater(scorecard.rater(), "rater", {"interviewer", "manager", "peer", "self"});
  CheckOccasion(scorecard, check);
  if (scorecard.ratings().empty() && scorecard.behaviours().empty()) {
    check.Add("ratings", "none", "at least one rating or one behaviour");
  }
  check.Count("ratings", scorecard.ratings_size(), 0, kMaxItems);
  std::set<std::string> competencies;
  for (int i = 0; i < std::min(scorecard.ratings_size(), kMaxItems); ++i) {
    const v1::Scorecard::Rating& rating = scorecard.ratings(i);
    const std::string at = absl::StrCat("ratings[", i, "]");
    check.Competency(absl::StrCat(at, ".competency"), rating.competency());
    check.Once(competencies, absl::StrCat(at, ".competency"), rating.competency(), "competency");
    check.Rating(absl::StrCat(at, ".rating"), rating.rating());
    if (rating.unsupported()) {
      check.OptionalText(absl::StrCat(at, ".evidence"), rating.evidence(), kMaxTextBytes);
    } else {
      check.Text(absl::StrCat(at, ".evidence"), rating.evidence(), kMaxTextBytes);
    }
  }
  check.Count("behaviours", scorecard.behaviours_size(), 0, kMaxItems);
  std::set<std::string> behaviours;
  for (int i = 0; i < std::min(scorecard.behaviours_size(), kMaxItems); ++i) {
    const v1::Scorecard::BehaviourMark& mark = scorecard.behaviours(i);
    const std::string at = absl::StrCat("behaviours[", i, "]");
    check.Behaviour(absl::StrCat(at, ".id"), mark.id());
    check.Once(behaviours, absl::StrCat(at, ".id"), mark.id(), "behaviour");
    check.OneOf(absl::StrCat(at, ".observed"), mark.observed(), Words{"present", "absent", "contradicted"});
    check.Text(absl::StrCat(at, ".evidence"), mark.evidence(), kMaxTextBytes);
  }
  return check.Take();
}

std::vector<Violation> CheckPortfolio(const v1::Portfolio& portfolio, const CompiledFramework& framework) {
  Checker check(framework);
  check.Header(portfolio, "portfolio");
  check.Count("items", portfolio.items_size(), 1, kMaxItems);
  std::set<std::string> items;
  for (int i = 0; i < std::min(portfolio.items_size(), kMaxItems); ++i) {
    const v1::Portfolio::Item& item = portfolio.items(i);
    const std::string at = absl::StrCat("items[", i, "]");
    CheckItem(at, item, check);
    const std::string identity = absl::StrJoin({item.type(), item.title(), item.period().from()}, " / ");
    check.Once(items, absl::StrCat(at, ".title"), identity, "item (type, title and start)");
  }
  return check.Take();
}

std::vector<Violation> CheckOutcome(const v1::Outcome& outcome, const CompiledFramework& framework) {
  Checker check(framework);
  check.Header(outcome, "outcome");
  check.Period("period", outcome.period());
  check.Measures("measures", outcome.measures());
  if (outcome.measures().empty() && !outcome.has_manager_rating()) {
    check.Add("measures", "none", "at least one measure or a manager_rating");
  }
  if (outcome.has_manager_rating()) {
    check.Rater(outcome.manager_rating().rater(), "manager_rating.rater", {"manager"});
    check.Rating("manager_rating.rating", outcome.manager_rating().rating());
    check.Text("manager_rating.evidence", outcome.manager_rating().evidence(), kMaxTextBytes);
  }
  return check.Take();
}

std::vector<Violation> CheckDecision(const v1::DecisionDocument& decision, const CompiledFramework& framework) {
  Checker check(framework);
  check.Header(decision, "decision");
  if (decision.readiness_version() == 0) {
    check.Add("readiness_version", "nothing", "the version of the readiness that was seen, from 1");
  }
  check.Id("decided_by", decision.decided_by());
  check.Text("outcome", decision.outcome(), 64);
  check.Count("reasons", decision.reasons_size(), 1, 20);
  for (int i = 0; i < std::min(decision.reasons_size(), 20); ++i) {
    check.Text(absl::StrCat("reasons[", i, "]"), decision.reasons(i), kMaxTextBytes);
  }
  check.Time("decided_at", decision.has_decided_at(), decision.decided_at());
  return check.Take();
}

std::vector<Violation> CheckTask(const v1::TaskDocument& task, const CompiledFramework& framework) {
  constexpr int kMaxBehaviours = 500;
  constexpr int kMaxRoutes = 500;
  Checker check(framework);
  check.Header(task, "task");
  check.Id("id", task.id());
  if (!task.base_digest().empty() && !Digest::Parse(task.base_digest()).ok()) {
    check.Add("base_digest", Shown(task.base_digest()), "\"sha256:\" and 64 lower-case hex digits");
  }
  check.Count("behaviours", task.behaviours_size(), 0, kMaxBehaviours);
  std::set<std::string> behaviours;
  for (int i = 0; i < std::min(task.behaviours_size(), kMaxBehaviours); ++i) {
    const std::string field = absl::StrCat("behaviours[", i, "]");
    check.Behaviour(field, task.behaviours(i));
    check.Once(behaviours, field, task.behaviours(i), "behaviour");
  }
  check.Count("routes", task.routes_size(), 0, kMaxRoutes);
  for (int i = 0; i < std::min(task.routes_size(), kMaxRoutes); ++i) {
    CheckRoute(absl::StrCat("routes[", i, "]"), task.routes(i), check);
  }
  check.Count("services", task.services_size(), 0, 2);
  std::set<std::string> services;
  for (int i = 0; i < std::min(task.services_size(), 2); ++i) {
    const std::string field = absl::StrCat("services[", i, "]");
    check.OneOf(field, task.services(i), Words{"postgres", "redis"});
    check.Once(services, field, task.services(i), "service");
  }
  if (task.has_load()) CheckLoad(task.load(), check);
  if (task.time_budget_minutes() > 100000) {
    check.Add("time_budget_minutes", absl::StrCat(task.time_budget_minutes()), "at most 100,000");
  }
  return check.Take();
}

std::vector<Violation> CheckDocument(const v1::NewSubmission& submission, const CompiledFramework& framework) {
  std::vector<Violation> violations;
  absl::string_view prefix;
  switch (submission.content_case()) {
    case v1::NewSubmission::kScorecard:
      prefix = "scorecard";
      violations = CheckScorecard(submission.scorecard(), framework);
      break;
    case v1::NewSubmission::kPortfolio:
      prefix = "portfolio";
      violations = CheckPortfolio(submission.portfolio(), framework);
      break;
    case v1::NewSubmission::kOutcome:
      prefix = "outcome";
      violations = CheckOutcome(submission.outcome(), framework);
      break;
    case v1::NewSubmission::kDecision:
      prefix = "decision";
      violations = CheckDecision(submission.decision(), framework);
      break;
    case v1::NewSubmission::kTask:
      prefix = "task";
      violations = CheckTask(submission.task(), framework);
      break;
    case v1::NewSubmission::kRepository:
    case v1::NewSubmission::CONTENT_NOT_SET:
      break;
  }
  Prefix(prefix, violations);
  return violations;
}

uint32_t LineOf(const v1::SourceMap& source, absl::string_view field) {
  while (!field.empty()) {
    for (const v1::SourceMap::Entry& entry : source.entries()) {
      if (entry.field() == field) return entry.line();
    }
    const size_t cut = field.find_last_of(".[");
    field = cut == absl::string_view::npos ? absl::string_view() : field.substr(0, cut);
  }
  return 0;
}

absl::Status ToStatus(const std::vector<Violation>& violations, const v1::SourceMap& source) {
  if (violations.empty()) return absl::OkStatus();
  std::vector<std::string> lines;
  for (const Violation& violation : violations) {
    std::string line;
    const uint32_t number = LineOf(source, violation.field);
    if (!source.file().empty())
      line = absl::StrCat(source.file(), ":", number == 0 ? "" : absl::StrCat(number, ":"), " ");
    absl::StrAppend(&line, violation.field, ": found ", violation.found, "; allowed: ", violation.allowed);
    lines.push_back(std::move(line));
  }
  return absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
}

}  // namespace assay::readiness
