// Lengths of time in days and weeks; parse_duration() is for those that a person waits.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mrun::cli {

// Seconds of "30s", "90m", "24h", "7d", "2w": a whole number from 0 and one unit. nullopt for another text
// and for more than `most_s`.
std::optional<std::int64_t> parse_long_duration(std::string_view text, std::int64_t most_s);

} // namespace mrun::cli
