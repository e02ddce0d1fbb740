#include "common/terminal_text.h"

#include "common/text.h"

namespace mrun {

std::string terminal_safe(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t end = text.find_first_of("\n\t");
    std::string_view piece = text.substr(0, end);
    const bool is_crlf = end != std::string_view::npos && text[end] == '\n' && piece.ends_with('\r');
    if (is_crlf) piece.remove_suffix(1);
    out += printable(piece, std::string::npos);
    if (is_crlf) out += '\r';
    if (end == std::string_view::npos) return out;
    out += text[end];
    text.remove_prefix(end + 1);
  }
}

} // namespace mrun
