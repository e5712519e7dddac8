// SPDX-License-Identifier: Apache-2.0
//
// What a client sent, on its way into a place where it is interpreted. The model says which expressions hold request
// data; here that is joined with what stands in between: functions of the repository that build the text, conditions
// that let only known values pass, and values that are put in front.
#pragma once

#include <optional>
#include <string>

#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

struct Taint {
  Node source;       // where the data enters: `req.query.name`, or the name it was destructured to
  std::string text;  // the same for messages: "req.query.name"
};

// Request data that reaches `expression`, used at `sink`, over at most two hops and without a check on the way. Looks
// into functions of the repository that make the value, two levels deep.
std::optional<Taint> TaintReaching(const Model& model, Node expression, Node sink);

// The part of a text that comes first: of "a" + b it is "a", of `${x}/y` it is x; variables are followed.
Node LeadingPart(const Model& model, Node expression);

// All that is fixed in a text: literals and the fixed parts of templates and sums, variables and helper functions
// followed, one space between parts. At most 4 KiB.
std::string FixedText(const Model& model, Node expression);

}  // namespace assay::code_analysis
