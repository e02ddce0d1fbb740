// The globs of `files:`, matched against paths of a model directory (parts joined by `/`).
//
// `*` and `?` stay inside one part, `**` as a whole part stands for any number of parts, `[a-z]` and `[!a-z]`
// are one character. A part that begins with a dot is matched only by a pattern part that begins with a dot.
#pragma once

#include <string>
#include <string_view>

namespace mrun {

// Why a pattern can't be used (absolute, `..`, an open bracket, …); empty when it can.
std::string glob_problem(std::string_view pattern);
bool is_glob(std::string_view pattern); // has a special character at all
bool glob_match(std::string_view pattern, std::string_view path);
// True when something below `folder` could match: prunes the walk.
bool glob_may_match_below(std::string_view pattern, std::string_view folder);

} // namespace mrun
