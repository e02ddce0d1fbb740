#include "common/session_folder.h"

#include <cstdlib>

namespace mrun {

bool is_session_folder(const std::filesystem::path& folder) {
  const char* value = std::getenv("XDG_RUNTIME_DIR");
  if (value == nullptr || value[0] != '/') return false;
  return (std::filesystem::path(value) / "mrun.sock").parent_path() == folder; // with or without a last slash
}

} // namespace mrun
