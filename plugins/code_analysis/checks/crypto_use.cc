// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/checks/crypto_use.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "plugins/code_analysis/checks/constants.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr double kLowestBcryptCost = 10;
constexpr double kLowestIterations = 10'000;

// Names of values that nobody may guess.
bool MustBeUnguessable(std::string_view name) {
  const std::string lower = text::Lower(name);
  for (const char* word : {"token", "secret", "password", "passwd", "otp", "nonce", "sessionid", "session_id", "apikey",
                           "api_key", "verificationcode", "resetcode", "invitecode", "salt", "csrf", "pincode"}) {
    if (text::Contains(lower, word)) return true;
  }
  return lower == "pin";
}

bool IsPassword(Node node) {
  const std::string text = text::Lower(node.text());
  return text::Contains(text, "password") || text::Contains(text, "passwd") || text == "pwd" ||
         text::Contains(text, ".pwd");
}

class CryptoJudge {
 public:
  CryptoJudge(const Model& model, Reporter& reporter) : model_(model), reporter_(reporter) {}

  void Run() {
    Randomness();
    Digests();
    Ciphers();
    PasswordHashes();
    Certificates();
    if (problems_.empty() && sound_.empty()) {
      reporter_.NotObservedYet("No randomness for secrets, password hashing or cipher was found.");
      return;
    }
    if (problems_.empty()) {
      if (sound_.size() > 12) sound_.resize(12);
      reporter_.Observe(1.0, error_of::kSinglePlace,
                        "Secrets are drawn and passwords hashed with sound functions; nothing weak was seen.",
                        std::move(sound_));
      return;
    }
    std::vector<Span> evidence = problems_;
    if (evidence.size() > 12) evidence.resize(12);
    reporter_.Observe(value_, error_of::kHarmfulPlace, reason_, std::move(evidence));
  }

 private:
  void Fault(Node place, double value, Severity severity, std::string message, std::string reason) {
    if (model_.GuardOf(place) == Guard::kDevelopmentOnly) return;
    reporter_.Find(model_.SpanOf(place), severity, std::move(message));
    problems_.push_back(model_.SpanOf(place));
    if (value < value_) {
      value_ = value;
      reason_ = std::move(reason);
    }
  }
  void Sound(Node place) { sound_.push_back(model_.SpanOf(place)); }

  void Randomness() {
    model_.ForEachCall({"random"}, [&](Node call) {
      if (PathOf(CalleeOf(call)) != "Math.random") return;
      const std::string_view target = TargetName(call);
      if (!MustBeUnguessable(target)) return;
      Fault(call, 0.15, Severity::kWarning,
            text::Cat({"The code suggests that ", Code(target),
                       " is made with `Math.random()`, whose values can be predicted."}),
            "A value that must not be guessed is made with Math.random().");
    });
    model_.ForEachCall({"randomBytes", "randomUUID", "randomInt", "getRandomValues", "nanoid"}, [&](Node call) {
      const std::string package(PackageOfOrigin(model_.OriginOf(CalleeOf(call))));
      if (text::IsOneOf(package, {"crypto", "nanoid"})) Sound(call);
    });
  }

  // createHash("md5").update(password)
  void Digests() {
    model_.ForEachCall({"createHash", "md5", "sha1", "sha256"}, [&](Node call) {
      const std::string origin = model_.OriginOf(CalleeOf(call));
      const bool builtin = origin == "crypto.createHash";
      if (!builtin && !text::IsOneOf(PackageOfOrigin(origin), {"md5", "sha1", "js-sha256", "crypto-js"})) return;
      Node hashed = builtin ? Node() : ArgumentOf(call, 0);
      const Node update = call.parent().parent();
      if (builtin && update.Is(Kind::kCall) && CalleeName(update) == "update") hashed = ArgumentOf(update, 0);
      if (!hashed || !IsPassword(hashed)) return;
      const std::string name =
          builtin ? StringValue(ArgumentOf(call, 0)).value_or("a digest") : std::string(CalleeName(call));
      Fault(call, 0.1, Severity::kError,
            text::Cat({"The code suggests that passwords are hashed with ", name,
                       ", which is fast enough to try billions of them a second."}),
            text::Cat({"Passwords are hashed with ", name, "."}));
    });
  }

  void Ciphers() {
    model_.ForEachCall({"createCipher", "createDecipher", "createCipheriv"}, [&](Node call) {
      if (PackageOfOrigin(model_.OriginOf(CalleeOf(call))) != "crypto") return;
      const std::string_view name = CalleeName(call);
      if (name != "createCipheriv") {
        Fault(call, 0.2, Severity::kWarning,
              text::Cat({"The code suggests that ", Code(name),
                         " is used: it has no vector, is not authenticated, and is gone from Node 22."}),
              "A cipher without a vector is used.");
        return;
      }
      const std::string algorithm = text::Lower(StringValue(ArgumentOf(call, 0)).value_or(""));
      const std::optional<LiteralText> vector = LiteralBehind(model_, ArgumentOf(call, 2));
      const bool weak = text::Contains(algorithm, "-ecb") || algorithm.starts_with("des") ||
                        algorithm.starts_with("rc4") || algorithm.starts_with("bf");
      if (weak) {
        Fault(
            call, 0.15, Severity::kWarning,
            text::Cat({"The code suggests encryption with ", algorithm, ", which reveals patterns or can be broken."}),
            text::Cat({"Encryption uses ", algorithm, "."}));
      } else if (vector && vector->variable.empty() && !vector->value.empty()) {
        Fault(call, 0.2, Severity::kWarning,
              "The code suggests that every message is encrypted with the same vector, which is written in the code.",
              "The vector of a cipher is fixed.");
      } else {
        Sound(call);
      }
    });
  }

  // The number an expression is, following constants.
  std::optional<double> NumberBehind(Node expression) const {
    if (const auto number = NumberValue(expression)) return number;
    const Node value = model_.Resolve(expression).node;
    return value ? NumberValue(value) : std::nullopt;
  }

  void PasswordHashes() {
    model_.ForEachCall(
        {"hash", "hashSync", "genSalt", "genSaltSync", "scrypt", "scryptSync", "pbkdf2", "pbkdf2Sync",
         "timingSafeEqual"},
        [&](Node call) {
          const std::string origin = model_.OriginOf(CalleeOf(call));
          const std::string_view package = PackageOfOrigin(origin), name = CalleeName(call);
          const bool bcrypt = text::IsOneOf(package, {"bcrypt", "bcryptjs", "bcrypt-nodejs"});
          if (!bcrypt && !text::IsOneOf(package, {"argon2", "crypto", "scrypt-kdf"})) return;
          if (bcrypt) {
            const std::optional<double> cost = NumberBehind(ArgumentOf(call, name.starts_with("genSalt") ? 0 : 1));
            if (cost && *cost < kLowestBcryptCost) {
              Fault(call, 0.5, Severity::kNote,
                    text::Cat({"The code suggests a bcrypt cost of ", std::to_string(static_cast<int>(*cost)),
                               "; 10 and more is the usual floor today."}),
                    text::Cat({"The bcrypt cost is ", std::to_string(static_cast<int>(*cost)), "."}));
              return;
            }
          }
          const std::optional<double> iterations =
              name.starts_with("pbkdf2") ? NumberBehind(ArgumentOf(call, 2)) : std::nullopt;
          if (iterations && *iterations < kLowestIterations) {
            Fault(call, 0.4, Severity::kWarning,
                  text::Cat({"The code suggests ", std::to_string(static_cast<int>(*iterations)),
                             " iterations of pbkdf2, few enough to try many passwords quickly."}),
                  "pbkdf2 runs with few iterations.");
            return;
          }
          if (name != "hash" || package != "crypto") Sound(call);
        });
  }

  void Certificates() {
    model_.ForEachProperty({"rejectUnauthorized", "strictSSL"}, [&](Node property) {
      if (!property.Is(Kind::kPair) || BooleanValue(property[Field::kValue]) != false) return;
      Fault(property, 0.15, Severity::kWarning,
            text::Cat({"The code suggests that certificates are not checked here (", Code(property),
                       "): whoever sits on the line can answer."}),
            "Certificates are not checked on some connections.");
    });
    model_.ForEachMember({"NODE_TLS_REJECT_UNAUTHORIZED"}, [&](Node member) {
      const Node assignment = member.parent();
      if (!assignment.Is(Kind::kAssignment) || !(assignment[Field::kLeft] == member)) return;
      const Node right = assignment[Field::kRight];
      if (StringValue(right) != "0" && NumberValue(right) != 0) return;
      Fault(
          assignment, 0.05, Severity::kError,
          "The code suggests that no connection of this process checks certificates (`NODE_TLS_REJECT_UNAUTHORIZED`).",
          "Certificates are not checked on any connection.");
    });
  }

  const Model& model_;
  Reporter& reporter_;
  std::vector<Span> problems_, sound_;
  double value_ = 1.0;
  std::string reason_;
};

}  // namespace

void JudgeCrypto(const Model& model, Reporter& reporter) { CryptoJudge(model, reporter).Run(); }

}  // namespace assay::code_analysis
