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

// Each variable that must be there, before anything runs.
std::string needs(const SnippetCall& call) {
  std::string text = ": \"${MRUN_TOKEN:?is not set}\"";
  for (const std::string& name : call.input.secrets)
    text += fmt::format(" \"${{{}:?is not set}}\"", secret_variable(name));
  return text + "\n";
}

// As JSON writes a text, between its quotes: quotes, backslashes and the ends of lines; JSON has no other
// control characters, and neither do secrets.
constexpr std::string_view k_quoted = R"(quoted() {
  printf '%s\n' "$1" | sed -e 's/[\\"]/\\&/g' -e '$!s/$/\\n/' | tr -d '\n'
}
)";

} // namespace

// A shell of its own, so that it may end with curl's exit code wherever it is pasted. The headers come by a
// descriptor: on the command line everybody could read the token. `Prefer: wait` ends after 60 s with 202;
// the event stream lasts as long as the prediction. "id" comes before anything of the caller's in the reply.
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
      [](const std::string& variable) { return fmt::format("\"$(quoted \"${}\")\"", variable); }};
  return fmt::format(R"((
{}predictions={}
call() {{
  curl -sS --fail-with-body -H @/dev/fd/3 "$@" 3<<HEADERS
Authorization: Bearer $MRUN_TOKEN
Content-Type: application/json
Prefer: wait
HEADERS
}}
{}body() {{
  cat <<JSON
{{
  "version": {},
  "input": {}
}}
JSON
}}
reply=$(body | call "$predictions" --data-binary @- -w '%{{http_code}}')
code=$?
case $reply in
*202) # it runs on: follow it to its end
  id=${{reply#*'"id":"'}}
  id=${{id%%'"'*}}
  curl -sS -o /dev/null "$predictions/$id/stream"
  call "$predictions/$id" -w '\n'
  ;;
*)
  printf '%s\n' "${{reply%???}}"
  exit $code
  ;;
esac
)
)",
                     needs(call), quoted(call.url + "/v1/predictions"),
                     call.input.secrets.empty() ? "" : k_quoted, json_text(call.version),
                     input_text(call.input, dialect, 4));
}

} // namespace mrun::cli
