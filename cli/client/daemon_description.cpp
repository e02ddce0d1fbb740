#include "cli/client/daemon_description.h"

#include <cerrno>
#include <csignal>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/limits.h"
#include "common/spawn.h"
#include "common/text.h"

extern char** environ;

namespace mrun::cli {
namespace {

constexpr std::size_t k_max_description_bytes = 4 * k_mib;
constexpr int k_first_free_fd = 10; // above those that the child's are put on

} // namespace

Result<Json> daemon_description(const Context& context, const std::string& config_file) {
  MRUN_ASSIGN(const InstallPaths install, context.install());
  std::vector<std::string> words = {install.daemon().string(), "--describe"};
  if (!config_file.empty()) words.insert(words.end(), {"--config", config_file});
  std::vector<char*> pointers;
  for (std::string& word : words)
    pointers.push_back(word.data());
  pointers.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return fail_errno(ErrorCode::resources, errno, "can't make a pipe");
  const UniqueFd answer(ends[0]);
  UniqueFd low(ends[1]);
  UniqueFd write_end(::fcntl(low.get(), F_DUPFD_CLOEXEC, k_first_free_fd));
  if (!write_end) return fail_errno(ErrorCode::resources, errno, "can't duplicate a descriptor");
  SpawnSetup setup;
  MRUN_TRY(setup.redirect(write_end.get(), STDOUT_FILENO));
  pid_t process = 0;
  const int problem =
      ::posix_spawn(&process, pointers[0], setup.actions(), setup.attributes(), pointers.data(), environ);
  if (problem != 0)
    return fail(ErrorCode::daemon_start, fmt::format("can't run {}", printable(words[0])),
                "install mrun again (scripts/quickstart)");
  write_end.reset();
  low.reset();
  const Result<std::string> text =
      read_all(answer.get(), k_max_description_bytes, "mrund's description", ErrorCode::daemon_start);
  if (!text) ::kill(process, SIGKILL);
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  MRUN_TRY(text);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(ErrorCode::daemon_start, "mrund does not say what it would go by", "its words are above");
  return parse_json(*text, ErrorCode::daemon_start, "mrund's description");
}

} // namespace mrun::cli
