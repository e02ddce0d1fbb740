#include "daemon/endpoints/views.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"

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
  MRUN_ASSIGN(Json body, parse_json(request.body, ErrorCode::body_invalid, "the request's body"));
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
  if (surface == Surface::replicate && prediction.status == PredictionStatus::aborted)
    prediction.status = PredictionStatus::canceled;
  return prediction_json(prediction, base_url);
}

void reply_prediction(EndpointContext& context, Prediction prediction, std::string base_url, Surface surface,
                      Reply head, Responder responder) {
  // Shared: a std::function must be copyable, a Responder is not.
  auto answer = std::make_shared<std::pair<Reply, Responder>>(std::move(head), std::move(responder));
  const auto finish = [answer, base_url, surface](Result<Prediction> dressed) {
    if (!dressed) return answer->second.reply(dressed.error());
    answer->first.body = canonical_json(prediction_view(std::move(*dressed), base_url, surface));
    answer->second.reply(std::move(answer->first));
  };
  if (prediction.output.is_null()) return finish(std::move(prediction));
  context.service.externalize_output(std::move(prediction), base_url, finish);
}

} // namespace mrun
