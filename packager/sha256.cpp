// The low-level calls are deprecated in OpenSSL 3 in favor of EVP. They are used on purpose: linked
// statically they bring a few kilobytes with the SHA-NI code, where EVP brings providers, configuration files
// and a start-up cost.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "packager/sha256.h"

#include <openssl/sha.h>

namespace mrun {
namespace {

SHA256_CTX* context(std::array<std::byte, 128>& state) {
  return reinterpret_cast<SHA256_CTX*>(state.data());
}

} // namespace

Sha256::Sha256() : m_state{} {
  static_assert(sizeof(SHA256_CTX) <= sizeof(m_state) && alignof(SHA256_CTX) <= 16);
  MRUN_CHECK(SHA256_Init(context(m_state)) == 1);
}

void Sha256::update(std::string_view bytes) {
  MRUN_CHECK(SHA256_Update(context(m_state), bytes.data(), bytes.size()) == 1);
}

Digest Sha256::finish() {
  Digest::Bytes bytes{};
  MRUN_CHECK(SHA256_Final(bytes.data(), context(m_state)) == 1);
  return Digest(bytes);
}

Digest Sha256::of(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

} // namespace mrun
