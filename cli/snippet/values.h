// JSON as a program's own words: files are read, secrets come from the environment.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cli/snippet/sample_input.h"

namespace mrun::cli {

// What a language writes for each kind of value.
struct Dialect {
  std::string_view yes, no, nothing;                     // true, false, null
  std::function<std::string(const std::string&)> text;   // a string
  std::function<std::string(const std::string&)> file;   // what a file of that path holds
  std::function<std::string(const std::string&)> secret; // what a variable of the environment holds
};

// Members one a line, `indent` spaces deep; the braces' own lines less deep by two.
std::string input_text(const SampleInput& input, const Dialect& dialect, std::size_t indent);

// "image/png" of input.png, by its name.
std::string media_type_of_name(const std::string& path);
// As JSON writes a string; Python and JavaScript read it the same.
std::string json_text(const std::string& text);

} // namespace mrun::cli
