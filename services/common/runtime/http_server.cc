// SPDX-License-Identifier: Apache-2.0
#include "services/common/runtime/http_server.h"

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/status_macros.h"

namespace assay::runtime {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr size_t kMaxHeaderBytes = 8 << 10;

absl::StatusOr<tcp::endpoint> ParseEndpoint(const std::string& text) {
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("http address \"", text, "\": \"address:port\" is expected"));
  }
  absl::string_view host = absl::string_view(text).substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  error_code error;
  const asio::ip::address address =
      asio::ip::make_address(host == "localhost" ? "127.0.0.1" : std::string(host), error);
  if (error) return absl::InvalidArgumentError(absl::StrCat("http address \"", text, "\": ", error.message()));
  if (!address.is_loopback()) {
    return absl::InvalidArgumentError(absl::StrCat("http address \"", text, "\": only loopback addresses are allowed"));
  }
  return tcp::endpoint(address, static_cast<uint16_t>(port));
}

// One connection: requests one after the other until either side ends it. Lives as long as something waits for it.
class Session final : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, const HttpHandler& handler, std::chrono::nanoseconds timeout, std::atomic<size_t>& count)
      : stream_(std::move(socket)), handler_(handler), timeout_(timeout), count_(count) {}
  ~Session() { --count_; }

  void Read() {
    parser_.emplace();
    parser_->header_limit(kMaxHeaderBytes);
    parser_->body_limit(0);
    stream_.expires_after(timeout_);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](error_code error, size_t) { self->OnRead(error); });
  }

 private:
  void OnRead(error_code error) {
    if (error == http::error::header_limit) return Answer({431, "text/plain", "headers too large\n"}, false);
    if (error == http::error::body_limit) return Answer({413, "text/plain", "no body is taken\n"}, false);
    // Bad syntax, time-out or the end of the connection: nobody worth answering.
    if (error) return Close();
    const auto& request = parser_->get();
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
      return Answer({405, "text/plain", "only GET and HEAD\n"}, false);
    }
    const std::string target(request.target());
    Answer(handler_(target.substr(0, target.find('?'))), request.keep_alive());
  }

  void Answer(HttpAnswer answer, bool keep_alive) {
    const bool is_head = parser_->get().method() == http::verb::head;
    response_ = {};
    response_.result(static_cast<unsigned>(answer.status));
    response_.set(http::field::content_type, answer.content_type);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    response_.keep_alive(keep_alive);
    response_.content_length(answer.body.size());
    if (!is_head) response_.body() = std::move(answer.body);
    serializer_.emplace(response_);
    serializer_->split(is_head);
    const auto done = [self = shared_from_this(), keep_alive](error_code error, size_t) {
      if (error || !keep_alive) return self->Close();
      self->Read();
    };
    is_head ? http::async_write_header(stream_, *serializer_, done) : http::async_write(stream_, *serializer_, done);
  }

  void Close() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  beast::tcp_stream stream_;
  const HttpHandler& handler_;
  const std::chrono::nanoseconds timeout_;
  std::atomic<size_t>& count_;
  beast::flat_buffer buffer_{kMaxHeaderBytes};
  std::optional<http::request_parser<http::empty_body>> parser_;
  http::response<http::string_body> response_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
};

}  // namespace

class HttpServer::Impl {
 public:
  Impl(HttpServerOptions options, HttpHandler handler) : options_(std::move(options)), handler_(std::move(handler)) {}
  ~Impl() { Stop(); }

  absl::Status Start() {
    ASSAY_ASSIGN_OR_RETURN(const tcp::endpoint endpoint, ParseEndpoint(options_.listen));
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(static_cast<int>(options_.max_connections), error);
    if (error) return absl::UnavailableError(absl::StrCat("listen on ", options_.listen, ": ", error.message()));
    port_ = acceptor_.local_endpoint(error).port();
    Accept();
    absl::MutexLock lock(&stop_mutex_);
    thread_ = std::thread([this] { context_.run(); });
    return absl::OkStatus();
  }

  void Stop() {
    context_.stop();
    absl::MutexLock lock(&stop_mutex_);
    if (thread_.joinable()) thread_.join();
  }

  uint16_t port() const { return port_; }

 private:
  void Accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      // Over the limit, or out of descriptors: the socket closes as it goes.
      if (!error && connections_ < options_.max_connections) {
        ++connections_;
        std::make_shared<Session>(std::move(socket), handler_, absl::ToChronoNanoseconds(options_.timeout),
                                  connections_)
            ->Read();
      }
      Accept();
    });
  }

  const HttpServerOptions options_;
  const HttpHandler handler_;
  // Before the context, whose destruction ends the sessions that count themselves here.
  std::atomic<size_t> connections_{0};
  asio::io_context context_{1};
  tcp::acceptor acceptor_{context_};
  uint16_t port_ = 0;
  absl::Mutex stop_mutex_;
  std::thread thread_ ABSL_GUARDED_BY(stop_mutex_);
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options, HttpHandler handler) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(handler));
  ASSAY_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

uint16_t HttpServer::port() const { return impl_->port(); }
void HttpServer::Stop() { impl_->Stop(); }

HttpHandler StatusPages(const Health& health, const Metrics& metrics) {
  return [&health, &metrics](const std::string& path) -> HttpAnswer {
    if (path == "/healthz") return {200, "text/plain; charset=utf-8", "ok\n"};
    if (path == "/readyz") return {health.IsReady() ? 200 : 503, "text/plain; charset=utf-8", health.Text()};
    if (path == "/metrics") return {200, "text/plain; version=0.0.4; charset=utf-8", metrics.Text()};
    return {404, "text/plain; charset=utf-8", "there are /healthz, /readyz and /metrics\n"};
  };
}

}  // namespace assay::runtime
