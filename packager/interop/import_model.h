// `mrun import`: a Hugging Face folder or a GGUF file becomes a bundle, with an mrun.yaml that is derived.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "packager/interop/model_facts.h"
#include "packager/pack.h"

namespace mrun {

struct ImportOptions {
  std::optional<Reference> tag;        // what to call it; default: by the folder or file
  std::optional<std::string> manifest; // an mrun.yaml instead of the derived one
  bool allow_pickle = false;           // take pickled weights along; mrun loads none
  std::filesystem::path notes;         // as PackOptions has it
  PackWatcher on_progress;
};

// What would be imported.
struct ImportPlan {
  UniqueFd folder; // the files lie below it
  std::vector<SelectedFile> files;
  std::vector<std::string> left_out; // paths that are not taken, sorted
  bool has_pickles = false;          // among them
  ModelFacts facts;
  std::string manifest; // the text of its mrun.yaml
};

// Looks at `path`: a folder, a folder of the Hugging Face cache (links into its blobs are followed, others
// refused), or a .gguf file with its further parts. Reads headers only; runs no code. Errors:
// model_unsupported, pack_file_missing (a part of several), pack_file_refused (links), path_refused,
// manifest_*, manifest_limit.
Result<ImportPlan> plan_import(const std::filesystem::path& path, const ImportOptions& options);

// Packs what the plan says. Errors: those of pack_selected().
Result<PackResult> import_model(Store& store, const ImportPlan& plan, const ImportOptions& options);

} // namespace mrun
