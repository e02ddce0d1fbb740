#include "packager/interop/derived_manifest.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "common/json.h"
#include "common/text.h"
#include "packager/glob.h"
#include "packager/manifest.h"
#include "packager/yaml_tree.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_listed_files = 200; // more are written as globs
constexpr std::uint64_t k_max_new_tokens = 131'072;

// A JSON text is a quoted YAML scalar too.
std::string yaml_text(std::string_view text) {
  return canonical_json(std::string(text));
}

// A word of the model's own, in quotes where YAML would read something else: `1.0`, `null`, `a: b`.
std::string yaml_word(std::string_view text) {
  const auto read = parse_yaml(text, "", {ErrorCode::manifest_syntax, ErrorCode::manifest_limit});
  const auto value = read ? yaml_to_json(*read, "", ErrorCode::manifest_value) : Result<Json>(Json());
  return value && *value == text ? std::string(text) : yaml_text(text);
}

// A glob that matches this path alone.
std::string literal_glob(const std::string& path) {
  std::string glob;
  for (const char c : path)
    glob += c == '*' || c == '?' || c == '[' ? fmt::format("[{}]", c) : std::string(1, c);
  return glob;
}

bool has_hidden_part(std::string_view path) {
  return path.starts_with('.') || path.find("/.") != std::string_view::npos;
}

std::string files_text(const std::vector<SafePath>& paths) {
  std::string text = "files:\n";
  if (paths.size() > k_max_listed_files) text += "  - \"**\"\n";
  for (const SafePath& path : paths)
    if (path.text() != "mrun.yaml" && (paths.size() <= k_max_listed_files || has_hidden_part(path.text())))
      text += fmt::format("  - {}\n", yaml_text(literal_glob(path.text())));
  return text;
}

std::string generation_text(const ModelFacts& facts) {
  const std::uint64_t most = facts.context > 0 ? std::min(facts.context, k_max_new_tokens) : k_max_new_tokens;
  std::string text = "inputs:\n  prompt: {type: string, min_length: 1, description: Text to go on from}\n";
  if (facts.chat)
    text += "  system_prompt: {type: string, optional: true, description: What the model is told about its "
            "role}\n";
  text += fmt::format(
      "  max_tokens: {{type: integer, default: {}, ge: 1, le: {}, description: Most tokens to generate}}\n",
      std::min<std::uint64_t>(256, most), most);
  text +=
      "  temperature: {type: number, default: 0.7, ge: 0, le: 2, description: 0 takes the likeliest token}\n"
      "  top_p: {type: number, default: 1, ge: 0, le: 1, description: Share of likelihood to choose from}\n"
      "  seed: {type: integer, optional: true, description: The same seed gives the same text}\n"
      "output: {type: string, iterator: true, concatenate: true}\n";
  return text;
}

std::string embedding_text(const ModelFacts& facts) {
  const std::string length =
      facts.embedding > 0 && facts.embedding <= 1'000'000 ? fmt::format(", length: {}", facts.embedding) : "";
  return fmt::format("inputs:\n  text: {{type: string, min_length: 1, description: Text to embed}}\n"
                     "output: {{type: array, items: {{type: number}}{}}}\n",
                     length);
}

std::string schema_text(const ModelFacts& facts) {
  if (facts.task == "text-generation") return generation_text(facts);
  if (facts.task == "text-embedding") return embedding_text(facts);
  constexpr std::array<std::string_view, 5> text_tasks = {"text-classification", "token-classification",
                                                          "fill-mask", "text2text-generation",
                                                          "question-answering"};
  if (std::find(text_tasks.begin(), text_tasks.end(), facts.task) != text_tasks.end())
    return "inputs:\n  text: {type: string, min_length: 1}\noutput: {type: any}\n";
  return "inputs:\n  input: {type: any}\noutput: {type: any}\n";
}

// The file that an engine begins with: the only weight file, or the list of the parts.
std::string main_file(const ModelFacts& facts, const std::vector<SafePath>& paths) {
  if (facts.weights.size() == 1 || facts.format == "gguf") return facts.weights.front().text();
  const auto index = std::find_if(paths.begin(), paths.end(), [](const SafePath& path) {
    return path.text().ends_with(".safetensors.index.json");
  });
  return index != paths.end() ? index->text() : "";
}

Result<void> check_supported(const ModelFacts& facts, const std::vector<SafePath>& paths) {
  const auto is_there = [&](std::string_view name) {
    return std::any_of(paths.begin(), paths.end(), [&](const SafePath& path) { return path.text() == name; });
  };
  constexpr std::string_view hint = "write an mrun.yaml for it: docs/formats/manifest.md has every key";
  if (is_there("model_index.json"))
    return fail(ErrorCode::model_unsupported, "it is a pipeline of diffusers, which no engine of mrun runs");
  if (facts.format.empty())
    return fail(ErrorCode::model_unsupported, "there are no weights in it (safetensors or GGUF)",
                "name the folder that holds config.json and *.safetensors, or a .gguf file");
  if (facts.format != "safetensors" && facts.format != "gguf")
    return fail(ErrorCode::model_unsupported,
                fmt::format("its weights are {}, mrun takes safetensors and GGUF", facts.format),
                facts.format == "onnx" ? std::string(hint)
                                       : "save them as safetensors, or " + std::string(hint));
  if (facts.architecture.empty())
    return fail(ErrorCode::model_unsupported,
                facts.format == "gguf" ? "the GGUF file names no architecture"
                                       : "there is no config.json that names its `model_type`",
                std::string(hint));
  return {};
}

} // namespace

Result<std::string> derive_manifest(const std::string& name, const ModelFacts& facts,
                                    const std::vector<SafePath>& paths) {
  MRUN_TRY(check_supported(facts, paths));
  std::string text =
      "# Derived by mrun from the model's own files: look at inputs, output and license.\nmrun: 1\n";
  text += fmt::format("name: {}\n", name);
  const std::string description = !facts.description.empty() ? facts.description : facts.name;
  if (!description.empty()) text += fmt::format("description: {}\n", yaml_text(description));
  if (!facts.license.empty()) text += fmt::format("license: {}\n", yaml_word(facts.license));
  if (!facts.task.empty()) text += fmt::format("task: {}\n", yaml_word(facts.task));
  text += "engine: transformer\n";
  if (const std::string model = main_file(facts, paths); !model.empty())
    text += fmt::format("model: {}\n", yaml_text(model));
  text += files_text(paths) + schema_text(facts);
  MRUN_TRY(parse_manifest(text, "the derived mrun.yaml"));
  return text;
}

} // namespace mrun
