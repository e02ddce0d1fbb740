// Changing one key of config.yaml and leaving the rest as its owner wrote it.
#pragma once

#include <string>
#include <string_view>

namespace mrun::cli {

// `text` with the block of that top-level key (its line, and the indented or empty lines below) replaced by
// `block`, or `block` at the end. The caller parses what comes out.
std::string with_top_key(std::string_view text, std::string_view key, std::string_view block);

} // namespace mrun::cli
