// Values across the predictor ABI, checked: what a module gives is looked at before it is used.
//
// Pure functions, any thread. Errors have the code prediction_failed (or output_limit) and a message that
// says what the predictor did, for its author.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "runtime/media/tensor.h"
#include "runtime/mrun_predictor.h"

namespace mrun {

// True when the struct given by the other side is large enough to hold `member`.
#define MRUN_ABI_HAS(object, member)                                                                         \
  ((object).struct_size >= offsetof(std::remove_cvref_t<decltype(object)>, member) + sizeof((object).member))

inline std::string_view view(mrun_text text) {
  return text.size == 0 ? std::string_view() : std::string_view(text.data, text.size);
}
inline mrun_text abi_text(std::string_view text) {
  return {text.data(), text.size()};
}

// A text of at most `limit` bytes of valid UTF-8. `what` begins the message.
Result<std::string_view> checked_text(mrun_text text, std::size_t limit, std::string_view what);

// A contiguous copy. Checks dtype, device (CPU), number of dimensions, sizes, total bytes.
// Error output_limit when it is larger than k_max_payload_bytes.
Result<Tensor> copy_tensor(const mrun_tensor& view, std::string_view name);

// A Tensor as the ABI shows it: the view borrows the tensor, which must stay where it is.
mrun_tensor abi_tensor(const Tensor& tensor);

} // namespace mrun
