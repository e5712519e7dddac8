// SPDX-License-Identifier: Apache-2.0
#include "services/gateway/reading_rpc.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/bytes_unary.h"
#include "services/common/rpc/server_stream.h"
#include "services/common/rpc/unary.h"
#include "services/gateway/reading_call.h"

namespace assay::gateway {
namespace {

constexpr size_t kChunk = 64 << 10;

// The next bytes of it from `offset` on; none: that was all.
absl::StatusOr<std::string> NextChunk(const Answers::OpenEvidence& found, size_t offset) {
  if (!found.file.is_open()) return found.content.substr(std::min(offset, found.content.size()), kChunk);
  std::string buffer(kChunk, '\0');
  for (;;) {
    const ssize_t count = pread(found.file.get(), buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(errno, "reading evidence");
    buffer.resize(static_cast<size_t>(count));
    return buffer;
  }
}

// Sends the bytes; waits for a slow reader.
absl::Status SendBytes(Answers::OpenEvidence& found, rpc::ServerStream<v1::GetEvidenceResponse>& stream) {
  for (size_t offset = 0;;) {
    ASSAY_ASSIGN_OR_RETURN(std::string chunk, NextChunk(found, offset));
    const bool is_first = offset == 0;
    if (chunk.empty() && !is_first) return absl::OkStatus();
    const bool is_empty = chunk.empty();
    offset += chunk.size();
    v1::GetEvidenceResponse response;
    if (is_first) *response.mutable_evidence() = found.evidence;
    response.set_chunk(std::move(chunk));
    ASSAY_RETURN_IF_ERROR(stream.Write(std::move(response)));
    if (is_empty) return absl::OkStatus();
  }
}

}  // namespace

grpc::ServerUnaryReactor* ReadinessRpc::GetReadiness(grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* request, grpc::ByteBuffer* response) {
  return rpc::BytesUnary<v1::GetReadinessRequest>(
      environment_, "/assay.v1.ReadinessService/GetReadiness", context, request, response,
      [this](const v1::GetReadinessRequest& r) {
        return !r.read_token().empty() || r.consistency() == v1::STRONG || backend_.shards.may_block();
      },
      [this](const rpc::Call& call, const v1::GetReadinessRequest& r, rpc::ResponseMetadata& metadata) {
        return Reading(call, metadata, [&](const ShardCall& read) {
          return answers_.GetReadiness(call.identity, r, read);
        });
      });
}

grpc::ServerUnaryReactor* ReadinessRpc::ExplainReadiness(grpc::CallbackServerContext* context,
                                                         const v1::ExplainReadinessRequest* request,
                                                         v1::ExplainReadinessResponse* response) {
  return rpc::Unary(environment_, "/assay.v1.ReadinessService/ExplainReadiness", context, request, response,
                    [this](const rpc::Call& call, const v1::ExplainReadinessRequest& r,
                           rpc::ResponseMetadata& metadata) {
                      return Reading(call, metadata, [&](const ShardCall& read) {
                        return answers_.Explain(call.identity, r, read);
                      });
                    });
}

grpc::ServerWriteReactor<v1::WatchReadinessResponse>* ReadinessRpc::WatchReadiness(
    grpc::CallbackServerContext* context, const v1::WatchReadinessRequest* request) {
  return rpc::ServerStreaming<v1::WatchReadinessRequest, v1::WatchReadinessResponse>(
      environment_, "/assay.v1.ReadinessService/WatchReadiness", context, request,
      [this](const rpc::Call& call, const v1::WatchReadinessRequest& r,
             std::shared_ptr<rpc::ServerStream<v1::WatchReadinessResponse>> stream) {
        auto watch = gateway::WatchReadiness(backend_, call.identity, r, stream);
        if (!watch.ok()) return stream->Finish(watch.status());
        watches_.Add(*std::move(watch));
      });
}

grpc::ServerUnaryReactor* ReportRpc::GetEvaluationReport(grpc::CallbackServerContext* context,
                                                         const v1::GetEvaluationReportRequest* request,
                                                         v1::EvaluationReport* response) {
  return rpc::Unary(environment_, "/assay.v1.ReportService/GetEvaluationReport", context, request, response,
                    [this](const rpc::Call& call, const v1::GetEvaluationReportRequest& r,
                           rpc::ResponseMetadata& metadata) {
                      return Reading(call, metadata, [&](const ShardCall& read) {
                        return answers_.GetReport(call.identity, r, read);
                      });
                    });
}

grpc::ServerUnaryReactor* DecisionRpc::ListDecisions(grpc::CallbackServerContext* context,
                                                     const v1::ListDecisionsRequest* request,
                                                     v1::ListDecisionsResponse* response) {
  return rpc::Unary(environment_, "/assay.v1.DecisionService/ListDecisions", context, request, response,
                    [this](const rpc::Call& call, const v1::ListDecisionsRequest& r, rpc::ResponseMetadata& metadata) {
                      return Reading(call, metadata, [&](const ShardCall& read) {
                        return answers_.ListDecisions(call.identity, r, read);
                      });
                    });
}

grpc::ServerWriteReactor<v1::GetEvidenceResponse>* EvidenceRpc::GetEvidence(grpc::CallbackServerContext* context,
                                                                            const v1::GetEvidenceRequest* request) {
  return rpc::ServerStreaming<v1::GetEvidenceRequest, v1::GetEvidenceResponse>(
      environment_, "/assay.v1.EvidenceService/GetEvidence", context, request,
      [this](const rpc::Call& call, const v1::GetEvidenceRequest& r,
             std::shared_ptr<rpc::ServerStream<v1::GetEvidenceResponse>> stream) {
        absl::StatusOr<Answers::OpenEvidence> found = answers_.GetEvidence(call.identity, r, call.deadline);
        if (!found.ok()) return stream->Finish(found.status());
        auto evidence = std::make_shared<Answers::OpenEvidence>(*std::move(found));
        if (!senders_.TrySubmit([evidence, stream] { stream->Finish(SendBytes(*evidence, *stream)); })) {
          stream->Finish(environment_.gate.Busy());
        }
      });
}

grpc::ServerUnaryReactor* FrameworkRpc::ListFrameworks(grpc::CallbackServerContext* context,
                                                       const v1::ListFrameworksRequest* request,
                                                       v1::ListFrameworksResponse* response) {
  return rpc::Unary(
      environment_, "/assay.v1.FrameworkService/ListFrameworks", context, request, response,
      [this](const rpc::Call&, const v1::ListFrameworksRequest& r) { return answers_.ListFrameworks(r); });
}

grpc::ServerUnaryReactor* FrameworkRpc::GetFramework(grpc::CallbackServerContext* context,
                                                     const v1::GetFrameworkRequest* request,
                                                     v1::GetFrameworkResponse* response) {
  return rpc::Unary(environment_, "/assay.v1.FrameworkService/GetFramework", context, request, response,
                    [this](const rpc::Call&, const v1::GetFrameworkRequest& r) { return answers_.GetFramework(r); });
}

grpc::ServerUnaryReactor* FrameworkRpc::ValidateFramework(grpc::CallbackServerContext* context,
                                                          const v1::ValidateFrameworkRequest* request,
                                                          v1::ValidateFrameworkResponse* response) {
  return rpc::Unary(
      environment_, "/assay.v1.FrameworkService/ValidateFramework", context, request, response,
      [this](const rpc::Call&, const v1::ValidateFrameworkRequest& r) { return answers_.ValidateFramework(r); });
}

grpc::ServerUnaryReactor* ServerRpc::GetServerInfo(grpc::CallbackServerContext* context,
                                                   const v1::GetServerInfoRequest* request, v1::ServerInfo* response) {
  return rpc::Unary(environment_, "/assay.v1.ServerService/GetServerInfo", context, request, response,
                    [this](const rpc::Call& call, const v1::GetServerInfoRequest&) -> absl::StatusOr<v1::ServerInfo> {
                      v1::ServerInfo info = backend_.server_info();
                      if (call.identity.tenant == rpc::kLocalTenant) return info;
                      info.clear_data_directory();
                      for (v1::ServerInfo::Plugin& plugin : *info.mutable_plugins()) plugin.clear_path();
                      return info;
                    });
}

}  // namespace assay::gateway
