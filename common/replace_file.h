// A file that is there whole, old or new, whenever someone looks.
#pragma once

#include <chrono>
#include <filesystem>
#include <string_view>

#include "common/error.h"

namespace mrun {

enum class Durable { no, yes }; // yes: on the disk before the old one goes; no: of what a crash may take

// Writes a file of its own beside `path` (mode by the umask), then renames it there; its folder is there. A
// failure leaves nothing behind; what a killed process left goes with the first replacement after its
// lifetime. The error has the code `code`.
Result<void> replace_file(const std::filesystem::path& path, std::string_view bytes, unsigned mode,
                          Durable durable, ErrorCode code);

// The same for a file that its owner placed: a symbolic link stays, and what it leads to is replaced; mode,
// owner and group stay as they are. One that is not there yet may be read by whom its folder lets in.
// Durable.
Result<void> replace_kept_file(const std::filesystem::path& path, std::string_view bytes, ErrorCode code);

// The file of its own is called `path`, this, and 16 random hex digits.
inline constexpr std::string_view k_replacement_infix = ".mrun-";
inline constexpr std::chrono::hours k_replacement_lifetime{1};

} // namespace mrun
