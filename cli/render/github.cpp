#include "cli/render/github.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

#include <fmt/format.h>
#include <sys/random.h>

#include "common/text.h"

namespace mrun::cli {
namespace {

// What may stand before a command; other spaces of Unicode, too.
bool is_blank(char c) {
  return static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x80;
}

std::string escaped(std::string_view text, bool is_property) {
  std::string result;
  for (const char c : text)
    if (c == '%' || c == '\r' || c == '\n' || (is_property && (c == ':' || c == ',')))
      result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else
      result += c;
  return result;
}

} // namespace

std::string github_message(std::string_view text) {
  return escaped(text, false);
}

std::string github_property(std::string_view text) {
  return escaped(text, true);
}

std::string github_error(std::string_view title, const Error& error) {
  std::string message = error.message;
  for (const std::string& note : error.notes)
    message += "\n" + note;
  if (!error.help().empty()) message += fmt::format("\nhelp: {}", error.help());
  return fmt::format("::error title={}::{}\n",
                     github_property(fmt::format("{} {}", title, error_code_text(error.code))),
                     github_message(message));
}

std::string without_github_commands(std::string_view text) {
  std::string safe;
  bool at_start = true; // only blanks since the line began
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    const bool is_command = (at_start && rest.starts_with("::")) || rest.starts_with("##[");
    safe += text[i];
    if (is_command) safe += ' ';
    at_start = text[i] == '\n' || text[i] == '\r' || (at_start && is_blank(text[i]));
  }
  return safe;
}

Result<GithubGroup> GithubGroup::open(Terminal& terminal, std::string_view title) {
  std::array<std::uint64_t, 2> random{};
  if (::getrandom(random.data(), sizeof random, 0) != static_cast<ssize_t>(sizeof random))
    return fail_errno(ErrorCode::io, errno, "can't get random bytes");
  std::string token = fmt::format("{:016x}{:016x}", random[0], random[1]);
  MRUN_TRY(terminal.out(
      fmt::format("::group::{}\n::stop-commands::{}\n", github_message(printable(title, 200)), token)));
  terminal.keep_annotations();
  return GithubGroup(terminal, std::move(token));
}

GithubGroup::GithubGroup(GithubGroup&& other) noexcept
    : m_terminal(std::exchange(other.m_terminal, nullptr)),
      m_token(std::move(other.m_token)) {}

GithubGroup::~GithubGroup() {
  if (m_terminal == nullptr) return;
  static_cast<void>(
      m_terminal->out(fmt::format("{}::{}::\n::endgroup::\n{}", m_terminal->out_line_is_open() ? "\n" : "",
                                  m_token, m_terminal->take_annotations())));
}

Result<std::optional<GithubGroup>> github_group(const Context& context, std::string_view title) {
  if (!context.github) return std::optional<GithubGroup>();
  if (context.json)
    return fail(ErrorCode::usage,
                "`--github` is for a log that people read, `--json` for programs: give one of them");
  MRUN_ASSIGN(GithubGroup group, GithubGroup::open(context.terminal, title));
  return std::optional<GithubGroup>(std::move(group));
}

} // namespace mrun::cli
