// SPDX-License-Identifier: Apache-2.0
// D: secrets in the tree, tokens, session cookies and their store, cryptography.
#include <algorithm>
#include <string>
#include <vector>

#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/checks/crypto_use.h"
#include "plugins/code_analysis/checks/secret_scan.h"
#include "plugins/code_analysis/checks/session_use.h"
#include "plugins/code_analysis/checks/token_use.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxEvidence = 12;

bool IgnoresEnvironmentFiles(const Model& model) {
  const SourceFile* file = model.Find(".gitignore");
  if (file == nullptr) return false;
  std::string_view rest = file->bytes;
  while (const auto line = text::NextLine(&rest)) {
    const std::string_view pattern = text::WithoutPrefix(text::Trimmed(*line), "/");
    if (text::IsOneOf(pattern, {".env", ".env*", ".env.*", "*.env", "**/.env"})) return true;
  }
  return false;
}

void NoSecretsInTree(const Model& model, Reporter& reporter) {
  std::vector<Span> evidence;
  size_t found = 0;
  std::string kinds;
  for (const SourceFile& file : model.files()) {
    for (const SecretPlace& place : ScanForSecrets(file.path, file.bytes)) {
      const Span span{&file, place.line, place.column, place.line, place.column + place.length};
      const bool key_block = place.start.starts_with("---");
      reporter.Find(span, text::Cat({"The code suggests a ", place.kind, " in the repository",
                                     key_block ? std::string(".")
                                               : text::Cat({" (", place.start, "…, ", std::to_string(place.length),
                                                            " characters)."})}));
      if (++found <= kMaxEvidence) evidence.push_back(span);
      if (found == 1) kinds = place.kind;
    }
  }
  if (found > 0) {
    const std::string rationale =
        text::Cat({"Found: ", kinds, found == 1 ? "." : text::Cat({" and ", std::to_string(found - 1), " more."})});
    reporter.Observe(found == 1 ? 0.1 : 0.0, error_of::kHarmfulPlace, rationale, std::move(evidence));
    return;
  }
  if (IgnoresEnvironmentFiles(model)) {
    reporter.Observe(1.0, 0.25,
                     "No secret was recognised in any text file, and files with settings of an environment stay out of "
                     "the repository.",
                     {WholeFile(*model.Find(".gitignore"))});
    return;
  }
  reporter.Observe(1.0, error_of::kAbsence, "No secret was recognised in any text file.", {model.Anchor()});
}

constexpr Check kChecks[] = {
    {
        .id = "D1",
        .criterion = "secrets.none_in_tree",
        .title = "No secrets in the repository",
        .severity = Severity::kError,
        .help = "Whoever can read the repository, a copy or its history can use the key. Revoke it first, since "
                "removing the line does not "
                "take it out of the history; then read it from the environment or a secret store, commit only an "
                "example file with "
                "stand-ins, and let a scan in the pipeline refuse the next one.",
        .question = "This value has been pushed. What do you do in the next hour, and in what order?",
        .good_answer = "Revokes and reissues the key before anything else, checks logs for its use, moves it to the "
                       "environment or a secret "
                       "manager, decides about rewriting history, and adds a scan so that it does not happen again.",
        .run = NoSecretsInTree,
    },
    {
        .id = "D2",
        .criterion = "auth.jwt",
        .title = "Tokens are signed with a real secret, verified, and expire",
        .severity = Severity::kError,
        .help = "A signing secret in the code, or a default for when the variable is missing, lets anybody who has "
                "seen it make tokens. Read it "
                "from the environment and stop at start when it is missing; verify with a fixed list of algorithms "
                "(`algorithms: "
                "['HS256']`), never only decode; give tokens a short life (`expiresIn`).",
        .question =
            "Somebody has read this line. Which requests can they make tomorrow, and how would you take that away?",
        .good_answer = "Explains that the secret is the whole authentication, how to rotate it (two accepted keys for "
                       "a while), why decoding is "
                       "no verification, and what expiry and revocation each solve.",
        .run = JudgeTokens,
    },
    {
        .id = "D3",
        .criterion = "session.cookie_flags",
        .title = "Session cookies are kept from scripts, plain connections and other sites",
        .severity = Severity::kWarning,
        .help = "`httpOnly` keeps the cookie from scripts, `secure` from unencrypted connections, `sameSite` from "
                "requests that other sites "
                "start. Set all three on cookies that authenticate (`secure: true` in production, behind a proxy "
                "together with `trust "
                "proxy`).",
        .question = "Which attack does each of the three flags on this cookie stop, and which of them would break your "
                    "local set-up?",
        .good_answer = "Assigns script theft, eavesdropping and cross-site requests to the flags, knows the defaults "
                       "of the package in use, and "
                       "handles `secure` behind a proxy with `trust proxy` instead of turning it off.",
        .run = JudgeSessionCookies,
    },
    {
        .id = "D3b",
        .criterion = "session.store",
        .title = "Sessions live outside the process",
        .severity = Severity::kWarning,
        .help = "Without `store`, express-session keeps sessions in the memory of the process: they are lost at every "
                "deployment, unknown to a "
                "second instance, and never collected. Use a store shared by all instances (Redis, the database), or "
                "signed stateless "
                "cookies.",
        .question = "You deploy this twice a day on two instances. What do people who are logged in notice?",
        .good_answer = "Says that sessions vanish on restart and differ between instances, that memory grows, and "
                       "weighs a shared store against "
                       "stateless tokens (revocation, size, secrets).",
        .run = JudgeSessionStore,
    },
    {
        .id = "D9",
        .criterion = "crypto.sound",
        .title = "Randomness, hashing and transport security hold",
        .severity = Severity::kWarning,
        .help = "`Math.random()` can be predicted: take tokens from `crypto.randomBytes` or `crypto.randomUUID`. Hash "
                "passwords with argon2, "
                "scrypt or bcrypt at a cost of 10 or more, never with a plain digest. Use authenticated ciphers with a "
                "fresh vector, and keep "
                "certificate checks on (add a private authority with `ca`).",
        .question =
            "What would somebody need to know or compute to get around this line, and what does it cost them today?",
        .good_answer = "Names the property that is missing (unpredictability, slowness, authenticity), the right "
                       "primitive of `crypto` or of a "
                       "vetted package, and how existing values are migrated (rehash at next login).",
        .run = JudgeCrypto,
    },
};

}  // namespace

std::span<const Check> SecretChecks() { return kChecks; }

}  // namespace assay::code_analysis
