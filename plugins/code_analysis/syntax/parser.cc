#include "plugins/code_analysis/syntax/parser.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>

namespace assay::code_analysis {

// Fills what a tree keeps from what the reader produced.
class TreeBuilder {
 public:
  static void Fill(const assay_flat_tree& flat, SyntaxTree& tree);

 private:
  static uint32_t CalleeNameId(const SyntaxTree& tree, uint32_t call);
};

namespace {

struct Progress {
  const Arena* arena;
  const ParseLimits* limits;
  std::chrono::steady_clock::time_point end;
  std::chrono::nanoseconds cpu_end;
  const char* reason = nullptr;
};

std::chrono::nanoseconds ThreadTime() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

bool ReportProgress(TSParseState* state) {
  auto* progress = static_cast<Progress*>(state->payload);
  if (progress->arena->used() > progress->limits->max_arena_bytes) {
    progress->reason = "needs more memory to parse than a file may take";
  } else if (std::chrono::steady_clock::now() > progress->end && ThreadTime() > progress->cpu_end) {
    // A busy machine must not change what is read: what counts is the time this thread has had.
    progress->reason = "takes too long to parse";
  } else if (progress->limits->should_stop && progress->limits->should_stop()) {
    progress->reason = "the analysis was stopped";
  }
  return progress->reason != nullptr;
}

const char* ReadWhole(void* payload, uint32_t byte, TSPoint, uint32_t* length) {
  const auto* bytes = static_cast<const std::string_view*>(payload);
  if (byte >= bytes->size()) {
    *length = 0;
    return "";
  }
  *length = static_cast<uint32_t>(bytes->size() - byte);
  return bytes->data() + byte;
}

uint32_t HashOf(std::string_view name) {
  uint32_t hash = 2166136261u;
  for (char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  return hash;
}

bool IsUtf8(std::string_view bytes) {
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
  const uint8_t* end = p + bytes.size();
  while (p < end) {
    uint64_t word;
    while (end - p >= 8 && (std::memcpy(&word, p, 8), (word & 0x8080808080808080ull) == 0)) p += 8;
    if (p == end) break;
    if (*p < 0x80) {
      ++p;
      continue;
    }
    const int more = *p >= 0xF0 ? 3 : *p >= 0xE0 ? 2 : 1;
    if (*p < 0xC2 || *p > 0xF4 || end - p <= more) return false;
    const uint32_t second = p[1];
    if ((*p == 0xE0 && second < 0xA0) || (*p == 0xED && second > 0x9F) || (*p == 0xF0 && second < 0x90) ||
        (*p == 0xF4 && second > 0x8F))
      return false;
    for (int i = 1; i <= more; ++i) {
      if ((p[i] & 0xC0) != 0x80) return false;
    }
    p += more + 1;
  }
  return true;
}

// The comment a compiler leaves at the end, with the whole map in it; the code above it is as readable as ever.
bool IsSourceMap(std::string_view line) {
  return line.substr(0, 21) == "//# sourceMappingURL=" || line.substr(0, 21) == "//@ sourceMappingURL=";
}

// Generated code says nothing about how a person writes: very long lines, or many of them.
bool LooksMinified(std::string_view path, std::string_view bytes) {
  if (path.find(".min.") != std::string_view::npos) return true;
  if (bytes.size() < 4096) return false;
  // What a bundler writes at the top of everything it joins.
  const std::string_view top = bytes.substr(0, 2048);
  if (top.find("__webpack_modules__") != std::string_view::npos ||
      top.find("webpackBootstrap") != std::string_view::npos || top.find("webpackChunk") != std::string_view::npos) {
    return true;
  }
  size_t in_long_lines = 0, maps = 0;
  size_t begin = 0;
  while (begin < bytes.size()) {
    const void* newline = std::memchr(bytes.data() + begin, '\n', bytes.size() - begin);
    const size_t end = newline == nullptr ? bytes.size() : static_cast<const char*>(newline) - bytes.data();
    // Long strings and data URIs happen in ordinary code; long lines full of punctuation do not.
    if (IsSourceMap(bytes.substr(begin, end - begin))) {
      maps += end - begin;
    } else if (end - begin > 1000) {
      in_long_lines += end - begin;
    }
    begin = end + 1;
  }
  return in_long_lines * 2 > bytes.size() - maps;
}

}  // namespace

std::string ReasonNotToParse(std::string_view path, std::string_view bytes, const ParseLimits& limits) {
  if (bytes.size() > limits.max_bytes) return "larger than " + std::to_string(limits.max_bytes >> 20) + " MiB";
  if (!IsUtf8(bytes)) return "not UTF-8";
  if (bytes.find('\0') != std::string_view::npos) return "binary: it contains a zero byte";
  if (LooksMinified(path, bytes)) return std::string(kMinified);
  return "";
}

std::string FileParser::Parse(Language language, const ParseLimits& limits, SyntaxTree& tree) {
  const Grammar& grammar = GrammarOf(language);
  std::string_view bytes = tree.file().bytes;
  Arena::SetCurrent(&arena_);
  // Neither parser nor tree is deleted: the arena drops both with everything they refer to.
  TSParser* parser = ts_parser_new();
  ts_parser_set_language(parser, grammar.language);
  const std::chrono::microseconds longest(limits.max_microseconds);
  Progress progress{&arena_, &limits, std::chrono::steady_clock::now() + longest, ThreadTime() + longest, nullptr};
  const TSInput input{.payload = &bytes, .read = ReadWhole, .encoding = TSInputEncodingUTF8, .decode = nullptr};
  const TSTree* parsed =
      ts_parser_parse_with_options(parser, nullptr, input, {.payload = &progress, .progress_callback = ReportProgress});
  std::string reason;
  if (parsed == nullptr) {
    reason = progress.reason != nullptr ? progress.reason : "could not be parsed";
  } else {
    assay_flat_tree flat = {};
    flat.capacity = 0;
    const int status = assay_flatten_tree(parsed, &grammar.tables, limits.max_depth, &flat);
    if (status == 0) {
      TreeBuilder::Fill(flat, tree);
    } else {
      reason = status == 1 ? "nested too deeply" : "needs more memory to parse than a file may take";
    }
    assay_flat_tree_free(&flat);
  }
  arena_.Reset();
  Arena::SetCurrent(nullptr);
  return reason;
}

uint32_t TreeBuilder::CalleeNameId(const SyntaxTree& tree, uint32_t call) {
  const Node name = [&] {
    Node callee = CalleeOf(Node(&tree, call));
    if (callee.Is(Kind::kMember)) return callee[Field::kProperty];
    return callee;
  }();
  switch (name.kind()) {
    case Kind::kIdentifier:
    case Kind::kPropertyName:
    case Kind::kPrivateName:
    case Kind::kImportKeyword:
    case Kind::kSuper:
      return name.id();
    default:
      return 0;
  }
}

void TreeBuilder::Fill(const assay_flat_tree& flat, SyntaxTree& tree) {
  static_assert(sizeof(SyntaxTree::Record) == sizeof(assay_record));
  tree.records_.resize(flat.count);
  std::memcpy(static_cast<void*>(tree.records_.data()), flat.records, flat.count * sizeof(assay_record));
  tree.records_[0] = {0, 0, 0, 1, Kind::kNone, Field::kNone, 0};
  tree.comments_.resize(flat.comment_count);
  for (uint32_t i = 0; i < flat.comment_count; ++i) tree.comments_[i] = {flat.comments[i].begin, flat.comments[i].end};
  tree.has_errors_ = flat.has_errors != 0;

  const std::string_view bytes = tree.file().bytes;
  tree.line_starts_.reserve(bytes.size() / 30 + 1);
  tree.line_starts_.push_back(0);
  for (const char* p = bytes.data();
       (p = static_cast<const char*>(std::memchr(p, '\n', bytes.data() + bytes.size() - p))) != nullptr;) {
    tree.line_starts_.push_back(static_cast<uint32_t>(++p - bytes.data()));
  }

  const auto text = [&](uint32_t id) { return bytes.substr(tree.records_[id].begin, tree.records_[id].length); };
  for (uint32_t id = 1; id < flat.count; ++id) {
    SyntaxTree::Record& record = tree.records_[id];
    if (record.field == Field::kProperty && tree.records_[record.parent].kind == Kind::kField)
      record.field = Field::kName;
    switch (record.kind) {
      case Kind::kCall:
      case Kind::kNew: {
        tree.index_[static_cast<size_t>(record.kind)].push_back(id);
        const uint32_t name = CalleeNameId(tree, id);
        if (name != 0) tree.calls_.push_back({HashOf(text(name)), id});
        break;
      }
      case Kind::kPropertyName:
        if (tree.records_[record.parent].kind == Kind::kMember) {
          tree.members_.push_back({HashOf(text(id)), record.parent});
        } else if (const Kind parent = tree.records_[record.parent].kind;
                   parent == Kind::kPair || parent == Kind::kPairPattern || parent == Kind::kMethod) {
          if (record.field != Field::kValue) tree.properties_.push_back({HashOf(text(id)), record.parent});
        }
        break;
      case Kind::kString:
        if (record.field == Field::kKey && record.length >= 2) {
          tree.properties_.push_back({HashOf(text(id).substr(1, record.length - 2)), record.parent});
        }
        break;
      case Kind::kShorthand:
      case Kind::kShorthandPattern:
        tree.properties_.push_back({HashOf(text(id)), id});
        break;
      case Kind::kFunctionDeclaration:
      case Kind::kFunctionExpression:
      case Kind::kArrow:
      case Kind::kMethod:
      case Kind::kClass:
      case Kind::kImport:
      case Kind::kExport:
      case Kind::kImportRequire:
      case Kind::kAssignment:
      case Kind::kAugmentedAssignment:
      case Kind::kUpdate:
      case Kind::kCatch:
      case Kind::kReturn:
      case Kind::kAwait:
      case Kind::kDeclarator:
      case Kind::kThrow:
        tree.index_[static_cast<size_t>(record.kind)].push_back(id);
        break;
      default:
        break;
    }
  }
  const auto order = [](const SyntaxTree::Named& a, const SyntaxTree::Named& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.id < b.id;
  };
  for (auto* names : {&tree.calls_, &tree.members_, &tree.properties_}) std::sort(names->begin(), names->end(), order);
}

}  // namespace assay::code_analysis
