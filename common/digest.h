// A sha256 digest as a type. There is no way to make a path, a tag or a reply from an unchecked digest
// string.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"

namespace mrun {

class Digest {
 public:
  using Bytes = std::array<std::uint8_t, 32>;

  Digest() = default; // all zero; no content has it
  explicit Digest(const Bytes& bytes) : m_bytes(bytes) {}

  // "sha256:" and 64 lower-case hex digits, nothing else (OCI image-spec descriptor.md). Error:
  // bundle_invalid.
  static Result<Digest> parse(std::string_view text);
  // 64 lower-case hex digits.
  static Result<Digest> parse_hex(std::string_view text);

  std::string text() const; // sha256:…
  std::string hex() const;  // 64 digits
  std::string short_hex() const { return hex().substr(0, 12); }
  const Bytes& bytes() const { return m_bytes; }

  auto operator<=>(const Digest&) const = default;

 private:
  Bytes m_bytes{};
};

// True for 8 to 64 lower-case hex digits: what may abbreviate a digest in a reference.
bool is_digest_prefix(std::string_view text);

} // namespace mrun

template<>
struct std::hash<mrun::Digest> {
  std::size_t operator()(const mrun::Digest& digest) const noexcept;
};
