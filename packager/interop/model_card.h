// What a model card (README.md of a Hugging Face repository) says in its YAML front matter, and licence
// names.
#pragma once

#include <string>
#include <string_view>

#include "common/error.h"

namespace mrun {

struct ModelCard {
  std::string license; // an SPDX expression; "" when the card names none
  std::string task;    // pipeline_tag
  std::string summary; // the first paragraph of the text, without markup of its own; at most 300 bytes
};

// Never an error: a card that can't be read says nothing.
ModelCard read_model_card(std::string_view markdown);

// "apache-2.0" → "Apache-2.0". A name that SPDX doesn't have becomes "LicenseRef-…"; "other", "unknown" and
// what can't be written so become "".
std::string spdx_license(std::string_view name);

} // namespace mrun
