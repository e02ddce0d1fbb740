// How output values become the `output` of the prediction object.
#pragma once

#include "common/json.h"
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

} // namespace mrun
