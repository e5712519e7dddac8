// SPDX-License-Identifier: Apache-2.0
// G: pools with bounds, and queries that do not multiply.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/checks/constants.h"
#include "plugins/code_analysis/checks/repeated_queries.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

// What a library calls its bounds, and what holds when nothing is said. Facts of pg-pool 3, mysql2 3, the MongoDB
// driver 6, Sequelize 6, Knex 3 and Prisma 5.
struct PoolLibrary {
  std::string_view origin;  // of the call that makes the pool
  std::string_view package;
  std::string_view size;  // option
  std::string_view size_default;
  std::vector<std::string_view> wait;  // options that bound the wait for a connection
  std::string_view wait_default;       // what happens without them
  bool wait_bounded_by_default;
  std::vector<std::string_view> statement;  // options that bound one statement
  std::string_view nested;                  // object within the options that holds size and wait
};

const std::vector<PoolLibrary>& Libraries() {
  static const auto* libraries = new std::vector<PoolLibrary>{
      {"pg.Pool",
       "pg",
       "max",
       "10",
       {"connectionTimeoutMillis"},
       "a request waits without end when all connections are busy",
       false,
       {"statement_timeout", "query_timeout"},
       ""},
      {"pg-pool",
       "pg",
       "max",
       "10",
       {"connectionTimeoutMillis"},
       "a request waits without end when all connections are busy",
       false,
       {"statement_timeout", "query_timeout"},
       ""},
      {"mysql2.createPool",
       "mysql2",
       "connectionLimit",
       "10",
       {"queueLimit", "waitForConnections"},
       "requests wait in a queue without limit when all connections are busy",
       false,
       {},
       ""},
      {"mysql2/promise.createPool",
       "mysql2",
       "connectionLimit",
       "10",
       {"queueLimit", "waitForConnections"},
       "requests wait in a queue without limit when all connections are busy",
       false,
       {},
       ""},
      {"mysql.createPool",
       "mysql",
       "connectionLimit",
       "10",
       {"queueLimit", "waitForConnections"},
       "requests wait in a queue without limit when all connections are busy",
       false,
       {},
       ""},
      {"mongoose.connect",
       "mongoose",
       "maxPoolSize",
       "100",
       {"waitQueueTimeoutMS"},
       "an operation waits without end for a free connection",
       false,
       {"socketTimeoutMS", "maxTimeMS", "timeoutMS"},
       ""},
      {"mongoose.createConnection",
       "mongoose",
       "maxPoolSize",
       "100",
       {"waitQueueTimeoutMS"},
       "an operation waits without end for a free connection",
       false,
       {"socketTimeoutMS", "maxTimeMS", "timeoutMS"},
       ""},
      {"mongodb.MongoClient",
       "mongodb",
       "maxPoolSize",
       "100",
       {"waitQueueTimeoutMS"},
       "an operation waits without end for a free connection",
       false,
       {"socketTimeoutMS", "maxTimeMS", "timeoutMS"},
       ""},
      {"mongodb.MongoClient.connect",
       "mongodb",
       "maxPoolSize",
       "100",
       {"waitQueueTimeoutMS"},
       "an operation waits without end for a free connection",
       false,
       {"socketTimeoutMS", "maxTimeMS", "timeoutMS"},
       ""},
      {"sequelize.Sequelize",
       "sequelize",
       "max",
       "5",
       {"acquire"},
       "a wait ends after 60 s",
       true,
       {"statement_timeout", "query_timeout"},
       "pool"},
      {"sequelize",
       "sequelize",
       "max",
       "5",
       {"acquire"},
       "a wait ends after 60 s",
       true,
       {"statement_timeout", "query_timeout"},
       "pool"},
      {"knex",
       "knex",
       "max",
       "10",
       {"acquireConnectionTimeout", "acquireTimeoutMillis"},
       "a wait ends after 60 s",
       true,
       {"statement_timeout", "query_timeout"},
       "pool"},
      {"knex.knex",
       "knex",
       "max",
       "10",
       {"acquireConnectionTimeout", "acquireTimeoutMillis"},
       "a wait ends after 60 s",
       true,
       {"statement_timeout", "query_timeout"},
       "pool"},
      {"@prisma/client.PrismaClient",
       "@prisma/client",
       "connection_limit",
       "twice the cores plus one",
       {"pool_timeout"},
       "a wait ends after 10 s",
       true,
       {},
       ""},
  };
  return *libraries;
}

// Whether the options of a call (any of its arguments, one level of nested objects) name the option.
bool Names(const Model& model, Node call, std::string_view option) {
  for (const Node argument : ArgumentsOf(call)) {
    const Node object = ObjectBehind(model, argument);
    if (OptionOf(model, object, option)) return true;
    for (const Node child : object.Children()) {
      const Node nested = child.Is(Kind::kPair)        ? ObjectBehind(model, child[Field::kValue])
                          : child.Is(Kind::kShorthand) ? ObjectBehind(model, child)
                                                       : Node();
      if (PropertyOf(nested, option)) return true;
    }
    // postgres://…?connection_limit=5
    const std::optional<LiteralText> text = LiteralBehind(model, argument);
    if (text && text::Contains(text->value, text::Cat({option, "="}))) return true;
  }
  return false;
}

bool NamesAny(const Model& model, Node call, const std::vector<std::string_view>& options) {
  return std::any_of(options.begin(), options.end(),
                     [&](std::string_view option) { return Names(model, call, option); });
}

// Options that cannot be read: a variable that leads nowhere, or a spread object.
bool HasUnknownOptions(const Model& model, Node call) {
  for (const Node argument : ArgumentsOf(call)) {
    const Node bare = argument.Bare();
    const Node object = ObjectBehind(model, argument);
    if (object) {
      if (HasSpread(object)) return true;
      for (const char* key : {"pool", "options"}) {
        const Node nested = PropertyOf(object, key);
        if (nested && !ObjectBehind(model, nested)) return true;
      }
      continue;
    }
    const bool text = LiteralBehind(model, bare) || bare.Is(Kind::kTemplate) ||
                      !EnvironmentVariableOf(model, bare).empty() || bare.IsFunction();
    const std::string lower = text::Lower(bare.text());
    const bool address = text::Contains(lower, "url") || text::Contains(lower, "uri") || text::Contains(lower, "dsn") ||
                         text::Contains(lower, "connectionstring");
    if (!text && !address) return true;
  }
  return false;
}

// A setting in the address of the database, as Prisma has it, in any file that holds one.
bool IsSetInAddress(const Model& model, std::string_view option) {
  const std::string wanted = text::Cat({option, "="});
  for (const SourceFile& file : model.files()) {
    const bool candidate = text::Contains(file.path, ".env") || file.path.ends_with(".prisma") ||
                           file.path.ends_with(".yml") || file.path.ends_with(".yaml");
    if (candidate && file.bytes.size() < (1u << 20) && text::Contains(file.bytes, wanted)) return true;
  }
  return false;
}

class PoolJudge {
 public:
  PoolJudge(const Model& model, Reporter& reporter) : model_(model), reporter_(reporter) {}

  void Run() {
    if (RunsAsFunction()) {
      reporter_.NotObservedYet("The application runs as a function of a platform, where pools follow other rules.");
      return;
    }
    for (const auto& module : model_.modules()) {
      if (module->role != Role::kServer) continue;
      for (const Kind kind : {Kind::kNew, Kind::kCall}) {
        for (const uint32_t id : module->tree.All(kind)) Look(Node(&module->tree, id));
      }
    }
    Singles();
    if (evidence_.empty()) {
      reporter_.NotObservedYet("No pool of database connections is made.");
      return;
    }
    if (evidence_.size() > 12) evidence_.resize(12);
    const double error = unknown_ ? error_of::kAbsence : error_of::kSinglePlace;
    reporter_.Observe(std::clamp(value_, 0.0, 1.0), error, rationale_, std::move(evidence_));
  }

 private:
  bool RunsAsFunction() const {
    for (const char* package : {"serverless-http", "@vendia/serverless-express", "aws-serverless-express",
                                "@neondatabase/serverless", "@codegenie/serverless-express"}) {
      if (model_.package().Depends(package)) return true;
    }
    return false;
  }

  void Look(Node call) {
    const Node callee = CalleeOf(call);
    const std::string_view name = CalleeName(call);
    if (call.Is(Kind::kCall) &&
        !text::IsOneOf(name, {"createPool", "connect", "createConnection", "knex", "Knex", "default", "pgPool"}) &&
        !callee.Is(Kind::kIdentifier) && !callee.Is(Kind::kCall))
      return;
    const std::string origin = model_.OriginOf(callee);
    if (origin.empty()) return;
    for (const PoolLibrary& library : Libraries()) {
      if (origin == library.origin) return Pool(call, library);
    }
    if (origin == "pg.Client" || origin == "mysql2.createConnection" || origin == "mysql.createConnection" ||
        origin == "mysql2/promise.createConnection")
      singles_.push_back(call);
  }

  void Pool(Node call, const PoolLibrary& library) {
    if (text::IsOneOf(library.origin, {"mongoose.connect"}) && ArgumentsOf(call).empty()) return;
    const Span span = model_.SpanOf(call);
    const bool prisma = library.package == "@prisma/client";
    const bool size = Names(model_, call, library.size) || (prisma && IsSetInAddress(model_, library.size));
    const bool wait = NamesAny(model_, call, library.wait) || (prisma && IsSetInAddress(model_, "pool_timeout"));
    const bool statement = NamesAny(model_, call, library.statement);
    const bool unknown = HasUnknownOptions(model_, call) && !(size && wait);
    evidence_.push_back(span);
    // Kept in a variable of the handler; one that is kept elsewhere may be made once, at the first request.
    if (call.Is(Kind::kNew) && call.parent().Is(Kind::kDeclarator) && model_.OnRequestPath(call)) {
      Take(0.1, text::Cat({"A ", library.package, " pool is made while a request is answered."}));
      reporter_.Find(span, text::Cat({"The code suggests that a ", library.package,
                                      " pool is made while a request is answered: connections are neither shared nor "
                                      "bounded across requests."}));
      return;
    }
    if (unknown) {
      Take(0.5,
           text::Cat({"The options of the ", library.package, " pool are put together where they cannot be read."}));
      unknown_ = true;
      return;
    }
    const bool statements_known = !library.statement.empty();
    double value = 0.15 +
                   (size                              ? 0.25
                    : library.wait_bounded_by_default ? 0.15
                                                      : 0.05) +
                   (wait                              ? 0.35
                    : library.wait_bounded_by_default ? 0.2
                                                      : 0.0);
    value += statements_known ? (statement ? 0.25 : 0.0) : (size && wait ? 0.2 : 0.05);
    std::string missing;
    if (!size) missing += text::Cat({"`", library.size, "` (", library.size_default, " without it)"});
    if (!wait)
      missing += text::Cat({missing.empty() ? "" : ", ", "`", library.wait[0], "` (", library.wait_default, ")"});
    if (statements_known && !statement)
      missing += text::Cat({missing.empty() ? "" : ", ", "a limit for one statement"});
    Take(value, missing.empty() ? text::Cat({"The ", library.package,
                                             " pool bounds its size, the wait for a connection and statements."})
                                : text::Cat({"The ", library.package, " pool leaves open: ", missing, "."}));
    if (wait)
      reporter_.Claim(span, text::Cat({"gives up waiting for a connection of the ", library.package, " pool (`",
                                       library.wait[0], "`)"}));
    if (wait || library.wait_bounded_by_default) return;
    const bool mongo = text::Contains(library.package, "mongo");
    reporter_.Find(span, mongo ? Severity::kNote : Severity::kWarning,
                   text::Cat({"The code suggests that ", library.wait_default, ": `", library.wait[0],
                              "` is not set for this ", library.package, " pool."}));
  }

  // Connections of their own matter where there is no pool: one per request, or one for all requests. Beside a pool
  // they serve locks, notifications and scripts.
  void Singles() {
    if (!evidence_.empty() || model_.listens().empty()) return;
    for (const Node call : singles_) Single(call);
  }

  void Single(Node call) {
    const bool per_request = model_.OnRequestPath(call);
    const Span span = model_.SpanOf(call);
    evidence_.push_back(span);
    Take(per_request ? 0.05 : 0.2,
         per_request ? "Each request opens a connection of its own." : "One connection serves all requests.");
    reporter_.Find(span,
                   text::Cat({"The code suggests that ",
                              per_request ? "each request opens a connection of its own, without a limit"
                                          : "one connection serves all requests and is not replaced when it breaks",
                              ": a pool is not used here."}));
  }

  void Take(double value, std::string rationale) {
    if (value >= value_ && !rationale_.empty()) return;
    value_ = value;
    rationale_ = std::move(rationale);
  }

  const Model& model_;
  Reporter& reporter_;
  std::vector<Span> evidence_;
  std::vector<Node> singles_;
  double value_ = 1.0;
  bool unknown_ = false;
  std::string rationale_;
};

void PoolIsBounded(const Model& model, Reporter& reporter) { PoolJudge(model, reporter).Run(); }

constexpr Check kChecks[] = {
    {
        .id = "G1",
        .criterion = "database.pool_bounded",
        .title = "The pool of database connections is bounded",
        .severity = Severity::kWarning,
        .help = "When the database stalls, every request waits for a connection. A bound on that wait "
                "(`connectionTimeoutMillis`, `queueLimit`, "
                "`waitQueueTimeoutMS`, `acquire`) turns the stall into a quick 503 instead of a pile-up; a size fitted "
                "to the database and "
                "a limit for one statement keep a slow query from holding connections.",
        .question = "The database answers nothing for thirty seconds at a hundred requests a second. What does this "
                    "pool do with them?",
        .good_answer =
            "Knows the defaults of the library, counts waiting requests and memory, sets size, wait and statement "
            "limits below the "
            "request's own time-out, and relates the size to the database's limit and the number of instances.",
        .run = PoolIsBounded,
    },
    {
        .id = "G2",
        .criterion = "database.no_n_plus_one",
        .title = "Queries do not multiply with the rows",
        .severity = Severity::kWarning,
        .help = "A query for each row costs a round trip for each row, so the route slows down as the data grows. Read "
                "related rows in one query "
                "(JOIN, `WHERE id = ANY($1)`, `include`, `populate`) or collect the keys first with a loader; where it "
                "has to be a loop, bound "
                "the number of rows and of queries at once.",
        .question =
            "How many queries does this route run for a list of a thousand entries, and how would you make it two?",
        .good_answer = "Counts one plus one per row, rewrites with a join or a second query over all keys, and knows "
                       "when a loop is right (ordered "
                       "writes, batches) and how to bound it.",
        .run = JudgeRepeatedQueries,
    },
};

}  // namespace

std::span<const Check> DatabaseChecks() { return kChecks; }

}  // namespace assay::code_analysis
