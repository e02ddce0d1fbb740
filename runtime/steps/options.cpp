#include "runtime/steps/options.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

constexpr std::size_t k_shown = 60; // characters of a wrong value in a message

std::string shown(const Json& value) {
  return printable(canonical_json(value), k_shown);
}

std::string quoted(std::initializer_list<std::string_view> names) {
  return fmt::format("`{}`", fmt::join(names, "`, `"));
}

std::string kind(const StepValue& value) {
  if (const Tensor* tensor = std::get_if<Tensor>(&value))
    return fmt::format("a tensor {} {}", dtype_name(tensor->dtype()), shape_text(tensor->shape()));
  if (std::holds_alternative<Json>(value)) return fmt::format("a JSON {}", std::get<Json>(value).type_name());
  return "a file";
}

} // namespace

Result<void> OptionReader::check_names() const {
  for (const auto& [key, value] : m_options.options.items()) {
    if (key == "step" || key == "from" || key == "to" ||
        std::find(m_known.begin(), m_known.end(), key) != m_known.end())
      continue;
    std::vector<std::string> names = m_known;
    names.insert(names.end(), {"from", "to"});
    const std::string near = nearest(key, names);
    return fail(ErrorCode::manifest_step,
                fmt::format("step `{}` has no option `{}`", m_step, printable(key, k_shown)),
                near.empty() ? fmt::format("its options are `{}`", fmt::join(names, "`, `"))
                             : fmt::format("did you mean `{}`?", near));
  }
  return {};
}

const Json* OptionReader::find(std::string_view key) const {
  const auto at = m_options.options.find(key);
  return at == m_options.options.end() || at->is_null() ? nullptr : &*at;
}

bool OptionReader::has(std::string_view key) const {
  return find(key) != nullptr;
}

tl::unexpected<Error> OptionReader::error(std::string message) const {
  return fail(ErrorCode::manifest_step, fmt::format("step `{}`: {}", m_step, message));
}

Result<std::string> OptionReader::text(std::string_view key, std::optional<std::string> fallback) const {
  const Json* value = find(key);
  if (value == nullptr && fallback) return *std::move(fallback);
  if (value == nullptr) return error(fmt::format("option `{}` is missing", key));
  if (!value->is_string() || value->get_ref<const std::string&>().empty())
    return error(fmt::format("option `{}` is {}, text is needed", key, shown(*value)));
  return value->get<std::string>();
}

Result<std::size_t> OptionReader::choice(std::string_view key, std::initializer_list<std::string_view> names,
                                         std::string_view fallback) const {
  MRUN_ASSIGN(const std::string value, text(key, std::string(fallback)));
  const auto at = std::find(names.begin(), names.end(), value);
  if (at == names.end())
    return error(
        fmt::format("option `{}` is `{}`, it can be {}", key, printable(value, k_shown), quoted(names)));
  return static_cast<std::size_t>(at - names.begin());
}

Result<std::int64_t> OptionReader::integer(std::string_view key, std::int64_t low, std::int64_t high,
                                           std::optional<std::int64_t> fallback) const {
  const Json* value = find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value == nullptr) return error(fmt::format("option `{}` is missing", key));
  const bool fits = value->is_number_unsigned()
                        ? value->get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX)
                        : value->is_number_integer();
  if (!fits || value->get<std::int64_t>() < low || value->get<std::int64_t>() > high)
    return error(
        fmt::format("option `{}` is {}, an integer from {} to {} is needed", key, shown(*value), low, high));
  return value->get<std::int64_t>();
}

Result<double> OptionReader::number(std::string_view key, double low, double high, double fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_number() || !(value->get<double>() >= low && value->get<double>() <= high))
    return error(
        fmt::format("option `{}` is {}, a number from {} to {} is needed", key, shown(*value), low, high));
  return value->get<double>();
}

Result<bool> OptionReader::boolean(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean())
    return error(fmt::format("option `{}` is {}, true or false is needed", key, shown(*value)));
  return value->get<bool>();
}

Result<std::vector<double>> OptionReader::numbers(std::string_view key, std::size_t count) const {
  const Json* value = find(key);
  if (value == nullptr) return error(fmt::format("option `{}` is missing", key));
  const bool right =
      value->is_array() && !value->empty() && (count == 0 || value->size() == count) &&
      std::all_of(value->begin(), value->end(), [](const Json& item) { return item.is_number(); });
  if (!right)
    return error(fmt::format("option `{}` is {}, a list of {} is needed", key, shown(*value),
                             count == 0 ? "numbers" : fmt::format("{} numbers", count)));
  return value->get<std::vector<double>>();
}

Result<std::vector<std::int64_t>> OptionReader::integers(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return error(fmt::format("option `{}` is missing", key));
  const auto small = [](const Json& item) {
    return item.is_number_integer() && item.get<double>() >= -1 && item.get<double>() <= 1e15;
  };
  if (!value->is_array() || value->size() > k_max_tensor_rank ||
      !std::all_of(value->begin(), value->end(), small))
    return error(fmt::format("option `{}` is {}, a list of sizes is needed (-1: any)", key, shown(*value)));
  return value->get<std::vector<std::int64_t>>();
}

Result<DType> OptionReader::dtype(std::string_view key, std::string_view fallback) const {
  MRUN_ASSIGN(const std::string name, text(key, std::string(fallback)));
  DType type = DType::f32;
  if (!find_dtype(name, type))
    return error(fmt::format(
        "option `{}` is `{}`, it can be `f32`, `f64`, `f16`, `bf16`, `i8`, `i16`, `i32`, `i64`, `u8`, `bool`",
        key, printable(name, k_shown)));
  return type;
}

Result<Json> OptionReader::integer_or_input(std::string_view key, std::int64_t low, std::int64_t high) const {
  const Json* value = find(key);
  if (value != nullptr && value->is_string()) {
    const std::string& name = value->get_ref<const std::string&>();
    if (name.size() < 2 || name.front() != '$')
      return error(fmt::format("option `{}` is {}, an integer or `$input` is needed", key, shown(*value)));
    return *value;
  }
  MRUN_ASSIGN(const std::int64_t literal, integer(key, low, high));
  return Json(literal);
}

Result<const StepValue*> need_value(const Namespace& values, std::string_view name) {
  const auto at = values.find(name);
  if (at != values.end()) return &at->second;
  std::vector<std::string> names;
  for (const auto& [known, value] : values)
    names.push_back(known);
  const std::string near = nearest(name, names);
  return fail(ErrorCode::prediction_failed, fmt::format("there is no value `{}`", printable(name, k_shown)),
              near.empty() ? "" : fmt::format("did you mean `{}`?", near));
}

const Tensor* find_tensor(const Namespace& values, std::string_view name) {
  const auto at = values.find(name);
  return at == values.end() ? nullptr : std::get_if<Tensor>(&at->second);
}

Result<Tensor> need_tensor(const Namespace& values, std::string_view name) {
  MRUN_ASSIGN(const StepValue* value, need_value(values, name));
  if (const Tensor* tensor = std::get_if<Tensor>(value)) return *tensor;
  return fail(ErrorCode::prediction_failed,
              fmt::format("`{}` is {}, a tensor is needed", name, kind(*value)));
}

Result<Tensor> need_f32(const Namespace& values, std::string_view name) {
  MRUN_ASSIGN(const Tensor tensor, need_tensor(values, name));
  return to_f32(tensor);
}

Result<std::string_view> need_bytes(const Namespace& values, std::string_view name) {
  MRUN_ASSIGN(const StepValue* value, need_value(values, name));
  if (const FileBytes* file = std::get_if<FileBytes>(value)) return file->bytes;
  if (const MadeFile* made = std::get_if<MadeFile>(value)) return std::string_view(made->bytes);
  return fail(ErrorCode::prediction_failed, fmt::format("`{}` is {}, a file is needed", name, kind(*value)));
}

Result<std::string_view> need_text(const Namespace& values, std::string_view name) {
  MRUN_ASSIGN(const StepValue* value, need_value(values, name));
  const Json* json = std::get_if<Json>(value);
  if (json == nullptr || !json->is_string())
    return fail(ErrorCode::prediction_failed, fmt::format("`{}` is {}, text is needed", name, kind(*value)));
  return std::string_view(json->get_ref<const std::string&>());
}

Result<void> check_pixels(const Tensor& pixels) {
  const bool right = pixels.dtype() == DType::u8 && pixels.shape().size() == 3 && pixels.shape()[0] > 0 &&
                     pixels.shape()[1] > 0 && pixels.shape()[2] >= 1 && pixels.shape()[2] <= 4;
  if (right) return {};
  return fail(ErrorCode::prediction_failed,
              fmt::format("{} {} are no pixels: u8 [height, width, channels] is needed",
                          dtype_name(pixels.dtype()), shape_text(pixels.shape())));
}

Result<std::size_t> resolve_axis(std::int64_t axis, const Tensor& tensor) {
  const auto rank = static_cast<std::int64_t>(tensor.shape().size());
  if (axis < -rank || axis >= rank)
    return fail(ErrorCode::prediction_failed,
                fmt::format("there is no axis {} in a tensor of shape {}", axis, shape_text(tensor.shape())));
  return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

} // namespace mrun
