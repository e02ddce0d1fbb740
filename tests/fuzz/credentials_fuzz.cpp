// Docker's config.json: a credential that comes out of it can forge no header. Helpers are not found here.
#include <cstdlib>

#include "packager/registry/credentials.h"
#include "packager/tests/support.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

void check_found(const Credentials& credentials, const std::string& host) {
  const auto found = credentials.find(host);
  if (!found) return fuzz::check_error(found.error());
  if (!*found) return;
  MRUN_CHECK(check_credential(**found).has_value() && !(*found)->secret.empty());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const testing::Folder folder;
  static const Credentials credentials({folder.path / "config.json"});
  static const int no_path = ::setenv("PATH", folder.path.c_str(), 1);
  MRUN_CHECK(no_path == 0);
  folder.write("config.json", fuzz::text_of(data, size));
  check_found(credentials, "registry.example:5000");
  check_found(credentials, "docker.io");
  return 0;
}
