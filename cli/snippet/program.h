// Programs that call a model over TCP, as text that runs as it stands. The token, and each secret input, is
// read from the environment of the program: neither is in the text, nor on a command line, where every user
// of the machine could read it.
#pragma once

#include <string>

#include "cli/snippet/sample_input.h"
#include "packager/store.h"

namespace mrun::cli {

struct SnippetCall {
  std::string url;     // http://127.0.0.1:8000
  std::string model;   // owner/name
  std::string version; // owner/name where that is what was asked for, else 64 hex digits
  SampleInput input;
};

std::string curl_program(const SnippetCall& call);                           // POSIX shell and curl
std::string python_program(const SnippetCall& call, const TypeSpec& output); // the client of Replicate
std::string node_program(const SnippetCall& call);                           // Node 18 or newer, no packages
// OpenAPI 3.0.3 of this one call, for generators of clients.
Json openapi_program(const SnippetCall& call, const Manifest& manifest);

} // namespace mrun::cli
