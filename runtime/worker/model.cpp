#include "runtime/worker/model.h"

#include <condition_variable>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"
#include "runtime/abi_values.h"
#include "runtime/messages.h"
#include "runtime/tensor_json.h"

namespace mrun {
namespace {

constexpr std::int32_t k_device_cpu = 1;  // kDLCPU
constexpr std::int32_t k_device_cuda = 2; // kDLCUDA
constexpr int k_max_threads = 1024;
constexpr std::uint64_t k_first_warm_up_id = std::uint64_t{1} << 63; // never an id of the daemon's
constexpr std::string_view k_spec = "the model spec";

Result<Json> need_object(const Json& parent, const char* key) {
  const auto found = parent.find(key);
  if (found == parent.end() || !found->is_object())
    return fail(ErrorCode::load_failed, fmt::format("{}: `{}` is not an object", k_spec, key));
  return *found;
}

const Json& array_or_empty(const Json& parent, const char* key) {
  static const Json empty = Json::array();
  const auto found = parent.find(key);
  return found != parent.end() && found->is_array() ? *found : empty;
}

// A member that is a string; "" for anything else.
std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Result<int> count_between(const Json& parent, const char* key, int most) {
  MRUN_ASSIGN(const auto value, json_integer(parent, key, ErrorCode::load_failed, k_spec));
  const std::int64_t number = value.value_or(1);
  if (number < 1 || number > most)
    return fail(ErrorCode::load_failed,
                fmt::format("{}: `{}` is {}, 1 to {} are allowed", k_spec, key, number, most));
  return static_cast<int>(number);
}

} // namespace

Error error_of_status(mrun_status status, const std::optional<Failure>& failure, ErrorCode failed) {
  const auto row = [&]() -> std::pair<ErrorCode, std::string_view> {
    switch (status) {
    case MRUN_FAILED:
      return {failed, "the predictor failed without giving a reason"};
    case MRUN_INVALID_INPUT:
      return {ErrorCode::input_refused, "the predictor refused the input without giving a reason"};
    case MRUN_UNSUPPORTED:
      return {ErrorCode::engine_unsupported, "the predictor lacks something that the model needs"};
    case MRUN_CANCELLED:
      return {ErrorCode::cancelled, "the prediction was canceled"};
    case MRUN_OUT_OF_MEMORY:
      return {ErrorCode::out_of_memory, "the predictor ran out of memory"};
    case MRUN_DEVICE_ERROR:
      return {ErrorCode::device_error, "the device failed"};
    case MRUN_MISMATCH:
      return {ErrorCode::engine_mismatch, "the predictor was built for another version of a library"};
    case MRUN_MISSING:
      return {ErrorCode::engine_missing, "a library that the predictor needs is not there"};
    default:
      return {failed, "the predictor returned an unknown status"};
    }
  }();
  std::string message = failure && !failure->message.empty() ? failure->message : std::string(row.second);
  Error error = fail(row.first, std::move(message)).value();
  return failure && !failure->details.empty() ? std::move(error).with_note(failure->details) : error;
}

// ---- load
// ------------------------------------------------------------------------------------------------------

Result<std::unique_ptr<Model>> Model::load(std::string_view spec_text, UniqueFd blobs, Host& host,
                                           std::optional<Module> module) {
  std::unique_ptr<Model> model(new Model(host)); // its constructor is private
  model->m_module = module;
  host.enter_phase(Phase::map);
  MRUN_TRY(model->read_spec(spec_text, std::move(blobs)));
  if (!model->m_module) MRUN_TRY(model->open_own_module());
  host.enter_phase(Phase::build);
  MRUN_TRY(model->make_pipelines());
  MRUN_TRY(model->load_predictor());
  MRUN_TRY(model->warm_up());
  return model;
}

Result<void> Model::read_spec(std::string_view text, UniqueFd blobs) {
  const JsonLimits limits{k_max_index_bytes, k_max_json_depth};
  MRUN_ASSIGN(m_spec, parse_json(text, ErrorCode::load_failed, k_spec, limits));
  if (!m_spec.is_object() || text_of(m_spec, "schema") != "mrun.model_spec/v1")
    return fail(ErrorCode::load_failed, "the model spec is not of schema mrun.model_spec/v1");
  m_spec_text = text;
  MRUN_ASSIGN(const Json manifest, need_object(m_spec, "manifest"));
  MRUN_ASSIGN(const auto main_file, json_string(manifest, "model", ErrorCode::load_failed, k_spec));
  m_main_file = main_file.value_or("");
  MRUN_ASSIGN(m_concurrency, count_between(manifest, "concurrency", k_max_concurrency));
  if (const auto output = manifest.find("output"); output != manifest.end() && output->is_object()) {
    MRUN_ASSIGN(const auto type, json_string(*output, "type", ErrorCode::load_failed, k_spec));
    m_output_type = type.value_or("any");
  }
  find_file_inputs();
  MRUN_ASSIGN(m_door, FileDoor::make(array_or_empty(m_spec, "files"), std::move(blobs)));
  return {};
}

void Model::find_file_inputs() {
  for (const Json& input : array_or_empty(m_spec["manifest"], "inputs")) {
    if (!input.is_object()) continue;
    const std::string type = text_of(input, "type");
    const auto items = input.find("items");
    if (type == "file") m_file_inputs.files.insert(text_of(input, "name"));
    if (type == "array" && items != input.end() && items->is_object() && text_of(*items, "type") == "file")
      m_file_inputs.lists.insert(text_of(input, "name"));
  }
}

std::string Model::first_input() const {
  for (const Json& input : array_or_empty(m_spec["manifest"], "inputs"))
    if (input.is_object()) return text_of(input, "name");
  return "";
}

Result<void> Model::make_pipelines() {
  const Json& manifest = m_spec["manifest"];
  MRUN_ASSIGN(m_pre, Pipeline::make(array_or_empty(manifest, "pre"), *this, first_input(),
                                    array_or_empty(manifest, "post")));
  MRUN_ASSIGN(m_post, Pipeline::make(array_or_empty(manifest, "post"), *this, "out.0"));
  return {};
}

Result<void> Model::open_own_module() {
  m_host.enter_phase(Phase::import);
  const DoorFile* file = m_door->find(m_main_file);
  if (file == nullptr)
    return fail(ErrorCode::load_failed, fmt::format("the bundle has no module `{}`", printable(m_main_file)));
  MRUN_ASSIGN(const UniqueFd fd, file->open());
  MRUN_ASSIGN(m_module, Module::open_fd(fd.get(), m_main_file, m_host.table()));
  return {};
}

Result<void> Model::load_predictor() {
  mrun_model description{};
  description.struct_size = sizeof description;
  description.spec_json = abi_text(m_spec_text);
  description.main_file = abi_text(m_main_file);
  description.files = m_door->abi_files().data();
  description.file_count = m_door->size();
  description.device_type = k_device_cpu;
  if (const auto device = m_spec.find("device"); device != m_spec.end() && device->is_object()) {
    description.device_type = text_of(*device, "type") == "cuda" ? k_device_cuda : k_device_cpu;
    MRUN_ASSIGN(const auto id, json_integer(*device, "id", ErrorCode::load_failed, k_spec));
    description.device_id = static_cast<std::int32_t>(id.value_or(0));
  }
  MRUN_ASSIGN(description.threads, count_between(m_spec, "threads", k_max_threads));
  description.concurrency = m_concurrency;
  const mrun_status status = m_module->predictor().load(m_host.table(), &description, &m_handle);
  if (status != MRUN_OK)
    return tl::unexpected(error_of_status(status, m_host.load_failure(), ErrorCode::load_failed));
  m_loaded = true;
  return {};
}

Model::~Model() {
  if (m_loaded) m_module->predictor().unload(m_handle);
}

Result<std::string_view> Model::bundle_file(std::string_view path) {
  const DoorFile* file = m_door->find(path);
  if (file == nullptr)
    return fail(ErrorCode::load_failed, fmt::format("the bundle has no file `{}`", printable(path)));
  return file->span(0, file->size_bytes());
}

// ---- warm-up
// ---------------------------------------------------------------------------------------------------

// A warm-up input is completed by the inputs' defaults; "@path" of a file input is a file of the bundle.
Result<Json> Model::warm_up_input(const Json& given, std::vector<UniqueFd>& fds) const {
  if (!given.is_object()) return fail(ErrorCode::load_failed, "a warm-up input is not an object");
  Json input = given;
  for (const Json& entry : array_or_empty(m_spec["manifest"], "inputs")) {
    if (!entry.is_object()) continue;
    const std::string name = text_of(entry, "name");
    if (!input.contains(name) && entry.contains("default") && !entry["default"].is_null())
      input[name] = entry["default"];
    const bool is_path = text_of(entry, "type") == "file" && input.contains(name) && input[name].is_string();
    if (!is_path) continue;
    const std::string text = input[name].get<std::string>();
    const DoorFile* file = text.starts_with("@") ? m_door->find(std::string_view(text).substr(1)) : nullptr;
    if (file == nullptr)
      return fail(ErrorCode::load_failed,
                  fmt::format("the bundle has no warm-up file `{}`", printable(text)));
    MRUN_ASSIGN(UniqueFd fd, file->open());
    input[name] = Json{{"$file", fds.size()}, {"name", file->name()}, {"size", file->size_bytes()}};
    fds.push_back(std::move(fd));
  }
  return input;
}

Result<void> Model::warm_up_with(const Json& given, std::uint64_t id) {
  NullSink sink;
  std::vector<UniqueFd> fds;
  MRUN_ASSIGN(Json input, warm_up_input(given, fds));
  const auto job = std::make_shared<Job>(id, sink);
  MRUN_TRY(job->set_input(std::move(input), std::move(fds), m_file_inputs));
  std::mutex mutex;
  std::condition_variable ended;
  std::optional<mrun_status> later;
  m_host.set_finish_handler([&](const std::shared_ptr<Job>&, mrun_status status) {
    const std::scoped_lock lock(mutex);
    later = status;
    ended.notify_one();
  });
  MRUN_CHECK(m_host.add(job));
  auto status = start(*job);
  if (status && *status == MRUN_OK && finishes_later()) {
    std::unique_lock lock(mutex);
    ended.wait(lock, [&] { return later.has_value(); }); // bounded by the daemon's load timeout
    status = *later;
  }
  Result<void> result = status ? complete(*job, *status) : tl::unexpected(status.error());
  (void)job->end();
  m_host.remove(id);
  m_host.set_finish_handler({});
  return result;
}

Result<void> Model::warm_up() {
  const Json& list = array_or_empty(m_spec["manifest"], "warmup");
  if (list.empty()) return {};
  m_host.enter_phase(Phase::warmup);
  for (std::size_t i = 0; i < list.size(); ++i)
    if (auto done = warm_up_with(list[i], k_first_warm_up_id + i); !done)
      return tl::unexpected(std::move(done).error().with_note(fmt::format("warm-up input {}", i + 1)));
  return {};
}

// ---- predictions
// -----------------------------------------------------------------------------------------------

Result<mrun_status> Model::start(Job& job) {
  std::map<std::string, double, std::less<>> metrics;
  StepContext context{job.values(), metrics};
  MRUN_TRY(m_pre->run(context));
  MRUN_TRY(job.send_step_metrics(metrics));
  if (job.cancelled()) return MRUN_CANCELLED;
  job.freeze_inputs();
  const mrun_request request = job.abi_request();
  return m_module->predictor().start(m_handle, &request, 1);
}

Result<void> Model::complete(Job& job, mrun_status status) {
  if (auto refusal = job.refusal()) return tl::unexpected(std::move(*refusal));
  if (status != MRUN_OK)
    return tl::unexpected(error_of_status(job.cancelled() ? MRUN_CANCELLED : status, job.failure(),
                                          ErrorCode::prediction_failed));
  const std::vector<std::string> tensors = job.take_tensors();
  std::map<std::string, double, std::less<>> metrics;
  StepContext context{job.values(), metrics};
  MRUN_TRY(m_post->run(context));
  MRUN_TRY(job.send_step_metrics(metrics));
  return send_result(job, tensors);
}

Result<void> Model::send_value(Job& job, const StepValue& value) {
  if (const Json* json = std::get_if<Json>(&value))
    return job.send_output(output_message(job.id(), "json"), canonical_json(*json));
  if (const MadeFile* file = std::get_if<MadeFile>(&value))
    return job.send_output(output_file_message(job.id(), file->media_type, "output"), file->bytes);
  if (const FileBytes* file = std::get_if<FileBytes>(&value))
    return job.send_output(output_file_message(job.id(), "application/octet-stream", file->name),
                           file->bytes);
  const Tensor& tensor = std::get<Tensor>(value);
  std::string text;
  append_tensor_json(tensor, tensor.shape(), text);
  return job.send_output(output_message(job.id(), "json"), text);
}

// With post steps the output is their value `output`. Without, tensors are the output: one as an array,
// several as an array of arrays, or an object by their names when the manifest's output is an object.
Result<void> Model::send_result(Job& job, const std::vector<std::string>& tensors) {
  const Namespace& values = job.values();
  if (!m_post->empty()) {
    const auto output = values.find("output");
    if (output == values.end())
      return fail(ErrorCode::prediction_failed, "no post step made the value `output`");
    return send_value(job, output->second);
  }
  if (tensors.empty()) return {};
  const bool object = m_output_type == "object", bare = !object && tensors.size() == 1;
  std::string text(object ? "{" : bare ? "" : "[");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = std::get<Tensor>(values.find(tensors[i])->second);
    text += i > 0 ? "," : "";
    if (object) text.append(canonical_json(Json(tensors[i].substr(4)))).append(":"); // without `out.`
    append_tensor_json(tensor, m_pre->empty() ? std::span(tensor.shape()) : example_shape(tensor), text);
  }
  text += object ? "}" : bare ? "" : "]";
  return job.send_output(output_message(job.id(), "json"), text);
}

void Model::cancel(std::uint64_t id) {
  if (m_module->predictor().cancel != nullptr) m_module->predictor().cancel(m_handle, id);
}

} // namespace mrun
