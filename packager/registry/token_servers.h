// Which token servers get a registry's credentials.
//
// A registry itself says who gives the tokens for it (the realm of its challenge). A realm at the registry's
// own host, or beside it in the same domain, is taken as the host that the user named. Any other one gets
// credentials only when the user named it, too: at `mrun login`, which is kept in a file of mrun's own, or in
// config.yaml.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "packager/registry/url.h"

namespace mrun {

// The same name, whatever the port (of a machine's address or `localhost`: the same port, too, since others
// may listen there); or, of registry.example.com, example.com and what lies below it, unless anybody can get
// a name there (github.io, co.uk).
bool is_near(const Url& registry, const Url& realm);

// What `mrun login` has kept. `registry` and `server`: HOST[:PORT] in the one spelling of canonical_host().
class TokenServerFile {
 public:
  explicit TokenServerFile(std::filesystem::path file) : m_file(std::move(file)) {}
  // Nothing where the file is absent or can't be read: then the user is asked again.
  std::vector<std::string> of(std::string_view registry) const;
  // Errors: credentials (the file can't be written).
  Result<void> add(std::string_view registry, std::string_view server) const;
  Result<void> erase(std::string_view registry) const;

 private:
  std::filesystem::path m_file;
};

} // namespace mrun
