#include "cli/render/model_text.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/render/table.h"
#include "common/shell_word.h"
#include "common/text.h"
#include "packager/schema.h"

namespace mrun::cli {
namespace {

template<class T>
std::string range_words(const std::optional<T>& low, const std::optional<T>& high, std::string_view unit) {
  const std::string tail = unit.empty() ? "" : fmt::format(" {}", unit);
  if (low && high) return fmt::format(", {} to {}{}", *low, *high, tail);
  if (low) return fmt::format(", at least {}{}", *low, tail);
  if (high) return fmt::format(", at most {}{}", *high, tail);
  return {};
}

std::string choice_words(const std::vector<Json>& choices) {
  std::string words;
  for (const Json& choice : choices)
    words += fmt::format("{}{}", words.empty() ? ", one of " : ", ", canonical_json(choice));
  return words;
}

std::string accept_words(const std::vector<std::string>& types) {
  std::string words;
  for (const std::string& type : types)
    words += fmt::format("{}{}", words.empty() ? " (" : ", ", type);
  return words.empty() ? words : words + ")";
}

std::string array_words(const TypeSpec& type) {
  std::string words = type.items.empty() ? "array" : fmt::format("array of {}", type_words(type.items[0]));
  if (type.length) return words + fmt::format(", {} items", *type.length);
  return words + range_words(type.min_length, type.max_length, "items");
}

std::string object_words(const TypeSpec& type) {
  std::string words;
  for (const auto& [name, property] : type.properties)
    words += fmt::format("{}{}: {}", words.empty() ? "" : ", ", name, type_words(property));
  return words.empty() ? "object" : fmt::format("{{{}}}", words);
}

std::string need_words(const InputSpec& input) {
  if (input.default_value) return fmt::format("default {}", canonical_json(*input.default_value));
  return input.optional ? "optional" : "required";
}

std::string example_command(const Manifest& manifest, const Example& example) {
  std::string command = fmt::format("mrun predict {}", manifest.name);
  for (const auto& [key, value] : example.input.items())
    command += value.is_string()       ? fmt::format(" -i {}={}", key, shell_word(value.get<std::string>()))
               : value.is_structured() ? fmt::format(" -i {}:={}", key, shell_word(canonical_json(value)))
                                       : fmt::format(" -i {}={}", key, shell_word(canonical_json(value)));
  return printable(command, 400);
}

std::int64_t run_ns(const Json& run) {
  if (!run.is_object()) return 0;
  for (const char* key : {"total_ns", "total_time_ns"})
    if (run.contains(key) && run[key].is_number_integer()) return run[key].get<std::int64_t>();
  if (run.contains("total_time") && run["total_time"].is_number())
    return static_cast<std::int64_t>(run["total_time"].get<double>() * 1e9);
  std::int64_t sum = 0;
  const Json phases = run.value("phases_ns", Json::object());
  for (const Json& phase : phases)
    if (phase.is_number_integer()) sum += phase.get<std::int64_t>();
  return sum;
}

} // namespace

std::string type_words(const TypeSpec& type) {
  std::string words;
  if (type.type == ValueType::array)
    words = array_words(type);
  else if (type.type == ValueType::object)
    words = object_words(type);
  else {
    words = std::string(value_type_name(type.type)) + accept_words(type.accept);
    words += range_words(type.ge, type.le, "");
    words += range_words(type.min_length, type.max_length, "characters");
    if (type.max_bytes) words += fmt::format(", at most {}", format_bytes(*type.max_bytes));
    if (!type.pattern.empty()) words += fmt::format(", matching {}", type.pattern);
  }
  return words + choice_words(type.choices) + (type.iterator ? ", streamed" : "");
}

std::string latency_words(const Json& stats) {
  if (!stats.is_object()) return "not measured yet";
  const std::int64_t warm = run_ns(stats.value("warm", Json()));
  const std::int64_t cold = run_ns(stats.value("cold", Json()));
  if (warm > 0 && cold > 0)
    return fmt::format("{} (with a cold start {})", format_duration(warm), format_duration(cold));
  if (warm > 0) return format_duration(warm);
  if (cold > 0) return fmt::format("{} with a cold start", format_duration(cold));
  return "not measured yet";
}

std::string schema_text(const Terminal& terminal, const Manifest& manifest) {
  std::string text = fmt::format("{}\n", terminal.paint_out(Style::bold, "Inputs"));
  std::size_t width = 0;
  for (const InputSpec& input : manifest.inputs)
    width = std::max(width, input.name.size());
  for (const InputSpec& input : manifest.inputs) {
    text += fmt::format("  {:<{}}  {} · {}{}\n", input.name, width, type_words(input.type), need_words(input),
                        input.deprecated ? " · deprecated" : "");
    if (!input.type.description.empty())
      text += fmt::format("  {:<{}}  {}\n", "", width,
                          terminal.paint_out(Style::dim, printable(input.type.description, 400)));
  }
  if (manifest.inputs.empty()) text += "  none\n";
  text += fmt::format("\n{}\n  {}\n", terminal.paint_out(Style::bold, "Output"), type_words(manifest.output));
  if (manifest.examples.empty()) return text;
  text += fmt::format("\n{}\n", terminal.paint_out(Style::bold, "Examples"));
  for (const Example& example : manifest.examples)
    text += fmt::format("  {}\n", example_command(manifest, example));
  return text;
}

std::string model_text(const Terminal& terminal, const Bundle& bundle, const Json& stats) {
  const Manifest& manifest = bundle.manifest;
  const auto line = [](std::string_view name, const std::string& value) {
    return value.empty() ? std::string() : fmt::format("{:<10}{}\n", name, printable(value, 400));
  };
  std::string text = fmt::format("{}\n", terminal.paint_out(Style::bold, manifest.name));
  if (!manifest.description.empty()) text += printable(manifest.description, 1000) + "\n";
  text += "\n" + line("version", bundle.digest.text());
  text += line("size", fmt::format("{} in {}", format_bytes(bundle.size_bytes),
                                   count_words(bundle.files.size(), "file")));
  text += line("engine", manifest.engine) + line("task", manifest.task);
  text += line("license", manifest.license.empty() ? "not stated" : manifest.license);
  text += line("latency", latency_words(stats));
  return text + "\n" + schema_text(terminal, manifest);
}

Json model_json(const Bundle& bundle, const Json& stats) {
  Json files = Json::array();
  for (const BundleFile& file : bundle.files)
    files.push_back(
        {{"path", file.path.text()}, {"size_bytes", file.size}, {"executable", (file.mode & 0100) != 0}});
  return {{"schema", "mrun.show/v1"},
          {"model", bundle.manifest.name},
          {"version", bundle.digest.hex()},
          {"digest", bundle.digest.text()},
          {"size_bytes", bundle.size_bytes},
          {"files", std::move(files)},
          {"manifest", manifest_json(bundle.manifest)},
          {"openapi_schema", openapi_schema(bundle.manifest)},
          {"stats", stats}};
}

} // namespace mrun::cli
