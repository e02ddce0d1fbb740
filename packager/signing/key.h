// The keys that sign versions, and the public halves that verify: PEM files, Ed25519 and ECDSA, by OpenSSL.
//
// A key fixes its algorithm, whatever a message says: Ed25519 (RFC 8032, not the prehashed kind), ECDSA over
// P-256 with SHA-256, ECDSA over P-384 with SHA-384 (FIPS 186-5), signatures in strict DER. These are the
// defaults of sigstore's algorithm registry. Only mrun-remote links this: EVP costs a start-up time of its
// own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/error.h"

struct evp_pkey_st; // OpenSSL's EVP_PKEY

namespace mrun {

enum class KeyKind { ed25519, ecdsa_p256, ecdsa_p384 };
std::string_view key_kind_name(KeyKind kind); // "Ed25519", "ECDSA P-256", …

struct KeyDeleter {
  void operator()(evp_pkey_st* key) const;
};
using KeyHandle = std::unique_ptr<evp_pkey_st, KeyDeleter>;

class PublicKey {
 public:
  // One `PUBLIC KEY` block (SubjectPublicKeyInfo, RFC 7468 §13). `name` is shown in messages: the file, or
  // where an inline key stands. Error key_invalid.
  static Result<PublicKey> parse(std::string_view pem, std::string name);
  static Result<PublicKey> read(const std::string& path); // the file; error key_invalid

  const std::string& name() const { return m_name; }
  KeyKind kind() const { return m_kind; }
  // base64 of the sha256 of the key's DER: what a signature calls it.
  const std::string& hint() const { return m_hint; }
  std::string pem() const;
  bool verifies(std::string_view message, std::string_view signature) const;

 private:
  friend class PrivateKey;
  PublicKey() = default;
  static Result<PublicKey> make(KeyHandle handle, std::string name);

  KeyHandle m_handle;
  KeyKind m_kind = KeyKind::ed25519;
  std::string m_name;
  std::string m_hint;
};

class PrivateKey {
 public:
  // Called once, for an encrypted key only.
  using AskPassphrase = std::function<Result<std::string>()>;

  // One `PRIVATE KEY`, `ENCRYPTED PRIVATE KEY` (PKCS#8) or `EC PRIVATE KEY` block. Errors: key_invalid,
  // key_passphrase, those of `ask`.
  static Result<PrivateKey> parse(std::string_view pem, std::string name, const AskPassphrase& ask);
  static Result<PrivateKey> read(const std::string& path, const AskPassphrase& ask);

  const PublicKey& public_key() const { return m_public; }
  Result<std::string> sign(std::string_view message) const;

 private:
  PrivateKey(KeyHandle handle, PublicKey public_key)
      : m_handle(std::move(handle)),
        m_public(std::move(public_key)) {}

  KeyHandle m_handle;
  PublicKey m_public;
};

} // namespace mrun
