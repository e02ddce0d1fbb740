#include "cli/remote/credential_input.h"

#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"

namespace mrun::cli {

Result<void> check_given(const Credential& credential) {
  if (credential.username.empty() || credential.secret.empty())
    return fail(ErrorCode::usage, "the user or the password is empty");
  return check_credential(credential);
}

Result<Credential> read_credential(const Arguments& arguments) {
  Credential credential;
  credential.username = arguments.value("username").value_or("");
  if (credential.username.empty())
    return fail(ErrorCode::usage, "no user is named",
                "add `-u NAME`; any name will do for a token of most registries");
  MRUN_ASSIGN(const std::string text,
              read_all(STDIN_FILENO, k_max_secret_bytes, "standard input", ErrorCode::credentials));
  credential.secret = trim(text);
  MRUN_TRY(check_given(credential));
  return credential;
}

Result<std::optional<Credential>> given_credential(const Arguments& arguments) {
  if (!arguments.has("token-stdin")) {
    if (!arguments.has("username")) return std::optional<Credential>();
    return fail(ErrorCode::usage, "`-u` names a user, and no password comes with it",
                "add `--token-stdin`, or `mrun login` once");
  }
  MRUN_ASSIGN(Credential credential, read_credential(arguments));
  return std::optional<Credential>(std::move(credential));
}

} // namespace mrun::cli
