// What the API's and the command line's input checks share. Internal to the packager.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "packager/schema.h"
#include "packager/value_check.h"

namespace mrun {

std::vector<std::string> input_names(const Manifest& manifest);
// input_unknown with the nearest name.
tl::unexpected<Error> fail_unknown_input(const Manifest& manifest, std::string_view name);
// check_input with a choice of how files are written.
Result<Json> check_input_values(const Manifest& manifest, const Json& input, FileForm files);

} // namespace mrun
