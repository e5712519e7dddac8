// SPDX-License-Identifier: Apache-2.0
//
// Dies while it is loaded, before any function of it was called.
#include <cstdlib>

#include "assay/plugin.hpp"

namespace {

struct Crash {
  Crash() { std::abort(); }
} crash;

class Unreachable final : public assay::sdk::Evaluator {
 public:
  static constexpr assay::sdk::Identity kIdentity = {"crashing_constructor", "1.0.0", "test"};
  assay::sdk::Status Evaluate(assay::sdk::Evaluation&) override { return assay::sdk::Ok(); }
};

}  // namespace

ASSAY_PLUGIN(Unreachable)
