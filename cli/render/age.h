// How long ago something was.
#pragma once

#include <cstdint>
#include <string>

namespace mrun::cli {

// "just now", "5 min ago", "3 h ago", "4 days ago"; "" for 0.
std::string age_text(std::int64_t wall_ns);

} // namespace mrun::cli
