// What a module may say about a prediction, and what it may not.
#include <doctest/doctest.h>

#include <array>
#include <limits>

#include "common/limits.h"
#include "runtime/abi_values.h"
#include "runtime/messages.h"
#include "runtime/worker/host.h"
#include "runtime/worker/job.h"

using namespace mrun;

namespace {

// Counts instead of sending.
class CountingSink : public Sink {
 public:
  Result<void> send(const Json& header, std::string_view payload) override {
    ++frames;
    bytes += payload.size();
    last = header;
    last_payload = payload.substr(0, 200);
    return {};
  }
  std::size_t frames = 0, bytes = 0;
  Json last;
  std::string last_payload;
};

mrun_value value_of(std::int32_t kind, std::string_view text) {
  mrun_value value{};
  value.struct_size = sizeof value;
  value.kind = kind;
  value.name = abi_text("output");
  value.text = abi_text(text);
  return value;
}

mrun_tensor f32_view(const float* data, const std::int64_t* shape, int ndim) {
  mrun_tensor tensor{};
  tensor.struct_size = sizeof tensor;
  tensor.ndim = ndim;
  tensor.shape = shape;
  tensor.data = const_cast<float*>(data);
  tensor.dtype_code = 2;
  tensor.dtype_bits = 32;
  tensor.dtype_lanes = 1;
  tensor.device_type = 1;
  return tensor;
}

std::string refusal_of(const mrun_value& value) {
  CountingSink sink;
  Job job(1, sink);
  CHECK(job.emit(value) == MRUN_FAILED);
  CHECK(sink.frames == 0);
  const auto refusal = job.refusal();
  REQUIRE(refusal);
  return refusal->message;
}

} // namespace

TEST_CASE("outputs are counted: the first beyond the limit is refused") {
  CountingSink sink;
  Job job(1, sink);
  const mrun_value value = value_of(MRUN_VALUE_TEXT, "x");
  for (std::size_t i = 0; i < k_max_output_items; ++i)
    REQUIRE(job.emit(value) == MRUN_OK);
  CHECK(job.emit(value) == MRUN_FAILED);
  CHECK(job.refusal()->code == ErrorCode::output_limit);
  CHECK(sink.frames == k_max_output_items);
}

TEST_CASE("a log ends with a note once it is too long") {
  CountingSink sink;
  Job job(1, sink);
  const std::string line(k_max_log_line_bytes * 2, 'l');
  for (int i = 0; i < 1000; ++i)
    job.log(MRUN_LOG_INFO, abi_text(line));
  CHECK(sink.frames < 140);
  CHECK(sink.bytes < k_max_log_bytes + k_max_log_line_bytes);
  CHECK(sink.last_payload == "(the rest of the log is dropped: it is too long)");
}

TEST_CASE("log lines are made harmless, and their levels named") {
  CountingSink sink;
  Job job(7, sink);
  job.log(MRUN_LOG_WARN, abi_text("a\x1b[31mb\nc\xff"));
  CHECK(sink.last == Json{{"t", "log"}, {"id", 7}, {"level", "warn"}});
  CHECK(sink.last_payload == "a\\x1b[31mb\\x0ac\\xff");
  job.log(77, {nullptr, 5});
  CHECK(sink.last["level"] == "debug");
  CHECK(sink.last_payload.empty());
}

TEST_CASE("values that are not what they say are refused with words for the module's author") {
  mrun_value value = value_of(MRUN_VALUE_JSON, "{}");
  value.struct_size = 8;
  CHECK(refusal_of(value) == "the predictor gave a value of struct_size 8");
  CHECK(refusal_of(value_of(MRUN_VALUE_TENSOR, "")) == "the predictor gave a tensor value without a tensor");
  CHECK(refusal_of(value_of(MRUN_VALUE_FILE, "")) == "the predictor gave a file value without a usable file");
  value = value_of(MRUN_VALUE_TEXT, "");
  value.text = {nullptr, 4};
  CHECK(refusal_of(value) == "the predictor gave a text without data");
  value.kind = MRUN_VALUE_BYTES;
  CHECK(refusal_of(value) == "the predictor gave bytes without data");
  value = value_of(MRUN_VALUE_JSON, R"({"a":1,"a":2})");
  CHECK(refusal_of(value).find("twice") != std::string::npos);
  value = value_of(MRUN_VALUE_BYTES, "x");
  const std::string long_name(k_max_value_name_bytes + 1, 'n');
  value.media_type = abi_text(long_name);
  CHECK(refusal_of(value).find("257 bytes, 256 are allowed") != std::string::npos);
}

TEST_CASE("tensors are checked and copied, strides and offset included") {
  const std::array<float, 6> numbers = {1, 2, 3, 4, 5, 6};
  const std::array<std::int64_t, 2> shape = {3, 2}, strides = {1, 3};
  mrun_tensor view = f32_view(numbers.data(), shape.data(), 2);
  view.strides = strides.data(); // the transpose of [2,3]
  auto copied = copy_tensor(view, "out.0");
  REQUIRE(copied);
  CHECK(std::vector<float>(copied->as<float>().begin(), copied->as<float>().end()) ==
        std::vector<float>{1, 4, 2, 5, 3, 6});
  view = f32_view(numbers.data(), shape.data(), 1);
  view.byte_offset = 12;
  copied = copy_tensor(view, "out.0");
  REQUIRE(copied);
  CHECK(copied->as<float>()[0] == 4);
  view = f32_view(numbers.data(), nullptr, 0); // a scalar
  copied = copy_tensor(view, "out.0");
  REQUIRE(copied);
  CHECK(copied->element_count() == 1);
}

TEST_CASE("tensors that mrun can't read are refused") {
  const std::array<float, 2> numbers = {1, 2};
  const std::array<std::int64_t, 1> shape = {2};
  const std::array<std::int64_t, 2> vast = {std::int64_t{1} << 40, std::int64_t{1} << 40};
  const mrun_tensor good = f32_view(numbers.data(), shape.data(), 1);
  const auto refused = [](const mrun_tensor& view) {
    auto copied = copy_tensor(view, "out.0");
    REQUIRE_FALSE(copied);
    return copied.error();
  };
  mrun_tensor bad = good;
  bad.struct_size = 12;
  CHECK(refused(bad).code == ErrorCode::prediction_failed);
  bad = good;
  bad.dtype_code = 3; // an opaque handle
  CHECK(refused(bad).message.find("DLPack type 3:32:1") != std::string::npos);
  bad = good;
  bad.device_type = 2;
  CHECK(refused(bad).message.find("must be on the CPU") != std::string::npos);
  bad = good;
  bad.ndim = 17;
  CHECK(refused(bad).message.find("17 dimensions") != std::string::npos);
  bad = good;
  bad.shape = nullptr;
  CHECK(refused(bad).code == ErrorCode::prediction_failed);
  bad = good;
  bad.data = nullptr;
  CHECK(refused(bad).message.find("without data") != std::string::npos);
  bad = f32_view(numbers.data(), vast.data(), 2);
  CHECK(refused(bad).code == ErrorCode::output_limit);

  CountingSink sink;
  Job job(1, sink);
  mrun_value value = value_of(MRUN_VALUE_TENSOR, "");
  value.tensor = &good;
  CHECK(job.emit(value) == MRUN_FAILED); // its name is "output"
  CHECK(job.refusal()->message.find("must begin with `out.`") != std::string::npos);
}

TEST_CASE("metrics have names, finite values and a limit") {
  CHECK(is_metric_name("tokens_2"));
  CHECK_FALSE(is_metric_name(""));
  CHECK_FALSE(is_metric_name("a b"));
  CHECK_FALSE(is_metric_name(std::string(129, 'a')));
  CountingSink sink;
  Job job(1, sink);
  for (std::size_t i = 0; i < k_max_metrics; ++i)
    REQUIRE(job.metric(abi_text("a"), 1) == MRUN_OK);
  CHECK(job.metric(abi_text("a"), 1) == MRUN_FAILED);
  CHECK(job.refusal()->code == ErrorCode::output_limit);
  Job other(2, sink);
  CHECK(other.metric(abi_text("a"), std::numeric_limits<double>::quiet_NaN()) == MRUN_FAILED);
  CHECK(other.metric({nullptr, 3}, 1) == MRUN_FAILED);
}

TEST_CASE("after its end a job takes nothing, and a canceled one is told so") {
  CountingSink sink;
  Job job(1, sink);
  CHECK(job.end());
  CHECK_FALSE(job.end());
  CHECK(job.emit(value_of(MRUN_VALUE_TEXT, "late")) == MRUN_FAILED);
  CHECK(job.metric(abi_text("a"), 1) == MRUN_FAILED);
  job.log(MRUN_LOG_INFO, abi_text("late"));
  CHECK(sink.frames == 0);
  Job canceled(2, sink);
  canceled.cancel();
  CHECK(canceled.emit(value_of(MRUN_VALUE_TEXT, "x")) == MRUN_CANCELLED);
}

TEST_CASE("the host's table answers for unknown requests, and allocates aligned memory") {
  CountingSink sink;
  Host host(sink);
  const mrun_host* table = host.table();
  const mrun_value value = value_of(MRUN_VALUE_TEXT, "x");
  CHECK(table->struct_size == sizeof(mrun_host));
  CHECK(table->emit(table, 9, &value) == MRUN_FAILED);
  CHECK(table->emit(table, 9, nullptr) == MRUN_FAILED);
  CHECK(table->cancelled(table, 9) == 1);
  CHECK(table->metric(table, 9, abi_text("a"), 1) == MRUN_FAILED);
  table->fail(table, 9, abi_text("lost"), abi_text(""));
  table->finish(table, 9, MRUN_OK);
  CHECK(table->cache_dir(table) == -1);
  void* memory = table->allocate(table, 100, 4096);
  REQUIRE(memory != nullptr);
  CHECK(reinterpret_cast<std::uintptr_t>(memory) % 4096 == 0);
  table->release(table, memory);
  CHECK(table->allocate(table, 100, 3) == nullptr);
  CHECK(table->allocate(table, SIZE_MAX, 64) == nullptr);
  CHECK(sink.frames == 0);
  table->log(table, 0, 99, abi_text("about the worker"));
  CHECK(sink.last == Json{{"t", "log"}, {"id", 0}, {"level", "debug"}});
}

TEST_CASE("the phases of a load are timed, announced once each, and ignored outside of it") {
  CountingSink sink;
  Host host(sink);
  const mrun_host* table = host.table();
  table->phase(table, abi_text("map"));
  CHECK(sink.frames == 0);
  host.begin_load(UniqueFd());
  table->phase(table, abi_text("map"));
  table->phase(table, abi_text("map"));
  table->phase(table, abi_text("nonsense"));
  table->phase(table, abi_text("build"));
  CHECK(sink.frames == 2);
  const Phases phases = host.end_load();
  CHECK(phases[Phase::map] > 0);
  CHECK(phases[Phase::warmup] == 0);
  table->phase(table, abi_text("warmup"));
  CHECK(sink.frames == 2);
}

TEST_CASE("failures keep one line of message and the lines of their details, made harmless") {
  CountingSink sink;
  Host host(sink);
  const mrun_host* table = host.table();
  table->fail(table, 0, abi_text("line\nbreak"), abi_text("first\nsecond\x07"));
  const auto failure = host.load_failure();
  REQUIRE(failure);
  CHECK(failure->message == "line\\x0abreak");
  CHECK(failure->details == "first\nsecond\\x07");
}
