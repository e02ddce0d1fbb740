// What `mylib::scale_shift` computes: y = x * scale + shift, on either device. No PyTorch in this file.
#pragma once

#include <cstddef>

void scale_shift_cpu(const float* x, float* y, std::size_t count, float scale, float shift);

// On `stream` (a cudaStream_t). Returns the CUDA error, 0 for none.
int scale_shift_cuda(const float* x, float* y, std::size_t count, float scale, float shift, void* stream);
