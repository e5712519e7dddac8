// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace assay {

// A SHA-256 value. Its text form, used in every API and document, is "sha256:" and 64 lower-case hex digits.
class Digest {
 public:
  static constexpr size_t kSize = 32;

  Digest() = default;  // all zero: no digest
  static absl::StatusOr<Digest> Parse(absl::string_view text);
  // `bytes` must hold exactly 32 bytes.
  static absl::StatusOr<Digest> FromBytes(absl::string_view bytes);
  static Digest Of(absl::string_view data);

  std::string ToString() const;
  std::string ToHex() const;
  absl::string_view bytes() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }
  bool IsZero() const { return *this == Digest(); }

  friend auto operator<=>(const Digest&, const Digest&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Digest& d) {
    return H::combine(std::move(h), d.bytes_);
  }

 private:
  friend class Hasher;
  std::array<uint8_t, kSize> bytes_{};
};

// Computes a SHA-256 over bytes that arrive in pieces. Not thread-safe.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void Update(absl::string_view data);
  // Ends the computation; the hasher may not be used afterwards.
  Digest Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// HMAC-SHA-256 (RFC 2104) of `data` under `key`.
Digest Hmac(absl::string_view key, absl::string_view data);

// Lower-case RFC 4648 base32 without padding: 26 characters carry 128 bits and are safe in file names and URLs.
std::string Base32(absl::string_view bytes);

// `count` bytes from the operating system's generator.
std::string RandomBytes(size_t count);

}  // namespace assay
