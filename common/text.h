// Small text helpers that several folders need.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mrun {

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text); // ASCII white space at both ends
std::string lower_ascii(std::string_view text);
bool is_valid_utf8(std::string_view text); // RFC 3629: no overlong forms, no surrogates
// For messages: control characters and broken UTF-8 as \xNN, cut to `limit` bytes with `…`.
std::string printable(std::string_view text, std::size_t limit = 200);

// Damerau-Levenshtein (adjacent transposition counts one).
std::size_t edit_distance(std::string_view a, std::string_view b);
// The candidate nearest to `word`, when it is near enough to suggest (distance ≤ max(1, length/3)); else
// empty.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

std::string format_bytes(std::uint64_t size_bytes);    // "87.3 MiB"
std::string format_duration(std::int64_t duration_ns); // "42 ms", "1.8 s", "830 µs"

// For a path segment or query value of a URL: RFC 3986 unreserved characters stay.
std::string percent_encode(std::string_view text);
std::string base64_encode(std::string_view bytes);
// False when the text is not valid base64 (RFC 4648 §4, padding required).
bool base64_decode(std::string_view text, std::string& bytes);

} // namespace mrun
