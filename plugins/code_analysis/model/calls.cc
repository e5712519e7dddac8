#include "plugins/code_analysis/model/calls.h"

#include <algorithm>
#include <array>

namespace assay::code_analysis {
namespace {

bool StartsWith(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

template <size_t N>
bool OneOf(std::string_view name, const std::array<std::string_view, N>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::array<std::string_view, 27> kDrivers = {
    "pg",         "mysql",    "mysql2",         "mysql2/promise",   "mongodb",   "mongoose",   "sequelize",
    "knex",       "typeorm",  "@prisma/client", "sqlite3",          "sqlite",    "mssql",      "oracledb",
    "pg-promise", "postgres", "monk",           "better-sqlite3",   "objection", "bookshelf",  "@mikro-orm/core",
    "nano",       "ioredis",  "redis",          "cassandra-driver", "couchbase", "drizzle-orm"};

constexpr std::array<std::string_view, 30> kReads = {"find",
                                                     "findOne",
                                                     "findById",
                                                     "findAll",
                                                     "findByPk",
                                                     "findMany",
                                                     "findUnique",
                                                     "findFirst",
                                                     "findOneBy",
                                                     "findBy",
                                                     "count",
                                                     "aggregate",
                                                     "distinct",
                                                     "select",
                                                     "first",
                                                     "get",
                                                     "mget",
                                                     "hget",
                                                     "hgetall",
                                                     "findAndCountAll",
                                                     "countDocuments",
                                                     "exists",
                                                     "findUniqueOrThrow",
                                                     "findFirstOrThrow",
                                                     "oneOrNone",
                                                     "manyOrNone",
                                                     "one",
                                                     "many",
                                                     "any",
                                                     "populate"};
constexpr std::array<std::string_view, 32> kWrites = {"create",
                                                      "insert",
                                                      "insertOne",
                                                      "insertMany",
                                                      "save",
                                                      "update",
                                                      "updateOne",
                                                      "updateMany",
                                                      "upsert",
                                                      "delete",
                                                      "deleteOne",
                                                      "deleteMany",
                                                      "destroy",
                                                      "remove",
                                                      "findOneAndUpdate",
                                                      "findOneAndDelete",
                                                      "findByIdAndUpdate",
                                                      "findByIdAndDelete",
                                                      "bulkWrite",
                                                      "bulkCreate",
                                                      "replaceOne",
                                                      "set",
                                                      "del",
                                                      "incr",
                                                      "hset",
                                                      "createMany",
                                                      "none",
                                                      "increment",
                                                      "decrement",
                                                      "findOneAndReplace",
                                                      "softDelete",
                                                      "findByIdAndRemove"};
constexpr std::array<std::string_view, 12> kRaw = {
    "query",    "raw",  "execute", "$queryRaw", "$executeRaw", "$queryRawUnsafe", "$executeRawUnsafe",
    "queryRaw", "exec", "run",     "all",       "each"};
constexpr std::array<std::string_view, 8> kConnects = {"connect", "createConnection", "createPool",   "Pool",
                                                       "Client",  "Sequelize",        "createClient", "MongoClient"};

std::string_view PackageOfOrigin(std::string_view origin) {
  for (std::string_view driver : kDrivers) {
    if (StartsWith(origin, driver) &&
        (origin.size() == driver.size() || origin[driver.size()] == '.' || origin[driver.size()] == '('))
      return driver;
  }
  return {};
}

// Names a codebase gives to what holds its data, when the value itself could not be followed.
bool NamesData(Node object) {
  const Node bare = object.Bare();
  std::string_view name = bare.Is(Kind::kMember)       ? bare[Field::kProperty].text()
                          : bare.Is(Kind::kIdentifier) ? bare.text()
                                                       : std::string_view();
  if (name == "db" || name == "pool" || name == "knex" || name == "prisma" || name == "sequelize" ||
      name == "connection" || name == "dbClient")
    return true;
  for (std::string_view ending : {"Model", "Repository", "Repo", "Collection", "Dao", "DAO"}) {
    if (name.size() >= ending.size() && name.substr(name.size() - ending.size()) == ending) return true;
  }
  // prisma.user.findMany, db.users.find
  return bare.Is(Kind::kMember) && bare[Field::kObject] && NamesData(bare[Field::kObject]) &&
         !bare[Field::kObject].Bare().Is(Kind::kMember);
}

DatabaseKind KindOfName(std::string_view name) {
  if (OneOf(name, kRaw)) return DatabaseKind::kRaw;
  if (OneOf(name, kWrites)) return DatabaseKind::kWrite;
  if (OneOf(name, kReads)) return DatabaseKind::kRead;
  if (OneOf(name, kConnects)) return DatabaseKind::kConnect;
  return DatabaseKind::kNone;
}

}  // namespace

DatabaseKind DatabaseKindOf(std::string_view origin, Node call) {
  const std::string_view name = CalleeName(call);
  const DatabaseKind kind = KindOfName(name);
  if (kind == DatabaseKind::kNone) return kind;
  if (!PackageOfOrigin(origin).empty()) return kind;
  if (!origin.empty() || !call.Is(Kind::kCall)) return DatabaseKind::kNone;
  const Node callee = CalleeOf(call);
  if (!callee.Is(Kind::kMember)) return DatabaseKind::kNone;
  const Node object = callee[Field::kObject].Bare();
  // Maps and arrays have get, set, find and delete of their own.
  if (NamesData(object) && name != "all" && name != "each" && name != "run") return kind;
  // A capitalised name with an ORM's own method: User.findById, Post.findAll.
  const std::string_view owner = object.Is(Kind::kIdentifier) ? object.text()
                                 : object.Is(Kind::kMember)   ? object[Field::kProperty].text()
                                                              : std::string_view();
  const bool capital = !owner.empty() && owner[0] >= 'A' && owner[0] <= 'Z';
  const bool orm =
      name.size() > 4 && (StartsWith(name, "find") || StartsWith(name, "insert") || StartsWith(name, "update") ||
                          StartsWith(name, "delete") || name == "countDocuments" || name == "aggregate" ||
                          name == "bulkCreate" || name == "destroy");
  return capital && orm && owner != "Array" && owner != "Object" && owner != "Reflect" ? kind : DatabaseKind::kNone;
}

std::string OutboundOrigin(std::string_view origin) {
  static constexpr std::array<std::string_view, 15> kClients = {
      "axios",      "got",     "node-fetch",      "undici",
      "superagent", "request", "request-promise", "request-promise-native",
      "needle",     "ky",      "cross-fetch",     "isomorphic-fetch",
      "phin",       "bent",    "@cypress/request"};
  static constexpr std::array<std::string_view, 16> kMethods = {
      "get",     "post",   "put", "patch", "delete",  "head",   "request",  "fetch",
      "options", "stream", "del", "json",  "default", "extend", "paginate", "pipeline"};
  if (origin == "fetch" || origin == "globalThis.fetch") return "fetch";
  for (std::string_view node : {"http.request", "http.get", "https.request", "https.get"}) {
    if (origin == node) return std::string(origin);
  }
  for (std::string_view client : kClients) {
    if (!StartsWith(origin, client)) continue;
    std::string_view rest = origin.substr(client.size());
    if (rest.empty()) return client == "undici" ? std::string() : std::string(origin);
    if (rest[0] != '.' && rest[0] != '(') continue;
    // axios.create().get, got.extend()(…)
    const size_t dot = rest.rfind('.');
    if (rest == ".create()" || rest == ".extend()" || rest == ".defaults()" || rest == ".instance()")
      return std::string(origin);
    if (dot == std::string_view::npos) return {};
    const std::string_view last = rest.substr(dot + 1);
    // Only the first call counts: what is chained behind it (`request.get(url).on`) is the same call.
    const std::string_view before = rest.substr(0, dot);
    const bool instance = before.empty() || before == ".create()" || before == ".extend()" || before == ".default" ||
                          before == ".agent()" || before == "()";
    if (instance && OneOf(last, kMethods))
      return last == "create" || last == "extend" ? std::string() : std::string(origin);
    return {};
  }
  return {};
}

}  // namespace assay::code_analysis
