#include "cli/docs/man_pages.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/docs/roff.h"
#include "cli/help.h"
#include "common/build_info.h"

namespace mrun::cli {
namespace {

constexpr std::string_view k_date = "2026-11-26"; // of the manual

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c; });
  return out;
}

std::string title(std::string_view page, int section) {
  return fmt::format(
      ".\\\" Generated from the flag table; do not edit.\n.TH \"{}\" {} \"{}\" \"mrun {}\" \"mrun manual\"\n",
      roff_line(upper(page)), section, k_date, roff_line(version_text()));
}

std::string name(std::string_view page, std::string_view says) {
  return fmt::format(".SH NAME\n{} \\- {}\n", roff_line(page), roff_line(says));
}

std::string flag_entry(const FlagSpec& flag) {
  std::string names = flag.short_name != 0
                          ? fmt::format("\\fB\\-{}\\fR, \\fB{}\\fR", flag.short_name,
                                        roff_line(fmt::format("--{}", flag.name)))
                          : fmt::format("\\fB{}\\fR", roff_line(fmt::format("--{}", flag.name)));
  if (!flag.value_name.empty()) names += fmt::format(" \\fI{}\\fR", roff_line(flag.value_name));
  return fmt::format(".TP\n{}\n{}\n", names, roff_line(flag_help(flag)));
}

std::string examples(std::span<const ExampleSpec> all) {
  std::string text = ".SH EXAMPLES\n";
  for (const ExampleSpec& example : all)
    text += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff_line(fmt::format("mrun {}", example.command)),
                        roff_line(example.says));
  return text;
}

std::string exit_codes(const CommandSpec* command) {
  std::string text = ".SH EXIT STATUS\n";
  for (const ExitCodeRow& row : exit_code_rows())
    if (command == nullptr || may_exit_with(*command, row.code))
      text += fmt::format(".TP\n\\fB{}\\fR\n{}\n", row.code, roff_line(row.meaning));
  return text;
}

std::string see_also(std::string_view pages) {
  return fmt::format(".SH SEE ALSO\n{}\n", pages);
}

// "integer, 1 to 10", as far as the schema says.
std::string kind_of(const Json& property) {
  if (property.contains("const")) return canonical_json(property["const"]);
  if (property.contains("enum")) {
    std::string words;
    for (const Json& value : property["enum"])
      words += fmt::format("{}{}", words.empty() ? "" : ", ",
                           value.is_string() ? value.get<std::string>() : canonical_json(value));
    return words;
  }
  std::string words = property.contains("type") && property["type"].is_string()
                          ? property["type"].get<std::string>()
                          : "see the documentation";
  if (property.contains("minimum"))
    words += fmt::format(", at least {}", canonical_json(property["minimum"]));
  if (property.contains("maximum")) words += fmt::format(", at most {}", canonical_json(property["maximum"]));
  if (property.contains("default")) words += fmt::format(", default {}", canonical_json(property["default"]));
  return words;
}

} // namespace

std::string man_overview() {
  std::string text = title("mrun", 1) + name("mrun", "package, run and serve AI models on this machine");
  text += ".SH SYNOPSIS\n.B mrun\n.I command\n[\\fIarguments\\fR] [\\fIflags\\fR]\n";
  text +=
      ".SH DESCRIPTION\n" +
      roff_paragraphs("A model directory with its manifest, mrun.yaml(5), becomes a version in a store "
                      "(`mrun pack`), which runs on this machine\n(`mrun predict`), through a daemon, "
                      "mrund(8), that the first command starts. Versions travel through any OCI\nregistry "
                      "(`mrun push`, `mrun pull`). Results go to standard output, talk to standard error; "
                      "JSON Schemas\nof what `--json` prints are in share/mrun/schemas.\n\n"
                      "Nothing is sent anywhere but to the registries that are named: no telemetry, no "
                      "search for updates.");
  text += ".SH COMMANDS\n";
  for (const CommandSpec* command : all_commands())
    text += fmt::format(".TP\n\\fB{}\\fR(1)\n{}\n", roff_line(fmt::format("mrun-{}", command->name)),
                        roff_line(command->summary));
  text += ".SH OPTIONS\nEvery command takes:\n";
  for (const FlagSpec& flag : k_common_flags)
    text += flag_entry(flag);
  text += ".SH ENVIRONMENT\n";
  for (const auto& [variable, says] : environment_rows())
    text += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff_line(variable), roff_line(says));
  return text + exit_codes(nullptr) + see_also(".BR mrun.yaml (5),\n.BR mrund (8)");
}

std::string man_command(const CommandSpec& command) {
  const std::string page = fmt::format("mrun-{}", command.name);
  std::string text = title(page, 1) + name(page, command.summary);
  text += fmt::format(".SH SYNOPSIS\n.B {}\n", roff_line(usage_line(command)));
  for (const std::string_view alias : command.aliases)
    text += fmt::format(".br\nalso: \\fBmrun {}\\fR\n", roff_line(alias));
  text += examples(command.examples) + ".SH DESCRIPTION\n" + roff_paragraphs(command.description);
  if (!command.positionals.empty()) text += ".SH ARGUMENTS\n";
  for (const PositionalSpec& positional : command.positionals)
    text += fmt::format(".TP\n\\fI{}\\fR\n{}\n", roff_line(positional.name), roff_line(positional.help));
  text += ".SH OPTIONS\n";
  for (const FlagSpec& flag : command.flags)
    text += flag_entry(flag);
  for (const FlagSpec& flag : k_common_flags)
    text += flag_entry(flag);
  if (command.streams)
    text += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff_line("--json=stream"), roff_line(k_stream_help));
  return text + exit_codes(&command) + see_also(".BR mrun (1)");
}

std::string man_manifest(const Json& schema) {
  std::string text = title("mrun.yaml", 5) + name("mrun.yaml", "the manifest of a model");
  text += ".SH DESCRIPTION\n" +
          roff_paragraphs(
              "A model directory has a file `mrun.yaml` that says what is packed, what runs it, what "
              "it takes and what it gives.\nUnknown keys are errors. An editor that knows YAML checks "
              "it by share/mrun/mrun.schema.json.");
  text += ".SH KEYS\n";
  const Json required = schema.value("required", Json::array());
  for (const auto& [key, property] : schema.at("properties").items()) {
    const bool needed = std::ranges::find(required, Json(key)) != required.end();
    text +=
        fmt::format(".TP\n\\fB{}\\fR ({}{})\n{}\n", roff_line(key), roff_line(kind_of(property)),
                    needed ? ", required" : "",
                    roff_line(property.value("description", std::string("See docs/formats/manifest.md."))));
  }
  text += ".SH EXAMPLES\n.EX\n";
  for (const char* line :
       {"mrun: 1", "name: demo/minilm", "license: Apache-2.0", "engine: torch", "model: model.pt2",
        "files: [model.pt2, tokenizer.json]", "inputs:", "  text: {type: string, max_length: 8192}",
        "output: {type: array, items: {type: number}, length: 384}"})
    text += roff_line(line) + "\n";
  return text + ".EE\n" + see_also(".BR mrun (1),\n.BR mrun\\-pack (1)");
}

} // namespace mrun::cli
