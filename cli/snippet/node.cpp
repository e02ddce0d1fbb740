#include <fmt/format.h>

#include "cli/snippet/program.h"
#include "cli/snippet/values.h"

namespace mrun::cli {

std::string node_program(const SnippetCall& call) {
  const Dialect dialect{
      "true",
      "false",
      "null",
      json_text,
      [](const std::string& path) {
        return fmt::format("{} + readFileSync({}, \"base64\")",
                           json_text(fmt::format("data:{};base64,", media_type_of_name(path))),
                           json_text(path));
      },
      [](const std::string& variable) { return fmt::format("needed({})", json_text(variable)); }};
  const std::string input = input_text(call.input, dialect, 8);
  const bool reads = input.find("readFileSync(") != std::string::npos;
  return fmt::format(R"({}function needed(name) {{
  if (!process.env[name]) throw new Error(`${{name}} is not set`);
  return process.env[name];
}}

async function call(url, request) {{
  const reply = await fetch(url, {{
    ...request,
    headers: {{
      "Authorization": `Bearer ${{needed("MRUN_TOKEN")}}`,
      "Content-Type": "application/json",
      "Prefer": "wait",
    }},
  }});
  const body = await reply.json();
  if (!reply.ok) throw new Error(body.detail);
  return body;
}}

async function main() {{
  let prediction = await call({}, {{
    method: "POST",
    body: JSON.stringify({{
      version: {},
      input: {},
    }}),
  }});
  while (["starting", "processing"].includes(prediction.status)) {{
    await new Promise((done) => setTimeout(done, 500));
    prediction = await call(prediction.urls.get);
  }}
  const {{ status, error, output }} = prediction;
  if (status !== "succeeded") throw new Error(error || `the prediction is ${{status}}`);
  console.log(typeof output === "string" ? output : JSON.stringify(output, null, 2));
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
