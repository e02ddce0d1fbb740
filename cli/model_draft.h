// `mrun init --from FILE`: a manifest that packs and predicts at once, drafted from what the file says of
// itself.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/json.h"

namespace mrun::cli {

struct DraftFile {
  std::string path; // below the model directory
  std::string bytes;
};

struct ModelDraft {
  std::vector<DraftFile> files; // mrun.yaml, README.md, examples
};

// `report`: mrun.inspect-file/v1; `model_file`: its name in the model directory; `name`: owner/name. Small
// inputs are JSON in mrun.yaml, large ones .npy files; inputs whose sizes nobody knows (TorchScript) are .npy
// files that the user gives. Error model_unsupported: what the file holds can't be run, or takes what no
// step can make.
Result<ModelDraft> draft_model(const Json& report, const std::string& model_file, const std::string& name);

// Into a new or empty folder, with a copy of `model`. What was begun is removed when it fails. Returns the
// number of files. Errors: target_not_empty, io, disk_full.
Result<std::size_t> write_draft(const ModelDraft& draft, const std::filesystem::path& model,
                                const std::filesystem::path& target);

} // namespace mrun::cli
