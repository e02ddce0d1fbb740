#include "cli/remote/signing.h"

#include <cstdlib>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/remote/credential_input.h"
#include "common/fd.h"
#include "common/shell_word.h"
#include "common/text.h"
#include "packager/config_file.h"
#include "packager/registry/pull.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_max_passphrase_bytes = 1024; // what OpenSSL takes

// Never from the command line, where other users see it.
Result<std::string> ask_passphrase(const Context& context, const Arguments& arguments,
                                   const std::string& path) {
  if (arguments.has("passphrase-stdin"))
    return read_secret(k_max_passphrase_bytes + 2, ErrorCode::key_passphrase);
  if (const char* text = std::getenv("MRUN_SIGN_PASSPHRASE"); text != nullptr) return std::string(text);
  if (context.terminal.in_is_terminal() && context.terminal.err_is_terminal())
    return context.terminal.ask(fmt::format("passphrase of {}: ", printable(path, 200)),
                                k_max_passphrase_bytes, Terminal::Echo::hidden);
  return fail(ErrorCode::key_passphrase,
              fmt::format("{} is encrypted, and nobody is there to ask", printable(path, 200)));
}

void warn_of_readers(const Context& context, const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & 077) != 0)
    context.warn(fmt::format("others may read the private key {}: chmod 600 {}", printable(path, 200),
                             shell_word(printable(path, 4096))));
}

Result<PublicKey> read_trusted_key(const std::string& key, const std::string& pattern) {
  if (key.starts_with("-----BEGIN ")) return PublicKey::parse(key, "the key of " + pattern);
  return PublicKey::read(key);
}

} // namespace

Result<PrivateKey> read_signing_key(const Context& context, const Arguments& arguments) {
  const std::string path = arguments.value("sign").value_or("");
  Result<PrivateKey> key = PrivateKey::read(path, [&] { return ask_passphrase(context, arguments, path); });
  if (key) warn_of_readers(context, path);
  return key;
}

Result<SignatureDemand> demand_for(const Context& context, const Arguments& arguments,
                                   const Reference& remote) {
  SignatureDemand demand;
  for (const std::string& path : arguments.values("key")) {
    MRUN_ASSIGN(PublicKey key, PublicKey::read(path));
    demand.keys.push_back(std::move(key));
    demand.mode = SignatureMode::enforce;
  }
  if (!demand.keys.empty()) return demand;
  MRUN_ASSIGN(const HomePaths home, context.home());
  MRUN_ASSIGN(const SharingConfig config, load_sharing_config(home.config_file.string()));
  const SignatureRule* rule = rule_for(config.require_signature, remote.host, repository_of(remote));
  if (rule == nullptr || rule->mode == SignatureMode::off) return demand;
  demand.mode = rule->mode;
  for (const std::string& key : rule->keys) {
    Result<PublicKey> trusted = read_trusted_key(key, rule->pattern);
    if (!trusted)
      return tl::unexpected<Error>(std::move(trusted).error().with_note(fmt::format(
          "while reading the rule {} of require_signature in {}", rule->pattern, home.config_file.string())));
    demand.keys.push_back(std::move(*trusted));
  }
  return demand;
}

} // namespace mrun::cli
