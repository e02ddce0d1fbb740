// What a message tells a user to paste into a shell.
#pragma once

#include <string>
#include <string_view>

namespace mrun {

// One word of a POSIX shell's command, in single quotes only where it must be.
std::string shell_word(std::string_view text);

} // namespace mrun
