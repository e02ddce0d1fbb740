#include "packager/registry/token_servers.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "common/fd.h"
#include "common/json.h"
#include "common/replace_file.h"
#include "packager/registry_host.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_bytes = 1 * k_mib;
constexpr std::size_t k_max_servers = 1000; // of all registries
constexpr std::string_view k_schema = "mrun.token-servers/v1";

// Domains below which anybody gets a name, as far as registries or token servers are run there. The public
// suffix list has thousands; the rest of its kind is caught by the rules of is_shared().
constexpr std::array<std::string_view, 28> k_shared_domains = {
    "azurecr.cn",     "azurecr.io",  "azurecr.us",       "azurewebsites.net", "cloudapp.net",
    "cloudfront.net", "duckdns.org", "fly.dev",          "github.io",         "gitlab.io",
    "herokuapp.com",  "hf.space",    "jfrog.io",         "netlify.app",       "ngrok-free.app",
    "ngrok.app",      "ngrok.io",    "nip.io",           "onrender.com",      "pages.dev",
    "railway.app",    "run.app",     "s3.amazonaws.com", "sslip.io",          "vercel.app",
    "web.app",        "workers.dev", "amazonaws.com"};

// What countries sell names below: co.uk, com.au, gouv.fr.
constexpr std::array<std::string_view, 17> k_second_levels = {"ac",  "asso", "co",  "com",  "edu", "go",
                                                              "gob", "gouv", "gov", "govt", "id",  "mil",
                                                              "ne",  "net",  "nom", "or",   "org"};

bool is_shared(std::string_view domain) {
  const std::size_t dot = domain.find('.');
  if (dot == std::string_view::npos) return true;
  if (std::ranges::find(k_shared_domains, domain) != k_shared_domains.end()) return true;
  const std::string_view first = domain.substr(0, dot), rest = domain.substr(dot + 1);
  return rest.size() == 2 && std::ranges::find(k_second_levels, first) != k_second_levels.end();
}

bool is_address(std::string_view host) {
  return host.starts_with('[') || host.find_first_not_of("0123456789.") == std::string_view::npos;
}

// An object of lists; an empty one where there is no such file.
Json read_servers(const std::filesystem::path& file) {
  const auto text = read_file(file.string(), k_max_bytes, ErrorCode::io, ErrorCode::io);
  const auto json = text ? parse_json(*text, ErrorCode::io, "the token servers", {k_max_bytes, 4})
                         : Result<Json>(tl::unexpected(text.error()));
  if (!json || !json->is_object() || json->value("schema", Json()) != k_schema) return Json::object();
  Json servers = json->value("servers", Json::object());
  return servers.is_object() ? servers : Json::object();
}

Result<void> write_servers(const std::filesystem::path& file, Json servers) {
  std::error_code failed;
  std::filesystem::create_directories(file.parent_path(), failed);
  if (failed)
    return fail(ErrorCode::credentials,
                fmt::format("can't make the folder of {}: {}", file.string(), failed.message()));
  return replace_file(file, canonical_json({{"schema", k_schema}, {"servers", std::move(servers)}}), 0600,
                      Durable::yes, ErrorCode::credentials);
}

} // namespace

bool is_near(const Url& registry, const Url& realm) {
  if (realm.host == registry.host)
    return realm.port == registry.port || !(is_address(realm.host) || is_loopback_host(realm.host));
  if (is_address(registry.host) || is_address(realm.host)) return false;
  const std::size_t dot = registry.host.find('.');
  if (dot == std::string::npos) return false;
  const std::string domain = registry.host.substr(dot + 1);
  return !is_shared(domain) && (realm.host == domain || realm.host.ends_with("." + domain));
}

std::vector<std::string> TokenServerFile::of(std::string_view registry) const {
  std::vector<std::string> found;
  const Json servers = read_servers(m_file);
  const auto list = servers.find(std::string(registry));
  if (list == servers.end() || !list->is_array()) return found;
  for (const Json& server : *list)
    if (server.is_string()) found.push_back(server.get<std::string>());
  return found;
}

Result<void> TokenServerFile::add(std::string_view registry, std::string_view server) const {
  Json servers = read_servers(m_file);
  if (servers.size() >= k_max_servers) servers = Json::object();
  Json& list = servers[std::string(registry)];
  list = Json::array({server}); // a login says anew who it is
  return write_servers(m_file, std::move(servers));
}

Result<void> TokenServerFile::erase(std::string_view registry) const {
  Json servers = read_servers(m_file);
  if (servers.erase(std::string(registry)) == 0) return {};
  return write_servers(m_file, std::move(servers));
}

} // namespace mrun
