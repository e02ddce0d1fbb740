#include "common/digest.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun {
namespace {

constexpr std::string_view k_prefix = "sha256:";
constexpr std::string_view k_digits = "0123456789abcdef";

bool is_hex(char c) {
  return k_digits.find(c) != std::string_view::npos;
}

} // namespace

Result<Digest> Digest::parse(std::string_view text) {
  if (!text.starts_with(k_prefix))
    return fail(ErrorCode::bundle_invalid, fmt::format("`{}` is not a sha256 digest", printable(text, 80)));
  return parse_hex(text.substr(k_prefix.size()));
}

Result<Digest> Digest::parse_hex(std::string_view text) {
  if (text.size() != 64 || !std::all_of(text.begin(), text.end(), is_hex))
    return fail(ErrorCode::bundle_invalid,
                fmt::format("`{}` is not 64 lower-case hex digits", printable(text, 80)));
  Bytes bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(k_digits.find(text[2 * i]) * 16 + k_digits.find(text[2 * i + 1]));
  return Digest(bytes);
}

std::string Digest::text() const {
  return std::string(k_prefix) + hex();
}

std::string Digest::hex() const {
  std::string out;
  out.reserve(64);
  for (const std::uint8_t byte : m_bytes) {
    out.push_back(k_digits[byte >> 4]);
    out.push_back(k_digits[byte & 15]);
  }
  return out;
}

bool is_digest_prefix(std::string_view text) {
  return text.size() >= 8 && text.size() <= 64 && std::all_of(text.begin(), text.end(), is_hex);
}

} // namespace mrun

std::size_t std::hash<mrun::Digest>::operator()(const mrun::Digest& digest) const noexcept {
  std::size_t value = 0;
  std::memcpy(&value, digest.bytes().data(), sizeof value);
  return value;
}
