// The code of a TorchScript file, as text: what `mrun inspect` and `mrun pack` can know of it without loading
// it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace mrun::torch_engine {

struct ScriptArgument {
  std::string name;
  std::string type; // "Tensor", "int", "Optional[Tensor]"
  bool optional = false;
};

struct ScriptForward {
  std::vector<ScriptArgument> arguments; // without self
  std::string result;                    // "Tensor", "Tuple[Tensor, Tensor]"
};

// `pickle`: the member data.pkl. The class of the module itself: "__torch__.my.Net"; "" when it can't be
// told.
std::string script_class(std::string_view pickle);
// Of `class Net(Module)` in its code member. Error load_failed: there is none.
Result<ScriptForward> script_forward(std::string_view code, std::string_view class_name);

// Operators called in `code`: `torch.add(` is "aten::add", `ops.quantized.linear(` is "quantized::linear".
void count_script_operators(std::string_view code, std::map<std::string, std::size_t>& uses);

// Raw deflate (RFC 1951), for members that PyTorch compressed. Error load_failed: damaged, or over `limit`
// bytes.
Result<std::string> inflate_raw(std::string_view bytes, std::size_t limit);

} // namespace mrun::torch_engine
