// Parsing of graphs and tensor descriptions, shared by programs and weight tables; only for
// program_parse.cpp.
#pragma once

#include <string>

#include <simdjson.h>

#include "runtime/engines/torch/program.h"

namespace mrun::torch_engine {

// Thrown inside of the parser, which descends deep, and caught where it is called (program_parse.cpp).
struct Refused {
  Error error;
};

[[noreturn]] void refuse(ErrorCode code, std::string message);
[[noreturn]] void damaged(std::string message); // load_failed: "the program is damaged: …"

// Each throws Refused or simdjson's own error.
std::string text_of(simdjson::dom::element element);
TensorMeta parse_meta(simdjson::dom::element element);
Graph parse_graph(simdjson::dom::element element);

} // namespace mrun::torch_engine
