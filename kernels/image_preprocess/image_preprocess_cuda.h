// image_preprocess on a GPU.
#pragma once

#include "kernels/image_preprocess/image_preprocess.h"

namespace mrun::kernels {

// As image_preprocess() (the same bits). `tables`: a copy in device memory of what preprocess_tables() gave
// for the same format and pictures, whose `pixels` are device memory; `out`: device memory; `format.mean` and
// `.deviation`: host memory. Runs on `stream` (a cudaStream_t) and returns before it is done. At most 65,535
// pictures and 524,280 rows; otherwise cudaErrorInvalidValue. Returns a cudaError_t of the launch.
int image_preprocess_cuda(const PreprocessFormat& format, const std::uint64_t* tables, int pictures,
                          void* out, void* stream);

} // namespace mrun::kernels
