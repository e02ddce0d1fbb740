// How predictions look on the two surfaces, and how JSON bodies are read; shared by the endpoint files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/event_feed.h"

namespace mrun {

enum class Surface { replicate, mrun };

// The JSON object of a request's body. Errors: media_type, body_invalid.
Result<Json> json_body(const Request& request);
// Refuses members that are not in `known`, suggesting the nearest. Error body_invalid.
Result<void> check_members(const Json& object, const std::vector<std::string>& known);

// The prediction object; on our surface with `mrun`, why it failed. On Replicate's surface `aborted` reads
// `canceled`: no official client knows it, all of them would poll for ever.
Json prediction_view(Prediction prediction, std::string_view base_url, Surface surface);

// The prediction object as text, the output's files dressed as the service decides (data URI or URL).
void dress_prediction(EndpointContext& context, Prediction prediction, std::string base_url, Surface surface,
                      Callback<std::string> done);
// Answers `head` with that as body.
void reply_prediction(EndpointContext& context, Prediction prediction, std::string base_url, Surface surface,
                      Reply head, Responder responder);
// The same as a callback, with 200.
Callback<Prediction> answer_with_view(EndpointContext& context, const Request& request, Surface surface,
                                      Responder responder);
// Sends the file; its type is data of a model or an upload, so no browser may take it for a page of ours.
Callback<OutputFile> answer_with_file(Responder responder);
// The events of the prediction that the path names, behind Last-Event-ID. Error prediction_not_found.
void follow_prediction(EndpointContext& context, const Request& request, EventFeed::Dialect dialect,
                       Responder responder);

} // namespace mrun
