// The typed schema of a model: Cog's OpenAPI document, and checking a prediction's input against it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/json.h"
#include "packager/manifest.h"

namespace mrun {

// OpenAPI 3.0.2 with components.schemas Input, Output, PredictionRequest, … exactly as Cog emits it
// (notes: x-order, enum schemas by allOf, x-cog-array-type, x-cog-array-display, format uri for files).
Json openapi_schema(const Manifest& manifest);

// Checks an API input object: unknown, missing, type, range, choice, length, pattern; fills in defaults. File
// inputs are strings here (data: URI or URL of an upload) and only checked for that. The first fault is the
// error: input_unknown (nearest name in the hint), input_missing, input_type, input_range, input_choice,
// input_length, input_file; the message names the input, what was given and what is allowed.
Result<Json> check_input(const Manifest& manifest, const Json& input);

// One `-i` argument of the command line.
struct InputArgument {
  enum class Kind { text, json, file };
  Kind kind;
  std::string key;
  std::string value; // text, JSON text, or a path (`-` = standard input)
};
// key=value, key=@file, key=@@literal, key:=JSON. Error input_syntax.
Result<InputArgument> parse_input_argument(std::string_view text);
// Typed by the schema: text becomes integer, number or boolean where the input has that type; a repeated key
// of an array input appends. File arguments become file_argument() values for the client to upload. Errors
// as above.
Result<Json> input_from_arguments(const Manifest& manifest, const std::vector<InputArgument>& arguments);

// A file of the command line on its way to the client: the path as a binary JSON value, which no JSON text
// can be, so that nobody's JSON makes the client read a file.
Json file_argument(std::string_view path);
// nullopt for any other value.
std::optional<std::string> file_argument_path(const Json& value);

} // namespace mrun
