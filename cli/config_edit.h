// Changing one key of config.yaml and leaving the rest as its owner wrote it.
#pragma once

#include <string>
#include <string_view>

namespace mrun::cli {

// A change is tried in a file beside config.yaml: its name, this and the number of the process that tries.
inline constexpr std::string_view k_config_trial = ".mrun-check-";

// `text` with the block of that top-level key (its line, and the indented or empty lines below) replaced by
// `block`, or `block` at the end. The caller parses what comes out.
std::string with_top_key(std::string_view text, std::string_view key, std::string_view block);

} // namespace mrun::cli
