// A6, A7, A8, A9: settings of the application and options of its middleware.
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <functional>

#include "plugins/code_analysis/checks/reading.h"
#include "plugins/code_analysis/checks/wiring.h"

namespace assay::code_analysis {
namespace {

// app.set(name, value), app.enable(name), app.disable(name), in the order of files and places.
std::vector<Node> SettingCalls(const Model& model, std::string_view name) {
  std::vector<Node> calls;
  model.ForEachCall({"set", "enable", "disable"}, [&](Node call) {
    const auto setting = StringValue(ArgumentOf(call, 0));
    if (setting && *setting == name && CalleeOf(call).Is(Kind::kMember)) calls.push_back(call);
  });
  return calls;
}

bool LimitsRates(const Model& model) {
  return model.IsRegistered({"express-rate-limit", "rate-limiter-flexible", "express-slow-down", "express-brute"});
}

// The place where the client's address decides something; none when nothing depends on it.
Node AddressUse(const Model& model) {
  Node use;
  model.ForEachMember({"ip", "ips"}, [&](Node member) {
    const std::string path = PathOf(member[Field::kObject]);
    if (!use && (path == "req" || path == "request" || path == "this.req")) use = member;
  });
  return use;
}

// A file that puts a proxy in front: an ingress, nginx, a platform that brings one.
const SourceFile* ProxyManifest(const Model& model) {
  for (const SourceFile& file : model.files()) {
    const std::string_view path = file.path,
                           base = path.substr(path.rfind('/') == std::string_view::npos ? 0 : path.rfind('/') + 1);
    if (base == "nginx.conf" || base == "Procfile" || base == "fly.toml" || base == "app.yaml" ||
        base == "render.yaml" || base == "Caddyfile")
      return &file;
    const bool yaml =
        base.size() > 5 && (base.substr(base.size() - 5) == ".yaml" || base.substr(base.size() - 4) == ".yml");
    if (yaml && file.bytes.size() < (1u << 20) &&
        (file.bytes.find("kind: Ingress") != std::string_view::npos ||
         file.bytes.find("image: nginx") != std::string_view::npos ||
         file.bytes.find("image: traefik") != std::string_view::npos)) {
      return &file;
    }
  }
  return nullptr;
}

struct Headers {
  std::vector<Node> places;
  size_t count = 0;
};

Headers HeadersByHand(const Model& model) {
  Headers headers;
  model.ForEachCall({"setHeader", "set", "header", "append"}, [&](Node call) {
    const auto name = StringValue(ArgumentOf(call, 0));
    if (!name) return;
    std::string lower = *name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
    for (std::string_view header : {"content-security-policy", "strict-transport-security", "x-frame-options",
                                    "x-content-type-options", "referrer-policy"}) {
      if (lower != header) continue;
      headers.places.push_back(call);
      ++headers.count;
    }
  });
  return headers;
}

struct CorsVerdict {
  double value = 1;
  std::string text;
};

CorsVerdict JudgeCorsOptions(const Model& model, Node options) {
  if (!options) return {0.35, "without options it admits every origin"};
  const Value resolved = model.Resolve(options);
  if (resolved.node.IsFunction()) return {1, ""};
  if (!resolved.node.Is(Kind::kObject)) return {0.75, ""};
  const Setting origin = SettingOf(model, options, "origin"), credentials = SettingOf(model, options, "credentials");
  const bool with_credentials = BooleanValue(model.Resolve(credentials.value).node) == std::optional<bool>(true);
  if (!origin)
    return origin.known ? CorsVerdict{0.35, "without `origin` it admits every origin"} : CorsVerdict{0.75, ""};
  const Node value = model.Resolve(origin.value).node;
  if (BooleanValue(value) == std::optional<bool>(true)) {
    return with_credentials ? CorsVerdict{0, "it reflects whatever origin asks, with credentials"}
                            : CorsVerdict{0.3, "it reflects whatever origin asks"};
  }
  const auto text = StringValue(value);
  if (text && *text == "*")
    return with_credentials ? CorsVerdict{0.2, "it answers `*` with credentials, which browsers refuse"}
                            : CorsVerdict{0.35, "it admits every origin"};
  if (value.IsFunction() && ParametersOf(value).size() >= 2) {
    // function (origin, callback) { callback(null, true) } admits everyone.
    const auto calls = value.tree()->AllInside(Kind::kCall, value);
    const std::string_view callback = ParameterName(ParametersOf(value)[1]);
    if (calls.size() == 1 && CalleeName(calls[0]) == callback &&
        BooleanValue(ArgumentOf(calls[0], 1)) == std::optional<bool>(true) &&
        value.tree()->AllInside(Kind::kReturn, value).empty()) {
      return with_credentials ? CorsVerdict{0, "its function admits every origin, with credentials"}
                              : CorsVerdict{0.3, "its function admits every origin"};
    }
  }
  return {1, ""};
}

// res.setHeader("Access-Control-Allow-Origin", …) by hand.
std::vector<std::pair<Node, CorsVerdict>> CorsByHand(const Model& model) {
  std::vector<std::pair<Node, CorsVerdict>> found;
  bool credentials = false;
  const auto is_header = [](Node call, std::string_view wanted) {
    auto name = StringValue(ArgumentOf(call, 0)).value_or("");
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
    return name == wanted;
  };
  model.ForEachCall({"setHeader", "header", "set"}, [&](Node call) {
    credentials = credentials || is_header(call, "access-control-allow-credentials");
  });
  model.ForEachCall({"setHeader", "header", "set"}, [&](Node call) {
    if (!is_header(call, "access-control-allow-origin")) return;
    const Node value = ArgumentOf(call, 1);
    if (StringValue(value) == std::optional<std::string>("*")) {
      found.emplace_back(call, CorsVerdict{0.4, "it admits every origin"});
    } else if (model.RequestDataIn(value)) {
      found.emplace_back(call, credentials ? CorsVerdict{0, "it reflects whatever origin asks, with credentials"}
                                           : CorsVerdict{0.3, "it reflects whatever origin asks"});
    } else {
      found.emplace_back(call, CorsVerdict{1, ""});
    }
  });
  return found;
}

}  // namespace

void CheckTrustProxy(const Model& model, Reporter& reporter) {
  const auto settings = SettingCalls(model, "trust proxy");
  const Node use = AddressUse(model);
  const bool limits = LimitsRates(model);
  if (!settings.empty()) {
    const Node last = settings.back();  // the last one wins
    const Node value = model.Resolve(ArgumentOf(last, 1)).node;
    const bool everyone = CalleeName(last) == "enable" || BooleanValue(value) == std::optional<bool>(true);
    const bool off = CalleeName(last) == "disable" || BooleanValue(value) == std::optional<bool>(false);
    if (everyone && (limits || use)) {
      reporter.Find(model.SpanOf(last),
                    "`trust proxy` is true while " +
                        std::string(limits ? "a rate limiter counts by address" : "req.ip is used") +
                        ": the code suggests that a client can choose its own address with X-Forwarded-For.");
      return reporter.Observe(0.15, error_of::kCrossFile,
                              "Every X-Forwarded-For is trusted, and the address decides something.",
                              {model.SpanOf(last), use ? model.SpanOf(use) : Span{}});
    }
    if (everyone)
      return reporter.Observe(0.5, error_of::kSinglePlace,
                              "Every X-Forwarded-For is trusted; nothing was found that depends on the address.",
                              {model.SpanOf(last)});
    if (off) return reporter.NotObservedYet("`trust proxy` is off, which is also its default.");
    const bool precise = NumberValue(value) || StringValue(value) || value.IsFunction() || value.Is(Kind::kArray);
    return reporter.Observe(
        precise ? 1 : 0.75, error_of::kSinglePlace,
        precise ? "`trust proxy` names hops, addresses or a rule." : "`trust proxy` comes from the configuration.",
        {model.SpanOf(last)});
  }
  const SourceFile* proxy = ProxyManifest(model);
  if (!limits && !use) return reporter.NotObservedYet("Nothing was found that depends on the client's address.");
  if (proxy == nullptr)
    return reporter.NotObservedYet(
        "The client's address is used, and nothing in the repository says whether a proxy stands in front.");
  const Span place = use ? model.SpanOf(use) : model.Anchor();
  reporter.Find(
      place,
      "The client's address is used here and " + std::string(proxy->path) +
          " suggests a proxy in front, but `trust proxy` is not set: every request seems to come from the proxy.");
  reporter.Observe(0.2, error_of::kAbsence, "An address is used behind a proxy without `trust proxy`.",
                   {place, WholeFile(*proxy)});
}

void CheckHeaders(const Model& model, Reporter& reporter) {
  if (model.routes().empty()) return reporter.NotObservedYet("No routes were found that could send headers.");
  for (const Registration& registration : model.registrations()) {
    for (const std::string& origin : OriginsOf(model, registration)) {
      if (!ComesFrom(origin, {"helmet", "lusca"})) continue;
      const Span place = model.SpanOf(registration.call);
      if (registration.guard == Guard::kDevelopmentOnly) {
        reporter.Find(place,
                      "Security headers are registered only outside production (`" + registration.guard_text + "`).");
        return reporter.Observe(0.15, error_of::kHarmfulPlace, "Security headers are sent only outside production.",
                                {place});
      }
      Node options;
      model.ForEachCall({"helmet"}, [&](Node call) { options = options ? options : ArgumentOf(call, 0); });
      const Setting policy = SettingOf(model, options, "contentSecurityPolicy");
      if (options && policy && BooleanValue(policy.value) == std::optional<bool>(false)) {
        reporter.Find(model.SpanOf(policy.value.parent()),
                      "Helmet is registered with its content security policy switched off.");
        return reporter.Observe(0.75, error_of::kSinglePlace, "Helmet is registered without a content security policy.",
                                {place});
      }
      return reporter.Observe(1, error_of::kCrossFile, "Security headers are registered for the application.", {place});
    }
  }
  const Headers by_hand = HeadersByHand(model);
  std::vector<Node> hidden = SettingCalls(model, "x-powered-by");
  std::vector<Span> places = SpansOf(model, by_hand.places);
  for (Node call : hidden) places.push_back(model.SpanOf(call));
  if (!places.empty()) {
    const double value = std::min(0.9, 0.25 + 0.15 * static_cast<double>(by_hand.count) + (hidden.empty() ? 0 : 0.15));
    return reporter.Observe(
        value, error_of::kSinglePlace,
        Counted(by_hand.count, "security header") + " set by hand" + (hidden.empty() ? "." : ", X-Powered-By off."),
        std::move(places));
  }
  reporter.Find(model.Anchor(),
                "No security headers were found: the code suggests that answers carry X-Powered-By and none of "
                "helmet's headers.");
  reporter.Observe(0.15, error_of::kAbsence, "No security headers were found; a proxy may add them.", {model.Anchor()});
}

void CheckCors(const Model& model, Reporter& reporter) {
  double worst = 2;
  std::vector<Span> places;
  const auto judge = [&](Node call, const CorsVerdict& verdict) {
    const Span place = model.SpanOf(call);
    if (verdict.value < 0.5)
      reporter.Find(place, verdict.value == 0 ? Severity::kError : Severity::kWarning,
                    "The code suggests that other sites can read what this API answers: " + verdict.text + ".");
    if (verdict.value < worst) {
      worst = verdict.value;
      places.insert(places.begin(), place);
    } else {
      places.push_back(place);
    }
  };
  for (const auto& module : model.modules()) {
    if (module->role != Role::kServer) continue;
    for (Node import : model.ImportsOf("cors")) {
      if (import.tree() != &module->tree) continue;
      for (uint32_t id : module->tree.All(Kind::kCall)) {
        const Node call(&module->tree, id);
        if (model.OriginOf(CalleeOf(call)) == "cors") judge(call, JudgeCorsOptions(model, ArgumentOf(call, 0)));
      }
      break;
    }
  }
  for (const auto& [call, verdict] : CorsByHand(model)) judge(call, verdict);
  if (places.empty()) return reporter.NotObservedYet("No CORS headers are set: the browser's same-origin rule holds.");
  reporter.Observe(worst, worst < 0.5 ? error_of::kHarmfulPlace : error_of::kSinglePlace,
                   worst < 0.5 ? "Other origins than the intended ones may read answers."
                               : "CORS is limited to what is listed or computed.",
                   std::move(places));
}

std::optional<double> BytesOf(std::string_view text) {
  const std::string copy(text);
  char* end = nullptr;
  const double number = std::strtod(copy.c_str(), &end);
  if (end == copy.c_str()) return std::nullopt;
  std::string unit;
  for (; *end != '\0'; ++end) {
    if (*end != ' ') unit += static_cast<char>(std::tolower(static_cast<unsigned char>(*end)));
  }
  if (unit.empty() || unit == "b") return number;
  if (unit == "kb" || unit == "k") return number * 1024;
  if (unit == "mb" || unit == "m") return number * 1024 * 1024;
  if (unit == "gb" || unit == "g") return number * 1024 * 1024 * 1024;
  return std::nullopt;
}

namespace {

// req.on("data", (chunk) => { body += chunk; }) on the way of a request, with no word about its length.
void ReadersWithoutLimit(const Model& model, const std::function<void(Node call)>& visit) {
  model.ForEachCall({"on", "addListener"}, [&](Node call) {
    if (StringValue(ArgumentOf(call, 0)) != std::optional<std::string>("data")) return;
    const std::string source = PathOf(CalleeOf(call)[Field::kObject]);
    if (source != "req" && source != "request" && source != "ctx.req") return;
    const Node function = call.EnclosingFunction();
    const Node listener = model.Resolve(ArgumentOf(call, 1)).node;
    if (!function || !listener.IsFunction() || model.HandlerReaching(call) == nullptr) return;
    bool gathers = false;
    for (Node write : listener.tree()->AllInside(Kind::kAugmentedAssignment, listener))
      gathers = gathers || write.op() == Operator::kPlus || write.text().find("+=") != std::string_view::npos;
    for (Node inner : listener.tree()->AllInside(Kind::kCall, listener))
      gathers = gathers || CalleeName(inner) == "push";
    if (!gathers) return;
    const std::string_view text = function.text();
    for (std::string_view mark :
         {"length", "size", "Size", "limit", "Limit", "LIMIT", "413", "destroy", "max", "MAX"}) {
      if (text.find(mark) != std::string_view::npos) return;
    }
    visit(call);
  });
}

}  // namespace

void CheckBodySize(const Model& model, Reporter& reporter) {
  std::vector<Node> raised, bounded, unbounded, unset;
  const auto size_of = [&](Node value) -> std::optional<double> {
    const Node node = model.Resolve(value).node;
    if (const auto number = NumberValue(node)) return number;
    const auto texts = model.TextsOf(value);
    return texts.empty() ? std::nullopt : BytesOf(texts[0]);
  };
  model.ForEachCall({"json", "urlencoded", "raw", "text", "bodyParser"}, [&](Node call) {
    const std::string origin = model.OriginOf(CalleeOf(call));
    if (!ComesFrom(origin, {"express.json", "express.urlencoded", "express.raw", "express.text", "body-parser"}))
      return;
    const Setting limit = SettingOf(model, ArgumentOf(call, 0), "limit");
    if (!limit) {
      (limit.known ? unset : bounded).push_back(call);
      return;
    }
    const auto bytes = size_of(limit.value);
    const bool single_route = call.parent().Is(Kind::kArguments) && CalleeName(call.parent().parent()) != "use";
    if (bytes && *bytes > (single_route ? 64.0 : 5.0) * 1024 * 1024) {
      raised.push_back(call);
      reporter.Find(model.SpanOf(call), "The code suggests that bodies of up to " + std::string(limit.value.text()) +
                                            " are read into memory" +
                                            (single_route ? "." : " on every route, against 100 kB by default."));
    } else {
      bounded.push_back(call);
    }
  });
  const auto upload = [&](Node call, std::string_view key, std::string_view what) {
    const Setting limits = SettingOf(model, ArgumentOf(call, 0), key);
    if (limits || !limits.known) {
      bounded.push_back(call);
      return;
    }
    unbounded.push_back(call);
    reporter.Find(model.SpanOf(call), "The code suggests that uploads through " + std::string(what) +
                                          " have no limit on size or number of files.");
  };
  for (std::string_view package : {"multer", "express-fileupload", "busboy", "connect-busboy"}) {
    for (Node import : model.ImportsOf(package)) {
      const Module& module = model.ModuleOf(import);
      if (module.role != Role::kServer) continue;
      for (Kind kind : {Kind::kCall, Kind::kNew}) {
        for (uint32_t id : module.tree.All(kind)) {
          const Node call(&module.tree, id);
          const std::string origin = model.OriginOf(CalleeOf(call));
          if (origin == package || origin == "busboy.Busboy") upload(call, "limits", package);
        }
      }
    }
  }
  ReadersWithoutLimit(model, [&](Node call) {
    unbounded.push_back(call);
    reporter.Find(model.SpanOf(call),
                  "The code suggests that this gathers the whole body in memory, however long it is: nothing around it "
                  "looks at its length.");
  });
  std::vector<Node> bad = raised;
  bad.insert(bad.end(), unbounded.begin(), unbounded.end());
  if (!bad.empty())
    return reporter.Observe(
        0.2, error_of::kHarmfulPlace,
        Counted(raised.size(), "raised body limit") + ", " + Counted(unbounded.size(), "place") + " without a limit.",
        SpansOf(model, bad));
  if (!bounded.empty()) {
    reporter.Claim(model.SpanOf(bounded[0]), "Bodies are refused beyond a limit that is set here.");
    return reporter.Observe(0.95, error_of::kSinglePlace, "Limits on bodies or uploads are set.",
                            SpansOf(model, bounded));
  }
  if (!unset.empty()) {
    reporter.Claim(model.SpanOf(unset[0]), "Bodies beyond 100 kB are refused, the parser's default.");
    return reporter.NotObservedYet("Body parsers keep their default limit of 100 kB; nothing was set on purpose.");
  }
  reporter.NotObservedYet("No body or upload parser was found.");
}

}  // namespace assay::code_analysis
