#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/code_analysis/syntax/parser.h"

namespace assay::code_analysis {
namespace {

using ::testing::Eq;

struct Parsed {
  Parsed(std::string path, std::string text)
      : path(std::move(path)), text(std::move(text)), file{.path = this->path, .bytes = this->text}, tree(&file) {
    Language language = Language::kJavaScript;
    LanguageOf(this->path, language);
    reason = FileParser().Parse(language, limits, tree);
  }
  Node First(Kind kind) const {
    for (uint32_t id = 1; id < tree.size(); ++id) {
      if (tree.record(id).kind == kind) return {&tree, id};
    }
    return {};
  }
  std::string path, text;
  SourceFile file;
  SyntaxTree tree;
  ParseLimits limits;
  std::string reason;
};

TEST(SyntaxTree, KeepsPlacesOfNodes) {
  const Parsed parsed("a.js", "\n  // words\n  foo.bar('x',\n    2);\n");
  const Node call = parsed.First(Kind::kCall);
  EXPECT_EQ(call.text(), "foo.bar('x',\n    2)");
  const Span span = parsed.tree.SpanOf(call);
  EXPECT_EQ(span.line, 3u);
  EXPECT_EQ(span.column, 3u);
  EXPECT_EQ(span.end_line, 4u);
  EXPECT_EQ(span.end_column, 7u);
  EXPECT_EQ(CalleeName(call), "bar");
  EXPECT_EQ(parsed.tree.comments().size(), 1u);
}

TEST(SyntaxTree, NoneAnswersEveryQuestion) {
  const Node none;
  EXPECT_FALSE(none);
  EXPECT_FALSE(none.parent().Bare()[Field::kName].EnclosingFunction());
  EXPECT_EQ(none.text(), "");
  EXPECT_EQ(PathOf(none), "");
  EXPECT_EQ(StringValue(none), std::nullopt);
  EXPECT_TRUE(ArgumentsOf(none).empty());
  for (Node child : none.Children()) ADD_FAILURE() << child.id();
  for (Node node : none.Descendants()) ADD_FAILURE() << node.id();
}

TEST(SyntaxTree, ReadsTypeScriptAndJsx) {
  const Parsed parsed("a.tsx",
                      "class A<T> extends B<T> implements C { private x = 1; constructor(readonly app: Express) { "
                      "super(); } }\nconst f = async (req: Request, res?) => <div onClick={go}>{x as Y}</div>;\n");
  EXPECT_EQ(parsed.reason, "");
  EXPECT_FALSE(parsed.tree.has_errors());
  EXPECT_EQ(NameOf(parsed.First(Kind::kClass)), "A");
  EXPECT_EQ(NameOf(parsed.First(Kind::kField)), "x");
  EXPECT_TRUE(parsed.First(Kind::kParameter).Has(attribute::kMember));
  const Node arrow = parsed.First(Kind::kArrow);
  EXPECT_TRUE(arrow.Has(attribute::kAsync));
  EXPECT_EQ(ParameterName(ParametersOf(arrow)[0]), "req");
  EXPECT_EQ(TypeOf(ParametersOf(arrow)[0]), "Request");
  EXPECT_EQ(ArityOf(arrow), 2u);
}

TEST(SyntaxTree, ReadsValues) {
  const Parsed parsed("a.js", "x = [15 * 60 * 1000, 'a\\n\\u0041', `b`, !0, 1_000, -3, `c${d}`];");
  const Node array = parsed.First(Kind::kArray);
  EXPECT_EQ(NumberValue(array.child(0)), 900000);
  EXPECT_EQ(StringValue(array.child(1)), "a\nA");
  EXPECT_EQ(StringValue(array.child(2)), "b");
  EXPECT_EQ(BooleanValue(array.child(3)), true);
  EXPECT_EQ(NumberValue(array.child(4)), 1000);
  EXPECT_EQ(NumberValue(array.child(5)), -3);
  EXPECT_EQ(StringValue(array.child(6)), std::nullopt);
}

TEST(SyntaxTree, AnalysesAroundSyntaxErrors) {
  const Parsed parsed("a.js", "const app = express();\nconst = ;\napp.get('/a', handler);\n");
  EXPECT_EQ(parsed.reason, "");
  EXPECT_TRUE(parsed.tree.has_errors());
  EXPECT_EQ(parsed.tree.CallsNamed("get").size(), 1u);
}

TEST(SyntaxTree, RefusesWhatIsNestedTooDeeply) {
  const Parsed parsed("a.js", "x = " + std::string(4000, '[') + std::string(4000, ']') + ";");
  EXPECT_EQ(parsed.reason, "nested too deeply");
}

TEST(ReasonNotToParse, NamesWhatIsWrongWithTheBytes) {
  const ParseLimits limits;
  EXPECT_THAT(ReasonNotToParse("a.js", std::string(50u << 20, 'x'), limits), Eq("larger than 8 MiB"));
  EXPECT_THAT(ReasonNotToParse("a.js", "const a = '\xff\xfe';", limits), Eq("not UTF-8"));
  EXPECT_THAT(ReasonNotToParse("a.js", std::string("a\0b", 3), limits), Eq("binary: it contains a zero byte"));
  EXPECT_THAT(ReasonNotToParse("a.js", std::string(6000, 'y'), limits), Eq("minified or bundled"));
  EXPECT_THAT(ReasonNotToParse("a.js", "const grüße = '✓';\n", limits), Eq(""));
}

TEST(FileParser, StopsWhenAsked) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "f(a, b);\n";
  const SourceFile file{.path = "a.js", .bytes = text};
  SyntaxTree tree(&file);
  ParseLimits limits;
  limits.should_stop = [] { return true; };
  EXPECT_EQ(FileParser().Parse(Language::kJavaScript, limits, tree), "the analysis was stopped");
}

}  // namespace
}  // namespace assay::code_analysis
