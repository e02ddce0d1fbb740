#include "daemon/service/outputs.h"

namespace mrun {

void add_output_value(const TypeSpec& type, std::size_t count_before, Json& output, Json value) {
  if (type.iterator && type.concatenate && value.is_string())
    return add_output_text(type, output, value.get_ref<const std::string&>());
  if (type.iterator) {
    if (!output.is_array()) output = Json::array();
    output.push_back(std::move(value));
    return;
  }
  if (count_before == 0) {
    output = std::move(value);
    return;
  }
  if (count_before == 1) output = Json::array({std::move(output)});
  output.push_back(std::move(value));
}

void add_output_text(const TypeSpec& type, Json& output, std::string_view text) {
  if (type.iterator && !type.concatenate) {
    if (!output.is_array()) output = Json::array();
    output.push_back(text);
    return;
  }
  if (!output.is_string()) output = std::string();
  output.get_ref<std::string&>() += text;
}

std::size_t held_bytes(const Json& value) {
  std::size_t sum = 16;
  if (value.is_string()) return sum + value.get_ref<const std::string&>().size();
  if (value.is_object())
    for (const auto& [key, member] : value.items())
      sum += key.size() + held_bytes(member);
  else if (value.is_array())
    for (const Json& item : value)
      sum += held_bytes(item);
  return sum;
}

} // namespace mrun
