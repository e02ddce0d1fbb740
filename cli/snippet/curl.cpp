#include <fmt/format.h>

#include "cli/snippet/program.h"
#include "cli/snippet/values.h"

namespace mrun::cli {
namespace {

// In a here-document that is expanded.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '$' || c == '`') out += '\\';
    out += c;
  }
  return out;
}

std::string quoted(const std::string& word) {
  std::string out;
  for (const char c : word)
    out += c == '\'' ? "'\\''" : std::string(1, c);
  return fmt::format("'{}'", out);
}

} // namespace

// The headers come by a descriptor: on the command line everybody could read the token.
std::string curl_program(const SnippetCall& call) {
  const Dialect dialect{
      "true",
      "false",
      "null",
      [](const std::string& text) { return escaped(json_text(text)); },
      [](const std::string& path) {
        return fmt::format("\"data:{};base64,$(base64 < {} | tr -d '\\n')\"", media_type_of_name(path),
                           quoted(path));
      },
      [](const std::string& variable) { return fmt::format("\"${{{}:?is not set}}\"", variable); }};
  return fmt::format(R"(curl -sS {} -H @/dev/fd/3 --data-binary @- 3<<HEADERS <<JSON
Authorization: Bearer ${{MRUN_TOKEN:?is not set}}
Content-Type: application/json
Prefer: wait
HEADERS
{{
  "version": {},
  "input": {}
}}
JSON
)",
                     quoted(call.url + "/v1/predictions"), json_text(call.version),
                     input_text(call.input, dialect, 4));
}

} // namespace mrun::cli
