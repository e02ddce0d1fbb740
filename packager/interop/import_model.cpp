#include "packager/interop/import_model.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/bundle_format.h"
#include "packager/glob.h"
#include "packager/interop/derived_manifest.h"
#include "packager/interop/import_files.h"

namespace mrun {
namespace fs = std::filesystem;
namespace {

// The same weights for other runtimes, which repositories keep beside the safetensors.
constexpr std::array<std::string_view, 12> k_other_runtimes = {
    ".onnx",    ".onnx_data", ".msgpack", ".h5", ".ot",     ".tflite",
    ".mlmodel", ".gguf",      ".xml",     ".pb", ".engine", ".mlpackage"};

bool is_other_runtime(const SafePath& path) {
  const std::string name = lower_ascii(path.file_name());
  return std::ranges::any_of(k_other_runtimes,
                             [&](std::string_view suffix) { return name.ends_with(suffix); });
}

// Mistral's own form of the weights, which lies beside that of transformers.
bool is_consolidated(const SafePath& path) {
  return path.file_name().starts_with("consolidated") && path.file_name().ends_with(".safetensors");
}

ModelSource source_of(const FoundFiles& found) {
  ModelSource source;
  for (const SelectedFile& file : found.files)
    source.files.push_back({file.path, file.size,
                            [folder = found.folder.get(), file](std::uint64_t offset,
                                                                std::uint64_t length) -> Result<std::string> {
                              MRUN_ASSIGN(const UniqueFd fd, open_selected(folder, file));
                              return read_part(fd.get(), offset, length, "a file", ErrorCode::io);
                            }});
  return source;
}

Result<FoundFiles> find_files(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return find_folder(path);
  if (!fs::exists(path, error))
    return fail(ErrorCode::model_unsupported, fmt::format("there is no {}", printable(path.string())),
                "name a Hugging Face folder or a .gguf file; `mrun pull` gets models from registries");
  if (lower_ascii(path.string()).ends_with(".gguf")) return find_gguf(path);
  return fail(ErrorCode::model_unsupported,
              fmt::format("{} is neither a folder nor a .gguf file", printable(path.string())),
              "of a Hugging Face repository name the folder that holds config.json");
}

// A folder of many GGUF files is a list of variants to choose from.
Result<void> check_one_gguf(const fs::path& path, const FoundFiles& found) {
  std::vector<std::string> names;
  for (const SelectedFile& file : found.files) {
    const std::string name = lower_ascii(file.path.file_name());
    if (name.ends_with(".safetensors")) return {};
    const bool first = name.find("-of-") == std::string::npos || name.find("-00001-of-") != std::string::npos;
    if (name.ends_with(".gguf") && first && name.find("mmproj") == std::string::npos)
      names.push_back(file.path.text());
  }
  if (names.size() < 2) return {};
  return fail(ErrorCode::model_unsupported,
              fmt::format("there are {} GGUF models in {}", names.size(), printable(path.string())),
              fmt::format("name one of them: mrun import {}", printable((path / names.front()).string())));
}

// What of the found files is the model; the rest is left out and said.
void choose(FoundFiles& found, bool allow_pickle, ImportPlan& plan) {
  const bool safe = std::ranges::any_of(found.files, [](const SelectedFile& file) {
    return lower_ascii(file.path.file_name()).ends_with(".safetensors");
  });
  const bool in_parts = std::ranges::any_of(found.files, [](const SelectedFile& file) {
    return file.path.file_name().starts_with("model") && file.path.file_name().ends_with(".safetensors");
  });
  std::erase_if(found.files, [&](const SelectedFile& file) {
    const bool pickle = is_pickle(file.path) && !allow_pickle;
    const bool again = in_parts && is_consolidated(file.path);
    if (!pickle && !again && !(safe && is_other_runtime(file.path))) return false;
    plan.left_out.push_back(file.path.text());
    plan.has_pickles = plan.has_pickles || pickle;
    return true;
  });
}

// Of a manifest that the user wrote: what its `files:` doesn't name is left out.
Result<void> keep_named(const std::string& manifest, FoundFiles& found, ImportPlan& plan) {
  MRUN_ASSIGN(const Manifest parsed, parse_manifest(manifest, k_bundle_manifest_name));
  std::erase_if(found.files, [&](const SelectedFile& file) {
    const auto matches = [&](const std::string& glob) { return glob_match(glob, file.path.text()); };
    if (std::ranges::any_of(parsed.files, matches)) return false;
    plan.left_out.push_back(file.path.text());
    return true;
  });
  return {};
}

Result<std::string> manifest_text(const ImportPlan& plan, const FoundFiles& found,
                                  const ImportOptions& options) {
  if (options.manifest) return *options.manifest;
  if (plan.facts.weights.empty() && plan.has_pickles)
    return fail(ErrorCode::model_unsupported,
                fmt::format("its weights are pickled ({}), which runs code when they are loaded",
                            printable(plan.left_out.front())),
                "save them as safetensors: model.save_pretrained(DIR, safe_serialization=True)");
  std::vector<SafePath> paths;
  for (const SelectedFile& file : plan.files)
    paths.push_back(file.path);
  std::string name = model_name_of(found.owner, found.name);
  if (options.tag && model_name_problem(options.tag->model()).empty()) name = options.tag->model();
  return derive_manifest(name, plan.facts, paths);
}

} // namespace

Result<ImportPlan> plan_import(const fs::path& path, const ImportOptions& options) {
  MRUN_ASSIGN(FoundFiles found, find_files(path));
  const auto is_manifest = [](const SelectedFile& file) {
    return file.path.text() == k_bundle_manifest_name;
  };
  if (std::ranges::any_of(found.files, is_manifest))
    return fail(ErrorCode::model_unsupported, fmt::format("{} has an mrun.yaml", printable(path.string())),
                fmt::format("read it first: packing trusts it. Then mrun pack {}", printable(path.string())));
  MRUN_TRY(check_one_gguf(path, found));
  ImportPlan plan;
  choose(found, options.allow_pickle, plan);
  if (options.manifest) MRUN_TRY(keep_named(*options.manifest, found, plan));
  MRUN_ASSIGN(plan.facts, learn_facts(source_of(found)));
  plan.files = std::move(found.files);
  MRUN_ASSIGN(plan.manifest, manifest_text(plan, found, options));
  plan.folder = std::move(found.folder);
  return plan;
}

Result<PackResult> import_model(Store& store, const ImportPlan& plan, const ImportOptions& options) {
  return pack_selected(
      store, plan.folder.get(), plan.files, plan.manifest,
      {.tag = options.tag, .untagged = false, .notes = options.notes, .on_progress = options.on_progress});
}

} // namespace mrun
