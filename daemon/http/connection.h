// One accepted socket: reads a request, lends it to a handler, writes the answer, and again.
//
//   idle/head → body → exchange (parked or writing) → head …        any error → linger (discards, then
//   closes)
//
// A read is pending nearly always, also while a handler works: that is how a caller who goes away is noticed,
// and pipelined requests wait in the same buffer. Kept alive by its pending operations and by the exchange's
// handles; all members are used on the io thread only.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/generic/stream_protocol.hpp>

#include "daemon/http/caller.h"
#include "daemon/http/connection_host.h"
#include "daemon/http/responder.h"

namespace mrun {

class Connection : public Exchange, public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket; // Unix or TCP
  using TimePoint = std::chrono::steady_clock::time_point;

  // `rules`: of the door that the caller came through.
  Connection(std::shared_ptr<ConnectionHost> host, std::shared_ptr<const DoorRules> rules, Socket socket);
  ~Connection() override;

  void start();
  // Called about once a second: enforces deadlines and keeps event streams awake.
  void sweep(TimePoint now);
  void close_if_idle();
  void close();

  void send(Reply reply) override;
  void send_file(Reply head, OutputFile file) override;
  void open_stream(Reply head) override;
  void stream_write(std::string_view bytes) override;
  std::size_t stream_pending() const override { return m_pending.size() + m_writing.size(); }
  void stream_end() override;
  bool gone() const override { return m_state == State::closed; }
  bool is_tcp() const { return m_rules->is_tcp; }
  void set_on_gone(std::function<void()> callback) override;
  void set_on_drained(std::function<void()> callback) override;

 private:
  enum class State { head, body, exchange, linger, closed };
  struct Incoming; // the request being read: parser, sink, target

  // Reading (connection.cpp)
  void read_more();
  void on_read(const boost::system::error_code& error, std::size_t size);
  void progress();
  bool progress_head();
  Result<void> begin_request(std::string_view head);
  Result<void> admit_request();
  Result<void> choose_route(const Pass& pass);
  bool progress_body();
  void dispatch();
  void refuse(const Error& error);
  std::string_view unread() const { return {m_buffer.get() + m_begin, m_end - m_begin}; }
  void consume(std::size_t size);

  // Writing (connection_write.cpp)
  void start_reply();
  void write_file_part();
  void flush_stream();
  void schedule_flush();
  void on_stream_written();
  void finish_exchange();
  bool keeps_alive() const;
  void touch(std::chrono::milliseconds allowance);

  std::shared_ptr<ConnectionHost> m_host;   // shared: see HttpServer::m_core
  std::shared_ptr<const DoorRules> m_rules; // shared by the connections of one address
  Socket m_socket;
  State m_state = State::head;
  TimePoint m_deadline;

  std::unique_ptr<char[]> m_buffer;
  std::size_t m_begin = 0, m_end = 0; // what was read and not yet used
  std::size_t m_scanned = 0;          // of it, looked at for the head's end
  bool m_reading = false;
  std::unique_ptr<Incoming> m_incoming;

  unsigned m_minor_version = 1; // of the request in progress
  bool m_keep_alive = true;     // as the request asks
  bool m_close_after = false;   // the reply comes before the request was read
  bool m_answered = false;
  std::function<void()> m_on_gone;
  std::function<void()> m_on_drained;

  std::string m_head;    // of the reply
  std::string m_pending; // body, or the stream's bytes that are not yet being written
  std::string m_writing; // bytes of the stream in flight
  std::string m_chunk_prefix;
  bool m_streaming = false, m_stream_ended = false, m_flush_scheduled = false, m_stream_in_flight = false;
  bool m_event_stream = false;
  TimePoint m_last_write;

  UniqueFd m_file;
  off_t m_file_offset = 0;
  std::uint64_t m_file_left = 0;
};

} // namespace mrun
