// NumPy's .npy files (numpy/lib/format.py, versions 1.0 to 3.0): one array and its header.
//
// Little-endian and byte-sized types only. The bytes are untrusted: the header is at most 64 KiB, sizes are
// checked before anything is allocated, and the data must have exactly the length that the header says.
#pragma once

#include <string>
#include <string_view>

#include "common/error.h"
#include "runtime/media/tensor.h"

namespace mrun {

// Arrays in Fortran order are turned into row-major order. Error: input_file.
Result<Tensor> read_npy(std::string_view bytes);

// Version 1.0, data aligned to 64 bytes. bf16, which NumPy lacks, is written as f32.
Result<std::string> write_npy(const Tensor& tensor);

} // namespace mrun
