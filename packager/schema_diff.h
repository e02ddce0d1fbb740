// What a new version of a model changes for those who call it: inputs, output, types, constraints, defaults.
//
// A change breaks callers when something that worked with the old version is refused by the new one, or when
// the output may be something that the old version never gave. So inputs may be widened and outputs narrowed.
// A changed default breaks nothing: what was valid stays valid. Descriptions and the order of inputs are no
// part of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "packager/manifest.h"

namespace mrun {

enum class SchemaAspect {
  added,      // an input, a property
  removed,    // an input, a property
  required,   // an input may no longer be left out, or may be now
  default_,   // what is taken for an input that is left out
  deprecated, // an input is, or no longer is
  type,
  range,  // ge, le
  length, // of a text or a list
  pattern,
  choices,
  accept,    // a file's media types
  max_bytes, // a file's size
  streaming, // the output comes piece by piece (iterator, concatenate)
};
std::string_view schema_aspect_name(SchemaAspect aspect); // as in JSON: "added", …, "default", …

struct SchemaChange {
  std::string place; // inputs.steps, inputs.tags.items, output.properties.score
  SchemaAspect aspect = SchemaAspect::added;
  bool breaks = false;
  std::string words; // "at most 50, was at most 100"
};

// Inputs in the old version's order, then new ones, then the output. Pure.
std::vector<SchemaChange> diff_schemas(const Manifest& before, const Manifest& after);

} // namespace mrun
