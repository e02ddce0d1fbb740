// Inputs to show a model with: those of the command line, else of its first example, else what its schema
// takes.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/json.h"
#include "packager/manifest.h"

namespace mrun::cli {

struct SampleInput {
  Json values = Json::object();  // a file as file_argument()
  std::set<std::string> secrets; // names of inputs whose value the program takes from its environment
  std::string doubt;             // why the model may refuse it; "" when it fits the schema
};

// `arguments`: of `-i`; with any, they are the whole input but for secrets. Errors: those of
// input_from_arguments().
Result<SampleInput> sample_input(const Manifest& manifest, const std::vector<std::string>& arguments);

// The variable of the environment that holds a secret input: API_KEY for `api_key`.
std::string secret_variable(const std::string& input);

} // namespace mrun::cli
