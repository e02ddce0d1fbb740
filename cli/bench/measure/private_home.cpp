#include "cli/bench/measure/private_home.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/client/daemon_process.h"
#include "common/fd.h"
#include "common/paths.h"
#include "common/spawn.h"
#include "common/text.h"

extern char** environ;

namespace mrun::bench {
namespace {

constexpr std::size_t k_last_words_bytes = 1 << 14;

std::string last_line(std::string_view text) {
  std::string_view last;
  for (const std::string_view line : split(text, '\n'))
    if (line.starts_with("error") || (last.empty() && !trim(line).empty())) last = line;
  return printable(last, 300);
}

std::string last_words(int said) {
  const off_t end = ::lseek(said, 0, SEEK_END);
  std::string text(k_last_words_bytes, '\0');
  const ssize_t got =
      ::pread(said, text.data(), text.size(), std::max<off_t>(0, end - static_cast<off_t>(text.size())));
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, got)));
  return text;
}

// Waits for the end; returns the exit code, -1 for one that was killed.
int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// True: it was interrupted, and the child asked to end.
bool wait_for_end(pid_t child, int interrupt_fd) {
  const auto gone = cli::wait_for_exit(child, cli::k_no_deadline, interrupt_fd);
  if (!gone || *gone) return false;
  ::kill(child, SIGINT);
  return true;
}

} // namespace

Result<PrivateHome> PrivateHome::create(const cli::Context& context) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  MRUN_ASSIGN(const InstallPaths install, context.install());
  MRUN_TRY(home.create());
  std::string name = (home.cache / "bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    return fail_errno(ErrorCode::io, errno, fmt::format("can't make a folder in {}", home.cache.string()));
  PrivateHome own(name, install.cli());
  std::error_code error;
  if (std::filesystem::exists(home.config_file, error))
    std::filesystem::copy_file(home.config_file, own.m_folder / "config.yaml", error);
  if (error) return fail_errno(ErrorCode::io, error.value(), "can't copy config.yaml");
  if (::setenv("MRUN_HOME", name.c_str(), 1) != 0)
    return fail_errno(ErrorCode::resources, errno, "can't set MRUN_HOME");
  return own;
}

PrivateHome::PrivateHome(PrivateHome&& other) noexcept
    : m_folder(std::exchange(other.m_folder, {})),
      m_program(std::move(other.m_program)) {}

PrivateHome::~PrivateHome() {
  if (m_folder.empty()) return;
  static_cast<void>(run_mrun({"daemon", "stop"}, -1));
  std::error_code ignored;
  std::filesystem::remove_all(m_folder, ignored);
}

Result<void> PrivateHome::run_mrun(const std::vector<std::string>& words, int interrupt_fd) const {
  // A file, not a pipe: nobody reads while it runs, however much it says.
  const UniqueFd said(::memfd_create("mrun-said", MFD_CLOEXEC));
  if (!said) return fail_errno(ErrorCode::resources, errno, "can't keep what mrun says");
  std::vector<std::string> all = {m_program.string()};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> pointers;
  for (std::string& word : all)
    pointers.push_back(word.data());
  pointers.push_back(nullptr);
  SpawnSetup setup;
  MRUN_TRY(setup.silence(STDIN_FILENO, O_RDONLY));
  MRUN_TRY(setup.silence(STDOUT_FILENO, O_WRONLY));
  MRUN_TRY(setup.redirect(said.get(), STDERR_FILENO));
  MRUN_TRY(setup.own_group()); // Ctrl-C is ours: what was measured until then is kept
  pid_t child = 0;
  const int problem =
      ::posix_spawn(&child, all[0].c_str(), setup.actions(), setup.attributes(), pointers.data(), environ);
  if (problem != 0) return fail_errno(ErrorCode::resources, problem, fmt::format("can't run {}", all[0]));
  const bool is_interrupted = wait_for_end(child, interrupt_fd);
  const int code = wait_for(child);
  if (is_interrupted)
    return fail(ErrorCode::interrupted_by_user,
                fmt::format("`mrun {}` was interrupted", fmt::join(words, " ")));
  if (code != 0)
    return fail(ErrorCode::bench_pull,
                fmt::format("`mrun {}` ended with exit code {}: {}", fmt::join(words, " "), code,
                            last_line(last_words(said.get()))));
  return {};
}

} // namespace mrun::bench
