// Which mrun this is. CLI and daemon compare build ids (DECISIONS "Versions"): the daemon sends its own in
// the reply header `Mrun-Build`.
#pragma once

#include <string_view>

namespace mrun {

std::string_view version_text(); // "0.1.0"
// "0.1.0+<commit>", with ".dirty" for a tree with changes: fixed when the build tree is configured.
std::string_view build_id();

} // namespace mrun
