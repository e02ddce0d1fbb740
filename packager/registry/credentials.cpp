#include "packager/registry/credentials.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include <fmt/format.h>

#include "common/fd.h"
#include "common/replace_file.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_file_bytes = 1024 * 1024;
constexpr std::size_t k_max_secret_bytes = 64 * 1024; // cloud registries hand out tokens of several KiB
constexpr std::string_view k_hub_key = "https://index.docker.io/v1/";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The names under which tools have put a host into a config: Docker Hub's is a URL of old.
std::vector<std::string> keys_of(const std::string& host) {
  if (host == "docker.io" || host == "index.docker.io" || host == "registry-1.docker.io")
    return {std::string(k_hub_key), "docker.io", "index.docker.io", "registry-1.docker.io"};
  return {host,
          "https://" + host,
          "https://" + host + "/",
          "https://" + host + "/v1/",
          "https://" + host + "/v2/",
          "http://" + host};
}

std::string text_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Json object_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : Json::object();
}

// The helper that a config names for a host; "" for none.
std::string helper_name(const Json& config, const std::string& host) {
  const Json by_host = object_member(config, "credHelpers");
  for (const std::string& key : keys_of(host))
    if (const std::string name = text_member(by_host, key.c_str()); !name.empty()) return name;
  return text_member(config, "credsStore");
}

Result<std::optional<Credential>> read_entry(const Json& entry, const std::string& where) {
  Credential credential;
  if (const std::string token = text_member(entry, "registrytoken"); !token.empty()) {
    credential.kind = Credential::Kind::registry_token;
    credential.secret = token;
  } else if (const std::string identity = text_member(entry, "identitytoken"); !identity.empty()) {
    credential.kind = Credential::Kind::identity_token;
    credential.secret = identity;
  } else if (const std::string auth = text_member(entry, "auth"); !auth.empty()) {
    std::string pair;
    const std::size_t colon = base64_decode(auth, pair) ? pair.find(':') : std::string::npos;
    if (colon == std::string::npos)
      return fail(ErrorCode::credentials, fmt::format("the credentials in {} can't be read", where),
                  "log in again with `mrun login`");
    credential.username = pair.substr(0, colon);
    credential.secret = pair.substr(colon + 1);
    credential.secret.erase(std::find(credential.secret.begin(), credential.secret.end(), '\0'),
                            credential.secret.end());
  } else {
    credential.username = text_member(entry, "username");
    credential.secret = text_member(entry, "password");
  }
  if (credential.secret.empty()) return std::nullopt; // an empty entry says that a helper has it
  MRUN_TRY(check_credential(credential));
  return credential;
}

Result<void> write_config(const std::filesystem::path& file, const Json& config) {
  std::error_code failed;
  std::filesystem::create_directories(file.parent_path(), failed);
  if (failed)
    return fail(ErrorCode::credentials,
                fmt::format("can't make the folder of {}: {}", file.string(), failed.message()));
  // A link, into a folder of dotfiles, stays one.
  const std::filesystem::path target = std::filesystem::weakly_canonical(file, failed);
  return replace_file(failed ? file : target, config.dump(2) + "\n", 0600, Durable::yes,
                      ErrorCode::credentials);
}

} // namespace

Result<void> check_credential(const Credential& credential) {
  const auto is_plain = [](std::string_view text) {
    return std::ranges::none_of(text,
                                [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  };
  if (credential.username.size() > k_max_secret_bytes || credential.secret.size() > k_max_secret_bytes)
    return fail(ErrorCode::credentials, "a user name or secret has over 64 KiB");
  if (!is_plain(credential.username) || !is_plain(credential.secret))
    return fail(ErrorCode::credentials, "a user name or secret has control characters");
  return {};
}

Credentials Credentials::from_environment() {
  std::vector<std::filesystem::path> files;
  const std::string docker = environment("DOCKER_CONFIG"), home = environment("HOME");
  if (!docker.empty())
    files.emplace_back(std::filesystem::path(docker) / "config.json");
  else if (!home.empty())
    files.emplace_back(std::filesystem::path(home) / ".docker" / "config.json");
  if (const std::string file = environment("REGISTRY_AUTH_FILE"); !file.empty()) files.emplace_back(file);
  if (const std::string run = environment("XDG_RUNTIME_DIR"); !run.empty())
    files.emplace_back(std::filesystem::path(run) / "containers" / "auth.json");
  return Credentials(std::move(files));
}

Result<Json> Credentials::read(const std::filesystem::path& file) const {
  std::error_code failed;
  if (!std::filesystem::exists(file, failed)) return Json::object();
  MRUN_ASSIGN(const std::string text,
              read_file(file.string(), k_max_file_bytes, ErrorCode::credentials, ErrorCode::credentials));
  if (trim(text).empty()) return Json::object();
  MRUN_ASSIGN(Json config, parse_json(text, ErrorCode::credentials, file.string(), {k_max_file_bytes, 32}));
  if (!config.is_object())
    return fail(ErrorCode::credentials, fmt::format("{} is not a JSON object", file.string()));
  return config;
}

Result<std::optional<Credential>> Credentials::find(const std::string& host,
                                                    const std::string& repository) const {
  std::vector<std::string> keys;
  for (std::string path = repository; !path.empty();
       path.resize(path.find('/') == std::string::npos ? 0 : path.rfind('/')))
    keys.push_back(host + "/" + path);
  std::ranges::copy(keys_of(host), std::back_inserter(keys));
  for (const std::filesystem::path& file : m_files) {
    MRUN_ASSIGN(const Json config, read(file));
    const std::string helper = helper_name(config, host);
    if (!helper.empty() && !has_helper(helper)) {
      if (m_warn)
        m_warn(
            fmt::format("the credential helper docker-credential-{}, which {} names, is not installed: going "
                        "on without it",
                        printable(helper, 60), file.string()));
    } else if (!helper.empty()) {
      MRUN_ASSIGN(std::optional<Credential> found, helper_get(helper, keys_of(host).front()));
      if (found) return found;
    }
    const Json auths = object_member(config, "auths");
    for (const std::string& key : keys) {
      const auto entry = auths.find(key);
      if (entry == auths.end() || !entry->is_object()) continue;
      MRUN_ASSIGN(std::optional<Credential> found, read_entry(*entry, file.string()));
      if (found) return found;
    }
  }
  return std::nullopt;
}

Result<std::string> Credentials::save(const std::string& host, const Credential& credential) const {
  MRUN_TRY(check_credential(credential));
  if (m_files.empty())
    return fail(ErrorCode::credentials,
                "neither HOME nor DOCKER_CONFIG is set, so there is no place for credentials");
  const std::filesystem::path& file = m_files.front();
  MRUN_ASSIGN(Json config, read(file));
  const std::string key = keys_of(host).front();
  if (const std::string helper = helper_name(config, host); !helper.empty()) {
    MRUN_TRY(helper_store(helper, key, credential));
    return fmt::format("the credential helper {}", helper);
  }
  Json entry;
  if (credential.kind == Credential::Kind::identity_token)
    entry = {{"identitytoken", credential.secret}};
  else
    entry = {{"auth", base64_encode(credential.username + ":" + credential.secret)}};
  if (!config["auths"].is_object()) config["auths"] = Json::object();
  config["auths"][key] = std::move(entry);
  MRUN_TRY(write_config(file, config));
  return file.string();
}

Result<bool> Credentials::erase(const std::string& host) const {
  bool erased = false;
  for (const std::filesystem::path& file : m_files) {
    MRUN_ASSIGN(Json config, read(file));
    if (const std::string helper = helper_name(config, host); !helper.empty() && has_helper(helper)) {
      MRUN_ASSIGN(const std::optional<Credential> known, helper_get(helper, keys_of(host).front()));
      if (known) MRUN_TRY(helper_erase(helper, keys_of(host).front()));
      erased = erased || known.has_value();
    }
    if (!config.contains("auths") || !config["auths"].is_object()) continue;
    std::size_t gone = 0;
    for (const std::string& key : keys_of(host))
      gone += config["auths"].erase(key);
    if (gone == 0) continue;
    MRUN_TRY(write_config(file, config));
    erased = true;
  }
  return erased;
}

} // namespace mrun
