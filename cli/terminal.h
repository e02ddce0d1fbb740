// Standard output and standard error of the process: results on the one, talk on the other.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/error.h"

namespace mrun::cli {

enum class Style { plain, bold, dim, error, note, help, good };

// Not thread-safe; the descriptors are borrowed. A reader that goes away (EPIPE) is no error: what follows is
// dropped and `out_closed()` says so, so that `| head` ends quietly.
class Terminal {
 public:
  // Colours: per stream, only on a terminal, unless NO_COLOR is set (not empty) or TERM is `dumb`;
  // CLICOLOR_FORCE wants them elsewhere too.
  // With CI=true nobody is asked, nothing moves, and colours are only by CLICOLOR_FORCE.
  Terminal(int in_fd, int out_fd, int err_fd);

  // All of `text`, at once. Error: io, disk_full.
  Result<void> out(std::string_view text);
  // The same of what a model wrote: exact, but on a terminal, which is to act on none of it
  // (terminal_safe()).
  Result<void> out_foreign(std::string_view text);
  // A failing standard error has nobody to tell.
  void err(std::string_view text);
  // Commands of GitHub Actions, which text of `err` never is there: on standard error, or kept while they
  // are.
  void annotate(std::string_view commands);
  void keep_annotations() { m_keeps_annotations = true; }
  // What was kept; from now on nothing is.
  std::string take_annotations();
  // One line of standard error that the next one replaces, cut to `err_width()`; it goes before anything else
  // is written. Nothing where it could not go: not `err_can_move()`.
  void status(std::string_view text);
  void clear_status();

  bool in_is_terminal() const { return m_in_is_terminal; }
  bool out_is_terminal() const { return m_out_is_terminal; }
  bool err_is_terminal() const { return m_err_is_terminal; }
  // Standard output is a terminal that knows how to move its cursor (not TERM=dumb).
  bool out_can_move() const;
  // The same of standard error: lines there can be rewritten.
  bool err_can_move() const;
  bool out_closed() const { return m_out_closed; }
  // The last of what was written to standard output ended no line.
  bool out_line_is_open() const { return m_out_line_is_open; }
  // Columns of standard output where that is a terminal that says so, else 0: no limit.
  std::size_t out_width() const;
  // Columns of standard error, 80 where unknown.
  int err_width() const;
  void disable_color();

  std::string paint_out(Style style, std::string_view text) const { return paint(m_out_color, style, text); }
  std::string paint_err(Style style, std::string_view text) const { return paint(m_err_color, style, text); }

  enum class Echo { shown, hidden };
  // Asks on standard error, reads one line of standard input, at most `max_bytes`; "" at its end. What is
  // typed hidden is "" as well when a handler took a signal meanwhile; one without a handler ends or stops
  // the process with the keys shown again.
  std::string ask(std::string_view question, std::size_t max_bytes, Echo echo = Echo::shown);
  // True for y or yes. End of input is no.
  bool confirm(std::string_view question);

 private:
  static std::string paint(bool color, Style style, std::string_view text);

  int m_in_fd;
  int m_out_fd;
  int m_err_fd;
  bool m_in_is_terminal;
  bool m_out_is_terminal;
  bool m_err_is_terminal;
  bool m_out_color;
  bool m_err_color;
  bool m_out_closed = false;
  bool m_out_line_is_open = false;
  bool m_guards_commands; // in GitHub Actions: no line of `err` is one
  bool m_keeps_annotations = false;
  std::string m_annotations;
  bool m_has_status = false;
};

} // namespace mrun::cli
