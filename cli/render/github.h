// What a log of GitHub Actions takes for a command, and how text of models does not become one
// (actions/runner: src/Runner.Common/ActionCommand.cs, actions/toolkit: packages/core/src/command.ts).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/context.h"
#include "cli/flags.h"
#include "cli/terminal.h"
#include "common/error.h"

namespace mrun::cli {

// The message of a command, and a value of its properties.
std::string github_message(std::string_view text);
std::string github_property(std::string_view text);

// `::error title=…::…` and its newline.
std::string github_error(std::string_view title, const Error& error);

// Readable, and no line of it is a command: `: :error::`, `# #[error]`.
std::string without_github_commands(std::string_view text);

// The flag of commands that show what a model says.
inline constexpr FlagSpec k_github_flag = {
    .name = "github",
    .help = "for GitHub Actions: a group in its log in which nothing that the model says is a command, and "
            "an annotation when it fails"};

// From open() to its end: standard output is within a group, and no line of it is a command. Annotations come
// behind it, on the same stream: between two there is no order.
class GithubGroup {
 public:
  static Result<GithubGroup> open(Terminal& terminal, std::string_view title);
  GithubGroup(GithubGroup&& other) noexcept;
  GithubGroup& operator=(GithubGroup&&) = delete;
  ~GithubGroup();

 private:
  GithubGroup(Terminal& terminal, std::string token) : m_terminal(&terminal), m_token(std::move(token)) {}

  Terminal* m_terminal; // null when moved from
  std::string m_token;
};

// One with --github, else none.
Result<std::optional<GithubGroup>> github_group(const Context& context, std::string_view title);

} // namespace mrun::cli
