#include "cli/remote/credential_input.h"

#include <set>

#include <fmt/format.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"

namespace mrun::cli {

Result<std::string> read_secret(std::size_t most_bytes, ErrorCode code) {
  MRUN_ASSIGN(std::string text, read_all(STDIN_FILENO, most_bytes, "standard input", code));
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

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
  MRUN_ASSIGN(credential.secret, read_secret(k_max_secret_bytes, ErrorCode::credentials));
  MRUN_TRY(check_given(credential));
  return credential;
}

Result<std::optional<Credential>> given_credential(const Arguments& arguments,
                                                   const std::vector<Reference>& references) {
  if (!arguments.has("token-stdin")) {
    if (!arguments.has("username")) return std::optional<Credential>();
    return fail(ErrorCode::usage, "`-u` names a user, and no password comes with it",
                "add `--token-stdin`, or `mrun login` once");
  }
  std::set<std::string> hosts;
  for (const Reference& reference : references)
    if (!reference.host.empty()) hosts.insert(reference.host);
  if (hosts.empty()) return fail(ErrorCode::usage, "a password is for a registry, and none is named");
  if (hosts.size() > 1)
    return fail(ErrorCode::usage,
                fmt::format("a password is of one registry, and there are {}", hosts.size()),
                "name models of one at a time, or `mrun login` once");
  MRUN_ASSIGN(Credential credential, read_credential(arguments));
  return std::optional<Credential>(std::move(credential));
}

} // namespace mrun::cli
