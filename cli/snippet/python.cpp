#include <fmt/format.h>

#include "cli/snippet/program.h"
#include "cli/snippet/values.h"

namespace mrun::cli {

std::string python_program(const SnippetCall& call, const TypeSpec& output) {
  const Dialect dialect{
      "True",
      "False",
      "None",
      json_text,
      [](const std::string& path) { return fmt::format("open({}, \"rb\")", json_text(path)); },
      [](const std::string& variable) { return fmt::format("os.environ[{}]", json_text(variable)); }};
  const std::string reference =
      call.version == call.model ? call.model : fmt::format("{}:{}", call.model, call.version);
  const std::string_view show = output.iterator && output.concatenate
                                    ? "print(\"\".join(str(part) for part in output))"
                                : output.iterator ? "for part in output:\n    print(part)"
                                                  : "print(output)";
  // The client says nothing of one that was canceled.
  const std::string_view check =
      output.type == ValueType::any
          ? ""
          : "if output is None:\n    raise SystemExit(\"the prediction was canceled\")\n";
  return fmt::format(R"(# pip install replicate
import os

import replicate

client = replicate.Client(base_url={}, api_token=os.environ["MRUN_TOKEN"])
output = client.run(
    {},
    input={},
)
{}{}
)",
                     json_text(call.url), json_text(reference), input_text(call.input, dialect, 8), check,
                     show);
}

} // namespace mrun::cli
