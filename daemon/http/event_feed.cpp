#include "daemon/http/event_feed.h"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "daemon/http/sse.h"

namespace mrun {

void EventFeed::start(EndpointContext& context, Settings settings, Responder responder) {
  std::make_shared<EventFeed>(context, std::move(settings))->begin(std::move(responder));
}

void EventFeed::begin(Responder responder) {
  if (auto followed = follow(); !followed) return responder.reply(followed.error());
  Reply head;
  head.content_type = "text/event-stream";
  head.headers = {{"Cache-Control", "no-store"}};
  // The two callbacks own the feed; the connection drops them when the stream ends or its caller goes.
  responder.on_gone([self = shared_from_this()] {
    self->m_subscription.reset();
    self->m_ending = true;
    if (self->m_settings.on_gone) self->m_settings.on_gone();
  });
  m_stream = responder.stream(std::move(head));
  m_stream.on_drained([self = shared_from_this()] { self->resume(); });
}

Result<void> EventFeed::follow() {
  m_paused = false;
  auto subscription = m_context.service.follow(
      m_settings.id, m_settings.after_seq,
      [weak = weak_from_this()](const Event& event) {
        if (const auto self = weak.lock()) self->on_event(event);
      },
      [weak = weak_from_this()](const Error& error) {
        if (const auto self = weak.lock()) self->on_broken(error);
      });
  if (!subscription) return tl::unexpected<Error>(std::move(subscription).error());
  m_subscription = std::move(*subscription);
  return {};
}

void EventFeed::on_event(const Event& event) {
  if (m_paused || m_ending) return;
  if (event.seq <= m_settings.after_seq && event.type != EventType::done) return; // the end is always told
  m_settings.after_seq = event.seq;
  if (event.type == EventType::done) return on_done(event);
  m_text.clear();
  if (m_settings.dialect == Dialect::mrun) {
    append_mrun_event(m_text, event, event.data);
  } else if (event.type == EventType::output) {
    Event linked = event;
    link_files(linked.data["value"], m_settings.base_url, m_settings.id);
    append_replicate_event(m_text, linked, {});
  } else {
    append_replicate_event(m_text, event, {});
  }
  if (!m_text.empty()) m_stream.write(m_text);
  // The subscription itself is replaced in resume(): it must not be destroyed inside its own callback.
  m_paused = m_stream.pending() > m_settings.high_bytes;
}

void EventFeed::on_broken(const Error& error) {
  if (m_ending) return;
  m_text.clear();
  if (m_settings.dialect == Dialect::mrun)
    append_mrun_error(m_text, m_settings.after_seq, error);
  else
    append_replicate_error(m_text, m_settings.after_seq, error);
  m_stream.write(m_text);
  if (m_settings.on_gone) m_settings.on_gone(); // nobody hears of the end
  finish();
}

void EventFeed::resume() {
  if (!m_paused || m_ending) return;
  if (auto followed = follow(); !followed) finish();
}

// Ends the stream. The subscription goes a turn later, since this may run inside its callback.
void EventFeed::finish() {
  m_ending = true;
  boost::asio::post(m_context.io, [ended = std::move(m_subscription)] {});
  if (m_stream && !m_stream.gone()) m_stream.end();
}

void EventFeed::on_done(const Event& event) {
  m_ending = true;
  const auto self = shared_from_this();
  m_context.service.get(m_settings.id, [self, event](Result<Prediction> prediction) {
    if (self->m_stream.gone()) return;
    if (!prediction) return self->finish(); // the stream's end without `done` tells the caller to ask again
    if (self->m_settings.dialect == Dialect::replicate) return self->write_done(event, *prediction);
    self->m_context.service.externalize_output(std::move(*prediction), self->m_settings.base_url,
                                               [self, event](Result<Prediction> dressed) {
                                                 if (self->m_stream.gone()) return;
                                                 if (!dressed) return self->finish();
                                                 self->write_done(event, *dressed);
                                               });
  });
}

void EventFeed::write_done(const Event& event, const Prediction& prediction) {
  m_text.clear();
  if (m_settings.dialect == Dialect::mrun) {
    append_mrun_event(m_text, event, own_prediction_json(prediction, m_settings.base_url));
  } else {
    const std::string failure =
        prediction.error
            ? fmt::format("{}: {}", error_code_text(prediction.error->code), prediction.error->message)
            : "the prediction failed";
    append_replicate_event(m_text, event, failure);
  }
  m_stream.write(m_text);
  finish();
}

} // namespace mrun
