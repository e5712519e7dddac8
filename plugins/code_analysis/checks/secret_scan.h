// SPDX-License-Identifier: Apache-2.0
//
// Secrets in the text of any file: keys of known shape, private keys, passwords in connection addresses, and values of
// high entropy under a name that says secret. Examples, placeholders, public keys and test keys are left out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay::code_analysis {

struct SecretPlace {
  std::string kind;   // "GitHub token", "private key", "value of JWT_SECRET"
  std::string start;  // at most the first four characters of it
  uint32_t line = 0;
  uint32_t column = 0;
  uint32_t length = 0;
};

// Whether a file of this path is left out: lock files, generated and minified code, tests, fixtures, examples, images.
bool IsExemptFromSecrets(std::string_view path);

// At most 20 places a file, in order; the first 1 MiB is read.
std::vector<SecretPlace> ScanForSecrets(std::string_view path, std::string_view bytes);

// Text that stands where a secret has to be put: "changeme", "<your key>", "xxxx", "${TOKEN}", a run of digits.
bool LooksLikePlaceholder(std::string_view value);

// Shannon entropy in bits a character.
double EntropyOf(std::string_view value);

// Whether a name says that its value is secret: "jwtSecret", "DB_PASSWORD", "apiKey".
bool NamesASecret(std::string_view name);

// ".env" and its kin that are meant for a running system, not ".env.example" or ".env.test".
bool IsEnvironmentFile(std::string_view path);

}  // namespace assay::code_analysis
