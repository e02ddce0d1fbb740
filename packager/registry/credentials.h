// Who the user is to a registry: Docker's config files and credential helpers, so that `docker login` is
// enough.
//
// Read in this order, the first that knows the host wins: $DOCKER_CONFIG/config.json or ~/.docker/config.json
// (its credHelpers, then credsStore, then auths), $REGISTRY_AUTH_FILE, $XDG_RUNTIME_DIR/containers/auth.json.
// Formats: docker/cli and containers/image (containers-auth.json(5)); helpers:
// docker/docker-credential-helpers README.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/json.h"

namespace mrun {

struct Credential {
  enum class Kind {
    password,       // for Basic, and for the token endpoint
    identity_token, // an OAuth2 refresh token
    registry_token  // a bearer token, used as it is
  };
  Kind kind = Kind::password;
  std::string username;
  std::string secret;
};

// What a helper or a file may hold: no control characters, which could forge a header or a helper's line.
Result<void> check_credential(const Credential& credential);

class Credentials {
 public:
  // Where the files are, by the environment.
  static Credentials from_environment();
  // `files`: the first one is where save() writes.
  explicit Credentials(std::vector<std::filesystem::path> files) : m_files(std::move(files)) {}
  // Gets a line where something is wrong and find() goes on all the same.
  void on_warning(std::function<void(const std::string& line)> warn) { m_warn = std::move(warn); }

  // The credential for a registry's host[:port]; nullopt: none, so go on without. In `auths` one of a longer
  // path, HOST/OWNER/NAME or HOST/OWNER, comes first (containers-auth.json(5)). A helper that is not
  // installed is a warning: a config may be shared with other machines, and the model public. Errors:
  // credentials (a file that can't be read, a helper that fails).
  Result<std::optional<Credential>> find(const std::string& host, const std::string& repository = "") const;
  // Into the helper that the config names for the host, else into `auths` (mode 0600; the rest of the file
  // stays). Says where it went.
  Result<std::string> save(const std::string& host, const Credential& credential) const;
  // False when there was none.
  Result<bool> erase(const std::string& host) const;

 private:
  Result<Json> read(const std::filesystem::path& file) const; // {} when absent
  std::vector<std::filesystem::path> m_files;
  std::function<void(const std::string&)> m_warn;
};

// Whether docker-credential-NAME is there to be run. True as well for a name that is none: running it fails.
bool has_helper(const std::string& name);
// Runs docker-credential-NAME with one verb: bounded in time and output. Error credentials.
Result<std::optional<Credential>> helper_get(const std::string& name, const std::string& server);
Result<void> helper_store(const std::string& name, const std::string& server, const Credential& credential);
Result<void> helper_erase(const std::string& name, const std::string& server);

} // namespace mrun
