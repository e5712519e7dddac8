// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/checks/secret_scan.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <optional>
#include <utility>

#include "plugins/code_analysis/repository_files.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxScanned = 1u << 20;
constexpr size_t kMaxPlaces = 20;
// Lines longer than this are generated or minified.
constexpr size_t kMaxLine = 2'000;

enum class Alphabet { kUpperDigits, kWord, kBase64, kBase64Url, kHex, kSlack };

constexpr size_t kShortestRandom = 16;

bool Holds(Alphabet alphabet, char c) {
  switch (alphabet) {
    case Alphabet::kUpperDigits:
      return text::IsDigit(c) || (c >= 'A' && c <= 'Z');
    case Alphabet::kWord:
      return text::IsWord(c);
    case Alphabet::kBase64:
      return text::IsLetter(c) || text::IsDigit(c) || c == '+' || c == '/';
    case Alphabet::kBase64Url:
      return text::IsWord(c) || c == '-';
    case Alphabet::kHex:
      return text::IsHex(c);
    case Alphabet::kSlack:
      return text::IsLetter(c) || text::IsDigit(c) || c == '-' || c == '/';
  }
  return false;
}

// A key that is recognised by how it starts and how long it is.
struct Shape {
  std::string_view prefix;
  std::string_view kind;
  Alphabet alphabet;
  size_t min_length;  // of what follows the prefix
  size_t max_length;
};

constexpr std::array<Shape, 24> kShapes = {{
    {"AKIA", "AWS access key id", Alphabet::kUpperDigits, 16, 16},
    {"ASIA", "AWS access key id", Alphabet::kUpperDigits, 16, 16},
    {"ghp_", "GitHub token", Alphabet::kWord, 36, 36},
    {"gho_", "GitHub token", Alphabet::kWord, 36, 36},
    {"ghu_", "GitHub token", Alphabet::kWord, 36, 36},
    {"ghs_", "GitHub token", Alphabet::kWord, 36, 36},
    {"ghr_", "GitHub token", Alphabet::kWord, 36, 76},
    {"github_pat_", "GitHub token", Alphabet::kWord, 60, 90},
    {"glpat-", "GitLab token", Alphabet::kBase64Url, 20, 20},
    {"xoxb-", "Slack token", Alphabet::kSlack, 30, 120},
    {"xoxp-", "Slack token", Alphabet::kSlack, 30, 120},
    {"xoxa-", "Slack token", Alphabet::kSlack, 30, 120},
    {"xoxs-", "Slack token", Alphabet::kSlack, 30, 120},
    {"hooks.slack.com/services/T", "Slack webhook address", Alphabet::kSlack, 36, 60},
    {"sk_live_", "Stripe secret key", Alphabet::kWord, 24, 120},
    {"rk_live_", "Stripe restricted key", Alphabet::kWord, 24, 120},
    {"npm_", "npm token", Alphabet::kWord, 36, 36},
    {"SG.", "SendGrid key", Alphabet::kBase64Url, 22, 22},
    {"sk-proj-", "OpenAI key", Alphabet::kBase64Url, 40, 200},
    {"sk-ant-", "Anthropic key", Alphabet::kBase64Url, 40, 200},
    {"dop_v1_", "DigitalOcean token", Alphabet::kHex, 64, 64},
    {"shpat_", "Shopify token", Alphabet::kHex, 32, 32},
    {"AIza", "Google API key", Alphabet::kBase64Url, 35, 35},
    {"EAACEdEose0cBA", "Facebook token", Alphabet::kWord, 20, 200},
}};

// The first two characters of every prefix: one look at each place of a line rules all of them out.
class PrefixPairs {
 public:
  PrefixPairs() {
    for (const Shape& shape : kShapes) pairs_.set(At(shape.prefix[0], shape.prefix[1]));
  }
  bool Begins(char first, char second) const { return pairs_.test(At(first, second)); }

 private:
  static size_t At(char first, char second) {
    return static_cast<size_t>(static_cast<unsigned char>(first)) << 8 | static_cast<unsigned char>(second);
  }
  std::bitset<65536> pairs_;
};

bool IsRepetitive(std::string_view value) {
  int run = 1, longest_equal = 1, longest_rising = 1, rising = 1;
  for (size_t i = 1; i < value.size(); ++i) {
    run = value[i] == value[i - 1] ? run + 1 : 1;
    rising = value[i] == value[i - 1] + 1 ? rising + 1 : 1;
    longest_equal = std::max(longest_equal, run);
    longest_rising = std::max(longest_rising, rising);
  }
  return longest_equal >= 5 || longest_rising >= 6;
}

// Words and runs that people write where a value has to be filled in.
constexpr std::array<std::string_view, 42> kStandIns = {
    "example", "placeholder", "changeme", "change-me", "change_me",   "change this", "changethis",
    "your",    "xxx",         "dummy",    "sample",    "fake",        "todo",        "insert",
    "replace", "redacted",    "...",      "***",       "1234",        "abcd",        "foobar",
    "qwerty",  "default",     "password", "secret",    "process.env", "lorem",       "undefined",
    "null",    "test",        "demo",     "${",        "{{",          "<",           "%(",
    "$(",      "keyboard",    "not-a",    "notreal",   "mock",        "development", "shhh"};

class Scanner {
 public:
  Scanner(std::string_view path, std::string_view bytes) : path_(path), bytes_(bytes) {}

  std::vector<SecretPlace> Scan() {
    std::string_view rest = bytes_;
    const bool environment = IsEnvironmentFile(path_);
    while (const auto line = text::NextLine(&rest)) {
      ++number_;
      if (line->size() > kMaxLine) continue;
      PrivateKey(*line, rest);
      Shapes(*line);
      Addresses(*line);
      if (environment) {
        Environment(*line);
      } else {
        Assignments(*line);
      }
      if (places_.size() >= kMaxPlaces) break;
    }
    return std::move(places_);
  }

 private:
  void Add(std::string kind, std::string_view line, size_t offset, size_t length) {
    const auto column = static_cast<uint32_t>(offset + 1);
    for (const SecretPlace& place : places_) {
      const bool overlaps =
          place.line == number_ && column < place.column + place.length && place.column < column + length;
      if (overlaps) return;
    }
    if (places_.size() >= kMaxPlaces) return;
    places_.push_back({std::move(kind), std::string(line.substr(offset, std::min<size_t>(4, length))), number_, column,
                       static_cast<uint32_t>(length)});
  }

  void Shapes(std::string_view line) {
    static const PrefixPairs pairs;
    for (size_t at = 0; at + 1 < line.size(); ++at) {
      if (!pairs.Begins(line[at], line[at + 1])) continue;
      for (const Shape& shape : kShapes) {
        if (!line.substr(at).starts_with(shape.prefix)) continue;
        if (at > 0 && (text::IsWord(line[at - 1]) || line[at - 1] == '-')) continue;
        const size_t start = at + shape.prefix.size();
        size_t end = start;
        while (end < line.size() && Holds(shape.alphabet, line[end])) ++end;
        const std::string_view body = line.substr(start, end - start);
        if (body.size() < shape.min_length || body.size() > shape.max_length || LooksLikePlaceholder(body)) continue;
        if (EntropyOf(body) < 3.0) continue;
        // Google's keys for web clients are public by design.
        if (shape.prefix == "AIza" &&
            (text::Contains(bytes_, "authDomain") || text::Contains(bytes_, "maps.googleapis")))
          continue;
        if (shape.prefix == "SG." && (end >= line.size() || line[end] != '.')) continue;
        Add(std::string(shape.kind), line, at, end - at);
      }
    }
  }

  // A header alone is no key: its body has to follow, as lines or as "\n" inside a string.
  void PrivateKey(std::string_view line, std::string_view rest) {
    const size_t at = line.find("-----BEGIN ");
    if (at == std::string_view::npos) return;
    const size_t end = line.find("PRIVATE KEY", at);
    if (end == std::string_view::npos) return;
    const std::string copy = text::Cat({line.substr(end + 11), "\n", rest.substr(0, 400)});
    size_t body = 0;
    for (size_t i = 0; i < copy.size(); ++i) {
      const char c = copy[i];
      if (c == '\\' && i + 1 < copy.size()) {
        ++i;
      } else if (c == '-' && body > 20) {
        break;
      } else if (Holds(Alphabet::kBase64, c)) {
        ++body;
      }
    }
    const bool stand_in = text::Contains(copy.substr(0, 120), "...") || text::Contains(copy.substr(0, 120), "your") ||
                          text::Contains(copy.substr(0, 120), "${") || text::Contains(copy.substr(0, 120), "XXXX");
    if (body >= 100 && !stand_in) Add("private key", line, at, end + 11 - at);
  }

  // scheme://user:password@host, where the host is not this machine or a service of a compose file.
  void Addresses(std::string_view line) {
    for (size_t at = line.find("://"); at != std::string_view::npos; at = line.find("://", at + 1)) {
      size_t scheme = at;
      while (scheme > 0 && (text::IsWord(line[scheme - 1]) || line[scheme - 1] == '+')) --scheme;
      const size_t end = line.find_first_of(" \t\"'`<>,;)", at + 3);
      const std::string_view authority =
          line.substr(at + 3, std::min(end, line.find('/', at + 3)) - std::min(line.size(), at + 3));
      const size_t sign = authority.rfind('@'), colon = authority.find(':');
      if (sign == std::string_view::npos || colon == std::string_view::npos || colon > sign) continue;
      const std::string_view password = authority.substr(colon + 1, sign - colon - 1);
      const std::string_view user = authority.substr(0, colon);
      std::string_view host = authority.substr(sign + 1);
      host = host.substr(0, host.find(':'));
      const bool remote = text::Contains(host, ".") && !host.starts_with("127.") && !host.starts_with("10.") &&
                          !host.starts_with("192.168.") && !text::Contains(host, "example") &&
                          !host.ends_with(".local") && !host.ends_with(".test") && !host.ends_with("docker.internal") &&
                          !host.starts_with("0.0.");
      if (!remote || password.size() < 6 || password == user || LooksLikePlaceholder(password)) continue;
      if (LooksLikePlaceholder(host) || EntropyOf(password) < 2.5 ||
          password.find_first_of("{}$[]*") != std::string_view::npos)
        continue;
      if (text::EqualsIgnoringCase(password, "pass") || text::EqualsIgnoringCase(password, "passwd")) continue;
      Add(text::Cat({"password in a ", line.substr(scheme, at - scheme), " address"}), line, at + 3 + colon + 1,
          password.size());
    }
  }

  static bool IsRandomLooking(std::string_view value) {
    if (value.size() < kShortestRandom || value.size() > 200) return false;
    bool digit = false, lower = false, upper = false;
    for (const char c : value) {
      if (!Holds(Alphabet::kBase64Url, c) && !text::Contains("+/=.!@#%^&*", std::string_view(&c, 1))) return false;
      digit |= text::IsDigit(c);
      lower |= c >= 'a' && c <= 'z';
      upper |= c >= 'A' && c <= 'Z';
    }
    const bool hex = std::all_of(value.begin(), value.end(), text::IsHex);
    if (hex) return digit && (lower || upper) && value.size() >= 32 && EntropyOf(value) > 3.0;
    return digit && (lower || upper) && EntropyOf(value) >= (lower && upper ? 3.6 : 3.8) && !ReadsAsWords(value);
  }

  // "application-name-2024", "users.v1.token": words with separators between them.
  static bool ReadsAsWords(std::string_view value) {
    size_t words = 0, letters = 0, length = 0;
    for (const char c : value) {
      if (text::IsLetter(c)) {
        ++length;
        continue;
      }
      if (length >= 3) {
        ++words;
        letters += length;
      }
      length = 0;
    }
    if (length >= 3) {
      ++words;
      letters += length;
    }
    const bool camel =
        std::count_if(value.begin(), value.end(), text::IsDigit) * 6 < static_cast<ptrdiff_t>(value.size());
    return camel || (words >= 2 && letters * 10 >= value.size() * 7);
  }

  // name = "value", name: "value", "name": "value" with a value that looks drawn at random.
  void Assignments(std::string_view line) {
    for (size_t at = line.find_first_of("=:"); at != std::string_view::npos; at = line.find_first_of("=:", at + 1)) {
      const size_t value_at = line.find_first_not_of(" \t", at + 1);
      if (value_at == std::string_view::npos) return;
      const char quote = line[value_at];
      if (quote != '"' && quote != '\'' && quote != '`') continue;
      const size_t close = line.find(quote, value_at + 1);
      if (close == std::string_view::npos) return;
      const std::string_view value = line.substr(value_at + 1, close - value_at - 1);
      if (value.size() < kShortestRandom) continue;
      const std::string_view name = NameBefore(line, at);
      if (!NamesASecret(name) || LooksLikePlaceholder(value) || !IsRandomLooking(value)) continue;
      // A password that is stored as a digest is not the password.
      const bool digest = (value.size() == 32 || value.size() == 40 || value.size() == 64 || value.size() == 128) &&
                          std::all_of(value.begin(), value.end(), text::IsHex);
      if (digest && text::Contains(text::Lower(name), "passw")) continue;
      Add(text::Cat({"value of ", name}), line, value_at + 1, value.size());
    }
  }

  static std::string_view NameBefore(std::string_view line, size_t at) {
    size_t end = at;
    while (end > 0 && (text::IsSpace(line[end - 1]) || text::Contains("\"'`]?", line.substr(end - 1, 1)))) --end;
    size_t start = end;
    while (start > 0 && (text::IsWord(line[start - 1]) || line[start - 1] == '-')) --start;
    return line.substr(start, end - start);
  }

  void Environment(std::string_view line) {
    const std::string_view entry = text::WithoutPrefix(text::Trimmed(line), "export ");
    const size_t equals = entry.find('=');
    if (entry.starts_with("#") || equals == std::string_view::npos) return;
    const std::string_view name = text::Trimmed(entry.substr(0, equals));
    std::string_view value = text::Trimmed(entry.substr(equals + 1));
    value = text::Unquoted(value.substr(0, value.find(" #")));
    if (!NamesASecret(name) || value.size() < 10 || LooksLikePlaceholder(value)) return;
    const bool digit = std::any_of(value.begin(), value.end(), text::IsDigit);
    if (!digit || EntropyOf(value) < 3.0 || value.find_first_of(" /\\") != std::string_view::npos) return;
    Add(text::Cat({"value of ", name}), line, static_cast<size_t>(value.data() - line.data()), value.size());
  }

  std::string_view path_;
  std::string_view bytes_;
  uint32_t number_ = 0;
  std::vector<SecretPlace> places_;
};

}  // namespace

double EntropyOf(std::string_view value) {
  std::array<uint32_t, 256> counts{};
  for (const char c : value) ++counts[static_cast<unsigned char>(c)];
  double bits = 0;
  for (const uint32_t count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / static_cast<double>(value.size());
    bits -= share * std::log2(share);
  }
  return bits;
}

bool LooksLikePlaceholder(std::string_view value) {
  if (value.empty() || IsRepetitive(value)) return true;
  const std::string lower = text::Lower(value);
  return std::any_of(kStandIns.begin(), kStandIns.end(),
                     [&](std::string_view word) { return text::Contains(lower, word); });
}

bool NamesASecret(std::string_view name) {
  std::string plain;
  for (const char c : text::Lower(name)) {
    if (c != '_' && c != '-') plain.push_back(c);
  }
  // What only speaks about a secret: its name, place, length, the public half of a pair.
  for (const char* about :
       {"public",   "name",  "path",    "file",   "url",       "uri",   "header",      "field",   "type", "length",
        "expir",    "regex", "hash",    "prefix", "cookie",    "label", "placeholder", "message", "csrf", "integrity",
        "checksum", "site",  "message", "column", "attribute", "sha",   "digest",      "id"}) {
    if (plain.ends_with(about) ||
        (plain.size() > 3 && text::Contains(plain, about) && std::string_view(about).size() > 4))
      return false;
  }
  for (const char* word : {"secret", "password", "passwd", "apikey", "token", "privatekey", "accesskey", "secretkey",
                           "authkey", "encryptionkey", "signingkey", "jwtkey", "credential", "dbpass", "masterkey"}) {
    if (plain.ends_with(word)) return true;
  }
  return false;
}

bool IsEnvironmentFile(std::string_view path) {
  const std::string_view name = BaseNameOf(path);
  if (name != ".env" && !name.starts_with(".env.") && !name.ends_with(".env")) return false;
  for (const char* stand_in :
       {"example", "sample", "template", "dist", "default", "test", "ci", "schema", "tpl", "docker"}) {
    if (text::Contains(name, stand_in)) return false;
  }
  return true;
}

bool IsExemptFromSecrets(std::string_view path) {
  if (IsLockfilePath(path)) return true;
  const std::string lower = text::Lower(path);
  for (const char* folder : {"node_modules", "test",      "tests",         "__tests__",   "__mocks__",
                             "spec",         "specs",     "fixtures",      "fixture",     "mocks",
                             "mock",         "e2e",       "cypress",       "examples",    "example",
                             "vendor",       "testdata",  "samples",       "sample",      "bower_components",
                             "test-data",    "snapshots", "__snapshots__", "docs",        "doc",
                             "locales",      "i18n",      "lang",          "translations"}) {
    if (HasFolder(lower, folder)) return true;
  }
  const std::string_view name = BaseNameOf(lower);
  for (const char* part : {".test.", ".spec.", ".story", ".stories.", ".min.", ".example", ".sample", ".template",
                           ".dist", ".snap", "-test.", "_test."}) {
    if (text::Contains(name, part)) return true;
  }
  for (const char* end :
       {".map", ".svg", ".png", ".jpg", ".jpeg", ".gif", ".ico",  ".woff", ".woff2", ".ttf",  ".eot", ".pdf",
        ".zip", ".gz",  ".pub", ".crt", ".cer",  ".css", ".lock", ".wasm", ".mp4",   ".webp", ".sum", ".d.ts"}) {
    if (name.ends_with(end)) return true;
  }
  return false;
}

std::vector<SecretPlace> ScanForSecrets(std::string_view path, std::string_view bytes) {
  if (IsExemptFromSecrets(path) || !LooksLikeText(bytes)) return {};
  return Scanner(path, bytes.substr(0, kMaxScanned)).Scan();
}

}  // namespace assay::code_analysis
