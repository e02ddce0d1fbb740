#include "scale_shift.h"

void scale_shift_cpu(const float* x, float* y, std::size_t count, float scale, float shift) {
  for (std::size_t i = 0; i < count; ++i)
    y[i] = x[i] * scale + shift;
}
