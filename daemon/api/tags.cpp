#include "daemon/api/tags.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"

namespace mrun {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

bool percent_decoded(std::string_view text, std::string& decoded) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (text.size() - i < 3) return false;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return false;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return true;
}

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Result<void> add_pair(Tags& tags, std::string_view key, std::string value) {
  const auto refuse = [&](std::string_view what) {
    return fail(ErrorCode::tag_invalid,
                fmt::format("tag `{}`: {}", printable(key, k_max_tag_key_bytes), what));
  };
  if (!is_tag_key(key))
    return refuse(fmt::format("a key is a letter, then letters, digits, `_`, `-` and `.`, at most {} bytes",
                              k_max_tag_key_bytes));
  if (value.empty()) return refuse("the value is empty");
  if (value.size() > k_max_tag_value_bytes)
    return refuse(
        fmt::format("the value has {} bytes, the limit is {}", value.size(), k_max_tag_value_bytes));
  if (!is_valid_utf8(value) || has_control_character(value))
    return refuse("the value has control characters or is not UTF-8");
  if (tags.contains(std::string(key))) return refuse("it is given twice");
  if (tags.size() >= k_max_tags)
    return fail(ErrorCode::tag_invalid, fmt::format("there are over {} tags", k_max_tags));
  tags.emplace(key, std::move(value));
  return {};
}

} // namespace

bool is_tag_key(std::string_view text) {
  return !text.empty() && text.size() <= k_max_tag_key_bytes && is_letter(text[0]) &&
         std::ranges::all_of(text, [](char c) {
           return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
         });
}

Result<void> add_tag(Tags& tags, std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos)
    return fail(ErrorCode::tag_invalid, fmt::format("tag `{}` is not key=value", printable(text, 60)));
  return add_pair(tags, text.substr(0, equals), std::string(text.substr(equals + 1)));
}

Result<void> add_tags_of_header(Tags& tags, std::string_view header) {
  for (const std::string_view item : split(header, ',')) {
    const std::string_view pair = trim(item);
    const std::size_t equals = pair.find('=');
    std::string value;
    if (equals == std::string_view::npos || !percent_decoded(trim(pair.substr(equals + 1)), value))
      return fail(ErrorCode::tag_invalid, fmt::format("the header {} has `{}`, which is not key=value",
                                                      k_tags_header, printable(pair, 60)));
    MRUN_TRY(add_pair(tags, trim(pair.substr(0, equals)), std::move(value)));
  }
  return {};
}

std::string tags_header(const Tags& tags) {
  std::string text;
  for (const auto& [key, value] : tags)
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", key, percent_encode(value));
  return text;
}

Json tags_json(const Tags& tags) {
  Json json = Json::object();
  for (const auto& [key, value] : tags)
    json[key] = value;
  return json;
}

std::string encode_tags(const Tags& tags) {
  return tags.empty() ? std::string() : canonical_json(tags_json(tags));
}

Tags decode_tags(std::string_view text) {
  Tags tags;
  if (text.empty()) return tags;
  const Result<Json> json = parse_json(text, ErrorCode::database_corrupt, "a prediction's tags");
  if (!json || !json->is_object()) return tags;
  for (const auto& [key, value] : json->items())
    if (value.is_string()) tags.emplace(key, value.get<std::string>());
  return tags;
}

} // namespace mrun
