// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "services/common/log/log.h"
#include "tests/simulation/world.h"

namespace assay::simulation {

// What all simulated processes share: they die and come back without what they had in memory, freeze and go on where
// they were, lose their network, and have a clock of their own.
class Process {
 public:
  Process(World& world, std::string name) : world_(world), clock_(world), name_(std::move(name)) {}
  virtual ~Process() = default;

  const std::string& name() const { return name_; }
  bool is_up() const { return is_up_; }
  bool is_reachable() const { return is_reachable_; }
  WorldClock& clock() { return clock_; }

  void Start() {
    is_up_ = true;
    ++life_;
    OnStart();
  }
  void Kill() {
    is_up_ = false;
    ++life_;
    OnKill();
  }
  void Freeze(absl::Duration length) {
    frozen_until_ = world_.now() + length;
    OnFreeze(length);
  }
  void CutOff(absl::Duration length) {
    is_reachable_ = false;
    const int cut = ++cuts_;
    world_.After(length, [this, cut] { is_reachable_ |= cut == cuts_; });
  }
  void Heal() {
    is_reachable_ = true;
    ++cuts_;
    frozen_until_ = world_.now();
    clock_.skew = absl::ZeroDuration();
  }

 protected:
  virtual void OnStart() = 0;
  virtual void OnKill() = 0;
  virtual void OnFreeze(absl::Duration) {}
  // Runs `action` unless this life of the process is over by then; a frozen process does it when it goes on.
  void Later(absl::Duration delay, std::function<void()> action) {
    world_.After(delay, [this, life = life_, action = std::move(action)] { Do(life, action); });
  }
  // The same for deliveries: `done` runs in this life of the process or not at all.
  log::DeliveryCallback InThisLife(log::DeliveryCallback done) {
    return [this, life = life_, done = std::move(done)](const log::Delivery& delivery) {
      Do(life, [done, delivery] { done(delivery); });
    };
  }

  World& world_;
  WorldClock clock_;

 private:
  void Do(int life, const std::function<void()>& action) {
    if (life != life_) return;
    if (world_.now() >= frozen_until_) return action();
    world_.After(frozen_until_ - world_.now(), [this, life, action] { Do(life, action); });
  }

  const std::string name_;
  bool is_up_ = false;
  bool is_reachable_ = true;
  int life_ = 0;
  int cuts_ = 0;
  absl::Time frozen_until_ = absl::InfinitePast();
};

}  // namespace assay::simulation
