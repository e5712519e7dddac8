// SPDX-License-Identifier: Apache-2.0
//
// What an expression is known to be before the program runs: literals, option objects, environment variables.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

// A string written in the code that ends up in an expression.
struct LiteralText {
  Node node;  // the string
  std::string value;
  std::string variable;  // the environment variable it stands in for; empty when it is used always
};

// Follows variables, imports, properties of configuration objects and `process.env.X || "text"`.
std::optional<LiteralText> LiteralBehind(const Model& model, Node expression);

// The object literal an expression is, following variables and imports; none when it is something else.
Node ObjectBehind(const Model& model, Node expression);
// Whether an object literal may hold more than is seen: it spreads another object.
bool HasSpread(Node object);
// A key of an object literal, also looked for in objects it spreads when those are literals.
Node OptionOf(const Model& model, Node object, std::string_view key);

// The environment variable an expression reads, perhaps with a default behind it; empty when it reads none.
std::string EnvironmentVariableOf(const Model& model, Node expression);

// The environment variable that a literal stands in for, written as `process.env.X || literal`; empty otherwise.
std::string VariableInFront(const Model& model, Node literal);

// A name for the value an expression is assigned or passed to: variable, property, or the enclosing function.
std::string_view TargetName(Node expression);

// The package an origin starts with: "pg" of "pg.Pool()", "@scope/a" of "@scope/a.b". A part of `origin`, which
// must outlive it.
std::string_view PackageOfOrigin(std::string_view origin);
// Whether the call or `new` comes from one of these: "jsonwebtoken.sign" for `jwt.sign(…)` and `sign(…)`.
bool ComesFrom(const Model& model, Node call, std::initializer_list<std::string_view> origins);

// The text in back quotes, cut to a readable length, on one line.
std::string Code(std::string_view text);
std::string Code(Node node);

}  // namespace assay::code_analysis
