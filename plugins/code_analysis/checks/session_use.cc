// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/checks/session_use.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "plugins/code_analysis/checks/constants.h"
#include "plugins/code_analysis/repository_files.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

// A setting of a cookie as the code gives it.
enum class Flag { kOn, kOff, kMissing, kUnknown };

Flag FlagOf(const Model& model, Node options, std::string_view key) {
  const Node value = OptionOf(model, options, key);
  if (!value) return HasSpread(options) ? Flag::kUnknown : Flag::kMissing;
  const std::optional<bool> fixed = BooleanValue(value);
  if (!fixed) return Flag::kOn;  // a name, "strict", a condition on the environment
  return *fixed ? Flag::kOn : Flag::kOff;
}

// `session.cookie.secure = true` somewhere, as the documentation of express-session shows it for production.
bool IsTurnedOnLater(const Model& model, std::string_view flag) {
  bool found = false;
  model.ForEachMember({flag}, [&](Node member) {
    const Node object = member[Field::kObject].Bare();
    const bool cookie = object.Is(Kind::kMember) ? object[Field::kProperty].text() == "cookie"
                                                 : text::Contains(text::Lower(object.text()), "cookie");
    found |= cookie && member.parent().Is(Kind::kAssignment) && member.parent()[Field::kLeft] == member &&
             BooleanValue(member.parent()[Field::kRight]) != false;
  });
  return found;
}

bool NamesAToken(std::string_view name) {
  const std::string lower = text::Lower(name);
  for (const char* other : {"csrf", "xsrf"}) {
    if (text::Contains(lower, other)) return false;
  }
  for (const char* word : {"token", "session", "sid", "auth", "jwt", "refresh", "access", "remember"}) {
    if (text::Contains(lower, word)) return true;
  }
  return false;
}

class CookieJudge {
 public:
  CookieJudge(const Model& model, Reporter& reporter) : model_(model), reporter_(reporter) {}

  void Run() {
    for (const auto& module : model_.modules()) {
      if (module->role != Role::kServer) continue;
      for (const uint32_t id : module->tree.All(Kind::kCall)) Middleware(Node(&module->tree, id));
    }
    model_.ForEachCall({"cookie"}, [&](Node call) { Cookie(call); });
    if (seen_.empty()) {
      reporter_.NotObservedYet("No cookie that authenticates is set.");
      return;
    }
    double value = 1.0 - 0.45 * http_only_ - 0.35 * secure_ - 0.2 * same_site_;
    const bool fine = problems_.empty();
    std::vector<Span> evidence = fine ? seen_ : problems_;
    if (evidence.size() > 12) evidence.resize(12);
    reporter_.Observe(std::clamp(value, 0.0, 1.0), fine ? error_of::kSinglePlace : error_of::kCrossFile,
                      fine ? "Cookies that authenticate carry httpOnly, secure and sameSite."
                           : text::Cat({"Missing on cookies that authenticate: ", text::Join(names_, ", "), "."}),
                      std::move(evidence));
  }

 private:
  void Middleware(Node call) {
    const std::string origin = model_.OriginOf(CalleeOf(call));
    if (origin != "express-session" && origin != "cookie-session") return;
    const Node options = ObjectBehind(model_, ArgumentOf(call, 0));
    if (!options) return;
    seen_.push_back(model_.SpanOf(call));
    if (origin == "cookie-session") {
      Judge(call, options, /*http_only_default=*/true, /*secure_needed=*/false);
      return;
    }
    const Node given = OptionOf(model_, options, "cookie");
    const Node cookie = ObjectBehind(model_, given);
    if (given && !cookie) return;  // computed: unknown
    if (!given && HasSpread(options)) return;
    Judge(call, cookie, /*http_only_default=*/true, /*secure_needed=*/true);
  }

  void Cookie(Node call) {
    const Node response = CalleeOf(call)[Field::kObject].Bare();
    if (!response || !model_.OnRequestPath(call) || ArgumentsOf(call).size() < 2) return;
    const std::string_view root = response.text().substr(0, response.text().find_first_of(".("));
    if (!text::IsOneOf(root, {"res", "response", "reply", "_res"})) return;
    const std::optional<LiteralText> name = LiteralBehind(model_, ArgumentOf(call, 0));
    if (!name || !NamesAToken(name->value)) return;
    const Node argument = ArgumentOf(call, 2);
    const Node options = ObjectBehind(model_, argument);
    if (argument && !options) return;
    seen_.push_back(model_.SpanOf(call));
    Judge(call, options, /*http_only_default=*/false, /*secure_needed=*/true);
  }

  void Judge(Node call, Node options, bool http_only_default, bool secure_needed) {
    const Flag http_only = FlagOf(model_, options, "httpOnly"), secure = FlagOf(model_, options, "secure"),
               same_site = FlagOf(model_, options, "sameSite");
    const bool readable = http_only == Flag::kOff || (http_only == Flag::kMissing && !http_only_default);
    const bool plain = (secure == Flag::kOff || (secure == Flag::kMissing && secure_needed)) && !secure_later_;
    const bool cross_site = same_site == Flag::kOff || (same_site == Flag::kMissing && !same_site_later_);
    std::vector<std::string> missing;
    if (readable) missing.emplace_back("httpOnly");
    if (plain) missing.emplace_back("secure");
    if (cross_site) missing.emplace_back("sameSite");
    http_only_ |= readable;
    secure_ |= plain;
    same_site_ |= cross_site;
    if (missing.empty()) return;
    for (const std::string& name : missing) {
      if (!text::IsOneOf(name, names_)) names_.push_back(name);
    }
    const Span span = model_.SpanOf(call);
    problems_.push_back(span);
    const bool only_same_site = !readable && !plain;
    reporter_.Find(
        span, only_same_site ? Severity::kNote : Severity::kWarning,
        text::Cat({"The code suggests that this cookie authenticates and is set without ", Listed(missing), "."}));
  }

  static std::string Listed(const std::vector<std::string>& names) {
    std::string all;
    for (size_t i = 0; i < names.size(); ++i) {
      all += text::Cat({i == 0 ? "" : i + 1 == names.size() ? " and " : ", ", "`", names[i], "`"});
    }
    return all;
  }

  const Model& model_;
  Reporter& reporter_;
  std::vector<Span> seen_, problems_;
  std::vector<std::string> names_;
  const bool secure_later_ = IsTurnedOnLater(model_, "secure"), same_site_later_ = IsTurnedOnLater(model_, "sameSite");
  bool http_only_ = false, secure_ = false, same_site_ = false;
};

// Signs that the application is meant to run for others: an image, a process file, a setting for production.
std::optional<Span> ProductionSign(const Model& model) {
  for (const SourceFile& file : model.files()) {
    const std::string_view name = BaseNameOf(file.path);
    if (IsDockerfilePath(file.path) || name == "Procfile" || name == "fly.toml" || name == "app.yaml" ||
        name == "render.yaml" || name.starts_with("ecosystem.config.")) {
      return WholeFile(file);
    }
  }
  std::optional<Span> place;
  model.ForEachMember({"NODE_ENV"}, [&](Node member) {
    const Node comparison = member.parent();
    const bool production =
        StringValue(comparison[Field::kRight]) == "production" || StringValue(comparison[Field::kLeft]) == "production";
    if (!place && comparison.Is(Kind::kBinary) && production) place = model.SpanOf(member);
  });
  return place;
}

struct StoreKind {
  double value;
  std::string_view words;
};

StoreKind KindOfStore(const Model& model, Node store) {
  const std::string origin = model.Resolve(store).origin;
  const std::string_view package = PackageOfOrigin(origin);
  if (text::Contains(origin, "MemoryStore") && package == "express-session")
    return {0.05, "express-session's own memory"};
  if (package == "memorystore") return {0.25, "the memory of the process, with a limit (memorystore)"};
  if (package == "session-file-store") return {0.4, "files of one machine (session-file-store)"};
  return {1.0, "a store outside the process"};
}

}  // namespace

void JudgeSessionCookies(const Model& model, Reporter& reporter) { CookieJudge(model, reporter).Run(); }

void JudgeSessionStore(const Model& model, Reporter& reporter) {
  Node found;
  for (const auto& module : model.modules()) {
    if (module->role != Role::kServer) continue;
    for (const uint32_t id : module->tree.All(Kind::kCall)) {
      const Node call(&module->tree, id);
      if (!found && model.OriginOf(CalleeOf(call)) == "express-session") found = call;
    }
  }
  if (!found) {
    reporter.NotObservedYet("express-session is not used.");
    return;
  }
  const Span span = model.SpanOf(found);
  const Node argument = ArgumentOf(found, 0);
  const Node options = ObjectBehind(model, argument);
  const Node store = OptionOf(model, options, "store");
  const bool assigned = [&] {
    bool later = false;
    model.ForEachMember({"store"}, [&](Node member) {
      later |= member.parent().Is(Kind::kAssignment) && member.parent()[Field::kLeft] == member;
    });
    return later;
  }();
  if (!store && ((argument && !options) || HasSpread(options) || assigned)) {
    reporter.Observe(0.8, error_of::kAbsence,
                     "The options of express-session are put together elsewhere; a store may be among them.", {span});
    return;
  }
  const StoreKind kind = store ? KindOfStore(model, store) : StoreKind{0.05, "express-session's own memory"};
  if (kind.value >= 1.0) {
    reporter.Observe(1.0, error_of::kSinglePlace, text::Cat({"Sessions are kept in ", kind.words, "."}), {span});
    return;
  }
  const std::optional<Span> production = ProductionSign(model);
  reporter.Find(span, production ? Severity::kWarning : Severity::kNote,
                text::Cat({"The code suggests that sessions are kept in ", kind.words,
                           production ? ", though the repository is prepared to run in production." : "."}));
  std::vector<Span> evidence = {span};
  if (production) evidence.push_back(*production);
  reporter.Observe(production ? kind.value : std::max(0.25, kind.value), production ? error_of::kCrossFile : 0.3,
                   text::Cat({"Sessions are kept in ", kind.words, "."}), std::move(evidence));
}

}  // namespace assay::code_analysis
