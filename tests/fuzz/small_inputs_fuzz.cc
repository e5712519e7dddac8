// SPDX-License-Identifier: Apache-2.0
//
// Small formats that come from outside, one for each first byte: ratings in CSV, the tokens that clients carry around,
// the records of a dependency installation.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/gateway/tokens.h"
#include "services/sandbox/dependency_install.h"
#include "tools/assay/ratings_csv.h"

namespace {

namespace gateway = assay::gateway;

const gateway::Pseudonyms& Tenant() {
  static const auto& tenant = *new gateway::Pseudonyms(std::string(32, 'k'));
  return tenant;
}

// Nobody without the tenant's key can make a token, and ours says what was put into it.
void ReadTokens(absl::string_view text) {
  if (gateway::DecodeReadToken(Tenant(), "log", text).ok() || gateway::DecodePageToken(Tenant(), "query", text).ok() ||
      gateway::DecodeNameToken(Tenant(), "query", text).ok() || gateway::DecodeResumeToken(Tenant(), "query", text).ok()) {
    std::abort();
  }
  const auto name = gateway::DecodeNameToken(Tenant(), "query", gateway::EncodeNameToken(Tenant(), "query", text));
  if (!name.ok() || *name != text) std::abort();
  std::string changed = gateway::EncodeNameToken(Tenant(), "query", "name");
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    changed[static_cast<unsigned char>(text[i]) % changed.size()] = text[i + 1];
  }
  const auto read = gateway::DecodeNameToken(Tenant(), "query", changed);
  if (read.ok() && *read != "name") std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: {
      assay::v1::Scorecard scorecard;
      assay::cli::ParseRatingsCsv(text, "ratings.csv", &scorecard).IgnoreError();
      break;
    }
    case 1:
      ReadTokens(text);
      break;
    default:
      assay::sandbox::ParseRecords(text).status().IgnoreError();
  }
  return 0;
}
