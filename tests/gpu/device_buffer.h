// Memory of a GPU for tests.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <stdexcept>
#include <vector>

namespace mrun::kernels::test {

inline void must(int error) {
  if (error != 0) throw std::runtime_error(cudaGetErrorString(static_cast<cudaError_t>(error)));
}

template<class T>
class DeviceBuffer {
 public:
  explicit DeviceBuffer(std::size_t count) : m_count(count) {
    must(cudaMalloc(&m_data, (count + 1) * sizeof(T))); // one more: none would be null
    must(cudaMemset(m_data, 0xCD, (count + 1) * sizeof(T)));
  }
  explicit DeviceBuffer(const std::vector<T>& values) : DeviceBuffer(values.size()) {
    must(cudaMemcpy(m_data, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  }
  ~DeviceBuffer() { cudaFree(m_data); }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  T* data() { return static_cast<T*>(m_data); }
  // Waits for all that was launched.
  std::vector<T> values() const {
    std::vector<T> out(m_count);
    must(cudaDeviceSynchronize());
    must(cudaMemcpy(out.data(), m_data, m_count * sizeof(T), cudaMemcpyDeviceToHost));
    return out;
  }

 private:
  std::size_t m_count;
  void* m_data = nullptr;
};

} // namespace mrun::kernels::test
