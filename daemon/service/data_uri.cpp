#include "daemon/service/data_uri.h"

#include <optional>

#include "common/text.h"

namespace mrun {
namespace {

constexpr std::string_view k_scheme = "data:";

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

bool percent_decode(std::string_view text, std::string& bytes) {
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return false;
    const auto high = hex_digit(text[i + 1]);
    const auto low = hex_digit(text[i + 2]);
    if (!high || !low) return false;
    bytes += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return true;
}

} // namespace

bool is_data_uri(std::string_view text) {
  return text.size() >= k_scheme.size() && lower_ascii(text.substr(0, k_scheme.size())) == k_scheme;
}

bool parse_data_uri(std::string_view text, DataUri& uri) {
  if (!is_data_uri(text)) return false;
  const std::size_t comma = text.find(',');
  if (comma == std::string_view::npos) return false;
  std::string_view head = text.substr(k_scheme.size(), comma - k_scheme.size());
  const std::string_view data = text.substr(comma + 1);
  constexpr std::string_view k_mark = ";base64";
  const bool base64 =
      head.size() >= k_mark.size() && lower_ascii(head.substr(head.size() - k_mark.size())) == k_mark;
  uri.media_type = std::string(head.substr(0, head.find(';')));
  uri.bytes.clear();
  if (!base64) return percent_decode(data, uri.bytes);
  if (data.find('%') == std::string_view::npos) return base64_decode(data, uri.bytes);
  std::string plain; // some clients escape `+`, `/` and `=`
  return percent_decode(data, plain) && base64_decode(plain, uri.bytes);
}

} // namespace mrun
