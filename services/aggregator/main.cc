// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <utility>

#include "assay/config/v1/aggregator.pb.h"
#include "services/aggregator/process.h"
#include "services/common/runtime/program.h"

int main(int argc, char** argv) {
  assay::config::v1::Aggregator config;
  return assay::runtime::RunServerProgram({.name = "assay-aggregator",
                                           .description = "The owner and standby of an Assay installation's shards",
                                           .configuration = config,
                                           .start = [&config](assay::runtime::GiveUp give_up) {
                                             return assay::aggregator::Process::Create(config, std::move(give_up));
                                           }},
                                          argc, argv);
}
