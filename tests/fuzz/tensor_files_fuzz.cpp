// .npy and .safetensors as inputs of a step: a tensor has the bytes of the file, and is written as it was
// read.
#include <array>
#include <cstring>

#include "runtime/media/npy.h"
#include "runtime/media/safetensors.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

void check_same(const Tensor& tensor, const Result<Tensor>& again) {
  MRUN_CHECK(again.has_value() && again->dtype() == tensor.dtype() && again->shape() == tensor.shape());
  MRUN_CHECK(tensor.size_bytes() == 0 || std::memcmp(again->data(), tensor.data(), tensor.size_bytes()) == 0);
}

void check_tensor(const Result<Tensor>& tensor, std::size_t file_bytes) {
  if (!tensor) return fuzz::check_error(tensor.error());
  MRUN_CHECK(tensor->size_bytes() <= file_bytes);
  if (tensor->dtype() != DType::bf16) check_same(*tensor, read_npy(write_npy(*tensor).value()));
  const std::array<std::pair<std::string, Tensor>, 1> named = {{{"t", *tensor}}};
  check_same(*tensor, read_safetensors(write_safetensors(named).value(), "t"));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  check_tensor(read_npy(bytes), size);
  check_tensor(read_safetensors(bytes, ""), size);
  check_tensor(read_safetensors(bytes, "b"), size);
  return 0;
}
