#include "packager/signing/key.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/digest.h"
#include "common/fd.h"
#include "common/limits.h"
#include "common/text.h"
#include "packager/sha256.h"

namespace mrun {
namespace {

constexpr std::string_view k_make_hint =
    "make a pair as docs/signing.md shows: openssl genpkey -algorithm ed25519";

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Bio = std::unique_ptr<BIO, BioDeleter>;

struct DigestContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, DigestContextDeleter>;

struct KeyContextDeleter {
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, KeyContextDeleter>;

Bio memory_bio(std::string_view bytes) {
  return Bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

tl::unexpected<Error> refuse(std::string_view name, std::string_view why, std::string hint = {}) {
  ERR_clear_error(); // a later call must not find it
  return fail(ErrorCode::key_invalid, fmt::format("{}: {}", printable(name, 200), why), std::move(hint));
}

// The label of the one PEM block of a text (RFC 7468); "" when there is none, or more than one.
std::string pem_label(std::string_view pem) {
  constexpr std::string_view begin = "-----BEGIN ", end = "-----";
  const std::size_t at = pem.find(begin);
  if (at == std::string_view::npos || pem.find(begin, at + 1) != std::string_view::npos) return {};
  const std::string_view rest = pem.substr(at + begin.size());
  const std::size_t close = rest.find(end);
  return close == std::string_view::npos || close > 64 ? std::string() : std::string(rest.substr(0, close));
}

// `openssl ecparam -genkey` puts the curve's name into a block of its own, which says nothing new.
std::string_view skip_parameters(std::string_view pem) {
  constexpr std::string_view end = "-----END EC PARAMETERS-----";
  const std::size_t at = pem.find(end);
  return at == std::string_view::npos ? pem : pem.substr(at + end.size());
}

std::string text_parameter(const EVP_PKEY* key, const char* name) {
  std::array<char, 80> text{};
  std::size_t length = 0;
  if (EVP_PKEY_get_utf8_string_param(key, name, text.data(), text.size(), &length) != 1) return {};
  return std::string(text.data(), length);
}

// nullopt: one that we don't take.
std::optional<KeyKind> kind_of(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return KeyKind::ed25519;
  if (EVP_PKEY_is_a(key, "EC") != 1) return std::nullopt;
  // a curve spelled out in numbers is not one that we know, whatever it looks like (CVE-2020-0601)
  if (text_parameter(key, OSSL_PKEY_PARAM_EC_ENCODING) != OSSL_PKEY_EC_ENCODING_GROUP) return std::nullopt;
  const std::string curve = text_parameter(key, OSSL_PKEY_PARAM_GROUP_NAME);
  if (curve == "prime256v1" || curve == "P-256") return KeyKind::ecdsa_p256;
  if (curve == "secp384r1" || curve == "P-384") return KeyKind::ecdsa_p384;
  return std::nullopt;
}

// nullptr: the algorithm has its own.
const EVP_MD* hash_of(KeyKind kind) {
  switch (kind) {
  case KeyKind::ecdsa_p256:
    return EVP_sha256();
  case KeyKind::ecdsa_p384:
    return EVP_sha384();
  case KeyKind::ed25519:
    break;
  }
  return nullptr;
}

// SubjectPublicKeyInfo in DER, the point uncompressed as other tools write it.
std::string public_der(EVP_PKEY* key, KeyKind kind) {
  if (kind != KeyKind::ed25519)
    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                   OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED);
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  MRUN_CHECK(size > 0);
  std::string bytes(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// What OpenSSL's reader asks when it meets an encrypted key, and what came of it.
struct Asking {
  const PrivateKey::AskPassphrase& ask;
  bool asked = false;
  std::optional<Error> error;
};

int give_passphrase(char* to, int room, int, void* user) {
  auto& asking = *static_cast<Asking*>(user);
  asking.asked = true;
  Result<std::string> passphrase = asking.ask();
  if (!passphrase) {
    asking.error = std::move(passphrase).error();
    return -1;
  }
  const std::size_t size = passphrase->size();
  if (size > static_cast<std::size_t>(room)) {
    asking.error =
        fail(ErrorCode::key_passphrase, fmt::format("the passphrase is longer than {} bytes", room)).value();
    return -1;
  }
  std::memcpy(to, passphrase->data(), size);
  OPENSSL_cleanse(passphrase->data(), size);
  return static_cast<int>(size);
}

// Whether what the key signs is verified by the public half that its file holds beside the private one.
bool halves_fit(EVP_PKEY* key) {
  const KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  return context != nullptr && EVP_PKEY_pairwise_check(context.get()) == 1;
}

Result<void> check_private_label(std::string_view pem, std::string_view name) {
  const std::string label = pem_label(skip_parameters(pem));
  if (label == "PRIVATE KEY" || label == "ENCRYPTED PRIVATE KEY" || label == "EC PRIVATE KEY") return {};
  if (label == "ENCRYPTED SIGSTORE PRIVATE KEY" || label == "ENCRYPTED COSIGN PRIVATE KEY")
    return refuse(
        name, "a private key in cosign's own encryption, which OpenSSL does not read",
        "make the pair with openssl, and give it to cosign with `cosign import-key-pair --key FILE`");
  if (label == "PUBLIC KEY") return refuse(name, "a public key: signing needs the private one");
  return refuse(name, "not one private key in PEM", std::string(k_make_hint));
}

} // namespace

std::string_view key_kind_name(KeyKind kind) {
  switch (kind) {
  case KeyKind::ecdsa_p256:
    return "ECDSA P-256";
  case KeyKind::ecdsa_p384:
    return "ECDSA P-384";
  case KeyKind::ed25519:
    break;
  }
  return "Ed25519";
}

void KeyDeleter::operator()(evp_pkey_st* key) const {
  EVP_PKEY_free(key);
}

// ---- public keys
// -------------------------------------------------------------------------------------------

Result<PublicKey> PublicKey::make(KeyHandle handle, std::string name) {
  const std::optional<KeyKind> kind = kind_of(handle.get());
  if (!kind)
    return refuse(name, "a kind of key that is not used here",
                  "Ed25519, and ECDSA over the named curves P-256 and P-384, are");
  PublicKey key;
  key.m_kind = *kind;
  key.m_name = std::move(name);
  const Digest fingerprint = Sha256::of(public_der(handle.get(), *kind));
  key.m_hint = base64_encode(std::string_view(reinterpret_cast<const char*>(fingerprint.bytes().data()), 32));
  key.m_handle = std::move(handle);
  return key;
}

Result<PublicKey> PublicKey::parse(std::string_view pem, std::string name) {
  if (pem.size() > k_max_key_bytes) return refuse(name, "too large for a key");
  const std::string label = pem_label(pem);
  if (label.ends_with("PRIVATE KEY"))
    return refuse(name, "a private key: verifying needs the public one, and nobody else should have this",
                  "openssl pkey -in FILE -pubout writes the public half");
  if (label != "PUBLIC KEY") return refuse(name, "not one public key in PEM", std::string(k_make_hint));
  const Bio bio = memory_bio(pem);
  KeyHandle handle(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
  if (!handle) return refuse(name, "a damaged public key");
  return make(std::move(handle), std::move(name));
}

Result<PublicKey> PublicKey::read(const std::string& path) {
  MRUN_ASSIGN(const std::string pem,
              read_file(path, k_max_key_bytes, ErrorCode::key_invalid, ErrorCode::key_invalid));
  return parse(pem, path);
}

std::string PublicKey::pem() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  MRUN_CHECK(PEM_write_bio_PUBKEY(bio.get(), m_handle.get()) == 1);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  return std::string(bytes, static_cast<std::size_t>(size));
}

bool PublicKey::verifies(std::string_view message, std::string_view signature) const {
  const DigestContext context(EVP_MD_CTX_new());
  const bool verified =
      EVP_DigestVerifyInit(context.get(), nullptr, hash_of(m_kind), nullptr, m_handle.get()) == 1 &&
      EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message),
                       message.size()) == 1; // 0 and negative: no
  ERR_clear_error();
  return verified;
}

// ---- private keys
// ------------------------------------------------------------------------------------------

Result<PrivateKey> PrivateKey::parse(std::string_view pem, std::string name, const AskPassphrase& ask) {
  if (pem.size() > k_max_key_bytes) return refuse(name, "too large for a key");
  MRUN_TRY(check_private_label(pem, name));
  const Bio bio = memory_bio(pem);
  Asking asking{.ask = ask, .asked = false, .error = std::nullopt};
  KeyHandle handle(PEM_read_bio_PrivateKey(bio.get(), nullptr, &give_passphrase, &asking));
  if (!handle && asking.error) {
    ERR_clear_error();
    return tl::unexpected<Error>(*asking.error);
  }
  if (!handle && asking.asked) {
    ERR_clear_error();
    return fail(ErrorCode::key_passphrase,
                fmt::format("{}: the passphrase is not the key's", printable(name, 200)));
  }
  if (!handle) return refuse(name, "a damaged private key");
  if (!halves_fit(handle.get()))
    return refuse(name, "a damaged private key: its public half is another key's");
  // The public half is made of its own bytes, so that it shares nothing with the private one.
  const std::optional<KeyKind> kind = kind_of(handle.get());
  const std::string der = kind ? public_der(handle.get(), *kind) : std::string();
  const unsigned char* at = bytes_of(der);
  KeyHandle half(kind ? d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())) : nullptr);
  if (!half)
    return refuse(name, "a kind of key that is not used here",
                  "Ed25519, and ECDSA over the named curves P-256 and P-384, are");
  MRUN_ASSIGN(PublicKey public_key, PublicKey::make(std::move(half), std::move(name)));
  return PrivateKey(std::move(handle), std::move(public_key));
}

Result<PrivateKey> PrivateKey::read(const std::string& path, const AskPassphrase& ask) {
  MRUN_ASSIGN(std::string pem,
              read_file(path, k_max_key_bytes, ErrorCode::key_invalid, ErrorCode::key_invalid));
  Result<PrivateKey> key = parse(pem, path, ask);
  OPENSSL_cleanse(pem.data(), pem.size());
  return key;
}

Result<std::string> PrivateKey::sign(std::string_view message) const {
  const DigestContext context(EVP_MD_CTX_new());
  std::size_t size = 0;
  const EVP_MD* hash = hash_of(m_public.kind());
  std::string signature;
  const bool began = EVP_DigestSignInit(context.get(), nullptr, hash, nullptr, m_handle.get()) == 1 &&
                     EVP_DigestSign(context.get(), nullptr, &size, bytes_of(message), message.size()) == 1;
  if (began) signature.resize(size);
  if (!began || EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                               bytes_of(message), message.size()) != 1)
    return refuse(m_public.name(), "OpenSSL can't sign with this key");
  signature.resize(size); // DER may be shorter than its bound
  return signature;
}

} // namespace mrun
