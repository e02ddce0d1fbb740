// The handler's end of one exchange: it answers once, with a reply, a file or a stream. Used on the io thread
// only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/http/reply.h"
#include "daemon/service/service.h"

namespace mrun {

// What a connection offers to the exchange in progress. Implemented by Connection; handlers see Responder and
// ByteStream only.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual void send(Reply reply) = 0;
  virtual void send_file(Reply head, OutputFile file) = 0;
  virtual void open_stream(Reply head) = 0;
  virtual void stream_write(std::string_view bytes) = 0;
  virtual std::size_t stream_pending() const = 0;
  virtual void stream_end() = 0;
  virtual bool gone() const = 0;
  // At most one of each; both are dropped when the exchange ends.
  virtual void set_on_gone(std::function<void()> callback) = 0;
  virtual void set_on_drained(std::function<void()> callback) = 0;
};

// A reply that grows (an event stream). Writes to a caller who is gone vanish.
class ByteStream {
 public:
  ByteStream() = default;
  // Shared with the connection: whichever of the two ends first.
  explicit ByteStream(std::shared_ptr<Exchange> exchange) : m_exchange(std::move(exchange)) {}

  explicit operator bool() const { return m_exchange != nullptr; }
  // Buffered; sent together with what else is written in this turn of the io loop.
  void write(std::string_view bytes) { m_exchange->stream_write(bytes); }
  // Bytes that wait for the caller to read.
  std::size_t pending() const { return m_exchange->stream_pending(); }
  bool gone() const { return m_exchange->gone(); }
  // Called each time when everything written has been sent.
  void on_drained(std::function<void()> callback) { m_exchange->set_on_drained(std::move(callback)); }
  // The stream's regular end; the handle is empty after it.
  void end() { std::exchange(m_exchange, nullptr)->stream_end(); }

 private:
  std::shared_ptr<Exchange> m_exchange;
};

// Move-only. Destroyed unanswered, it answers 500 `internal`.
class Responder {
 public:
  explicit Responder(std::shared_ptr<Exchange> exchange) : m_exchange(std::move(exchange)) {}
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&&) = delete;
  ~Responder();

  void reply(Reply reply) { std::exchange(m_exchange, nullptr)->send(std::move(reply)); }
  void reply(const Error& error) { this->reply(problem_reply(error)); }
  // Sends the file's bytes with their length; `head` gives status and headers.
  void reply_file(Reply head, OutputFile file) {
    std::exchange(m_exchange, nullptr)->send_file(std::move(head), std::move(file));
  }
  // The head is sent with the stream's first bytes, in this turn of the io loop at the latest.
  ByteStream stream(Reply head) {
    m_exchange->open_stream(std::move(head));
    return ByteStream(std::exchange(m_exchange, nullptr));
  }
  // The caller went away before the answer (or, for a stream, before its end). Called once, never after the
  // end.
  void on_gone(std::function<void()> callback) { m_exchange->set_on_gone(std::move(callback)); }
  bool gone() const { return m_exchange->gone(); }

 private:
  std::shared_ptr<Exchange> m_exchange;
};

// A callback for the service: an error is answered at once, a value goes to `dress(value, responder)`.
template<class T, class Dress>
Callback<T> answer_with(Responder responder, Dress dress) {
  auto shared = std::make_shared<Responder>(std::move(responder)); // a std::function must be copyable
  return [shared, dress = std::move(dress)](Result<T> result) {
    if (!result) return shared->reply(result.error());
    dress(std::move(*result), std::move(*shared));
  };
}

} // namespace mrun
