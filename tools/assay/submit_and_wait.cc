// SPDX-License-Identifier: Apache-2.0
#include "tools/assay/submit_and_wait.h"

#include <poll.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "assay/v1/submission_service.grpc.pb.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/retry.h"
#include "tools/assay/terminal_report.h"

namespace assay::cli {
namespace {

constexpr int kMaximumTries = 6;
constexpr absl::Duration kFirstDelay = absl::Milliseconds(200);
constexpr absl::Duration kLongestDelay = absl::Seconds(3);
constexpr absl::Duration kRestartPatience = absl::Minutes(1);
constexpr absl::Duration kCallTimeout = absl::Minutes(2);

void Pause(absl::Duration time) { ::poll(nullptr, 0, static_cast<int>(absl::ToInt64Milliseconds(time))); }

std::string Summary(const v1::SubmissionUpdate& update) {
  std::string text = absl::StrCat(Printable(update.submission().origin()), "  ");
  bool running = false;
  for (const auto& evaluation : update.submission().evaluations()) {
    if (evaluation.state() != v1::Evaluation::RUNNING) continue;
    absl::StrAppend(&text, running ? ", " : "", evaluation.evaluator(), evaluation.phase().empty() ? "" : ": ",
                    Printable(evaluation.phase()));
    running = true;
  }
  if (!running) absl::StrAppend(&text, Printable(update.change()));
  return text;
}

// The submission's own reason, else that of the first evaluation in that state.
std::string ReasonOf(const v1::Submission& submission, v1::Evaluation::State state) {
  if (!submission.reason().empty()) return submission.reason();
  for (const auto& evaluation : submission.evaluations()) {
    if (evaluation.state() == state && !evaluation.reason().empty()) return evaluation.reason();
  }
  return "";
}

bool HasResult(const v1::Submission& submission) {
  for (const auto& evaluation : submission.evaluations()) {
    if (evaluation.state() == v1::Evaluation::SUCCEEDED) return true;
  }
  return false;
}

// Whether it ended without any result.
bool EndedInNothing(const v1::Submission& submission) {
  const bool ended =
      submission.state() == v1::Submission::FAILED || submission.state() == v1::Submission::COMPLETED_PARTIAL;
  return ended && !HasResult(submission);
}

// Whether it ended without any result through a fault of its own.
bool IsAtFault(const v1::Submission& submission) {
  if (!EndedInNothing(submission)) return false;
  for (const auto& evaluation : submission.evaluations()) {
    if (evaluation.state() == v1::Evaluation::FAILED && evaluation.fault_domain() == v1::Evaluation::SUBMISSION) {
      return true;
    }
  }
  return submission.evaluations().empty();
}

}  // namespace

absl::StatusOr<AcceptedSubmission> Submit(const Connection& connection, const SubmissionInput& input,
                                          const std::string& request_id) {
  auto stub = v1::SubmissionService::NewStub(connection.channel());
  v1::CreateSubmissionRequest request;
  request.set_request_id(request_id);
  *request.mutable_submission() = input.submission;
  rpc::RetryLoop retry({.max_attempts = kMaximumTries, .initial_backoff = kFirstDelay}, Clock::Real(),
                       rpc::SystemRandom());
  absl::Status status;
  do {
    grpc::ClientContext context;
    connection.Prepare(context, kCallTimeout);
    v1::CreateSubmissionResponse response;
    status = FromGrpc(stub->CreateSubmission(&context, request, &response));
    if (status.ok()) {
      return AcceptedSubmission{response.submission().id(), response.read_token(), response.submission(), input.path};
    }
  } while (retry.WaitForNext(status));
  return WithLines(status, input);
}

absl::Status Watch(const Connection& connection, v1::WatchSubmissionsRequest request,
                   const std::function<void(const v1::SubmissionUpdate&)>& on_update) {
  auto stub = v1::SubmissionService::NewStub(connection.channel());
  // A server that restarts may have much to read before it serves again.
  absl::Time give_up = absl::InfiniteFuture();
  absl::Duration delay = kFirstDelay;
  for (;;) {
    grpc::ClientContext context;
    connection.Prepare(context, absl::InfiniteDuration());
    auto stream = stub->WatchSubmissions(&context, request);
    v1::SubmissionUpdate update;
    while (stream->Read(&update)) {
      give_up = absl::InfiniteFuture();
      delay = kFirstDelay;
      request.set_resume_token(update.resume_token());
      on_update(update);
    }
    const absl::Status status = FromGrpc(stream->Finish());
    give_up = std::min(give_up, absl::Now() + kRestartPatience);
    if (!rpc::IsTransient(status) || absl::Now() >= give_up) return status;
    Pause(delay);
    delay = std::min(delay * 2, kLongestDelay);
  }
}

std::string EndInWords(const v1::Submission& submission) {
  std::string words = v1::Submission::State_Name(submission.state());
  const std::string reason =
      ReasonOf(submission, IsAtFault(submission) ? v1::Evaluation::FAILED : v1::Evaluation::PARKED);
  if (!reason.empty()) absl::StrAppend(&words, ": ", Printable(reason));
  return words;
}

absl::Status RefusedInput(const std::vector<AcceptedSubmission>& submissions) {
  for (const AcceptedSubmission& one : submissions) {
    if (!IsAtFault(one.submission)) continue;
    return absl::InvalidArgumentError(absl::StrCat(Printable(one.submission.origin()), ": ",
                                                   Printable(ReasonOf(one.submission, v1::Evaluation::FAILED))));
  }
  return absl::OkStatus();
}

absl::Status LeftUnevaluated(const std::vector<AcceptedSubmission>& submissions) {
  for (const AcceptedSubmission& one : submissions) {
    const v1::Submission::State state = one.submission.state();
    const bool is_left = state == v1::Submission::CANCELLED || state == v1::Submission::EXPIRED ||
                         state == v1::Submission::REJECTED_QUOTA || state == v1::Submission::ERASED ||
                         (EndedInNothing(one.submission) && !IsAtFault(one.submission));
    if (!is_left) continue;
    return absl::UnavailableError(absl::StrCat(
        Printable(one.path), ": ", EndInWords(one.submission),
        "; it stays recorded, \"assay submissions get\" shows each step and \"assay submissions rerun\" tries again"));
  }
  return absl::OkStatus();
}

absl::Status WaitForEnd(const Connection& connection, const std::string& candidate,
                        std::vector<AcceptedSubmission>& submissions, ProgressLine& progress) {
  v1::WatchSubmissionsRequest request;
  request.set_candidate(candidate);
  for (const auto& submission : submissions) request.add_ids(submission.id);
  request.set_read_token(submissions.back().read_token);
  return Watch(connection, request, [&](const v1::SubmissionUpdate& update) {
    for (AcceptedSubmission& submission : submissions) {
      if (submission.id == update.submission().id()) submission.submission = update.submission();
    }
    progress.Show(Summary(update));
  });
}

}  // namespace assay::cli
