#include <fmt/format.h>

#include "cli/snippet/program.h"
#include "cli/snippet/values.h"

namespace mrun::cli {

std::string node_program(const SnippetCall& call) {
  const Dialect dialect{"true",
                        "false",
                        "null",
                        json_text,
                        [](const std::string& path) {
                          return fmt::format(
                              "{} + readFileSync({}, \"base64\")",
                              json_text(fmt::format("data:{};base64,", media_type_of_name(path))),
                              json_text(path));
                        },
                        [](const std::string& variable) { return "process.env." + variable; }};
  const std::string input = input_text(call.input, dialect, 8);
  const bool reads = input.find("readFileSync(") != std::string::npos;
  return fmt::format(R"({}async function main() {{
  const reply = await fetch({}, {{
    method: "POST",
    headers: {{
      "Authorization": `Bearer ${{process.env.MRUN_TOKEN}}`,
      "Content-Type": "application/json",
      "Prefer": "wait",
    }},
    body: JSON.stringify({{
      version: {},
      input: {},
    }}),
  }});
  const prediction = await reply.json();
  if (!reply.ok) throw new Error(prediction.detail);
  if (prediction.error) throw new Error(prediction.error);
  console.log(prediction.output);
}}

main().catch((error) => {{
  console.error(error);
  process.exitCode = 1;
}});
)",
                     reads ? "const { readFileSync } = require(\"node:fs\");\n\n" : "",
                     json_text(call.url + "/v1/predictions"), json_text(call.version), input);
}

} // namespace mrun::cli
