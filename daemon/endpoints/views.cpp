#include "daemon/endpoints/views.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"
#include "daemon/http/sse.h"

namespace mrun {

Result<Json> json_body(const Request& request) {
  const std::string_view content_type = request.header("content-type");
  const std::string media_type = lower_ascii(trim(content_type.substr(0, content_type.find(';'))));
  if (media_type != "application/json")
    return fail(ErrorCode::media_type,
                media_type.empty()
                    ? std::string("the request has no Content-Type")
                    : fmt::format("the request's Content-Type is {}", printable(media_type, 60)),
                "send the header `Content-Type: application/json`");
  const JsonLimits limits{k_max_body_bytes, k_max_json_depth, k_max_body_values,
                          ErrorCode::request_too_large};
  MRUN_ASSIGN(Json body, parse_json(request.body, ErrorCode::body_invalid, "the request's body", limits));
  if (!body.is_object()) return fail(ErrorCode::body_invalid, "the request's body is not a JSON object");
  return body;
}

Result<void> check_members(const Json& object, const std::vector<std::string>& known) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = nearest(key, known);
    return fail(ErrorCode::body_invalid,
                fmt::format("the request's body has an unknown member `{}`", printable(key, 60)),
                near.empty() ? fmt::format("allowed are {}", fmt::join(known, ", "))
                             : fmt::format("did you mean `{}`?", near));
  }
  return {};
}

Json prediction_view(Prediction prediction, std::string_view base_url, Surface surface) {
  if (surface == Surface::mrun) return own_prediction_json(std::move(prediction), base_url);
  if (prediction.status == PredictionStatus::aborted) prediction.status = PredictionStatus::canceled;
  return prediction_json(std::move(prediction), base_url);
}

void dress_prediction(EndpointContext& context, Prediction prediction, std::string base_url, Surface surface,
                      Callback<std::string> done) {
  const auto write = [base_url, surface, done = std::move(done)](Result<Prediction> dressed) {
    if (!dressed) return done(tl::unexpected(std::move(dressed).error()));
    done(canonical_json(prediction_view(std::move(*dressed), base_url, surface)));
  };
  if (prediction.output.is_null()) return write(std::move(prediction));
  context.service.externalize_output(std::move(prediction), std::move(base_url), write);
}

void reply_prediction(EndpointContext& context, Prediction prediction, std::string base_url, Surface surface,
                      Reply head, Responder responder) {
  // Shared: a std::function must be copyable, a Responder is not.
  auto answer = std::make_shared<std::pair<Reply, Responder>>(std::move(head), std::move(responder));
  dress_prediction(context, std::move(prediction), std::move(base_url), surface,
                   [answer](Result<std::string> body) {
                     if (!body) return answer->second.reply(body.error());
                     answer->first.body = std::move(*body);
                     answer->second.reply(std::move(answer->first));
                   });
}

Callback<Prediction> answer_with_view(EndpointContext& context, const Request& request, Surface surface,
                                      Responder responder) {
  return answer_with<Prediction>(std::move(responder), [&context, base_url = request.base_url,
                                                        surface](Prediction prediction, Responder answer) {
    reply_prediction(context, std::move(prediction), base_url, surface, json_reply(200, nullptr),
                     std::move(answer));
  });
}

Callback<OutputFile> answer_with_file(Responder responder) {
  return answer_with<OutputFile>(std::move(responder), [](OutputFile file, Responder answer) {
    Reply head;
    head.content_type = file.media_type;
    head.headers = {{"Cache-Control", "no-store"},
                    {"X-Content-Type-Options", "nosniff"},
                    {"Content-Security-Policy", "sandbox"}};
    answer.reply_file(std::move(head), std::move(file));
  });
}

void follow_prediction(EndpointContext& context, const Request& request, EventFeed::Dialect dialect,
                       Responder responder) {
  EventFeed::Settings settings;
  settings.id = request.params[0];
  settings.base_url = request.base_url;
  settings.dialect = dialect;
  settings.after_seq = parse_last_event_id(request.header("last-event-id"));
  // get() first: follow() of an id that is not there would be silent for ever.
  context.service.get(request.params[0],
                      answer_with<Prediction>(std::move(responder),
                                              [&context, settings](const Prediction&, Responder answer) {
                                                EventFeed::start(context, settings, std::move(answer));
                                              }));
}

} // namespace mrun
