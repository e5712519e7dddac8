// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/documents.h"

#include <google/protobuf/util/time_util.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/json.h"

namespace assay::gateway {
namespace {

using google::protobuf::util::TimeUtil;
using v1::NewSubmission;
using v1::Submission;

template <typename Document>
void AddHeader(const Document& document, ContentFacts& facts) {
  facts.candidate = document.candidate();
  facts.assessment = document.assessment();
  facts.framework = document.framework();
}

std::string OccasionOf(const v1::Scorecard& scorecard) {
  if (scorecard.has_period()) return absl::StrCat(scorecard.period().from(), "..", scorecard.period().to());
  if (!scorecard.session().has_held_at()) return scorecard.session().stage();
  return absl::StrCat(scorecard.session().stage(), "@", TimeUtil::ToString(scorecard.session().held_at()));
}

const google::protobuf::Message* DocumentOf(const NewSubmission& submission) {
  switch (submission.content_case()) {
    case NewSubmission::kScorecard:
      return &submission.scorecard();
    case NewSubmission::kPortfolio:
      return &submission.portfolio();
    case NewSubmission::kOutcome:
      return &submission.outcome();
    case NewSubmission::kDecision:
      return &submission.decision();
    case NewSubmission::kTask:
      return &submission.task();
    default:
      return nullptr;
  }
}

}  // namespace

ContentFacts FactsOf(const NewSubmission& submission) {
  ContentFacts facts;
  switch (submission.content_case()) {
    case NewSubmission::kRepository:
      facts.kind = Submission::REPOSITORY;
      facts.field = "repository";
      facts.source = submission.source();
      break;
    case NewSubmission::kScorecard:
      facts.kind = Submission::SCORECARD;
      facts.field = "scorecard";
      AddHeader(submission.scorecard(), facts);
      facts.rater = submission.scorecard().rater().id();
      facts.rater_role = submission.scorecard().rater().role();
      facts.source = absl::StrCat(facts.rater, "/", OccasionOf(submission.scorecard()));
      break;
    case NewSubmission::kPortfolio:
      facts.kind = Submission::PORTFOLIO;
      facts.field = "portfolio";
      AddHeader(submission.portfolio(), facts);
      facts.source = submission.source();
      break;
    case NewSubmission::kOutcome:
      facts.kind = Submission::OUTCOME;
      facts.field = "outcome";
      AddHeader(submission.outcome(), facts);
      facts.source = absl::StrCat(submission.outcome().period().from(), "..", submission.outcome().period().to());
      break;
    case NewSubmission::kDecision:
      facts.kind = Submission::DECISION;
      facts.field = "decision";
      AddHeader(submission.decision(), facts);
      facts.source = absl::StrCat(submission.decision().decided_by(), "/",
                                  TimeUtil::ToString(submission.decision().decided_at()), "/",
                                  submission.decision().outcome());
      break;
    case NewSubmission::kTask:
      facts.kind = Submission::TASK;
      facts.field = "task";
      AddHeader(submission.task(), facts);
      // No source: an assessment has one task, and a later one takes its place whatever its id.
      facts.asked_behaviours.assign(submission.task().behaviours().begin(), submission.task().behaviours().end());
      break;
    case NewSubmission::CONTENT_NOT_SET:
      break;
  }
  return facts;
}

absl::StatusOr<std::string> CanonicalJson(const NewSubmission& submission, bool with_source_map) {
  const google::protobuf::Message* document = DocumentOf(submission);
  if (document == nullptr) return std::string();
  if (with_source_map) return rpc::ToCanonicalJson(*document);
  const std::unique_ptr<google::protobuf::Message> bare(document->New());
  bare->CopyFrom(*document);
  const google::protobuf::FieldDescriptor* source = bare->GetDescriptor()->FindFieldByName("source");
  if (source != nullptr) bare->GetReflection()->ClearField(bare.get(), source);
  return rpc::ToCanonicalJson(*bare);
}

}  // namespace assay::gateway
