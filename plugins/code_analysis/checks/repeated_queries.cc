// SPDX-License-Identifier: Apache-2.0
#include "plugins/code_analysis/checks/repeated_queries.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugins/code_analysis/checks/constants.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr int kMaxSteps = 8;
// A loop over fewer literal entries is a list of statements in short.
constexpr uint32_t kShortList = 5;

// A piece of code that runs once for each entry of something.
struct Loop {
  Node around;    // the loop statement, or the call of map, forEach, …
  Node iterable;  // none when it is not over a collection
  Node body;
  std::vector<std::string_view> variables;
};

std::vector<std::string_view> NamesIn(Node pattern) {
  std::vector<std::string_view> names;
  if (pattern.Is(Kind::kIdentifier)) names.push_back(pattern.text());
  for (const Node node : pattern.Descendants()) {
    if (node.Is(Kind::kIdentifier) || node.Is(Kind::kShorthandPattern)) names.push_back(node.text());
  }
  return names;
}

bool RunsForEach(std::string_view name) {
  return text::IsOneOf(
      name, {"map", "forEach", "flatMap", "filter", "reduce", "each", "eachSeries", "mapSeries", "some", "every"});
}

// The nearest loop around a node, within the function the node is written in (callbacks of map and the like included).
std::optional<Loop> LoopAround(Node place) {
  Node inner = place;
  for (Node node = place.parent(); node; inner = node, node = node.parent()) {
    if (node.Is(Kind::kForIn) && inner == node[Field::kBody]) {
      return Loop{node, node[Field::kRight], inner, NamesIn(node[Field::kLeft])};
    }
    if (node.Is(Kind::kFor) && inner == node[Field::kBody]) {
      std::vector<std::string_view> names = NamesIn(node[Field::kInitializer]);
      Node iterable;
      // for (let i = 0; i < rows.length; i++)
      for (const Node member : node[Field::kCondition].Descendants()) {
        if (member.Is(Kind::kMember) && member[Field::kProperty].text() == "length") iterable = member[Field::kObject];
      }
      return Loop{node, iterable, inner, std::move(names)};
    }
    if (!node.IsFunction()) continue;
    const Node call = node.parent().Is(Kind::kArguments) ? node.parent().parent() : Node();
    if (!call.Is(Kind::kCall) || !RunsForEach(CalleeName(call))) return std::nullopt;
    const Node callee = CalleeOf(call);
    std::vector<std::string_view> names;
    for (const Node parameter : ParametersOf(node)) {
      const auto more = NamesIn(parameter);
      names.insert(names.end(), more.begin(), more.end());
    }
    const bool library = ArgumentOf(call, 1) == node;  // async.each(rows, fn), _.map(rows, fn)
    return Loop{call, library ? ArgumentOf(call, 0) : callee[Field::kObject], node, std::move(names)};
  }
  return std::nullopt;
}

class QueryJudge {
 public:
  QueryJudge(const Model& model, Reporter& reporter) : model_(model), reporter_(reporter) {}

  void Run() {
    for (const auto& module : model_.modules()) {
      if (module->role != Role::kServer) continue;
      for (const uint32_t id : module->tree.All(Kind::kCall)) Look(Node(&module->tree, id));
    }
    if (queries_ == 0) {
      reporter_.NotObservedYet("No database call was found.");
    } else if (!places_.empty()) {
      const size_t count = places_.size();
      if (places_.size() > 12) places_.resize(12);
      reporter_.Observe(
          count == 1   ? 0.3
          : count == 2 ? 0.2
                       : 0.1,
          error_of::kCrossFile,
          text::Cat({"Queries that run once for each entry of a collection: ", std::to_string(count), "."}),
          std::move(places_));
    } else if (!batches_.empty()) {
      reporter_.Observe(1.0, error_of::kSinglePlace,
                        "No query runs once for each entry of a collection, and related rows are read together.",
                        std::move(batches_));
    } else {
      reporter_.Observe(0.9, error_of::kAbsence, "No query was seen to run once for each entry of a collection.",
                        {first_});
    }
  }

 private:
  bool IsQuery(Node call) const {
    const DatabaseKind kind = model_.DatabaseCall(call);
    return (kind != DatabaseKind::kNone && kind != DatabaseKind::kConnect) || SaysItReads(call);
  }

  // userDao.getUserById(id), where the object could not be followed.
  static bool SaysItReads(Node call) {
    const Node object = CalleeOf(call)[Field::kObject].Bare();
    const std::string_view owner = object.Is(Kind::kMember)       ? object[Field::kProperty].text()
                                   : object.Is(Kind::kIdentifier) ? object.text()
                                                                  : std::string_view();
    const std::string_view name = CalleeName(call);
    const bool data = owner.ends_with("DAO") || owner.ends_with("Dao") || owner.ends_with("Repository");
    return data && (name.starts_with("get") || name.starts_with("find") || name.starts_with("load") ||
                    name.starts_with("fetch"));
  }

  void Look(Node call) {
    const bool query = IsQuery(call);
    if (query) {
      if (queries_++ == 0) first_ = model_.SpanOf(call);
      NoteBatch(call);
    }
    const std::optional<Loop> loop = LoopAround(call);
    if (!loop || !loop->iterable || !Uses(call, *loop)) return;
    if (!AnswersRequests(call)) return;
    const Node inside = query ? call : QueryInside(call);
    if (!inside || !IsLongList(loop->iterable, 0) || IsDeliberate(call, inside, *loop)) return;
    const Span span = model_.SpanOf(call);
    for (const Span& known : places_) {
      if (known.file == span.file && known.line == span.line) return;
    }
    places_.push_back(span);
    reporter_.Find(
        span,
        text::Cat({"The code suggests that ",
                   query ? Code(CalleeOf(call)) : text::Cat({Code(CalleeOf(call)), " (which runs a query)"}),
                   " runs once for each entry of ", Code(loop->iterable), ": the number of queries grows with it."}));
  }

  // On the way of a request; also in methods that a constructor function gives its objects, which cannot be followed.
  bool AnswersRequests(Node call) const {
    if (model_.OnRequestPath(call)) return true;
    for (Node function = call.EnclosingFunction(); function; function = function.EnclosingFunction()) {
      const Node assignment = function.parent();
      const Node target = assignment.Is(Kind::kAssignment) ? assignment[Field::kLeft].Bare() : Node();
      if (target.Is(Kind::kMember) && target[Field::kObject].Bare().Is(Kind::kThis)) return true;
    }
    return false;
  }

  // What reads related rows together: WHERE id IN / ANY, include, populate, a data loader.
  void NoteBatch(Node call) {
    if (batches_.size() >= 8) return;
    const std::string_view text = call.text().substr(0, 2'000);
    for (const char* sign : {" = ANY(", " IN (", " in (", "include:", ".populate(", "whereIn(",
                             "$in:", "{ in:", "$lookup", " JOIN ", " join "}) {
      if (text::Contains(text, sign)) {
        batches_.push_back(model_.SpanOf(call));
        return;
      }
    }
  }

  static bool Uses(Node call, const Loop& loop) {
    for (const Node node : call.Descendants()) {
      const bool name = node.Is(Kind::kIdentifier) || node.Is(Kind::kShorthand);
      if (name && text::IsOneOf(node.text(), loop.variables)) return true;
    }
    return false;
  }

  // A query that reads, directly in the function of the repository that the call runs. Functions that write do so in
  // turn for reasons of their own.
  Node QueryInside(Node call) {
    const Node function = model_.FunctionCalledBy(call);
    if (!function) return {};
    const auto [known, is_new] = query_inside_.try_emplace({function.tree(), function.id()});
    if (is_new) known->second = FirstRead(function);
    return known->second;
  }

  Node FirstRead(Node function) const {
    Node found;
    for (const Node node : function.Descendants()) {
      if (!node.Is(Kind::kCall) || !IsQuery(node)) continue;
      if (model_.DatabaseCall(node) == DatabaseKind::kWrite) return {};
      if (!found && node.EnclosingFunction() == function) found = node;
    }
    return found;
  }

  // Ordered writes of a transaction, batches, and loaders that collect what they are asked for.
  bool IsDeliberate(Node call, Node query, const Loop& loop) const {
    const std::string lower = text::Lower(loop.iterable.text());
    for (const char* word : {"chunk", "batch", "page", "migration", "seed"}) {
      if (text::Contains(lower, word)) return true;
    }
    for (const Node around : {call, query}) {
      for (Node node = around.parent(); node; node = node.parent()) {
        if (node.Is(Kind::kNew) && CalleeName(node) == "DataLoader") return true;
        if (node.Is(Kind::kCall) && text::IsOneOf(CalleeName(node), {"transaction", "$transaction", "withTransaction",
                                                                     "tx", "pipeline", "multi"}))
          return true;
      }
      const Node function = around.EnclosingFunction();
      const std::string_view body = function ? function.text().substr(0, 20'000) : std::string_view();
      const bool write =
          model_.DatabaseCall(query) == DatabaseKind::kWrite || model_.DatabaseCall(query) == DatabaseKind::kRaw;
      if (write && (text::Contains(body, "BEGIN") || text::Contains(text::Lower(body), "transaction"))) return true;
    }
    // Commands that a pipeline of Redis collects.
    const Node object = CalleeOf(query)[Field::kObject].Bare();
    const std::string origin = object ? model_.OriginOf(object) : std::string();
    return text::Contains(origin, "pipeline()") || text::Contains(origin, "multi()") || text::Contains(origin, "Op()");
  }

  // Whether what is looped over comes from a query or a request.
  bool IsLongList(Node iterable, int steps) const {
    Node node = iterable.Bare();
    if (!node || steps > kMaxSteps) return false;
    if (node.Is(Kind::kArray)) return node.child_count() > kShortList;
    if (model_.RequestDataIn(node)) return true;
    switch (node.kind()) {
      case Kind::kAwait:
        return IsLongList(node.first_child(), steps + 1);
      case Kind::kCall:
        return CallIsLong(node, steps);
      case Kind::kMember:
      case Kind::kSubscript:
        return IsLongList(node[Field::kObject], steps + 1);
      case Kind::kBinary:
        return IsLongList(node[Field::kLeft], steps + 1);
      case Kind::kIdentifier:
        return NameIsLong(node, steps);
      default:
        return false;
    }
  }

  bool CallIsLong(Node call, int steps) const {
    if (IsQuery(call)) return ReadsManyRows(call);
    const Node callee = CalleeOf(call);
    const std::string_view name = CalleeName(call);
    // The MongoDB driver's cursor, whatever the collection is called.
    if (name == "toArray" && text::IsOneOf(CalleeName(callee[Field::kObject].Bare()), {"find", "aggregate"}))
      return true;
    if (callee.Is(Kind::kMember) &&
        text::IsOneOf(name, {"map", "filter", "slice", "sort", "reverse", "flat", "concat", "then", "toArray", "lean",
                             "exec", "limit", "skip", "select", "where", "orderBy"})) {
      return IsLongList(callee[Field::kObject], steps + 1);
    }
    if (text::IsOneOf(PathOf(callee), {"Object.keys", "Object.values", "Object.entries", "Array.from", "Promise.all"}))
      return IsLongList(ArgumentOf(call, 0), steps + 1);
    // A function of the repository that returns what a query found.
    const Node function = model_.FunctionCalledBy(call);
    if (!function) return false;
    for (const Node node : function.Descendants()) {
      if (node.Is(Kind::kReturn) && node.EnclosingFunction() == function && IsLongList(node.first_child(), steps + 3))
        return true;
    }
    const Node body = BodyOf(function);
    return !body.Is(Kind::kBlock) && IsLongList(body, steps + 3);
  }

  static bool ReadsManyRows(Node call) {
    return !text::IsOneOf(CalleeName(call), {"findOne", "findById", "findByPk", "findUnique", "findFirst", "first",
                                             "count", "countDocuments", "exists", "one", "oneOrNone", "create", "save",
                                             "get", "update", "updateOne", "insertOne", "delete", "deleteOne"});
  }

  bool NameIsLong(Node name, int steps) const {
    const Node declaration = model_.DeclarationOf(name);
    if (declaration.Is(Kind::kDeclarator)) {
      if (IsLongList(declaration[Field::kValue], steps + 1)) return true;
      for (const Node write : model_.WritesTo(declaration)) {
        if (write.Is(Kind::kAssignment) && IsLongList(write[Field::kRight], steps + 1)) return true;
      }
      return false;
    }
    // (err, rows) => … of a query, .then((rows) => …)
    const Node function = declaration.EnclosingFunction();
    const Node call = function.parent().Is(Kind::kArguments) ? function.parent().parent() : Node();
    if (!call.Is(Kind::kCall)) return false;
    if (CalleeName(call) == "toArray") return CallIsLong(call, steps + 1);
    if (CalleeName(call) == "then") return IsLongList(CalleeOf(call)[Field::kObject], steps + 1);
    return IsQuery(call) && ReadsManyRows(call) && !RunsForEach(CalleeName(call));
  }

  const Model& model_;
  Reporter& reporter_;
  size_t queries_ = 0;
  Span first_;
  std::vector<Span> places_, batches_;
  std::map<std::pair<const SyntaxTree*, uint32_t>, Node> query_inside_;  // by function
};

}  // namespace

void JudgeRepeatedQueries(const Model& model, Reporter& reporter) { QueryJudge(model, reporter).Run(); }

}  // namespace assay::code_analysis
