// One prediction inside a worker: its inputs as the predictor sees them, and everything that it says.
//
// A job is shared by the thread that runs it, host calls from any thread, and cancel from the reading thread:
// hence shared_ptr. Inputs are written before the predictor starts and only read afterwards; the rest is
// behind a mutex.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/json.h"
#include "runtime/file_door.h"
#include "runtime/frames.h"
#include "runtime/mrun_predictor.h"
#include "runtime/steps/step.h"
#include "runtime/worker/sink.h"

namespace mrun {

// Why a call of the module failed, in its own words.
struct Failure {
  std::string message;
  std::string details;
};

// Which inputs are files by the manifest. Only there a {"$file": …} is the daemon's marker; anywhere else it
// is the caller's own JSON.
struct FileInputs {
  std::set<std::string, std::less<>> files; // type `file`
  std::set<std::string, std::less<>> lists; // type `array` whose items are `file`
};

class Job {
 public:
  Job(std::uint64_t id, Sink& sink) : m_id(id), m_sink(sink) {}

  // Keeps the `predict` frame until the thread that runs the job reads it.
  void hold(Frame frame) { m_frame = std::move(frame); }
  Result<void> read_input(const FileInputs& file_inputs); // of the frame held; errors as set_input
  // Takes the input object and its files: {"$file": index, "name", "media_type", "size"} as the value or an
  // item of an input in `file_inputs`. Fills `values`. Errors: worker_protocol (the daemon sent nonsense),
  // input_file.
  Result<void> set_input(Json input, std::vector<UniqueFd> fds, const FileInputs& file_inputs);
  // The values for mrun_request, after the pre steps: tensors `in.*`, and every input as JSON or file.
  void freeze_inputs();
  mrun_request abi_request() const;

  // Host calls. A status other than MRUN_OK means that the call was refused; the reason is kept as the
  // failure.
  mrun_status emit(const mrun_value& value);
  mrun_status metric(mrun_text name, double value);
  void log(std::int32_t level, mrun_text text);
  void fail_with(Failure failure);

  void cancel() { m_cancelled.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return m_cancelled.load(std::memory_order_relaxed); }

  std::uint64_t id() const { return m_id; }
  Namespace& values() { return m_values; }
  // Moves the tensors `out.*` that were emitted into the namespace, in the order given.
  std::vector<std::string> take_tensors();
  Result<void> send_output(const Json& header, std::string_view payload);
  Result<void> send_step_metrics(const std::map<std::string, double, std::less<>>& metrics);
  std::optional<Failure> failure();
  // The error that a refused emit or metric left (its code is more exact than the module's status).
  std::optional<Error> refusal();
  // True once: whoever gets it runs the post steps.
  bool begin_completion() { return !m_completing.exchange(true); }
  // True once: whoever gets it sends `done`. After it every host call is refused.
  bool end();

  std::int64_t start_ns = 0; // CLOCK_MONOTONIC, when it was read

 private:
  Result<void> add_file(const std::string& name, const Json& marker, std::vector<UniqueFd>& fds);
  Result<void> emit_checked(const mrun_value& value);
  Result<void> emit_tensor(const mrun_value& value);
  Result<void> emit_json(const mrun_value& value);
  Result<void> emit_file(const mrun_value& value);
  Result<void> count_output(std::size_t size_bytes);
  Result<void> metric_checked(mrun_text name, double value);
  mrun_status outcome(Result<void> result);
  mrun_value& new_abi_value(std::int32_t kind, std::string_view name);

  const std::uint64_t m_id;
  Sink& m_sink;

  // Inputs: fixed once the predictor starts.
  Frame m_frame;
  Json m_input;                                                          // without the inputs that are files
  std::deque<std::pair<std::string, std::unique_ptr<DoorFile>>> m_files; // by value name: image, images.0
  std::deque<std::string> m_texts;
  std::deque<mrun_tensor> m_abi_tensors;
  std::deque<mrun_file> m_abi_files;
  std::vector<mrun_value> m_abi_values;
  Namespace m_values; // the prediction thread's

  std::atomic<bool> m_cancelled{false};
  std::atomic<bool> m_completing{false};

  std::mutex m_mutex; // the members below; held while sending, so that frames keep the order of the calls
  bool m_ended = false;
  std::vector<std::pair<std::string, Tensor>> m_tensors;
  std::size_t m_output_count = 0;
  std::size_t m_output_bytes = 0;
  std::size_t m_log_bytes = 0;
  std::size_t m_metric_count = 0;
  std::optional<Failure> m_failure;
  std::optional<Error> m_refusal;
};

} // namespace mrun
