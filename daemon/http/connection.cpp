#include "daemon/http/connection.h"

#include <algorithm>
#include <cstring>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <fmt/format.h>
#include <sys/socket.h>

#include "common/text.h"
#include "daemon/http/body_parser.h"
#include "daemon/http/head.h"

namespace mrun {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr std::size_t k_buffer_bytes = 2 * k_max_head_bytes;

// RFC 9110 §10.1.1. Tiny, and the socket's buffer is empty: never short in practice; a caller that does not
// see it sends its body after a second anyway.
void send_continue(int fd) {
  constexpr std::string_view text = "HTTP/1.1 100 Continue\r\n\r\n";
  [[maybe_unused]] const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

} // namespace

bool BodyTarget::take(std::string_view bytes) {
  received_bytes += bytes.size();
  if (received_bytes > max_bytes) {
    error = fail(ErrorCode::request_too_large,
                 fmt::format("the request's body has over {}", format_bytes(max_bytes)))
                .value();
    return false;
  }
  if (sink == nullptr) {
    text->append(bytes);
    return true;
  }
  if (auto written = sink->write(bytes); !written) {
    error = std::move(written).error();
    return false;
  }
  return true;
}

struct Connection::Incoming {
  BodyParser parser;
  BodyTarget target;
  Request request;
  const Route* route = nullptr;
  std::unique_ptr<BodySink> sink;
};

Connection::Connection(std::shared_ptr<ConnectionHost> host, std::shared_ptr<const DoorRules> rules,
                       Socket socket)
    : m_host(std::move(host)),
      m_rules(std::move(rules)),
      m_socket(std::move(socket)),
      m_buffer(std::make_unique<char[]>(k_buffer_bytes)) {}

Connection::~Connection() = default;

void Connection::start() {
  touch(m_host->config().limits.head_timeout);
  read_more();
}

void Connection::touch(std::chrono::milliseconds allowance) {
  m_deadline = std::chrono::steady_clock::now() + allowance;
}

void Connection::close() {
  if (m_state == State::closed) return;
  m_state = State::closed;
  boost::system::error_code ignored; // the descriptor is gone either way
  m_socket.close(ignored);
  m_file.reset();
  m_incoming.reset();
  m_on_drained = nullptr;
  if (auto on_gone = std::exchange(m_on_gone, nullptr)) on_gone();
  m_host->closed(*this);
}

void Connection::close_if_idle() {
  if (m_state == State::head && m_begin == m_end) close();
}

void Connection::sweep(TimePoint now) {
  const bool parked = m_state == State::exchange && !m_answered;
  if (m_state == State::closed || parked) return;
  if (m_streaming && stream_pending() == 0) {
    if (m_event_stream && now - m_last_write >= m_host->config().limits.keep_alive_comment)
      stream_write(":\n\n");
    return;
  }
  if (now < m_deadline) return;
  const bool slow_sender = (m_state == State::head && m_begin != m_end) || m_state == State::body;
  if (!slow_sender) return close();
  refuse(fail(ErrorCode::request_timeout, m_state == State::head ? "the request's head did not arrive in time"
                                                                 : "the request's body stopped arriving")
             .value());
}

void Connection::consume(std::size_t size) {
  m_begin += size;
  if (m_begin == m_end) m_begin = m_end = 0;
}

void Connection::read_more() {
  if (m_reading || m_state == State::closed) return;
  if (m_begin > 0) {
    std::memmove(m_buffer.get(), m_buffer.get() + m_begin, m_end - m_begin);
    m_end -= m_begin;
    m_begin = 0;
  }
  if (m_end == k_buffer_bytes) return; // a parked exchange with many pipelined requests behind it
  m_reading = true;
  m_socket.async_read_some(asio::buffer(m_buffer.get() + m_end, k_buffer_bytes - m_end),
                           [self = shared_from_this()](const boost::system::error_code& error,
                                                       std::size_t size) { self->on_read(error, size); });
}

void Connection::on_read(const boost::system::error_code& error, std::size_t size) {
  m_reading = false;
  if (m_state == State::closed) return;
  if (error) return close(); // the caller went away: whatever it waited for is abandoned
  m_end += size;
  progress();
}

void Connection::progress() {
  bool more = true;
  while (more && (m_state == State::head || m_state == State::body))
    more = m_state == State::head ? progress_head() : progress_body();
  if (m_state == State::linger) consume(m_end - m_begin);
  read_more();
}

// True when the state changed.
bool Connection::progress_head() {
  const bool begins = m_scanned == 0 && m_begin != m_end;
  if (begins) touch(m_host->config().limits.head_timeout);
  const auto end = find_head_end(unread(), m_scanned, m_host->config().limits.max_head_bytes);
  if (!end) {
    refuse(end.error());
    return true;
  }
  if (*end == 0) return false;
  m_scanned = 0;
  const std::string_view head = unread().substr(0, *end);
  const auto begun = begin_request(head);
  consume(head.size());
  if (!begun)
    refuse(begun.error());
  else if (m_incoming->parser.is_done())
    dispatch();
  else
    m_state = State::body;
  if (m_state == State::body) {
    touch(m_host->config().limits.body_idle_timeout);
    if (m_begin == m_end && !m_incoming->request.header("expect").empty())
      send_continue(m_socket.native_handle());
  }
  return true;
}

Result<void> Connection::begin_request(std::string_view head) {
  m_keep_alive = false;
  MRUN_TRY(check_head(head, m_host->config().limits.max_headers));
  m_incoming = std::make_unique<Incoming>();
  Incoming& incoming = *m_incoming;
  incoming.parser.header_limit(static_cast<std::uint32_t>(m_host->config().limits.max_head_bytes));
  incoming.parser.body_limit(boost::none); // per route, by the target
  incoming.parser.get().body() = &incoming.target;
  boost::beast::error_code error;
  incoming.parser.put(asio::buffer(head.data(), head.size()), error);
  if (error || !incoming.parser.is_header_done())
    return fail(ErrorCode::request_invalid,
                fmt::format("the request's head is not valid: {}", error.message()));

  const auto& message = incoming.parser.get();
  Request& request = incoming.request;
  request.method = std::string(message.method_string());
  request.minor_version = message.version() == 10 ? 0 : 1;
  for (const auto& field : message)
    request.headers.emplace_back(
        lower_ascii(std::string_view(field.name_string().data(), field.name_string().size())),
        std::string(field.value()));
  m_minor_version = request.minor_version;
  m_keep_alive = message.keep_alive();
  const std::string_view host = request.header("host");
  request.base_url = fmt::format("http://{}", host.empty() ? "localhost" : host);
  std::string_view target(message.target().data(), message.target().size());
  const std::size_t question = std::min(target.find('?'), target.size());
  request.path = std::string(target.substr(0, question));
  if (request.path.starts_with("/v1/v1/"))
    request.path.erase(0, 3); // one official client adds /v1 to a base with /v1
  auto query = parse_query(target.substr(std::min(question + 1, target.size())));
  if (!query) return fail(ErrorCode::request_invalid, "the query has a broken % escape");
  request.query = std::move(*query);
  return admit_request();
}

Result<void> Connection::admit_request() {
  const Request& request = m_incoming->request;
  MRUN_TRY(check_origin(request, *m_rules));
  MRUN_ASSIGN(const Pass pass, check_caller(request, *m_rules, m_host->context().service));
  return choose_route(pass);
}

Result<void> Connection::choose_route(const Pass& pass) {
  Incoming& incoming = *m_incoming;
  Request& request = incoming.request;
  RouteMatch match = m_host->router().match(request.method, request.path);
  MRUN_TRY(check_pass(pass, match.route, match.params));
  if (match.route == nullptr) {
    const std::string where =
        fmt::format("{} {}", printable(request.method, 20), printable(request.path, 120));
    if (match.allow.empty()) return fail(ErrorCode::route_not_found, fmt::format("there is no {}", where));
    return fail(ErrorCode::method_not_allowed, fmt::format("there is no {}", where),
                fmt::format("this path has {}", match.allow));
  }
  incoming.route = match.route;
  request.params = std::move(match.params);
  incoming.target.text = &request.body;
  incoming.target.max_bytes = match.route->max_body_bytes;
  if (const auto length = incoming.parser.content_length(); length && *length > match.route->max_body_bytes)
    return fail(ErrorCode::request_too_large,
                fmt::format("the request's body has {}, {} {} takes {}", format_bytes(*length),
                            request.method, printable(request.path, 120),
                            format_bytes(match.route->max_body_bytes)));
  if (const std::string_view expect = request.header("expect");
      !expect.empty() && lower_ascii(expect) != "100-continue")
    return fail(ErrorCode::request_invalid, fmt::format("Expect `{}` can't be met", printable(expect, 40)));
  if (match.route->open_body != nullptr) {
    MRUN_ASSIGN(incoming.sink, match.route->open_body(m_host->context(), request));
    incoming.target.sink = incoming.sink.get();
  }
  return {};
}

// True when the state changed.
bool Connection::progress_body() {
  Incoming& incoming = *m_incoming;
  if (m_begin == m_end) return false;
  touch(m_host->config().limits.body_idle_timeout);
  while (m_begin != m_end && !incoming.parser.is_done()) {
    boost::beast::error_code error;
    const std::size_t used =
        incoming.parser.put(asio::buffer(m_buffer.get() + m_begin, m_end - m_begin), error);
    consume(used);
    if (error == http::error::need_more && m_end - m_begin < k_buffer_bytes) return false;
    if (!error) continue;
    refuse(incoming.target.error ? *incoming.target.error
                                 : fail(ErrorCode::request_invalid,
                                        fmt::format("the request's body is not valid: {}", error.message()))
                                       .value());
    return true;
  }
  if (!incoming.parser.is_done()) return false;
  dispatch();
  return true;
}

void Connection::dispatch() {
  m_state = State::exchange;
  const std::unique_ptr<Incoming> incoming = std::move(m_incoming);
  Responder responder(shared_from_this());
  if (incoming->sink)
    incoming->sink->finish(std::move(incoming->request), std::move(responder));
  else
    incoming->route->handler(m_host->context(), std::move(incoming->request), std::move(responder));
}

// Answers without a handler. A request that was not read to its end costs the connection.
void Connection::refuse(const Error& error) {
  m_state = State::exchange;
  m_close_after = !m_incoming || !m_incoming->parser.is_done();
  Reply reply = problem_reply(error);
  if (error.code == ErrorCode::method_not_allowed && m_incoming)
    reply.headers.emplace_back(
        "Allow", m_host->router().match(m_incoming->request.method, m_incoming->request.path).allow);
  m_incoming.reset();
  send(std::move(reply));
}

} // namespace mrun
