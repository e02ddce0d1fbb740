#include "cli/model_file.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/predict/target.h"
#include "common/fd.h"
#include "common/limits.h"
#include "common/spawn.h"
#include "common/text.h"

extern char** environ;

namespace mrun::cli {
namespace {

constexpr std::size_t k_max_report_bytes = 64 * k_mib;
constexpr std::array<std::string_view, 6> k_endings = {".pt2", ".pt", ".pth", ".safetensors", ".gguf", ".ts"};

struct Helper {
  pid_t process = 0;
  UniqueFd answer;
};

Result<UniqueFd> open_model_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd)
    return fail(ErrorCode::input_file,
                fmt::format("can't open {}: {}", printable(path), std::strerror(errno)));
  if (!file_size(fd.get(), path))
    return fail(ErrorCode::input_file, fmt::format("{} is no regular file", printable(path)));
  return fd;
}

// A descriptor above those that the child's files are put on.
Result<UniqueFd> raised(const UniqueFd& fd) {
  UniqueFd high(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 10));
  if (!high) return fail_errno(ErrorCode::resources, errno, "can't duplicate a descriptor");
  return high;
}

Result<Helper> start(const std::string& program, const UniqueFd& file, const std::string& table,
                     bool operator_libraries) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return fail_errno(ErrorCode::resources, errno, "can't make a pipe");
  Helper helper{0, UniqueFd(ends[0])};
  MRUN_ASSIGN(const UniqueFd write_end, raised(UniqueFd(ends[1])));
  MRUN_ASSIGN(const UniqueFd input, raised(file));
  SpawnSetup setup;
  MRUN_TRY(setup.redirect(input.get(), STDIN_FILENO));
  MRUN_TRY(setup.redirect(write_end.get(), STDOUT_FILENO));
  std::vector<std::string> words = {program};
  if (::access(table.c_str(), R_OK) == 0) words.insert(words.end(), {"--operators", table});
  if (operator_libraries) words.emplace_back("--operator-libraries");
  std::vector<char*> pointers;
  for (std::string& word : words)
    pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const int problem = ::posix_spawn(&helper.process, program.c_str(), setup.actions(), setup.attributes(),
                                    pointers.data(), environ);
  if (problem != 0) return fail_errno(ErrorCode::internal, problem, fmt::format("can't run {}", program));
  return helper;
}

Result<std::string> answer_of(const Helper& helper, const std::string& path) {
  Result<std::string> text =
      read_all(helper.answer.get(), k_max_report_bytes, "mrun-inspect's answer", ErrorCode::internal);
  if (!text) ::kill(helper.process, SIGKILL);
  int status = 0;
  while (::waitpid(helper.process, &status, 0) < 0 && errno == EINTR) {
  }
  if (!text) return text;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return text;
  return fail(ErrorCode::input_file,
              fmt::format("{} can't be read: its parser ended{}", printable(path),
                          WIFSIGNALED(status) ? fmt::format(" by signal {}", WTERMSIG(status)) : ""));
}

} // namespace

bool names_model_file(const std::string& argument) {
  if (argument.starts_with("./") || argument.starts_with("../") || argument.starts_with('/') ||
      argument.starts_with("~/"))
    return true;
  std::error_code ignored;
  for (const std::string_view ending : k_endings)
    if (argument.ends_with(ending)) return std::filesystem::is_regular_file(argument, ignored);
  return false;
}

Result<Json> inspect_model_file(const Context& context, const std::string& given, bool operator_libraries) {
  const std::string path = expand_home(given);
  MRUN_ASSIGN(const UniqueFd file, open_model_file(path));
  MRUN_ASSIGN(const InstallPaths install, context.install());
  MRUN_ASSIGN(const Helper helper,
              start((install.prefix / "libexec/mrun/mrun-inspect").string(), file,
                    (install.share() / "torch-operators.txt").string(), operator_libraries));
  MRUN_ASSIGN(const std::string text, answer_of(helper, path));
  MRUN_ASSIGN(Json report, parse_json(text, ErrorCode::internal, "mrun-inspect's answer",
                                      {k_max_report_bytes, k_max_json_depth}));
  if (const auto error = report.find("error"); error != report.end())
    return fail(ErrorCode::input_file,
                fmt::format("{}: {}", printable(path), (*error)["message"].get<std::string>()),
                (*error)["hint"].get<std::string>());
  MRUN_ASSIGN(const std::uint64_t size, file_size(file.get(), path));
  report["schema"] = "mrun.inspect-file/v1";
  report["file"] = given;
  report["size_bytes"] = size;
  return report;
}

} // namespace mrun::cli
