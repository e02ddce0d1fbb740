#include "daemon/endpoints/create.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "common/text.h"
#include "daemon/http/event_feed.h"
#include "daemon/http/prefer.h"

namespace mrun {
namespace {

// A reply to `Prefer: wait=n` leaves before the client's own timer (n seconds and a little) ends.
constexpr std::chrono::milliseconds k_wait_margin{50};

Result<void> refuse_webhooks(const Json& body) {
  for (const char* key : {"webhook", "webhook_completed"})
    if (const auto found = body.find(key); found != body.end() && !found->is_null())
      return fail(ErrorCode::body_invalid,
                  fmt::format("`{}` is given, and this mrun does not send webhooks", key),
                  "wait with `Prefer: wait`, or follow urls.stream");
  return {};
}

// replicate-javascript 1.4.0 with fileEncodingStrategy "data-uri" sends its client object, token included, in
// place of the input (lib/util.js, transformFileInputs). Running that would be wrong and storing it worse.
Result<void> refuse_client_object(const Json& input) {
  if (!input.contains("auth") || !input.contains("baseUrl")) return {};
  return fail(ErrorCode::body_invalid,
              "`input` is the JavaScript client itself, not your input: a defect of replicate 1.4.0 with "
              "fileEncodingStrategy \"data-uri\"",
              "use the strategy \"default\" or \"upload\"");
}

Result<std::string> version_of(const Json& body, Surface surface, std::string from_path) {
  std::vector<std::string> known = {"input", "stream", "webhook", "webhook_completed",
                                    "webhook_events_filter"};
  if (surface == Surface::mrun) known = {"input", "device"};
  if (from_path.empty()) known.emplace_back("version");
  MRUN_TRY(check_members(body, known));
  if (!from_path.empty()) return from_path;
  return need_string(body, "version", ErrorCode::body_invalid, "the request's body");
}

Result<CreatePrediction> read_create(const Request& request, Surface surface, std::string from_path) {
  MRUN_ASSIGN(Json body, json_body(request));
  CreatePrediction create;
  MRUN_ASSIGN(create.version, version_of(body, surface, std::move(from_path)));
  MRUN_TRY(refuse_webhooks(body));
  MRUN_TRY(json_bool(body, "stream", ErrorCode::body_invalid, "the request's body"));
  create.input = Json::object();
  if (const auto input = body.find("input"); input != body.end() && !input->is_null())
    create.input = std::move(*input);
  if (!create.input.is_object())
    return fail(ErrorCode::body_invalid, "the request's body: `input` is not an object");
  MRUN_TRY(refuse_client_object(create.input));
  MRUN_ASSIGN(auto device, json_string(body, "device", ErrorCode::body_invalid, "the request's body"));
  if (device) create.device = std::move(*device);
  for (const auto& [name, value] : request.headers)
    if (name == "mrun-tags") MRUN_TRY(add_tags_of_header(create.tags, value));
  if (const std::string_view header = request.header("cancel-after"); !header.empty()) {
    MRUN_ASSIGN(create.cancel_after, parse_cancel_after(header));
  }
  return create;
}

// The reply's head for a prediction that was created.
Reply created_head(int status, const Prediction& prediction, const std::string& base_url,
                   std::optional<std::chrono::seconds> waited) {
  Reply head = json_reply(status, nullptr);
  head.headers.emplace_back("Location", fmt::format("{}/v1/predictions/{}", base_url, prediction.id));
  if (waited) head.headers.emplace_back("Preference-Applied", fmt::format("wait={}", waited->count()));
  return head;
}

// A caller that waits for the end. Owned by the callbacks of the timer, the subscription and the connection;
// each of them is dropped by finish().
class WaitingCaller : public std::enable_shared_from_this<WaitingCaller> {
 public:
  WaitingCaller(EndpointContext& context, Responder responder, std::string base_url, Surface surface,
                std::chrono::seconds wait)
      : m_context(context),
        m_responder(std::move(responder)),
        m_base_url(std::move(base_url)),
        m_surface(surface),
        m_wait(wait),
        m_timer(context.io) {}

  void begin(CreatePrediction create) {
    m_responder.on_gone([self = shared_from_this()] { self->on_gone(); });
    m_timer.expires_after(std::chrono::milliseconds(m_wait) - k_wait_margin);
    m_context.service.create(std::move(create), [self = shared_from_this()](Result<Prediction> created) {
      self->on_created(std::move(created));
    });
  }

 private:
  void on_created(Result<Prediction> created) {
    if (m_finished && created) return m_context.service.abandon(created->id);
    if (m_finished) return;
    if (!created) return answer_error(created.error());
    m_id = created->id;
    m_timer.async_wait([self = shared_from_this()](const boost::system::error_code& stopped) {
      if (!stopped) self->on_timeout();
    });
    const auto self = shared_from_this();
    auto subscription = m_context.service.when_done(
        m_id, [self](const Result<PredictionPtr>& ended) { self->on_committed(ended); },
        [self](const Prediction& ended) { self->prepare(ended); });
    if (!m_finished) m_subscription = std::move(subscription);
  }

  // The answer is written while the end is being committed, and sent when both are done.
  void prepare(const Prediction& ended) {
    if (m_finished || m_prepared) return;
    m_prepared = true;
    m_head = created_head(201, ended, m_base_url, m_wait);
    dress_prediction(m_context, ended, m_base_url, m_surface,
                     [self = shared_from_this()](Result<std::string> body) {
                       self->m_body = std::move(body);
                       self->answer_if_ready();
                     });
  }

  void on_committed(const Result<PredictionPtr>& ended) {
    if (m_finished) return;
    if (!ended) return answer_error(ended.error());
    m_committed = true;
    prepare(**ended);
    answer_if_ready();
  }

  void answer_if_ready() {
    if (m_finished || !m_committed || !m_body) return;
    if (!*m_body) return answer_error(m_body->error());
    m_head.body = std::move(**m_body);
    m_responder.reply(std::move(m_head));
    finish();
  }

  // The reply says `starting` whatever the state is: official clients take any other status for the end.
  void on_timeout() {
    if (m_finished) return;
    m_subscription.reset();
    m_context.service.make_durable(m_id, [self = shared_from_this()](Result<Prediction> prediction) {
      if (self->m_finished) return;
      if (!prediction) return self->answer_error(prediction.error());
      if (is_terminal(prediction->status)) return self->answer(201, std::move(*prediction));
      prediction->status = PredictionStatus::starting;
      prediction->output = nullptr;
      self->answer(202, std::move(*prediction));
    });
  }

  void on_gone() {
    if (m_finished) return;
    finish();
    if (!m_id.empty()) m_context.service.abandon(m_id);
  }

  void answer(int status, Prediction prediction) {
    finish();
    Reply head = created_head(status, prediction, m_base_url, m_wait);
    reply_prediction(m_context, std::move(prediction), m_base_url, m_surface, std::move(head),
                     std::move(m_responder));
  }

  void answer_error(const Error& error) {
    finish();
    m_responder.reply(error);
  }

  void finish() {
    m_finished = true;
    m_timer.cancel();
    // A turn later: this may run inside the subscription's callback.
    boost::asio::post(m_context.io, [ended = std::move(m_subscription)] {});
  }

  EndpointContext& m_context;
  Responder m_responder;
  std::string m_base_url;
  Surface m_surface;
  std::chrono::seconds m_wait;
  boost::asio::steady_timer m_timer;
  std::unique_ptr<Subscription> m_subscription;
  std::string m_id;
  Reply m_head;                              // of the answer at the end, once it is `m_prepared`
  std::optional<Result<std::string>> m_body; // of that answer, once it is written
  bool m_prepared = false;
  bool m_committed = false;
  bool m_finished = false;
};

void create_and_stream(EndpointContext& context, CreatePrediction create, std::string base_url,
                       Responder responder) {
  struct Caller {
    Responder responder;
    bool gone = false;
  };
  // Shared by the create callback and the connection's, whichever comes first.
  auto caller = std::make_shared<Caller>(Caller{std::move(responder)});
  caller->responder.on_gone([caller] { caller->gone = true; });
  context.service.create(std::move(create), [&context, caller, base_url](Result<Prediction> created) {
    if (!created) return caller->responder.reply(created.error());
    if (caller->gone) return context.service.abandon(created->id);
    EventFeed::Settings settings;
    settings.id = created->id;
    settings.base_url = base_url;
    settings.on_gone = [&context, id = created->id] { context.service.abandon(id); };
    EventFeed::start(context, std::move(settings), std::move(caller->responder));
  });
}

void create_and_leave(EndpointContext& context, CreatePrediction create, std::string base_url,
                      Surface surface, Responder responder) {
  context.service.create(
      std::move(create),
      answer_with<Prediction>(std::move(responder), [&context, base_url, surface](Prediction created,
                                                                                  Responder answer) {
        Reply head = created_head(201, created, base_url, std::nullopt);
        reply_prediction(context, std::move(created), base_url, surface, std::move(head), std::move(answer));
      }));
}

} // namespace

void create_prediction(EndpointContext& context, Request request, Responder responder, Surface surface,
                       std::string version) {
  auto create = read_create(request, surface, std::move(version));
  if (!create) return responder.reply(create.error());
  const bool stream = surface == Surface::mrun &&
                      request.header("accept").find("text/event-stream") != std::string_view::npos;
  const auto wait = parse_prefer_wait(request.header("prefer"));
  create->durable_first = !stream && !wait;
  if (stream)
    return create_and_stream(context, std::move(*create), std::move(request.base_url), std::move(responder));
  if (!wait)
    return create_and_leave(context, std::move(*create), std::move(request.base_url), surface,
                            std::move(responder));
  std::make_shared<WaitingCaller>(context, std::move(responder), std::move(request.base_url), surface, *wait)
      ->begin(std::move(*create));
}

} // namespace mrun
