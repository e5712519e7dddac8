// SPDX-License-Identifier: Apache-2.0
// C: what a client sends, interpreted as SQL, commands, paths, addresses or code.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "plugins/code_analysis/checks/check.h"
#include "plugins/code_analysis/checks/constants.h"
#include "plugins/code_analysis/taint.h"
#include "plugins/code_analysis/text.h"

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxEvidence = 12;
// Sinks beyond these are counted and not followed.
constexpr size_t kMaxFollowed = 5'000;
constexpr size_t kMaxHarmful = 200;

// Collects what one kind of sink shows and turns it into the observation.
class SinkJudge {
 public:
  SinkJudge(const Model& model, Reporter& reporter) : model_(model), reporter_(reporter) {}

  // A sink that was looked at; `safe_form` when the code keeps data and language apart there.
  void Saw(Node sink, bool safe_form) {
    ++sinks_;
    if (safe_form && safe_.size() < kMaxEvidence) safe_.push_back(model_.SpanOf(sink));
  }
  // Request data that reaches a sink.
  std::optional<Taint> Follow(Node expression, Node sink) {
    if (++followed_ > kMaxFollowed || harmful_.size() >= kMaxHarmful) return std::nullopt;
    return TaintReaching(model_, expression, sink);
  }
  // False when the place was reported before.
  bool Report(Node sink, const Taint& taint, std::string_view becomes) {
    return ReportPlace(sink, text::Cat({"The code suggests that ", Code(taint.text),
                                        ", which a client chooses, becomes ", becomes, "."}));
  }
  bool ReportPlace(Node sink, std::string message) {
    const Span span = model_.SpanOf(sink);
    if (harmful_.size() >= kMaxHarmful) return false;
    for (const Span& known : harmful_) {
      if (known.file == span.file && known.line == span.line) return false;
    }
    reporter_.Find(span, std::move(message));
    harmful_.push_back(span);
    return true;
  }

  void Observe(std::string_view none, std::string_view sink_noun) {
    if (sinks_ == 0) {
      reporter_.NotObservedYet(std::string(none));
    } else if (!harmful_.empty()) {
      const size_t count = harmful_.size();
      if (harmful_.size() > kMaxEvidence) harmful_.resize(kMaxEvidence);
      reporter_.Observe(count == 1 ? 0.15 : 0.05, error_of::kHarmfulPlace,
                        text::Cat({sink_noun, " that request data reaches unchecked: ", std::to_string(count), " of ",
                                   std::to_string(sinks_), "."}),
                        std::move(harmful_));
    } else if (!safe_.empty()) {
      reporter_.Observe(
          1.0, error_of::kSinglePlace,
          text::Cat({sink_noun, ": ", std::to_string(sinks_),
                     " looked at; no request data was seen to reach one unchecked, and values are passed apart."}),
          std::move(safe_));
    } else {
      reporter_.Observe(1.0, error_of::kAbsence,
                        text::Cat({sink_noun, ": ", std::to_string(sinks_),
                                   " looked at; no request data was seen to reach one unchecked."}),
                        {model_.Anchor()});
    }
  }

 private:
  const Model& model_;
  Reporter& reporter_;
  size_t sinks_ = 0, followed_ = 0;
  std::vector<Span> harmful_, safe_;
};

// ---- C1 ----

bool LooksLikeSql(std::string_view fixed) {
  const std::string lower = text::Lower(fixed);
  const auto words = text::Words(lower);
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string_view word = words[i].substr(
        words[i].find_first_not_of("(\"'`") == std::string_view::npos ? 0 : words[i].find_first_not_of("(\"'`"));
    if (text::IsOneOf(word, {"select", "insert", "update", "delete", "where", "from", "order", "call", "exec", "drop",
                             "alter", "with", "values", "union", "limit", "set"}))
      return true;
  }
  return text::Contains(lower, "order by") || text::Contains(lower, "where ") || text::Contains(lower, "select ");
}

// The SQL text of a call: the first argument, or `text`/`sql` of an options object.
Node SqlOf(const Model& model, Node call) {
  const Node first = ArgumentOf(call, 0);
  const Node object = ObjectBehind(model, first);
  if (!object) return first;
  for (const char* key : {"text", "sql", "query"}) {
    if (const Node text = PropertyOf(object, key)) return text;
  }
  return {};
}

bool IsTagged(Node call) { return call[Field::kArguments].Is(Kind::kTemplate); }

void SqlInjection(const Model& model, Reporter& reporter) {
  SinkJudge judge(model, reporter);
  model.ForEachCall({"query",
                     "execute",
                     "raw",
                     "queryRaw",
                     "$queryRawUnsafe",
                     "$executeRawUnsafe",
                     "$queryRaw",
                     "$executeRaw",
                     "literal",
                     "whereRaw",
                     "havingRaw",
                     "orderByRaw",
                     "joinRaw",
                     "selectRaw",
                     "unsafe",
                     "all",
                     "each",
                     "run",
                     "exec",
                     "prepare",
                     "any",
                     "one",
                     "oneOrNone",
                     "many",
                     "manyOrNone",
                     "none",
                     "queryAsync",
                     "batch"},
                    [&](Node call) {
                      const bool database = model.DatabaseCall(call) != DatabaseKind::kNone;
                      if (IsTagged(call)) {
                        if (database) judge.Saw(call, true);
                        return;
                      }
                      const Node sql = SqlOf(model, call);
                      if (!sql) return;
                      // whereRaw, orderByRaw and their kin take a piece of a statement.
                      const bool is_sql = CalleeName(call).ends_with("Raw") || LooksLikeSql(FixedText(model, sql));
                      if (!is_sql && !database) return;
                      const bool parametrised = ArgumentsOf(call).size() > 1 && !ArgumentOf(call, 1).IsFunction();
                      judge.Saw(call, is_sql && (parametrised || ObjectBehind(model, ArgumentOf(call, 0))));
                      if (!is_sql) return;
                      if (const auto taint = judge.Follow(sql, call))
                        judge.Report(call, *taint, "part of the text of an SQL statement");
                    });
  judge.Observe("No SQL statement was found.", "SQL statements");
}

// ---- C3 ----

bool RunsInShell(const Model& model, Node call, std::string_view name) {
  if (text::IsOneOf(name, {"exec", "execSync", "command", "commandSync", "execaCommand", "execaCommandSync"}))
    return true;
  for (const Node argument : ArgumentsOf(call)) {
    const Node shell = PropertyOf(ObjectBehind(model, argument), "shell");
    if (shell && BooleanValue(shell) != false) return true;
  }
  return false;
}

void CommandInjection(const Model& model, Reporter& reporter) {
  SinkJudge judge(model, reporter);
  model.ForEachCall(
      {"exec", "execSync", "execFile", "execFileSync", "spawn", "spawnSync", "fork", "execa", "execaSync", "command",
       "commandSync", "execaCommand", "execaCommandSync", "sync"},
      [&](Node call) {
        const std::string origin = model.OriginOf(CalleeOf(call));
        const std::string_view package = PackageOfOrigin(origin);
        if (!text::IsOneOf(package, {"child_process", "execa", "shelljs", "cross-spawn", "child-process-promise"}))
          return;
        const std::string_view name = CalleeName(call);
        const bool shell = RunsInShell(model, call, name);
        judge.Saw(call, !shell);
        if (const auto taint = judge.Follow(ArgumentOf(call, 0), call)) {
          judge.Report(call, *taint,
                       shell ? "part of a command that a shell interprets" : "the program that is started");
          return;
        }
        if (!shell || text::IsOneOf(name, {"exec", "execSync"})) return;
        for (const Node argument :
             ObjectBehind(model, ArgumentOf(call, 1)) ? std::vector<Node>() : std::vector<Node>{ArgumentOf(call, 1)}) {
          const auto taint = judge.Follow(argument, call);
          if (taint) judge.Report(call, *taint, "part of a command that a shell interprets (`shell` is set)");
        }
      });
  judge.Observe("No process is started.", "Commands");
}

// ---- C4 ----

bool IsFileOrigin(std::string_view origin) {
  return text::IsOneOf(PackageOfOrigin(origin), {"fs", "fs-extra", "graceful-fs", "node:fs"}) ||
         origin.starts_with("fs/promises");
}

// Express itself keeps a path below `root`.
bool HasRoot(const Model& model, Node call) {
  for (const Node argument : ArgumentsOf(call)) {
    const Node object = ObjectBehind(model, argument);
    if (OptionOf(model, object, "root") || HasSpread(object)) return true;
  }
  return false;
}

void PathTraversal(const Model& model, Reporter& reporter) {
  SinkJudge judge(model, reporter);
  model.ForEachCall({"readFile",
                     "readFileSync",
                     "createReadStream",
                     "writeFile",
                     "writeFileSync",
                     "createWriteStream",
                     "appendFile",
                     "appendFileSync",
                     "unlink",
                     "unlinkSync",
                     "rm",
                     "rmSync",
                     "rmdir",
                     "readdir",
                     "readdirSync",
                     "copyFile",
                     "rename",
                     "open",
                     "readJson",
                     "writeJson",
                     "remove",
                     "outputFile",
                     "mkdir",
                     "mkdirSync"},
                    [&](Node call) {
                      if (!IsFileOrigin(model.OriginOf(CalleeOf(call)))) return;
                      judge.Saw(call, false);
                      if (const auto taint = judge.Follow(ArgumentOf(call, 0), call)) {
                        judge.Report(call, *taint, "part of a path in the file system without staying below a folder");
                      }
                    });
  model.ForEachCall({"sendFile", "sendfile", "download"}, [&](Node call) {
    const Node response = CalleeOf(call)[Field::kObject].Bare();
    if (!response || !model.OnRequestPath(call) ||
        !text::IsOneOf(response.text(), {"res", "response", "reply", "_res"}))
      return;
    const bool rooted = HasRoot(model, call);
    judge.Saw(call, rooted);
    if (rooted) return;
    if (const auto taint = judge.Follow(ArgumentOf(call, 0), call)) {
      judge.Report(call, *taint, "part of the path of a file that is sent, without `root`");
    }
  });
  judge.Observe("No file is opened by name.", "Accesses to files");
}

// ---- C6 ----

// Data a client chooses for somebody else's browser; a request's own path, its host and its referrer are not.
bool IsChosenByALink(std::string_view source) {
  const auto parts = text::Split(source, '.');
  if (parts.size() > 1 && text::IsOneOf(parts[1], {"url", "originalUrl", "path", "headers", "hostname", "cookies",
                                                   "signedCookies", "subdomains"}))
    return false;
  const std::string lower = text::Lower(source);
  return !text::Contains(lower, "refer") && !text::Contains(lower, "host");
}

// A created resource's address, or another header of an answer that no browser follows.
bool IsNoRedirect(Node call) {
  const std::string_view before = CalleeOf(call)[Field::kObject].text();
  if (text::Contains(before, "status(20")) return true;
  const std::optional<double> status =
      CalleeName(call) == "writeHead" ? NumberValue(ArgumentOf(call, 0)) : std::nullopt;
  if (status && (*status < 300 || *status >= 400)) return true;
  // The rest of the chain: res.location(x).status(201).
  const Node next = call.parent().parent();
  const std::optional<double> after =
      next.Is(Kind::kCall) && CalleeName(next) == "status" ? NumberValue(ArgumentOf(next, 0)) : std::nullopt;
  return after && *after < 300;
}

// The address of a redirect call: the last of its one or two arguments.
Node RedirectTarget(const Model& model, Node call) {
  const std::string_view name = CalleeName(call);
  const auto arguments = ArgumentsOf(call);
  if (name == "redirect") return arguments.empty() ? Node() : arguments.size() > 1 ? arguments[1] : arguments[0];
  if (name == "location") return ArgumentOf(call, 0);
  if (name == "writeHead")
    return PropertyOf(ObjectBehind(model, arguments.empty() ? Node() : arguments.back()), "Location");
  return text::EqualsIgnoringCase(StringValue(ArgumentOf(call, 0)).value_or(""), "location") ? ArgumentOf(call, 1)
                                                                                             : Node();
}

void OpenRedirect(const Model& model, Reporter& reporter) {
  SinkJudge judge(model, reporter);
  model.ForEachCall({"redirect", "location", "setHeader", "header", "set", "writeHead"}, [&](Node call) {
    const Node response = CalleeOf(call)[Field::kObject].Bare();
    // `res.status(302).redirect(…)` as well.
    const std::string_view root = response.text().substr(0, response.text().find('.'));
    if (!response || !text::IsOneOf(root, {"res", "response", "reply", "_res"})) return;
    const Node target = RedirectTarget(model, call);
    if (!target || IsNoRedirect(call)) return;
    const Node leading = LeadingPart(model, target);
    const bool fixed = StringValue(leading).has_value() || leading.Is(Kind::kTemplate);
    judge.Saw(call, fixed);
    if (fixed) return;
    const auto taint = judge.Follow(leading, call);
    if (taint && IsChosenByALink(taint->text))
      judge.Report(call, *taint,
                   "the address a browser is sent to, so that a link or form can lead anywhere through this site");
  });
  judge.Observe("Nothing is redirected.", "Redirects");
}

// ---- C8 ----

void CodeInjection(const Model& model, Reporter& reporter) {
  SinkJudge judge(model, reporter);
  bool seen_any = false;
  model.ForEachCall(
      {"eval", "Function", "runInNewContext", "runInThisContext", "runInContext", "compileFunction", "Script",
       "setTimeout", "setInterval", "require"},
      [&](Node call) {
        const std::string_view name = CalleeName(call);
        const Node callee = CalleeOf(call);
        const std::string origin = model.OriginOf(callee);
        const bool global = callee.Is(Kind::kIdentifier) && (origin.empty() || origin == name);
        const bool vm = PackageOfOrigin(origin) == "vm";
        const auto arguments = ArgumentsOf(call);
        if (arguments.empty() || (!global && !vm)) return;
        const bool timer = name == "setTimeout" || name == "setInterval";
        const Node code = name == "Function" ? arguments.back() : arguments[0];
        if (!timer && name != "require") {
          judge.Saw(call, false);
          seen_any = true;
        }
        if (code.IsFunction() || (timer && FixedText(model, code).empty() && !code.Bare().Is(Kind::kMember))) return;
        if (const auto taint = judge.Follow(code, call)) {
          judge.Saw(call, false);
          judge.Report(call, *taint,
                       name == "require" ? "the name of a module that is loaded" : "code that this process runs");
          return;
        }
        if (name == "eval" && global && !StringValue(code) && model.OnRequestPath(call)) {
          judge.ReportPlace(
              call, text::Cat({"The code suggests that ", Code(code), " is run as code while a request is answered."}));
        }
      });
  if (!seen_any && reporter.found() == 0) {
    reporter.Observe(1.0, error_of::kAbsence, "Nothing was found that runs text as code (eval, Function, vm).",
                     {model.Anchor()});
    return;
  }
  judge.Observe("Nothing runs text as code.", "Places that run text as code");
}

constexpr Check kChecks[] = {
    {
        .id = "C1",
        .criterion = "injection.sql",
        .title = "Request data stays out of the text of SQL statements",
        .severity = Severity::kError,
        .help = "Text that is put into a statement is parsed as SQL, so a value can end the string and add commands of "
                "its own. Pass values as "
                "parameters (`query('… WHERE id = $1', [id])`, `?`, tagged templates); take names of columns and "
                "directions from a fixed "
                "list in the code, since they cannot be parameters.",
        .question = "Which request would make this statement return or change something it should not, and why do "
                    "parameters prevent it?",
        .good_answer = "Gives a concrete value that breaks out, explains that parameters travel apart from the parsed "
                       "statement, and handles "
                       "ORDER BY or table names with a list of allowed names rather than escaping.",
        .run = SqlInjection,
    },
    {
        .id = "C3",
        .criterion = "injection.command",
        .title = "Request data stays out of shell commands",
        .severity = Severity::kError,
        .help = "A shell gives meaning to ; | $( ) and spaces, so a value can start programs of its own. Start "
                "programs without a shell "
                "(`execFile`, `spawn` with an array of arguments), put `--` before values that could look like "
                "options, and check the value "
                "against what is expected.",
        .question = "What would a client send to run a second program here, and what is left to worry about once no "
                    "shell is involved?",
        .good_answer = "Shows a value with a separator, replaces exec by execFile with an argument list, and still "
                       "thinks of arguments that start "
                       "with a dash, of limits on time and of the rights of the process.",
        .run = CommandInjection,
    },
    {
        .id = "C4",
        .criterion = "injection.path",
        .title = "Paths from requests stay below their folder",
        .severity = Severity::kError,
        .help = "`path.join(folder, name)` happily leaves the folder when name holds `../`, and Express decodes `%2F` "
                "in parameters. Resolve the "
                "path and check that it starts with the folder and a separator, use `path.basename` where only a name "
                "is meant, or let "
                "`res.sendFile(name, { root })` refuse it.",
        .question =
            "Which request reads a file outside the folder that is meant here, and how do you check a path for good?",
        .good_answer = "Gives an encoded ../ example, compares the resolved path with the folder including the "
                       "separator (or uses root/basename), "
                       "and mentions symbolic links or storing files under names of one's own.",
        .run = PathTraversal,
    },
    {
        .id = "C6",
        .criterion = "injection.redirect",
        .title = "Redirects lead only where the application means to",
        .severity = Severity::kWarning,
        .help = "A link to this site that ends on another one lends its good name to whoever made the link. Redirect "
                "to paths of the application "
                "(one leading slash, not two), or look the target up in a list of known addresses; compare parsed host "
                "names, never prefixes "
                "of text.",
        .question =
            "How could somebody use this line in a mail to your users, and which targets have to stay possible?",
        .good_answer = "Describes phishing through a trusted host, knows that //host and https:host slip past simple "
                       "prefix checks, and proposes "
                       "an allow list or tokens that stand for targets.",
        .run = OpenRedirect,
    },
    {
        .id = "C8",
        .criterion = "injection.eval",
        .title = "Nothing a client sends is run as code",
        .severity = Severity::kError,
        .help = "`eval`, `new Function`, `vm` and a computed `require` run with all rights of the process; `vm` is no "
                "boundary against untrusted "
                "code. Parse data with a parser (`JSON.parse`, a small expression grammar), dispatch on names through "
                "a fixed table, and load "
                "modules by literal names.",
        .question = "What is this meant to compute, and what is the narrowest thing that could compute it?",
        .good_answer = "Replaces it by a parser or a table of functions, says why vm contexts do not isolate, and what "
                       "would be needed if users "
                       "really must supply code (another process without rights and network).",
        .run = CodeInjection,
    },
};

}  // namespace

std::span<const Check> InjectionChecks() { return kChecks; }

}  // namespace assay::code_analysis
