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
  std::string type;         // "Tensor", "int", "Optional[Tensor]"
  bool optional = false;    // need not be given
  bool has_default = false; // that is so, since the script says what it is else
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

// Whether a prediction's inputs can make a value of that type: of tensors, numbers, text, lists, tuples,
// dicts with text for keys, and Optional.
bool is_bindable(std::string_view type, int depth = 0);

// Operators called in the code `text`: `torch.add(` is "aten::add", `ops.quantized.linear(` is
// "quantized::linear". Text in quotes does not count.
void count_script_operators(std::string_view text, std::map<std::string, std::size_t>& uses);

// Raw deflate (RFC 1951), for members that PyTorch compressed. Error load_failed: damaged, or over `limit`
// bytes.
Result<std::string> inflate_raw(std::string_view bytes, std::size_t limit);

} // namespace mrun::torch_engine
