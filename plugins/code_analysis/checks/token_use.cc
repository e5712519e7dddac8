// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/checks/token_use.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "plugins/code_analysis/checks/constants.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

// What one judgement of a place makes of the value of the whole; the lowest counts.
struct Verdict {
  double value = 1.0;
  std::vector<Span> worst;
  std::vector<Span> seen;
  std::string reason;

  void Lower(double to, const Span& place, std::string why) {
    if (to < value) {
      value = to;
      reason = std::move(why);
      worst.insert(worst.begin(), place);
    } else {
      worst.push_back(place);
    }
  }
};

class TokenJudge {
 public:
  TokenJudge(const Model& model, Reporter& reporter) : model_(model), reporter_(reporter) {}

  void Run() {
    Jsonwebtoken();
    Middleware();
    Jose();
    Decodings();
    if (verdict_.seen.empty()) {
      reporter_.NotObservedYet("No JSON Web Token is signed or verified.");
      return;
    }
    double value = verdict_.value;
    // Naming the algorithms is what keeps a token's own header from choosing.
    if (value == 1.0 && verifies_ && !pins_algorithms_) value = 0.85;
    if (verdict_.reason.empty()) {
      verdict_.reason =
          "Tokens are signed with a secret from outside the code" + std::string(expires_ ? " and expire" : "") + ".";
    }
    std::vector<Span> evidence = verdict_.worst.empty() ? verdict_.seen : verdict_.worst;
    if (evidence.size() > 12) evidence.resize(12);
    reporter_.Observe(value, value < 0.5 ? error_of::kHarmfulPlace : error_of::kCrossFile, verdict_.reason,
                      std::move(evidence));
  }

 private:
  void Secret(Node expression, Node place) {
    const std::optional<LiteralText> literal = LiteralBehind(model_, expression);
    if (!literal || literal->value.empty() || text::Contains(literal->value, "PUBLIC KEY")) return;
    const Span span = model_.SpanOf(place);
    if (literal->variable.empty()) {
      reporter_.Find(span, Severity::kError,
                     "The code suggests that tokens depend on a secret written in the code: whoever reads it can make "
                     "valid tokens.");
      verdict_.Lower(0.03, span, "The secret for tokens is written in the code.");
    } else if (!StopsWithout(model_, literal->variable)) {
      reporter_.Find(span, Severity::kWarning,
                     text::Cat({"The code suggests that tokens are signed with a secret written in the code whenever `",
                                literal->variable, "` is missing."}));
      verdict_.Lower(0.3, span, text::Cat({"Without `", literal->variable, "` a secret written in the code is used."}));
    }
  }

  void Expiry(Node call, Node payload, Node options) {
    const Node options_object = ObjectBehind(model_, options);
    const Node payload_object = ObjectBehind(model_, payload);
    const bool known =
        (!options || options_object) && !HasSpread(options_object) && payload_object && !HasSpread(payload_object);
    if (OptionOf(model_, options_object, "expiresIn") || PropertyOf(payload_object, "exp")) {
      expires_ = true;
    } else if (known) {
      const Span span = model_.SpanOf(call);
      reporter_.Find(span, Severity::kWarning,
                     "The code suggests that this token never expires: neither `expiresIn` nor `exp` is set.");
      verdict_.Lower(0.45, span, "A token is signed without an expiry.");
    }
  }

  void Verification(Node call, Node options) {
    verifies_ = true;
    const Node object = ObjectBehind(model_, options);
    const Node algorithms = OptionOf(model_, object, "algorithms");
    pins_algorithms_ |= static_cast<bool>(algorithms);
    const Span span = model_.SpanOf(call);
    for (const Node algorithm : algorithms.Bare().Children()) {
      if (text::EqualsIgnoringCase(StringValue(algorithm).value_or(""), "none")) {
        reporter_.Find(span, Severity::kError,
                       "The code suggests that unsigned tokens are accepted: `algorithms` holds \"none\".");
        verdict_.Lower(0.03, span, "Unsigned tokens are accepted.");
      }
    }
    if (BooleanValue(OptionOf(model_, object, "ignoreExpiration")) == true) {
      reporter_.Find(span, Severity::kWarning,
                     "The code suggests that expired tokens are accepted: `ignoreExpiration` is set.");
      verdict_.Lower(0.35, span, "Expired tokens are accepted.");
    }
  }

  // decode() reads a token without checking it: a fault on the way of a request when nothing in the server verifies.
  void Decodings() {
    if (verifies_) return;
    for (const Node call : decodings_) {
      const Span span = model_.SpanOf(call);
      reporter_.Find(span, Severity::kWarning,
                     "The code suggests that tokens are only decoded, here, and that nothing in the server checks "
                     "their signature.");
      verdict_.Lower(0.2, span, "Tokens are decoded without checking their signature.");
    }
  }

  void Jsonwebtoken() {
    model_.ForEachCall({"sign", "signAsync", "verify", "verifyAsync", "decode", "jwtDecode"}, [&](Node call) {
      const std::string origin = model_.OriginOf(CalleeOf(call));
      if (!text::IsOneOf(PackageOfOrigin(origin), {"jsonwebtoken", "jwt-simple", "jwt-decode", "express-jwt"})) return;
      verdict_.seen.push_back(model_.SpanOf(call));
      const std::string_view name = CalleeName(call);
      if (name.starts_with("sign")) {
        Secret(ArgumentOf(call, 1), call);
        const Node third = ArgumentOf(call, 2);
        Expiry(call, ArgumentOf(call, 0), third.IsFunction() ? Node() : third);
      } else if (name.starts_with("verify")) {
        Secret(ArgumentOf(call, 1), call);
        Verification(call, ArgumentOf(call, 2));
      } else {
        if (model_.OnRequestPath(call)) decodings_.push_back(call);
      }
    });
  }

  // Packages that take the secret in their options.
  void Middleware() {
    model_.ForEachProperty({"secret", "secretOrKey", "secretOrPublicKey"}, [&](Node property) {
      const Node object = property.parent();
      const Node call = object.parent().parent();
      if (!call.Is(Kind::kCall) && !call.Is(Kind::kNew)) return;
      const std::string package(PackageOfOrigin(model_.OriginOf(CalleeOf(call))));
      if (!text::IsOneOf(package, {"express-jwt", "passport-jwt", "koa-jwt"})) return;
      verdict_.seen.push_back(model_.SpanOf(call));
      verifies_ = true;
      pins_algorithms_ |= static_cast<bool>(PropertyOf(object, "algorithms"));
      Secret(PropertyOf(object, NameOf(property[Field::kKey] ? property[Field::kKey] : property)), property);
      if (BooleanValue(PropertyOf(object, "ignoreExpiration")) == true) Verification(call, object);
    });
  }

  void Jose() {
    model_.ForEachCall({"jwtVerify", "SignJWT", "decodeJwt"}, [&](Node call) {
      if (PackageOfOrigin(model_.OriginOf(CalleeOf(call))) != "jose") return;
      verdict_.seen.push_back(model_.SpanOf(call));
      const std::string_view name = CalleeName(call);
      if (name == "jwtVerify") {
        Verification(call, ArgumentOf(call, 2));
      } else if (name == "decodeJwt") {
        if (model_.OnRequestPath(call)) decodings_.push_back(call);
      } else {
        JoseExpiry(call);
      }
    });
  }

  void JoseExpiry(Node call) {
    const Node function = call.EnclosingFunction();
    for (const Node set : model_.ModuleOf(call).tree.CallsNamed("setExpirationTime")) {
      if (!function || function.Contains(set)) {
        expires_ = true;
        return;
      }
    }
    const Span span = model_.SpanOf(call);
    reporter_.Find(span, Severity::kWarning,
                   "The code suggests that this token never expires: `setExpirationTime` is not called.");
    verdict_.Lower(0.45, span, "A token is signed without an expiry.");
  }

  const Model& model_;
  Reporter& reporter_;
  Verdict verdict_;
  std::vector<Node> decodings_;
  bool verifies_ = false, pins_algorithms_ = false, expires_ = false;
};

bool Stops(Node branch) {
  if (branch.Is(Kind::kThrow)) return true;
  for (const Node node : branch.Descendants()) {
    if (node.Is(Kind::kThrow)) return true;
    if (!node.Is(Kind::kCall)) continue;
    const std::string path = PathOf(CalleeOf(node));
    if (text::IsOneOf(path, {"process.exit", "process.abort"})) return true;
  }
  return false;
}

// `!process.env.X`, `process.env.X === undefined`, `process.env.X == null`.
bool AsksWhetherMissing(Node member) {
  const Node around = member.parent().Is(Kind::kParenthesized) ? member.parent().parent() : member.parent();
  if (around.Is(Kind::kUnary)) return around.op() == Operator::kNot || around.op() == Operator::kTypeof;
  if (!around.Is(Kind::kBinary) || (around.op() != Operator::kEqual && around.op() != Operator::kStrictEqual))
    return false;
  const Node other = around[Field::kRight].Bare();
  return other.Is(Kind::kUndefined) || other.Is(Kind::kNull) || StringValue(other) == "";
}

}  // namespace

bool StopsWithout(const Model& model, std::string_view variable) {
  bool stops = false;
  model.ForEachMember({variable}, [&](Node member) {
    if (stops || !PathOf(member).starts_with("process.env.") || !AsksWhetherMissing(member)) return;
    const Node branch = member.Enclosing(Kind::kIf);
    stops = branch && branch[Field::kCondition].Contains(member) && Stops(branch[Field::kConsequence]);
  });
  return stops;
}

void JudgeTokens(const Model& model, Reporter& reporter) { TokenJudge(model, reporter).Run(); }

}  // namespace assay::code_analysis
