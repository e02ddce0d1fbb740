#include "packager/manifest.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/glob.h"
#include "packager/manifest_reader.h"
#include "packager/reference.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_description_bytes = 16 * k_kib;
constexpr std::size_t k_max_globs = 10'000;
constexpr std::size_t k_max_operator_libraries = 64;

struct EngineRule {
  std::string_view name;
  bool needs_model;
};
constexpr std::array<EngineRule, 6> k_engines = {{{"torch", true},
                                                  {"native", true},
                                                  {"transformer", false},
                                                  {"process", true},
                                                  {"python", true},
                                                  {"echo", false}}};

Result<void> read_header(const ManifestReader& reader, const YamlNode& root, Manifest& manifest) {
  const YamlNode* format = root.find("mrun");
  if (format == nullptr)
    return reader.refuse(root.place, ErrorCode::manifest_version, "the key `mrun` is missing",
                         "begin the file with `mrun: 1`");
  MRUN_ASSIGN(const Json version, reader.json_of(*format));
  if (version != Json(1))
    return reader.refuse(format->place, ErrorCode::manifest_version,
                         fmt::format("`mrun` is {}, this mrun reads format 1", describe_value(version)));
  const YamlNode* name = root.find("name");
  if (name == nullptr)
    return reader.refuse_value(root.place, "the key `name` is missing", "add `name: owner/model`");
  MRUN_TRY(reader.read_string(root, "name", manifest.name));
  if (const std::string problem = model_name_problem(manifest.name); !problem.empty())
    return reader.refuse_value(
        name->place, fmt::format("`name` is `{}`, which {}", printable(manifest.name, 100), problem),
        "write it as owner/model");
  MRUN_TRY(reader.read_string(root, "description", manifest.description));
  if (manifest.description.size() > k_max_description_bytes)
    return reader.refuse(root.find("description")->place, ErrorCode::manifest_limit,
                         fmt::format("`description` has over {} bytes", k_max_description_bytes));
  MRUN_TRY(reader.read_string(root, "task", manifest.task));
  MRUN_TRY(reader.read_string(root, "license", manifest.license));
  const auto spdx = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(" .-+():").find(c) != std::string_view::npos;
  };
  const YamlNode* license = root.find("license");
  if (license != nullptr && (trim(manifest.license).empty() || manifest.license.size() > 256 ||
                             !std::all_of(manifest.license.begin(), manifest.license.end(), spdx)))
    return reader.refuse_value(
        license->place,
        fmt::format("`license` is \"{}\", which is no SPDX expression", printable(manifest.license, 60)),
        "for example Apache-2.0, or LicenseRef-Name for one of your own");
  return {};
}

bool in_files(const Manifest& manifest, std::string_view path) {
  return std::any_of(manifest.files.begin(), manifest.files.end(),
                     [&](const std::string& glob) { return glob_match(glob, path); });
}

Result<void> read_files(const ManifestReader& reader, const YamlNode& root, Manifest& manifest) {
  MRUN_TRY(reader.read_strings(root, "files", manifest.files));
  const YamlNode* files = root.find("files");
  if (manifest.files.size() > k_max_globs)
    return reader.refuse(
        files->place, ErrorCode::manifest_limit,
        fmt::format("`files` has {} entries, at most {} are allowed", manifest.files.size(), k_max_globs));
  for (std::size_t i = 0; i < manifest.files.size(); ++i)
    if (const std::string problem = glob_problem(manifest.files[i]); !problem.empty())
      return reader.refuse_value(
          files->items[i].place,
          fmt::format("`files` has `{}`, which {}", printable(manifest.files[i], 100), problem),
          "paths are relative to the folder of mrun.yaml");
  return {};
}

Result<void> read_engine(const ManifestReader& reader, const YamlNode& root, Manifest& manifest) {
  const YamlNode* engine = root.find("engine");
  std::vector<std::string> names;
  for (const EngineRule& rule : k_engines)
    names.emplace_back(rule.name);
  if (engine == nullptr)
    return reader.refuse_value(root.place, "the key `engine` is missing",
                               "the engines are " + join_names(names));
  MRUN_TRY(reader.read_string(root, "engine", manifest.engine));
  const auto rule = std::find_if(k_engines.begin(), k_engines.end(),
                                 [&](const EngineRule& row) { return row.name == manifest.engine; });
  if (rule == k_engines.end())
    return reader.refuse_value(engine->place,
                               fmt::format("there is no engine `{}`", printable(manifest.engine, 60)),
                               "the engines are " + join_names(names));
  MRUN_TRY(reader.read_string(root, "model", manifest.model));
  const YamlNode* model = root.find("model");
  if (model == nullptr && rule->needs_model)
    return reader.refuse_value(
        root.place, fmt::format("the engine `{}` needs the key `model`, its main file", manifest.engine));
  if (model == nullptr) return {};
  if (const Result<SafePath> path = SafePath::parse(manifest.model); !path)
    return reader.refuse_value(model->place, "`model`: " + path.error().message);
  if (!in_files(manifest, manifest.model))
    return reader.refuse_value(model->place,
                               fmt::format("`model` is `{}`, which `files:` does not list", manifest.model),
                               "add it to `files:`");
  return {};
}

Result<void> read_requires(const ManifestReader& reader, const YamlNode& root, Manifest& manifest) {
  const YamlNode* node = root.find("requires");
  if (node == nullptr || node->kind == YamlNode::Kind::null) return {};
  MRUN_TRY(reader.need_map(*node, "`requires`", {"devices", "memory_mib"}));
  MRUN_TRY(reader.read_strings(*node, "devices", manifest.devices));
  for (std::size_t i = 0; i < manifest.devices.size(); ++i)
    if (manifest.devices[i] != "cpu" && manifest.devices[i] != "cuda")
      return reader.refuse_value(node->find("devices")->items[i].place,
                                 fmt::format("there is no device `{}`", printable(manifest.devices[i], 60)),
                                 "the devices are cpu, cuda");
  if (node->find("memory_mib") != nullptr) {
    std::int64_t memory_mib = 0;
    MRUN_TRY(reader.read_integer(*node, "memory_mib", 1, 1'000'000'000, memory_mib));
    manifest.memory_mib = static_cast<std::uint64_t>(memory_mib);
  }
  return {};
}

Result<void> read_small_integer(const ManifestReader& reader, const YamlNode& map, std::string_view key,
                                std::int64_t most, int& out) {
  std::int64_t value = out;
  MRUN_TRY(reader.read_integer(map, key, 1, most, value));
  out = static_cast<int>(value);
  return {};
}

Result<void> read_running(const ManifestReader& reader, const YamlNode& root, Manifest& manifest) {
  MRUN_TRY(read_small_integer(reader, root, "concurrency", k_max_concurrency, manifest.concurrency));
  if (const YamlNode* batching = root.find("batching")) {
    MRUN_TRY(reader.need_map(*batching, "`batching`", {"max"}));
    MRUN_TRY(read_small_integer(reader, *batching, "max", 4096, manifest.max_batch));
  }
  const YamlNode* threads = root.find("threads");
  const bool automatic =
      threads != nullptr && threads->kind == YamlNode::Kind::scalar && threads->text == "auto";
  if (!automatic) {
    const Result<void> read = read_small_integer(reader, root, "threads", 1024, manifest.threads);
    if (!read)
      return tl::unexpected<Error>(
          Error{read.error().code, read.error().message, "write a number of threads, or `auto`", {}});
  }
  if (const YamlNode* meter = root.find("meter")) {
    MRUN_TRY(reader.need_map(*meter, "`meter`", {"unit"}));
    MRUN_TRY(reader.read_string(*meter, "unit", manifest.meter_unit));
    if (!is_identifier(manifest.meter_unit))
      return reader.refuse_value(
          meter->place, "`meter` names a unit in letters, digits and _, for example {unit: runtime_s}");
  }
  MRUN_TRY(reader.read_string(root, "network", manifest.network));
  if (manifest.network != "none" && manifest.network != "outbound")
    return reader.refuse_value(
        root.find("network")->place,
        fmt::format("`network` is `{}`, it must be none or outbound", printable(manifest.network, 60)));
  return {};
}

// Of the torch engine. What makes a bundle native code is asked for consent by (consent.h), so it is checked
// here.
Result<void> check_torch_options(const ManifestReader& reader, const YamlNode& options,
                                 const Manifest& manifest) {
  MRUN_TRY(
      reader.need_map(options, "`options` of the engine `torch`", {"dtype", "native_code", "operators"}));
  if (const YamlNode* dtype = options.find("dtype"); dtype != nullptr &&
                                                     manifest.engine_options["dtype"] != "f32" &&
                                                     manifest.engine_options["dtype"] != "bf16")
    return reader.refuse_value(dtype->place, "`dtype` must be f32 or bf16");
  bool native_code = false;
  MRUN_TRY(reader.read_bool(options, "native_code", native_code));
  std::vector<std::string> libraries;
  MRUN_TRY(reader.read_strings(options, "operators", libraries));
  const YamlNode* operators = options.find("operators");
  if (libraries.size() > k_max_operator_libraries)
    return reader.refuse(operators->place, ErrorCode::manifest_limit,
                         fmt::format("`operators` has over {} entries", k_max_operator_libraries));
  for (std::size_t i = 0; i < libraries.size(); ++i)
    if (!in_files(manifest, libraries[i]))
      return reader.refuse_value(
          operators->items[i].place,
          fmt::format("`operators` has `{}`, which `files:` does not list", printable(libraries[i], 100)),
          "add it to `files:`");
  return {};
}

Result<void> read_options(const ManifestReader& reader, const YamlNode& root, Manifest& manifest) {
  const YamlNode* options = root.find("options");
  if (options == nullptr || options->kind == YamlNode::Kind::null) return {};
  if (options->kind != YamlNode::Kind::map)
    return reader.refuse_value(options->place, "`options` is not a mapping (`key: value`)");
  MRUN_ASSIGN(manifest.engine_options, reader.json_of(*options));
  return manifest.engine == "torch" ? check_torch_options(reader, *options, manifest) : Result<void>();
}

} // namespace

Result<Manifest> parse_manifest(std::string_view text, std::string_view file_name) {
  MRUN_ASSIGN(const YamlNode root,
              parse_yaml(text, file_name, {ErrorCode::manifest_syntax, ErrorCode::manifest_limit}));
  const ManifestReader reader(file_name);
  if (root.kind == YamlNode::Kind::null)
    return reader.refuse_value(root.place, "the file is empty", "see `mrun init`");
  MRUN_TRY(
      reader.need_map(root, "a manifest",
                      {"mrun",    "name",   "description", "license", "task",    "engine",      "model",
                       "files",   "inputs", "output",      "pre",     "post",    "requires",    "batching",
                       "threads", "warmup", "meter",       "network", "options", "concurrency", "examples"}));
  Manifest manifest;
  MRUN_TRY(read_header(reader, root, manifest));
  MRUN_TRY(read_files(reader, root, manifest));
  MRUN_TRY(read_engine(reader, root, manifest));
  if (const YamlNode* inputs = root.find("inputs")) {
    MRUN_ASSIGN(manifest.inputs, read_inputs(reader, *inputs));
  }
  const YamlNode* output = root.find("output");
  if (output == nullptr)
    return reader.refuse_value(root.place, "the key `output` is missing",
                               "add `output: {type: any}`, or what the model gives");
  MRUN_ASSIGN(manifest.output, read_output(reader, *output));
  MRUN_TRY(read_steps(reader, root.find("pre"), root.find("post"), manifest));
  for (const char* steps : {"pre", "post"})
    if (const YamlNode* node = root.find(steps);
        node != nullptr && manifest.engine == "process" && !node->items.empty())
      return reader.refuse_value(
          node->place, fmt::format("`{}` is for engines that take tensors", steps),
          "a program of the engine `process` gets the inputs as they are: let it do that");
  MRUN_TRY(read_requires(reader, root, manifest));
  MRUN_TRY(read_running(reader, root, manifest));
  MRUN_TRY(read_options(reader, root, manifest));
  MRUN_TRY(read_examples(reader, root.find("examples"), root.find("warmup"), manifest));
  return manifest;
}

} // namespace mrun
