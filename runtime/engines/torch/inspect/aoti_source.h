// The C++ that an AOTInductor package carries beside its library, as text: the library alone knows what it
// takes, and it is not opened to be looked at. What stands here is the author's word and no more.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mrun::torch_engine {

struct AotiSource {
  bool has_weights = true;         // in the library, as far as its source says
  std::vector<std::size_t> inputs; // positions of the arguments that are tensors, in the order of `paths`
  std::vector<std::string> paths;  // of all arguments, flattened: "0", "scale"
};

// nullopt: not what torch._inductor writes (torch 2.11 to 2.14). `inputs` is empty when the source does not
// tell which arguments are tensors.
std::optional<AotiSource> read_aoti_source(std::string_view text);

} // namespace mrun::torch_engine
