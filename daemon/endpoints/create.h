// Creating a prediction and answering for it: at once, after waiting (`Prefer: wait`), or as an event stream.
// Shared by both surfaces.
#pragma once

#include "daemon/endpoints/views.h"

namespace mrun {

// `version` is set when the path names the model; else the body does. The body's members, headers and answers
// are described in docs/api.md.
void create_prediction(EndpointContext& context, Request request, Responder responder, Surface surface,
                       std::string version = {});

} // namespace mrun
