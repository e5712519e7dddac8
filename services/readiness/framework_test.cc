// SPDX-License-Identifier: Apache-2.0
#include "services/readiness/framework.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "google/protobuf/message.h"
#include "gtest/gtest.h"
#include "services/common/base/digest.h"
#include "services/common/base/file.h"
#include "services/common/base/testing/status_matchers.h"
#include "services/common/base/testing/wording.h"

namespace assay::readiness {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const v1::Framework& BuiltIn() { return Catalog::BuiltIn().frameworks()[0]->proto(); }

std::vector<FrameworkFile> Files() { return {Catalog::Sources().begin(), Catalog::Sources().end()}; }

// The built-in framework with one text replaced in one file.
absl::StatusOr<v1::Framework> WithChange(const std::string& name, const std::string& from, const std::string& to) {
  std::vector<FrameworkFile> files = Files();
  for (FrameworkFile& file : files) {
    if (file.name != name) continue;
    const size_t at = file.content.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    if (at != std::string::npos) file.content.replace(at, from.size(), to);
  }
  return ParseFramework(files);
}

TEST(BuiltInFramework, HoldsTheWholeSourceDocument) {
  int competencies = 0;
  int behaviours = 0;
  std::map<v1::Behaviour::Observability, int> grades;
  for (const v1::Area& area : BuiltIn().areas()) {
    EXPECT_THAT(area.competencies(), SizeIs(3)) << area.id();
    for (const v1::Competency& competency : area.competencies()) {
      ++competencies;
      EXPECT_THAT(competency.behaviours(), SizeIs(6)) << competency.id();
      EXPECT_THAT(competency.anchors(), SizeIs(5)) << competency.id();
      for (const v1::Behaviour& behaviour : competency.behaviours()) {
        ++behaviours;
        ++grades[behaviour.observability()];
        EXPECT_EQ(behaviour.source_place(), behaviour.id());
      }
    }
  }
  EXPECT_THAT(BuiltIn().areas(), SizeIs(8));
  EXPECT_EQ(competencies, 24);
  EXPECT_EQ(behaviours, 144);
  EXPECT_EQ(grades[v1::Behaviour::STRONG], 39);
  EXPECT_EQ(grades[v1::Behaviour::PARTIAL], 41);
  EXPECT_EQ(grades[v1::Behaviour::ARTEFACT], 22);
  EXPECT_EQ(grades[v1::Behaviour::HUMAN_ONLY], 42);
  EXPECT_THAT(BuiltIn().faq(), SizeIs(8));
}

TEST(BuiltInFramework, GivesAPersonSomethingToLookForAndAskAboutEveryBehaviour) {
  std::set<std::string> questions;
  for (const v1::Area& area : BuiltIn().areas()) {
    for (const v1::Competency& competency : area.competencies()) {
      for (const v1::Behaviour& behaviour : competency.behaviours()) {
        EXPECT_GT(behaviour.look_for().size(), 30u) << behaviour.id();
        EXPECT_GT(behaviour.ask().size(), 30u) << behaviour.id();
        EXPECT_TRUE(questions.insert(behaviour.ask()).second) << behaviour.id() << " asks what another one asks";
      }
    }
  }
}

TEST(BuiltInFramework, TellsLevelsApartInWordsOfTheirOwn) {
  std::set<std::string> anchors;
  for (const v1::Area& area : BuiltIn().areas()) {
    for (const v1::Competency& competency : area.competencies()) {
      for (const auto& anchor : competency.anchors()) {
        EXPECT_GT(anchor.text().size(), 40u) << competency.id() << " level " << anchor.level();
        EXPECT_TRUE(anchors.insert(anchor.text()).second) << competency.id() << " level " << anchor.level();
      }
    }
  }
}

TEST(BuiltInFramework, TakesItsGatesFromTheOwnershipDutiesAndTheMustHaves) {
  for (const v1::RoleProfile& profile : BuiltIn().profiles()) {
    std::vector<std::string> members;
    for (const auto& gate : profile.gates())
      members.insert(members.end(), gate.members().begin(), gate.members().end());
    EXPECT_THAT(members, ElementsAre("1.2", "3.1", "3.2", "3.3", "6.2.3", "6.3.6")) << profile.id();
  }
  const CompiledFramework& framework = *Catalog::BuiltIn().frameworks()[0];
  ASSERT_NE(framework.FindProfile("hiring"), nullptr);
  EXPECT_EQ(framework.FindProfile("hiring")->gates(0).raters(), 2u);
  EXPECT_THAT(framework.FindProfile("hiring")->gates(0).rater_roles(), ElementsAre("interviewer"));
  ASSERT_NE(framework.FindProfile("promotion"), nullptr);
  EXPECT_THAT(framework.FindProfile("promotion")->gates(0).required_roles(), ElementsAre("manager"));
  EXPECT_NE(framework.FindProfile("practice"), nullptr);
  EXPECT_EQ(framework.FindProfile("firing"), nullptr);
}

TEST(BuiltInFramework, NeverSpeaksOfPeoplesWorkInForbiddenWords) {
  v1::Framework texts = BuiltIn();
  // Numbers by the names of verdicts; nobody is shown them.
  texts.clear_model();
  EXPECT_EQ(assay::testing::AccusingWordIn(texts.DebugString()), "");
}

// The figures that README.md names.
TEST(BuiltInFramework, LeavesToPeopleWhatNoEvaluatorSpeaksFor) {
  const CompiledFramework& framework = *Catalog::BuiltIn().frameworks()[0];
  std::set<std::string> in_documents;
  for (const v1::CriterionMapping& mapping : BuiltIn().criteria()) {
    if (mapping.method() != v1::Observation::DOCUMENT) continue;
    in_documents.insert(mapping.behaviours().begin(), mapping.behaviours().end());
  }
  int by_machines = 0, by_documents = 0, by_people = 0;
  for (const v1::Area& area : BuiltIn().areas()) {
    for (const v1::Competency& competency : area.competencies()) {
      for (const v1::Behaviour& behaviour : competency.behaviours()) {
        const bool machines = framework.IsSeenByMachines(behaviour.id());
        ++(machines ? by_machines : in_documents.contains(behaviour.id()) ? by_documents : by_people);
      }
    }
  }
  EXPECT_EQ(by_machines, 27);
  EXPECT_EQ(by_documents, 27);
  EXPECT_EQ(by_people, 90);
}

TEST(BuiltInFramework, StatesTheWeightOfEveryCompetency) {
  for (const v1::Area& area : BuiltIn().areas()) {
    for (const v1::Competency& competency : area.competencies()) {
      EXPECT_GT(competency.weight(), 0) << competency.id();
      for (const v1::RoleProfile& profile : BuiltIn().profiles()) {
        EXPECT_EQ(profile.competency_weights().count(competency.id()), 1u) << profile.id() << " " << competency.id();
      }
    }
  }
}

// As source-runs.txt counts words.
std::vector<std::string> Words(absl::string_view text) {
  std::string lower = absl::AsciiStrToLower(text);
  for (char& c : lower) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = ' ';
  }
  return absl::StrSplit(lower, ' ', absl::SkipEmpty());
}

// Every text a reader can meet; `source` names the document itself.
void CollectTexts(const google::protobuf::Message& message, std::vector<std::string>& texts) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    const bool is_text = field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING;
    const bool is_message = field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE;
    if (field->full_name() == "assay.v1.Framework.source") continue;
    for (int i = 0; field->is_repeated() && i < reflection.FieldSize(message, field); ++i) {
      if (is_text) texts.push_back(reflection.GetRepeatedString(message, field, i));
      if (is_message) CollectTexts(reflection.GetRepeatedMessage(message, field, i), texts);
    }
    if (field->is_repeated()) continue;
    if (is_text) texts.push_back(reflection.GetString(message, field));
    if (is_message) CollectTexts(reflection.GetMessage(message, field), texts);
  }
}

TEST(BuiltInFramework, RepeatsNoSixWordsOfTheSourceDocument) {
  const absl::StatusOr<std::string> file = ReadFile("services/readiness/frameworks/source-runs.txt", 1 << 20);
  ASSERT_TRUE(file.ok()) << file.status();
  std::set<std::string> runs;
  for (absl::string_view line : absl::StrSplit(*file, '\n')) {
    if (absl::StartsWith(line, "#")) continue;
    for (absl::string_view run : absl::StrSplit(line, ' ', absl::SkipEmpty())) runs.emplace(run);
  }
  ASSERT_GT(runs.size(), 800u);
  const auto is_repeated = [&runs](const std::vector<std::string>& words) {
    return runs.count(Digest::Of(absl::StrJoin(words, " ")).ToHex().substr(0, 12)) > 0;
  };
  // The title of the document, to see that the words are counted as they were when the file was made.
  ASSERT_TRUE(is_repeated(Words("What Makes a Senior Express.js")));
  std::vector<std::string> texts;
  CollectTexts(BuiltIn(), texts);
  ASSERT_GT(texts.size(), 144u * 3);
  for (const std::string& text : texts) {
    const std::vector<std::string> words = Words(text);
    for (size_t i = 0; i + 6 <= words.size(); ++i) {
      EXPECT_FALSE(is_repeated({words.begin() + i, words.begin() + i + 6})) << text;
    }
  }
}

TEST(Catalog, FindsAFrameworkByNameIdAndDigest) {
  const Catalog& catalog = Catalog::BuiltIn();
  const std::string digest = catalog.frameworks()[0]->digest_text();
  for (const std::string& name :
       {std::string("senior-express-engineer@1"), std::string("senior-express-engineer"), digest}) {
    const auto found = catalog.Find(name);
    ASSERT_TRUE(found.ok()) << name;
    EXPECT_EQ((*found)->name(), "senior-express-engineer@1");
  }
  const auto missing = catalog.Find("senior-express-engineer@2");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("senior-express-engineer@1"));
}

TEST(CanonicalBytes, AreEqualForEqualFrameworksAndRoundTrip) {
  std::vector<FrameworkFile> files = Files();
  std::reverse(files.begin(), files.end());
  const auto again = ParseFramework(files);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(CanonicalBytes(*again), CanonicalBytes(BuiltIn()));
  v1::Framework read;
  ASSERT_TRUE(read.ParseFromString(CanonicalBytes(BuiltIn())));
  EXPECT_EQ(CanonicalBytes(read), CanonicalBytes(BuiltIn()));
}

TEST(CompiledFramework, ResolvesCriteria) {
  const CompiledFramework& framework = *Catalog::BuiltIn().frameworks()[0];
  EXPECT_THAT(framework.BehavioursOf("shutdown.drains"), ElementsAre("3.2.4", "2.2.4"));
  EXPECT_THAT(framework.BehavioursOf("behaviour/2.2.1"), ElementsAre("2.2.1"));
  EXPECT_THAT(framework.BehavioursOf("rating/3.1"), SizeIs(6));
  EXPECT_EQ(framework.Resolve("rating/3.1").competency->id(), "3.1");
  EXPECT_THAT(framework.BehavioursOf("portfolio/migration"), ElementsAre("8.1.1", "8.1.3", "8.1.5"));
  EXPECT_THAT(framework.BehavioursOf("portfolio/migration/7.3.2"), ElementsAre("7.3.2"));
  EXPECT_EQ(framework.Resolve("portfolio/migration/7.3.2").mapping->criterion(), "portfolio/migration");
  for (const char* unmapped :
       {"no.such", "rating/9.9", "behaviour/3.1", "portfolio/migration/9.9.9", "rating/", "/", ""}) {
    EXPECT_EQ(framework.Resolve(unmapped).mapping, nullptr) << unmapped;
    EXPECT_THAT(framework.BehavioursOf(unmapped), IsEmpty()) << unmapped;
  }
}

struct Defect {
  const char* name;
  const char* file;
  const char* from;
  const char* to;
  const char* place;  // file and line, or the file
  const char* field;
};

class FrameworkDefects : public ::testing::TestWithParam<Defect> {};

TEST_P(FrameworkDefects, AreRefusedWithTheirPlace) {
  const Defect& defect = GetParam();
  const auto result = WithChange(defect.file, defect.from, defect.to);
  ASSERT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(result.status().message()), AllOf(HasSubstr(defect.place), HasSubstr(defect.field)));
}

INSTANTIATE_TEST_SUITE_P(
    Rules, FrameworkDefects,
    ::testing::Values(
        Defect{"UnknownKey", "area-1.yaml", "observability: PARTIAL", "visibility: PARTIAL",
               "area-1.yaml:25:", "visibility"},
        Defect{"WrongType", "model.yaml", "prior_mean: 2", "prior_mean: two", "model.yaml:4:", "prior_mean"},
        Defect{"GivenTwice", "faq.yaml", "faq:", "version: 2\nfaq:", "framework.yaml:", "version"},
        Defect{"DuplicateId", "area-2.yaml", "id: \"2.1.2\"", "id: \"2.1.1\"",
               "area-2.yaml:", "areas[1].competencies[0].behaviours[1].id"},
        Defect{"IdOfAnotherParent", "area-3.yaml", "id: \"3.1.1\"", "id: \"4.1.1\"",
               "area-3.yaml:17:", "\"3.1.<number>\""},
        Defect{"MissingAnchor", "area-4.yaml", "{level: 2,", "{level: 3,", "area-4.yaml:13:", "levels 0 to 4"},
        Defect{"NothingToAsk", "area-5.yaml",
               "ask: Whom did you pair with last month, on what, and how was that decided?", "weight: 1",
               "area-5.yaml:", ".ask"},
        Defect{"DanglingBehaviour", "criteria.yaml", "[\"3.2.4\", \"2.2.4\"]", "[\"3.2.4\", \"3.2.9\"]",
               "criteria.yaml:", "3.2.9"},
        Defect{"StrengthOutOfRange", "criteria.yaml", "strength: 0.9", "strength: 1.9", "criteria.yaml:", "strength"},
        Defect{"DuplicateCriterion", "criteria.yaml", "\"errors.handler_arity\"", "\"errors.handler_last\"",
               "criteria.yaml:", "second time"},
        Defect{"UnknownGateMember", "profiles.yaml", "[\"6.3.6\"]", "[\"6.3.9\"]", "profiles.yaml:", "6.3.9"},
        Defect{"UnknownRole", "profiles.yaml", "[interviewer]", "[self]",
               "profiles.yaml:", "interviewer, manager or peer"},
        Defect{"NegativeVariance", "model.yaml", "rating_variance: 0.25", "rating_variance: -0.25",
               "model.yaml:", "rating_variance"},
        Defect{"MissingMethod", "model.yaml", "CODE: 0.36, ", "", "model.yaml:", "method_variance.CODE"},
        Defect{"UnknownKind", "evaluators.yaml", "[REPOSITORY], lane: fast", "[FOLDER], lane: fast",
               "evaluators.yaml:3:", "FOLDER"},
        Defect{"NeedsALaterEvaluator", "evaluators.yaml", "needs: [code_analysis]", "needs: [rubric]",
               "evaluators.yaml:4:", "rubric"},
        Defect{"FaqNamesNothing", "faq.yaml", "\"2.1.3\"", "\"2.1.33\"", "faq.yaml:", "2.1.33"}),
    [](const auto& info) { return info.param.name; });

TEST(ParseFramework, RefusesAnEmptySet) {
  EXPECT_EQ(ParseFramework({}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ParseFramework, RefusesAFrameworkWithoutAreas) {
  const FrameworkFile file{"only.yaml", "id: x\nversion: 1\ntitle: X\n"};
  EXPECT_THAT(std::string(ParseFramework({&file, 1}).status().message()), HasSubstr("areas: nothing"));
}

}  // namespace
}  // namespace assay::readiness
