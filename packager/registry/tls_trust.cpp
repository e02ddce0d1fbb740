#include "packager/registry/tls_trust.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "common/fd.h"
#include "common/limits.h"

namespace mrun {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t k_max_certificates_bytes = 4 * k_mib; // the system's own bundle has 0.2
constexpr std::size_t k_max_files = 100;                    // in a host's folder

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The folders of a host that exist.
std::vector<fs::path> folders_of(std::string_view authority) {
  std::vector<fs::path> roots;
  if (authority.empty() || authority.front() == '.' || authority.find('/') != std::string_view::npos)
    return {};
  const fs::path home = environment("HOME"), config = environment("XDG_CONFIG_HOME");
  if (!config.empty() || !home.empty())
    roots.push_back((config.empty() ? home / ".config" : config) / "containers/certs.d");
  if (!home.empty()) roots.push_back(home / ".docker/certs.d");
  roots.emplace_back("/etc/containers/certs.d");
  roots.emplace_back("/etc/docker/certs.d");
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const fs::path& root : roots)
    if (fs::path folder = root / authority; fs::is_directory(folder, ignored))
      found.push_back(std::move(folder));
  return found;
}

Result<std::vector<fs::path>> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    if (files.size() == k_max_files)
      return fail(ErrorCode::registry_tls, fmt::format("{} has over {} files", folder.string(), k_max_files));
    files.push_back(entry.path());
  }
  if (failed)
    return fail(ErrorCode::registry_tls,
                fmt::format("can't read the folder {}: {}", folder.string(), failed.message()));
  std::ranges::sort(files);
  return files;
}

Result<void> add_folder(const fs::path& folder, TlsTrust& trust) {
  MRUN_ASSIGN(const std::vector<fs::path> files, files_of(folder));
  for (const fs::path& file : files) {
    if (file.extension() == ".crt") {
      MRUN_ASSIGN(const std::string text, read_file(file.string(), k_max_certificates_bytes,
                                                    ErrorCode::registry_tls, ErrorCode::registry_tls));
      trust.authorities += text + "\n";
    }
    if (file.extension() != ".cert" || !trust.certificate_file.empty()) continue;
    fs::path key = file;
    key.replace_extension(".key");
    if (std::ranges::find(files, key) == files.end())
      return fail(ErrorCode::registry_tls,
                  fmt::format("the client certificate {} has no key beside it", file.string()),
                  fmt::format("put its key at {}", key.string()));
    trust.certificate_file = file;
    trust.key_file = key;
  }
  return {};
}

} // namespace

bool has_certificates_for(std::string_view authority) {
  return !folders_of(authority).empty();
}

Result<TlsTrust> tls_trust_for(std::string_view authority) {
  TlsTrust trust;
  trust.authorities_folder = environment("SSL_CERT_DIR");
  trust.authorities_file = environment("CURL_CA_BUNDLE");
  if (trust.authorities_file.empty()) trust.authorities_file = environment("SSL_CERT_FILE");
  for (const fs::path& folder : folders_of(authority))
    MRUN_TRY(add_folder(folder, trust));
  return trust;
}

} // namespace mrun
