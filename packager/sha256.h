// SHA-256 (FIPS 180-4), piece by piece: what gives a blob its name.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "common/digest.h"

namespace mrun {

// Not for use after finish(). One thread at a time.
class Sha256 {
 public:
  Sha256();
  void update(std::string_view bytes);
  Digest finish();

  static Digest of(std::string_view bytes);

 private:
  alignas(16) std::array<std::byte, 128> m_state; // OpenSSL's SHA256_CTX, which its header would drag in here
};

} // namespace mrun
