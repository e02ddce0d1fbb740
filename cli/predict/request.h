// From what a user typed to the request that the daemon gets.
#pragma once

#include <string>
#include <vector>

#include "cli/client/daemon_client.h"
#include "cli/predict/input_files.h"
#include "common/json.h"
#include "daemon/api/tags.h"
#include "packager/store.h"

namespace mrun::cli {

// What all predictions of one command have in common.
struct RequestOptions {
  Digest version;
  std::string device = "auto";
  Tags tags;
};

// An input that fits the model: typed, checked, its files open.
struct PreparedInput {
  Json input;                   // small files as data URIs
  std::vector<InputFile> files; // larger ones; none after they have been uploaded
};

// The values of -i, typed by the schema; file arguments are not opened yet. Standard input (`@-`) counts for
// one input, and for none when `stdin_taken`. Errors: input_*, usage.
Result<Json> typed_input(const Manifest& manifest, const std::vector<std::string>& texts,
                         bool stdin_taken = false);
// Opens its files and checks it against the schema. Errors: input_*.
Result<PreparedInput> prepare_input(const Manifest& manifest, Json input);

enum class Answer {
  events, // the stream of events in the same reply; hanging up cancels
  object  // the accepted prediction at once; it goes on by itself
};
// The request; uploads its files first, once. Errors of the API.
Result<HttpRequest> prediction_request(DaemonClient& client, const RequestOptions& options,
                                       PreparedInput& prepared, Answer answer);

} // namespace mrun::cli
