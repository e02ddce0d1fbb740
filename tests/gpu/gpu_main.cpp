// Runs the tests where there is a GPU; else says why not and ends with 77, which ctest takes for a skip.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <cstdio>

int main(int argc, char** argv) {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || devices == 0) {
    std::printf("skipped: there is no gpu: %s\n",
                error != cudaSuccess ? cudaGetErrorString(error) : "no device");
    return 77;
  }
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, 0) == cudaSuccess)
    std::printf("device 0: %s, compute capability %d.%d\n", properties.name, properties.major,
                properties.minor);
  return doctest::Context(argc, argv).run();
}
