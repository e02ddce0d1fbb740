#include "kernels/image_preprocess/image_preprocess_cuda.h"

#include "kernels/image_preprocess/image_preprocess.cuh"

namespace mrun::kernels {

int image_preprocess_cuda(const PreprocessFormat& format, const std::uint64_t* tables, int pictures,
                          void* out, void* stream) {
  return launch_image_preprocess(format, tables, pictures, out, stream);
}

} // namespace mrun::kernels
