// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "assay/shard/v1/shard_service.grpc.pb.h"
#include "services/aggregator/server.h"
#include "services/common/base/clock.h"
#include "services/common/rpc/authorization.h"
#include "services/common/rpc/call.h"
#include "services/common/rpc/server_stream.h"

namespace assay::aggregator {

// The rules of the shard service: whoever may connect may call all of it.
rpc::MethodRules ShardMethodRules();

// The shard service over the shards of this process; see shard_service.proto for who is answered what. Everything passed
// in must outlive it, and it must outlive every call.
class ShardRpc final : public shard::v1::ShardService::CallbackService {
 public:
  struct Options {
    std::string instance;
    // host:port of the shard service of an aggregator that is present; empty: not known.
    std::function<std::string(const std::string& instance)> address_of;
  };

  ShardRpc(Options options, const rpc::CallEnvironment& environment, Server& server, Clock& clock)
      : options_(std::move(options)), environment_(environment), server_(server), clock_(clock) {}
  ~ShardRpc() override;

  template <typename Response>
  using Reactor = grpc::ServerWriteReactor<Response>;
  using Context = grpc::CallbackServerContext;
  grpc::ServerUnaryReactor* FindRequest(Context* context, const shard::v1::FindRequestRequest* request,
                                        shard::v1::FindRequestResponse* response) override;
  grpc::ServerUnaryReactor* GetSubmission(Context* context, const shard::v1::GetSubmissionRequest* request,
                                          shard::v1::GetSubmissionResponse* response) override;
  grpc::ServerUnaryReactor* ListSubmissions(Context* context, const shard::v1::ListSubmissionsRequest* request,
                                            shard::v1::ListSubmissionsResponse* response) override;
  grpc::ServerUnaryReactor* GetAssessment(Context* context, const shard::v1::GetAssessmentRequest* request,
                                          shard::v1::AssessmentEntry* response) override;
  grpc::ServerUnaryReactor* ListAssessments(Context* context, const shard::v1::ListAssessmentsRequest* request,
                                            shard::v1::ListAssessmentsResponse* response) override;
  grpc::ServerUnaryReactor* GetReadiness(Context* context, const shard::v1::GetReadinessRequest* request,
                                         shard::v1::GetReadinessResponse* response) override;
  grpc::ServerUnaryReactor* GetReport(Context* context, const shard::v1::GetReportRequest* request,
                                      v1::EvaluationReport* response) override;
  grpc::ServerUnaryReactor* FindEvidence(Context* context, const shard::v1::FindEvidenceRequest* request,
                                         shard::v1::FindEvidenceResponse* response) override;
  grpc::ServerUnaryReactor* ListDecisions(Context* context, const shard::v1::ListDecisionsRequest* request,
                                          shard::v1::ListDecisionsResponse* response) override;
  grpc::ServerUnaryReactor* ReadChanges(Context* context, const shard::v1::ReadChangesRequest* request,
                                        shard::v1::ReadChangesResponse* response) override;
  grpc::ServerUnaryReactor* GetNextChange(Context* context, const shard::v1::GetNextChangeRequest* request,
                                          shard::v1::GetNextChangeResponse* response) override;
  Reactor<shard::v1::WatchShardResponse>* WatchShard(Context* context,
                                                     const shard::v1::WatchShardRequest* request) override;
  grpc::ServerUnaryReactor* GetReplicas(Context* context, const shard::v1::GetReplicasRequest* request,
                                        shard::v1::GetReplicasResponse* response) override;

  // Lets go of watches that are over. To be called every second or so.
  void Sweep();
  // Ends every watch, and those that begin later.
  void EndWatches();

 private:
  using WatchStream = rpc::ServerStream<shard::v1::WatchShardResponse>;
  struct Watch {
    std::shared_ptr<WatchStream> stream;
    std::shared_ptr<void> subscription;
  };

  // The reads that a scope may have, at once or once they are as new as it asks.
  absl::StatusOr<const ShardReads*> FindReads(const shard::v1::Scope& scope, absl::Time deadline) const;
  absl::Status NotOwner(uint32_t shard) const;
  // Answers with `read(reads, request)`, and says when it is a standby that answers.
  template <typename Request, typename Response, typename Read>
  grpc::ServerUnaryReactor* Answer(const char* method, Context* context, const Request* request, Response* response,
                                   Read read);
  void StartWatch(uint32_t shard, std::shared_ptr<WatchStream> stream);

  const Options options_;
  const rpc::CallEnvironment environment_;
  Server& server_;
  Clock& clock_;
  absl::Mutex mutex_;
  bool are_watches_over_ ABSL_GUARDED_BY(mutex_) = false;
  std::list<Watch> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace assay::aggregator
