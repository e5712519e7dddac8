// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "assay/event/v1/announcement.pb.h"
#include "assay/event/v1/event.pb.h"
#include "services/common/log/completion_window.h"
#include "services/evaluator/work_intake.h"
#include "tests/simulation/model_log.h"
#include "tests/simulation/model_queue.h"
#include "tests/simulation/process.h"

namespace assay::simulation {

// An evaluator: takes work as the real one does, and pretends to run it.
class EvaluatorProcess final : public Process {
 public:
  EvaluatorProcess(World& world, std::string name, ModelLog& journal, ModelQueue& queue)
      : Process(world, std::move(name)), journal_(journal), queue_(queue) {}

  void Hear(const event::v1::Cancellation& cancellation);

 protected:
  void OnStart() override;
  void OnKill() override;
  void OnFreeze(absl::Duration length) override;

 private:
  using Place = std::pair<std::string, int>;
  struct Claimed {
    log::CompletionWindow window;
    // Next to take; only while assigned.
    std::optional<log::Offset> next;
  };
  struct Task {
    Place place;
    log::Offset offset = 0;
    event::v1::Work work;
    event::v1::EvaluationFinished finished;
    bool is_cancelled = false;
    bool is_over = false;
  };

  void Poll();
  void Take(const Place& place, Claimed& claimed);
  void Offer(const Place& place, log::Offset offset, const std::string& value);
  void Begin(const std::shared_ptr<Task>& task);
  void Run(const std::shared_ptr<Task>& task);
  void Beat(const std::shared_ptr<Task>& task);
  void Finish(const std::shared_ptr<Task>& task);
  void Commit();
  event::v1::Envelope Envelope(const event::v1::Work& work);
  // Until it is durable; then `then`.
  void Persist(const event::v1::Envelope& envelope, std::function<void()> then);

  ModelLog& journal_;
  ModelQueue& queue_;
  int events_ = 0;
  int generation_ = -1;
  std::unique_ptr<evaluator::WorkIntake> intake_;
  std::map<Place, Claimed> places_;
  std::vector<std::shared_ptr<Task>> tasks_;
};

}  // namespace assay::simulation
