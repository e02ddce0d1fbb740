// What somebody else wrote, on its way to a terminal.
#pragma once

#include <string>
#include <string_view>

namespace mrun {

// All of it, lines and tabs as they are; the terminal is to act on nothing else: other control characters and
// broken UTF-8 become \xNN, as in printable().
std::string terminal_safe(std::string_view text);

} // namespace mrun
