#include "runtime/worker/job.h"

#include <cmath>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"
#include "runtime/abi_values.h"
#include "runtime/messages.h"

namespace mrun {
namespace {

bool is_file_marker(const Json& value) {
  return value.is_object() && value.contains("$file");
}

std::string_view level_name(std::int32_t level) {
  switch (level) {
  case MRUN_LOG_ERROR:
    return "error";
  case MRUN_LOG_WARN:
    return "warn";
  case MRUN_LOG_INFO:
    return "info";
  default:
    return "debug";
  }
}

} // namespace

// ---- inputs
// ----------------------------------------------------------------------------------------------------

Result<void> Job::add_file(const std::string& name, const Json& marker, std::vector<UniqueFd>& fds) {
  const std::string what = "file input `" + printable(name, 100) + "`";
  MRUN_ASSIGN(const std::int64_t index, need_integer(marker, "$file", ErrorCode::worker_protocol, what));
  MRUN_ASSIGN(const std::int64_t size, need_integer(marker, "size", ErrorCode::worker_protocol, what));
  MRUN_ASSIGN(const auto file_name, json_string(marker, "name", ErrorCode::worker_protocol, what));
  if (index < 0 || static_cast<std::size_t>(index) >= fds.size() || !fds[static_cast<std::size_t>(index)] ||
      size < 0)
    return fail(ErrorCode::worker_protocol,
                fmt::format("{} names descriptor {}, which is not there", what, index));
  UniqueFd fd = std::move(fds[static_cast<std::size_t>(index)]);
  MRUN_ASSIGN(auto file,
              input_file(std::move(fd), file_name.value_or(name), static_cast<std::uint64_t>(size)));
  MRUN_ASSIGN(const std::string_view bytes, file->span(0, file->size_bytes()));
  m_values.insert_or_assign(name, FileBytes{file->name(), bytes});
  m_files.emplace_back(name, std::move(file));
  return {};
}

Result<void> Job::read_input(const FileInputs& file_inputs) {
  const JsonLimits limits{k_max_payload_bytes, k_max_json_depth};
  MRUN_ASSIGN(Json input, parse_json(m_frame.payload(), ErrorCode::worker_protocol, "the input", limits));
  MRUN_TRY(set_input(std::move(input), std::move(m_frame.fds), file_inputs));
  m_frame = {};
  return {};
}

Result<void> Job::set_input(Json input, std::vector<UniqueFd> fds, const FileInputs& file_inputs) {
  if (!input.is_object()) return fail(ErrorCode::worker_protocol, "the input is not an object");
  m_input = std::move(input);
  for (auto item = m_input.begin(); item != m_input.end();) {
    const std::string& name = item.key();
    const Json& value = *item;
    if (file_inputs.files.contains(name) && is_file_marker(value)) {
      MRUN_TRY(add_file(name, value, fds));
      item = m_input.erase(item);
      continue;
    }
    m_values.insert_or_assign(name, value);
    if (file_inputs.lists.contains(name) && value.is_array())
      for (std::size_t i = 0; i < value.size(); ++i)
        if (is_file_marker(value[i])) MRUN_TRY(add_file(fmt::format("{}.{}", name, i), value[i], fds));
    ++item;
  }
  return {};
}

mrun_value& Job::new_abi_value(std::int32_t kind, std::string_view name) {
  mrun_value& value = m_abi_values.emplace_back();
  value = {};
  value.struct_size = sizeof value;
  value.kind = kind;
  value.name = abi_text(name);
  return value;
}

void Job::freeze_inputs() {
  m_abi_values.reserve(m_input.size() + m_files.size() + m_values.size());
  for (const auto& [name, value] : m_values)
    if (const Tensor* tensor = std::get_if<Tensor>(&value); tensor != nullptr && name.starts_with("in.")) {
      m_abi_tensors.push_back(abi_tensor(*tensor));
      new_abi_value(MRUN_VALUE_TENSOR, name).tensor = &m_abi_tensors.back();
    }
  for (auto item = m_input.begin(); item != m_input.end(); ++item) {
    m_texts.push_back(canonical_json(*item));
    new_abi_value(MRUN_VALUE_JSON, item.key()).text = abi_text(m_texts.back());
  }
  for (const auto& [name, file] : m_files) {
    m_abi_files.push_back(file->abi());
    new_abi_value(MRUN_VALUE_FILE, name).file = &m_abi_files.back();
  }
}

mrun_request Job::abi_request() const {
  mrun_request request{};
  request.struct_size = sizeof request;
  request.id = m_id;
  request.inputs = m_abi_values.data();
  request.input_count = m_abi_values.size();
  return request;
}

// ---- outputs
// ---------------------------------------------------------------------------------------------------

Result<void> Job::count_output(std::size_t size_bytes) {
  if (++m_output_count > k_max_output_items)
    return fail(ErrorCode::output_limit, fmt::format("the model gave over {} outputs", k_max_output_items));
  if (size_bytes > k_max_payload_bytes - m_output_bytes)
    return fail(ErrorCode::output_limit,
                fmt::format("the model gave over {}", format_bytes(k_max_payload_bytes)));
  m_output_bytes += size_bytes;
  return {};
}

Result<void> Job::emit_tensor(const mrun_value& value) {
  MRUN_ASSIGN(const std::string_view name,
              checked_text(value.name, k_max_value_name_bytes, "a tensor's name"));
  if (value.tensor == nullptr)
    return fail(ErrorCode::prediction_failed, "the predictor gave a tensor value without a tensor");
  if (!name.starts_with("out."))
    return fail(
        ErrorCode::prediction_failed,
        fmt::format("the predictor named a tensor `{}`, it must begin with `out.`", printable(name, 100)));
  MRUN_ASSIGN(Tensor tensor, copy_tensor(*value.tensor, name));
  MRUN_TRY(count_output(tensor.size_bytes()));
  m_tensors.emplace_back(name, std::move(tensor));
  return {};
}

Result<void> Job::emit_json(const mrun_value& value) {
  MRUN_ASSIGN(const std::string_view text, checked_text(value.text, k_max_payload_bytes, "a JSON value"));
  const JsonLimits limits{k_max_payload_bytes, k_max_json_depth};
  if (auto parsed = parse_json(text, ErrorCode::prediction_failed, "the predictor's output", limits); !parsed)
    return tl::unexpected(parsed.error());
  MRUN_TRY(count_output(text.size()));
  return m_sink.send(output_message(m_id, "json"), text);
}

Result<void> Job::emit_file(const mrun_value& value) {
  MRUN_ASSIGN(std::string_view type, checked_text(value.media_type, k_max_value_name_bytes, "a media type"));
  MRUN_ASSIGN(std::string_view name, checked_text(value.name, k_max_value_name_bytes, "a file's name"));
  if (type.empty()) type = "application/octet-stream";
  std::string_view bytes = view(value.text);
  if (value.kind == MRUN_VALUE_FILE) {
    const mrun_file* file = value.file;
    if (file == nullptr || !MRUN_ABI_HAS(*file, open) || file->span == nullptr)
      return fail(ErrorCode::prediction_failed, "the predictor gave a file value without a usable file");
    if (file->size > k_max_payload_bytes)
      return fail(ErrorCode::output_limit,
                  fmt::format("the model gave a file of {}", format_bytes(file->size)));
    MRUN_ASSIGN(name, checked_text(file->name, k_max_value_name_bytes, "a file's name"));
    const void* data = nullptr;
    if (file->size > 0 && (file->span(file, 0, file->size, &data) != MRUN_OK || data == nullptr))
      return fail(ErrorCode::prediction_failed, "the predictor gave a file that can't be read");
    bytes = {static_cast<const char*>(data), static_cast<std::size_t>(file->size)};
  } else if (value.text.size > 0 && value.text.data == nullptr) {
    return fail(ErrorCode::prediction_failed, "the predictor gave bytes without data");
  }
  MRUN_TRY(count_output(bytes.size()));
  return m_sink.send(output_file_message(m_id, type, name), bytes);
}

Result<void> Job::emit_checked(const mrun_value& value) {
  if (!MRUN_ABI_HAS(value, file))
    return fail(ErrorCode::prediction_failed,
                fmt::format("the predictor gave a value of struct_size {}", value.struct_size));
  switch (value.kind) {
  case MRUN_VALUE_TENSOR:
    return emit_tensor(value);
  case MRUN_VALUE_JSON:
    return emit_json(value);
  case MRUN_VALUE_TEXT: {
    MRUN_ASSIGN(const std::string_view text, checked_text(value.text, k_max_payload_bytes, "a text"));
    MRUN_TRY(count_output(text.size()));
    return m_sink.send(output_message(m_id, "text"), text);
  }
  case MRUN_VALUE_FILE:
  case MRUN_VALUE_BYTES:
    return emit_file(value);
  default:
    return fail(ErrorCode::prediction_failed,
                fmt::format("the predictor gave a value of kind {}", value.kind));
  }
}

mrun_status Job::outcome(Result<void> result) {
  if (result) return MRUN_OK;
  if (!m_refusal) m_refusal = std::move(result).error();
  return MRUN_FAILED;
}

mrun_status Job::emit(const mrun_value& value) {
  if (cancelled()) return MRUN_CANCELLED;
  const std::scoped_lock lock(m_mutex);
  return m_ended ? MRUN_FAILED : outcome(emit_checked(value));
}

Result<void> Job::metric_checked(mrun_text name, double value) {
  const std::string_view text = name.data == nullptr ? std::string_view() : view(name);
  if (!is_metric_name(text) || !std::isfinite(value))
    return fail(
        ErrorCode::prediction_failed,
        fmt::format("the predictor gave metric `{}` = {}, which is not allowed", printable(text, 60), value));
  if (++m_metric_count > k_max_metrics)
    return fail(ErrorCode::output_limit, fmt::format("the model gave over {} metrics", k_max_metrics));
  return m_sink.send(metric_message(m_id, text, value), {});
}

mrun_status Job::metric(mrun_text name, double value) {
  const std::scoped_lock lock(m_mutex);
  return m_ended ? MRUN_FAILED : outcome(metric_checked(name, value));
}

void Job::log(std::int32_t level, mrun_text text) {
  const std::string line =
      printable(text.data == nullptr ? std::string_view() : view(text), k_max_log_line_bytes);
  const std::scoped_lock lock(m_mutex);
  if (m_ended || m_log_bytes > k_max_log_bytes) return;
  m_log_bytes += line.size() + 1;
  const bool last = m_log_bytes > k_max_log_bytes;
  // A log that can't be sent is lost, the prediction is not.
  (void)m_sink.send(log_message(m_id, level_name(level)),
                    last ? "(the rest of the log is dropped: it is too long)" : line);
}

void Job::fail_with(Failure failure) {
  const std::scoped_lock lock(m_mutex);
  m_failure = std::move(failure);
}

std::optional<Failure> Job::failure() {
  const std::scoped_lock lock(m_mutex);
  return m_failure;
}

std::optional<Error> Job::refusal() {
  const std::scoped_lock lock(m_mutex);
  return m_refusal;
}

std::vector<std::string> Job::take_tensors() {
  const std::scoped_lock lock(m_mutex);
  std::vector<std::string> names;
  for (auto& [name, tensor] : m_tensors) {
    m_values.insert_or_assign(name, std::move(tensor));
    names.push_back(name);
  }
  m_tensors.clear();
  return names;
}

Result<void> Job::send_output(const Json& header, std::string_view payload) {
  const std::scoped_lock lock(m_mutex);
  MRUN_TRY(count_output(payload.size()));
  return m_sink.send(header, payload);
}

Result<void> Job::send_step_metrics(const std::map<std::string, double, std::less<>>& metrics) {
  const std::scoped_lock lock(m_mutex);
  for (const auto& [name, value] : metrics)
    MRUN_TRY(metric_checked(abi_text(name), value));
  return {};
}

bool Job::end() {
  const std::scoped_lock lock(m_mutex);
  return !std::exchange(m_ended, true);
}

} // namespace mrun
