// Where an exported program's parts are inside of its archive (docs/formats/torch-engine.md). No LibTorch.
#pragma once

#include <string>
#include <string_view>

#include "runtime/engines/torch/archive.h"
#include "runtime/engines/torch/program.h"

namespace mrun::torch_engine {

struct ProgramPlace {
  std::string prefix; // "model/", or ""
  std::string name;   // "model"

  std::string program() const { return prefix + "models/" + name + ".json"; }
  // `part`: weights or constants.
  std::string folder(std::string_view part) const { return prefix + "data/" + std::string(part) + "/"; }
};

// Error engine_unsupported: the archive holds none, or several.
Result<ProgramPlace> locate_program(const Archive& archive);
// The table of the program's weights or constants; empty when there is none. Errors as parse_payloads.
Result<Payloads> read_payloads(const Archive& archive, const ProgramPlace& place, std::string_view part);

} // namespace mrun::torch_engine
