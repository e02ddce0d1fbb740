// What differs between two versions, in words and as JSON, for `mrun diff`.
#pragma once

#include <string>

#include "cli/terminal.h"
#include "common/json.h"
#include "packager/bundle_diff.h"

namespace mrun::cli {

// Lines for standard output, "" without a difference. Of the tensors of a file at most 20, unless `all`.
std::string diff_text(const Terminal& terminal, const BundleDiff& diff, bool all);
// One line: "no difference", "2 changes break callers".
std::string diff_summary(const BundleDiff& diff);
// Schema mrun.diff/v1.
Json diff_json(const Bundle& before, const Bundle& after, const BundleDiff& diff);

} // namespace mrun::cli
