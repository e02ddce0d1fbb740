// How output values become the `output` of the prediction object.
#pragma once

#include "common/json.h"
#include "daemon/state/records.h"
#include "packager/manifest.h"

namespace mrun {

// Adds one whole JSON value (or file marker). An iterator's values form an array, or one text when it
// concatenates and the value is a string; another model's first value is the output itself, several form an
// array.
void add_output_value(const TypeSpec& type, std::size_t count_before, Json& output, Json value);
// Adds a text chunk: chunks join, except that an iterator that does not concatenate keeps each by itself.
void add_output_text(const TypeSpec& type, Json& output, std::string_view text);

// About what a value takes in memory or as text: for limits.
std::size_t held_bytes(const Json& value);

// {"$file": index, media_type, name, size, digest}
Json file_marker(std::size_t index, std::string_view media_type, std::string_view name,
                 std::uint64_t size_bytes, std::string_view digest_text);
// The index of what looks like a marker, and its digest; nullopt for any other value. A model may write such
// JSON itself, so it is a marker only when is_marker_of() says so.
std::optional<std::size_t> marker_index(const Json& value);
// Whether the digest of `value`, for which marker_index() gave an index, is that of the stored output there.
bool is_marker_of(const Json& value, const StoredOutput& output);

} // namespace mrun
