// The folder of the user's session, where mrun puts its socket.
#pragma once

#include <filesystem>

namespace mrun {

// Whether `folder` is what XDG_RUNTIME_DIR names. It is not mrun's own, and may be anything (/tmp): nobody
// is to be told to change its owner or mode, and mrun does not either.
bool is_session_folder(const std::filesystem::path& folder);

// The way out where that folder can't be used.
inline constexpr const char* k_without_session_folder =
    "unset XDG_RUNTIME_DIR: mrun then makes a folder of its own for its socket";

} // namespace mrun
