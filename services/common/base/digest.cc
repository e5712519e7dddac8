// SPDX-License-Identifier: Apache-2.0
#include "services/common/base/digest.h"

#include <openssl/evp.h>
#include <sys/random.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace assay {
namespace {

constexpr absl::string_view kPrefix = "sha256:";

bool IsLowerHex(absl::string_view text) {
  for (char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

// Looked up once: OpenSSL otherwise searches its providers, under a lock of the process, for every digest.
const EVP_MD* Sha256() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

void Begin(EVP_MD_CTX* context) {
  if (EVP_DigestInit_ex(context, Sha256(), nullptr) != 1) std::abort();
}

void Add(EVP_MD_CTX* context, absl::string_view data) {
  if (EVP_DigestUpdate(context, data.data(), data.size()) != 1) std::abort();
}

void End(EVP_MD_CTX* context, unsigned char* bytes) {
  unsigned int size = 0;
  if (EVP_DigestFinal_ex(context, bytes, &size) != 1 || size != Digest::kSize) std::abort();
}

// One digest at a time in each thread needs no context of its own.
EVP_MD_CTX* ThreadContext() {
  struct Owner {
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    ~Owner() { EVP_MD_CTX_free(context); }
  };
  static thread_local const Owner owner;
  return owner.context;
}

}  // namespace

absl::StatusOr<Digest> Digest::Parse(absl::string_view text) {
  absl::string_view hex = text;
  if (!absl::ConsumePrefix(&hex, kPrefix) || hex.size() != 2 * kSize || !IsLowerHex(hex)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text.substr(0, 80), "' is not a digest; expected sha256: and 64 lower-case hex digits"));
  }
  return FromBytes(absl::HexStringToBytes(hex));
}

absl::StatusOr<Digest> Digest::FromBytes(absl::string_view bytes) {
  if (bytes.size() != kSize) {
    return absl::InvalidArgumentError(absl::StrCat("a digest has 32 bytes, found ", bytes.size()));
  }
  Digest digest;
  std::memcpy(digest.bytes_.data(), bytes.data(), kSize);
  return digest;
}

Digest Digest::Of(absl::string_view data) {
  EVP_MD_CTX* const context = ThreadContext();
  Begin(context);
  Add(context, data);
  Digest digest;
  End(context, digest.bytes_.data());
  return digest;
}

std::string Digest::ToHex() const { return absl::BytesToHexString(bytes()); }
std::string Digest::ToString() const { return absl::StrCat(kPrefix, ToHex()); }

struct Hasher::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(evp); }
};

Hasher::Hasher() : context_(std::make_unique<Context>()) {
  Begin(context_->evp);
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::Update(absl::string_view data) {
  Add(context_->evp, data);
}

Digest Hasher::Finish() {
  Digest digest;
  End(context_->evp, digest.bytes_.data());
  return digest;
}

// RFC 2104.
Digest Hmac(absl::string_view key, absl::string_view data) {
  constexpr size_t kBlock = 64;
  std::array<char, kBlock> padded = {};
  if (key.size() > kBlock) {
    const Digest shorter = Digest::Of(key);
    std::memcpy(padded.data(), shorter.bytes().data(), Digest::kSize);
  } else if (!key.empty()) {
    std::memcpy(padded.data(), key.data(), key.size());
  }
  const auto pad_with = [&padded](char pad) {
    std::array<char, kBlock> block = padded;
    for (char& byte : block) byte = static_cast<char>(byte ^ pad);
    return block;
  };
  const std::array<char, kBlock> inner_pad = pad_with(0x36), outer_pad = pad_with(0x5c);
  std::array<unsigned char, Digest::kSize> bytes;
  EVP_MD_CTX* const context = ThreadContext();
  Begin(context);
  Add(context, {inner_pad.data(), kBlock});
  Add(context, data);
  End(context, bytes.data());
  const absl::string_view inner(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  Begin(context);
  Add(context, {outer_pad.data(), kBlock});
  Add(context, inner);
  End(context, bytes.data());
  return *Digest::FromBytes(inner);
}

std::string Base32(absl::string_view bytes) {
  static constexpr char kAlphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::string text;
  text.reserve((bytes.size() * 8 + 4) / 5);
  uint32_t buffer = 0;
  int bits = 0;
  for (unsigned char byte : bytes) {
    buffer = (buffer << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text.push_back(kAlphabet[(buffer >> bits) & 31]);
    }
  }
  if (bits > 0) text.push_back(kAlphabet[(buffer << (5 - bits)) & 31]);
  return text;
}

std::string RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  size_t filled = 0;
  while (filled < count) {
    const ssize_t got = getrandom(bytes.data() + filled, count - filled, 0);
    if (got < 0) std::abort();
    filled += static_cast<size_t>(got);
  }
  return bytes;
}

}  // namespace assay
