// Candidates for single values: models of the store, inputs of a model, files.
#pragma once

#include <string_view>
#include <vector>

#include "cli/complete/candidate.h"
#include "cli/context.h"

namespace mrun::cli {

// owner/name; after `:` its tags, after `@` its versions. An absent or broken store has none.
Candidates complete_model(const Context& context, std::string_view typed);
// host/owner/name of what was pulled from registries.
Candidates complete_remote(const Context& context, std::string_view typed);
// `name=`, then what the model's schema allows: choices, true and false, `@` and files. `model`: a reference
// or a folder; `given`: the inputs that the line has already.
Candidates complete_input(const Context& context, std::string_view model,
                          const std::vector<std::string>& given, std::string_view typed);

enum class FileKind { any, folders };
// As the shell would: hidden ones only after a dot, folders end with `/`. `before`: what stands before the
// path in the word (`image=@`).
Candidates complete_path(std::string_view before, std::string_view typed, FileKind kind);

} // namespace mrun::cli
