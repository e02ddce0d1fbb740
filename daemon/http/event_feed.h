// Carries the events of one prediction to one caller, at the caller's pace.
//
// A caller that reads slowly costs no memory: once `high_bytes` wait for it, the feed stops listening, and
// follows again from the last event it wrote when they are gone. Events are read again from the list, never
// kept here.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/http/router.h"
#include "daemon/service/service.h"

namespace mrun {

class EventFeed : public std::enable_shared_from_this<EventFeed> {
 public:
  enum class Dialect { mrun, replicate };

  struct Settings {
    std::string id;
    std::string base_url;
    Dialect dialect = Dialect::mrun;
    std::uint64_t after_seq = 0;
    std::size_t high_bytes = k_stream_pending_bytes;
    std::function<void()> on_gone; // the caller left before the end; may be empty
  };

  // The prediction is known to exist. Answers with the stream, or with the error of follow().
  // The feed lives as long as its stream: the connection's callbacks own it.
  static void start(EndpointContext& context, Settings settings, Responder responder);

  EventFeed(EndpointContext& context, Settings settings)
      : m_context(context),
        m_settings(std::move(settings)) {}

 private:
  void begin(Responder responder);
  Result<void> follow();
  void on_event(const Event& event);
  void on_broken(const Error& error);
  void on_done(const Event& event);
  void write_done(const Event& event, const Prediction& prediction);
  void resume();
  void finish();

  EndpointContext& m_context;
  Settings m_settings;
  ByteStream m_stream;
  std::unique_ptr<Subscription> m_subscription;
  bool m_paused = false;
  bool m_ending = false;
  std::string m_text; // reused
};

} // namespace mrun
