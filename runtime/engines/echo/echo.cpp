// The echo engine: deterministic, without a model, and misbehaving on demand (misbehave.h,
// docs/formats/echo.md).
//
// Tensors `in.X` come back as `out.X`. Without tensors the manifest's output type decides: `string` gives the
// first text input, `file` the first file input's bytes, `object` and `any` all inputs, every other type the
// first input.

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>

#include "common/json.h"
#include "runtime/engines/echo/misbehave.h"
#include "runtime/mrun_predictor.h"

namespace mrun::echo {
namespace {

struct EchoModel {
  const mrun_host* host;
  Order order; // of every prediction; mode "" for none
  std::string output_type;
  CancelBell bell;
  std::atomic<std::uint64_t> predictions = 0; // begun; several may run at once
};

std::string_view view(mrun_text text) {
  return text.size == 0 ? std::string_view() : std::string_view(text.data, text.size);
}
mrun_text text_of(std::string_view text) {
  return {text.data(), text.size()};
}

bool is_order(std::string_view name) {
  return name == "misbehave" || name == "mode";
}

bool is_number_beside(std::string_view name) {
  return name == "ms" || name == "n" || name == "mb" || name == "bytes";
}

Json parse(mrun_text text) {
  auto value = parse_json(view(text), ErrorCode::internal, "an input");
  return value ? std::move(*value) : Json();
}

std::string member_text(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_string() ? found->get<std::string>()
                                                                           : std::string();
}

mrun_status refuse_mode(const Scene& scene, const std::string& mode) {
  const std::string message = "the echo engine has no mode `" + mode + "`";
  scene.host->fail(scene.host, scene.request, text_of(message), text_of({}));
  return MRUN_INVALID_INPUT;
}

// ---- load
// ------------------------------------------------------------------------------------------------------

// For tests of the zygote: MRUN_ECHO_WARM=fail fails the warm-up, =thread leaves a second thread behind.
mrun_status warm(const mrun_host* host) {
  const char* order = std::getenv("MRUN_ECHO_WARM");
  const std::string_view mode = order == nullptr ? "" : order;
  if (mode == "fail") {
    host->fail(host, 0, text_of("asked to fail while warming up"), text_of({}));
    return MRUN_FAILED;
  }
  if (mode == "thread")
    std::thread([] {
      for (;;)
        std::this_thread::sleep_for(std::chrono::hours(1));
    }).detach();
  return MRUN_OK;
}

Order order_of_options(const Json& options) {
  const std::string text = member_text(options, "misbehave");
  Order order = parse_order(text.empty() ? member_text(options, "mode") : text);
  if (options.is_object())
    for (const auto& [name, value] : options.items())
      if (is_number_beside(name) && value.is_number_integer()) order.beside = value.get<std::int64_t>();
  return order;
}

mrun_status load(const mrun_host* host, const mrun_model* description, void** model) {
  auto echo = std::make_unique<EchoModel>();
  echo->host = host;
  const Json spec = parse(description->spec_json);
  const Json manifest = spec.is_object() ? spec.value("manifest", Json::object()) : Json::object();
  echo->order = order_of_options(manifest.value("options", Json::object()));
  echo->output_type = member_text(manifest.value("output", Json::object()), "type");
  host->phase(host, text_of("build"));
  if (const Mode* mode = find_load_mode(echo->order.mode)) {
    const Outcome outcome = mode->act(Scene{host, 0, echo->bell}, echo->order);
    if (!outcome.go_on) return outcome.status;
    echo->order = {};
  }
  *model = echo.release(); // owned by the host until unload
  return MRUN_OK;
}

void unload(void* model) {
  std::unique_ptr<EchoModel>(static_cast<EchoModel*>(model)).reset();
}

void cancel(void* model, std::uint64_t) {
  CancelBell& bell = static_cast<EchoModel*>(model)->bell;
  const std::scoped_lock lock(bell.mutex);
  bell.rung.notify_all();
}

// ---- one prediction
// --------------------------------------------------------------------------------------------

mrun_status give(const EchoModel& model, std::uint64_t id, std::int32_t kind, std::string_view text) {
  mrun_value value{};
  value.struct_size = sizeof value;
  value.kind = kind;
  value.name = text_of("output");
  value.text = text_of(text);
  return model.host->emit(model.host, id, &value);
}

// Sets `found` when there was a tensor.
mrun_status give_tensors(const EchoModel& model, const mrun_request& request, bool& found) {
  for (std::size_t i = 0; i < request.input_count; ++i) {
    const mrun_value& input = request.inputs[i];
    if (input.kind != MRUN_VALUE_TENSOR) continue;
    found = true;
    const std::string name = "out." + std::string(view(input.name).substr(3)); // without `in.`
    mrun_value value{};
    value.struct_size = sizeof value;
    value.kind = MRUN_VALUE_TENSOR;
    value.name = text_of(name);
    value.tensor = input.tensor;
    if (const mrun_status status = model.host->emit(model.host, request.id, &value); status != MRUN_OK)
      return status;
  }
  return MRUN_OK;
}

mrun_status give_file(const EchoModel& model, std::uint64_t id, const mrun_value& input) {
  const void* data = nullptr;
  if (input.file->span(input.file, 0, input.file->size, &data) != MRUN_OK) return MRUN_FAILED;
  mrun_value value{};
  value.struct_size = sizeof value;
  value.kind = MRUN_VALUE_BYTES;
  value.name = input.file->name;
  value.text = {static_cast<const char*>(data), static_cast<std::size_t>(input.file->size)};
  value.media_type = text_of("application/octet-stream");
  return model.host->emit(model.host, id, &value);
}

mrun_status give_all(const EchoModel& model, const mrun_request& request) {
  Json all = Json::object();
  for (std::size_t i = 0; i < request.input_count; ++i) {
    const mrun_value& input = request.inputs[i];
    const std::string name(view(input.name));
    if (is_order(name)) continue;
    if (input.kind == MRUN_VALUE_FILE)
      all[name] = Json{{"name", std::string(view(input.file->name))}, {"size", input.file->size}};
    else if (input.kind == MRUN_VALUE_JSON)
      all[name] = parse(input.text);
  }
  return give(model, request.id, MRUN_VALUE_JSON, canonical_json(all));
}

mrun_status give_first(const EchoModel& model, const mrun_request& request) {
  const bool text = model.output_type == "string", file = model.output_type == "file";
  for (std::size_t i = 0; i < request.input_count; ++i) {
    const mrun_value& input = request.inputs[i];
    if (is_order(view(input.name)) || (input.kind == MRUN_VALUE_FILE) != file) continue;
    if (file) return give_file(model, request.id, input);
    const Json value = text ? parse(input.text) : Json();
    if (text && value.is_string())
      return give(model, request.id, MRUN_VALUE_TEXT, value.get_ref<const std::string&>());
    if (!text) return give(model, request.id, MRUN_VALUE_JSON, view(input.text));
  }
  const std::string message = "the echo engine found no input to give back";
  model.host->fail(model.host, request.id, text_of(message), text_of({}));
  return MRUN_FAILED;
}

Order order_of(const EchoModel& model, const mrun_request& request) {
  Order order = model.order;
  std::optional<std::int64_t> beside;
  for (std::size_t i = 0; i < request.input_count; ++i) {
    const mrun_value& input = request.inputs[i];
    if (input.kind != MRUN_VALUE_JSON) continue;
    if (is_order(view(input.name))) {
      const Json text = parse(input.text);
      if (text.is_string() && !text.get_ref<const std::string&>().empty())
        order = parse_order(text.get_ref<const std::string&>());
    } else if (is_number_beside(view(input.name))) {
      const Json number = parse(input.text);
      if (number.is_number_integer()) beside = number.get<std::int64_t>();
    }
  }
  if (beside) order.beside = beside;
  return order;
}

mrun_status run(EchoModel& model, const mrun_request& request) {
  const Order order = order_of(model, request);
  const std::uint64_t number = ++model.predictions;
  if (!order.mode.empty()) {
    const Scene scene{model.host, request.id, model.bell, number};
    const Mode* mode = find_predict_mode(order.mode);
    if (mode == nullptr) return refuse_mode(scene, order.mode);
    const Outcome outcome = mode->act(scene, order);
    if (!outcome.go_on) return outcome.status;
  }
  bool tensors = false;
  if (const mrun_status status = give_tensors(model, request, tensors); status != MRUN_OK || tensors)
    return status;
  const bool all = model.output_type.empty() || model.output_type == "object" || model.output_type == "any";
  return all ? give_all(model, request) : give_first(model, request);
}

mrun_status start(void* model, const mrun_request* requests, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    if (const mrun_status status = run(*static_cast<EchoModel*>(model), requests[i]); status != MRUN_OK)
      return status;
  return MRUN_OK;
}

mrun_predictor make_predictor() {
  mrun_predictor predictor{};
  predictor.struct_size = sizeof predictor;
  predictor.abi_major = MRUN_ABI_MAJOR;
  predictor.abi_minor = MRUN_ABI_MINOR;
  predictor.name = text_of("echo");
  predictor.version = text_of("1");
  predictor.warm = warm;
  predictor.load = load;
  predictor.start = start;
  predictor.cancel = cancel;
  predictor.unload = unload;
  return predictor;
}

} // namespace
} // namespace mrun::echo

extern "C" MRUN_EXPORT const mrun_predictor* mrun_predictor_v1(const mrun_host* host) {
  static const mrun_predictor predictor = mrun::echo::make_predictor();
  return host->abi_major == MRUN_ABI_MAJOR ? &predictor : nullptr;
}
