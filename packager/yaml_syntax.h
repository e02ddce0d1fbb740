// What YAML forbids and yaml-cpp lets pass, and yaml-cpp's errors in plain words. Internal to the packager.
#pragma once

#include <optional>
#include <string_view>

#include "packager/yaml_tree.h"

namespace YAML {
class Exception;
struct Mark;
} // namespace YAML

namespace mrun {

inline constexpr std::string_view k_byte_order_mark = "\xef\xbb\xbf";
inline constexpr std::string_view k_open_quote = "the quote that begins here is not closed";

YamlPlace place_of(const YAML::Mark& mark);
// Columns count bytes, as yaml-cpp's do.
YamlPlace place_of_byte(std::string_view text, std::size_t offset);

// Size, control characters and UTF-8.
Result<void> check_yaml_characters(std::string_view text, std::string_view file_name, YamlErrors errors);

// Where the quote of a scalar is that no quote closes: yaml-cpp takes one that ends with the text. `at` is
// the scalar's first byte, its `!` if it has one. npos: the scalar is closed, or not in quotes.
std::size_t find_open_quote(std::string_view text, std::size_t at);

// `open`: the innermost list or mapping that has not ended.
tl::unexpected<Error> yaml_syntax_error(const YAML::Exception& exception, std::string_view text,
                                        std::optional<YamlPlace> open, std::string_view file_name,
                                        ErrorCode code);

} // namespace mrun
