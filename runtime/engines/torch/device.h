// The device that a model runs on. CUDA is reached through LibTorch's interfaces that name no device, so that
// the engine links nothing of CUDA; the loader has opened libtorch_cuda.so before (loader.cpp).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "common/error.h"
#include "runtime/engines/torch/model.h"
#include "runtime/engines/torch/torch_headers.h"
#include "runtime/mrun_predictor.h"

namespace mrun::torch_engine {

// What the description asks for, ready for use. Error device_unavailable: no driver, or no GPU of that
// number; engine_unsupported: neither CPU nor CUDA.
Result<c10::Device> open_device(const mrun_model& description);

// The device of the options, which open_device() opened.
c10::Device device_of(const LoadOptions& options);

// "90" for compute capability 9.0. Error device_error: the driver does not say.
Result<std::string> compute_capability(c10::Device device);

// On CUDA the calling thread's work goes to a stream of the pool while the scope lives, so that predictions
// at the same time do not wait for each other. Nothing on a CPU. What was made on the stream must be copied
// to the CPU (which waits) or waited for before another stream uses it.
class StreamScope {
 public:
  explicit StreamScope(c10::Device device);
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;
  ~StreamScope();
  void wait() const;

 private:
  struct State;
  std::unique_ptr<State> m_state; // null on a CPU
};

// Copies weights to a device through two pinned buffers, so that reading one piece from the disk goes on
// while the one before is sent. On a CPU it gives back what it gets: nothing is copied. One thread; destroy
// it before anything reads the tensors, the destructor waits for the copies.
class WeightUpload {
 public:
  explicit WeightUpload(c10::Device device);
  WeightUpload(const WeightUpload&) = delete;
  WeightUpload& operator=(const WeightUpload&) = delete;
  ~WeightUpload();

  // `tensor` is strided, on the CPU. The copy has its sizes and strides; views of the same memory with the
  // same sizes and strides (tied weights) give the same copy. Throws c10::OutOfMemoryError.
  at::Tensor upload(const at::Tensor& tensor);

 private:
  struct State;
  std::unique_ptr<State> m_state; // null on a CPU
};

// An input of a prediction, on the CPU, copied to the device by way of pinned memory; as it is on a CPU.
at::Tensor to_device(at::Tensor tensor, c10::Device device);

// What an exception of LibTorch means for a prediction: out_of_memory, device_error (the worker is lost: CUDA
// keeps failing in this process) or prediction_failed. The first line of the message.
Error error_of(const c10::Error& error);

} // namespace mrun::torch_engine
