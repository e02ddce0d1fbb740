// `mrun init`: a template becomes a model directory.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/error.h"

namespace mrun::cli {

// Error target_not_empty: it is there, and not an empty folder.
Result<void> check_empty_target(const std::filesystem::path& target);
// After a failure: the folder was new (then it goes) or empty, so everything in it is ours.
void clear_target(const std::filesystem::path& target, bool was_there);

// Names of the folders below `templates`, sorted.
std::vector<std::string> template_names(const std::filesystem::path& templates);

// Copies the template's files below `target`, with @NAME@ replaced by `name` in text files. The target must
// be absent or empty. What was begun is removed when a copy fails. Returns the number of files. Errors:
// target_not_empty, io, disk_full.
Result<std::size_t> copy_template(const std::filesystem::path& source, const std::filesystem::path& target,
                                  const std::string& name);

// "local/<directory's name>": lower case, other characters than letters, digits and . _ - become -.
std::string default_model_name(const std::filesystem::path& target);

} // namespace mrun::cli
