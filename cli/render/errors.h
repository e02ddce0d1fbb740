// How an error looks: `error[M1203]: …` / `note: …` / `help: …`, or one line of JSON.
#pragma once

#include <string>

#include "cli/context.h"
#include "common/error.h"
#include "common/json.h"

namespace mrun::cli {

// Ends with a newline; coloured for standard error.
std::string render_error(const Terminal& terminal, const Error& error);

// {error: {code, class, message, hint, retryable, details}}; `details` holds the notes and what the caller
// adds.
Json error_json(const Error& error, Json details = Json::object());

// Either, on standard error, and with --github an annotation. The exit code.
int show_error(const Context& context, const Error& error, Json details = Json::object());

} // namespace mrun::cli
