// docker-credential-NAME: one process a question, the server on its standard input, JSON on its output
// (docker/docker-credential-helpers, README and client/client.go).
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/spawn.h"
#include "common/text.h"
#include "packager/registry/credentials.h"

extern char** environ;

namespace mrun {
namespace {

constexpr std::size_t k_max_answer_bytes = 1024 * 1024;
constexpr std::chrono::seconds k_patience{30}; // a keychain may ask its user
constexpr std::string_view k_not_found = "credentials not found in native keychain";
constexpr std::string_view k_token_user = "<token>";

struct Pipe {
  UniqueFd read_end, write_end;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0)
    return fail_errno(ErrorCode::resources, errno, "can't make a pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<pid_t> start(const std::string& program, const char* verb, const Pipe& input, const Pipe& output) {
  SpawnSetup setup;
  MRUN_TRY(setup.redirect(input.read_end.get(), STDIN_FILENO));
  MRUN_TRY(setup.redirect(output.write_end.get(), STDOUT_FILENO));
  std::array<char*, 3> arguments = {const_cast<char*>(program.c_str()), const_cast<char*>(verb), nullptr};
  pid_t pid = 0;
  const int failed =
      posix_spawnp(&pid, program.c_str(), setup.actions(), setup.attributes(), arguments.data(), environ);
  if (failed == 0) return pid;
  return fail(
      ErrorCode::credentials,
      fmt::format("can't run the credential helper {}: {}", program, std::strerror(failed)),
      "it is named by the Docker config (credsStore or credHelpers); install it, or take the line out");
}

// Gives the input and reads to the end of the output, or of the patience. A helper that does not read its
// input is no error (SIGPIPE is ignored).
Result<std::string> converse(UniqueFd to, std::string_view input, int from, const std::string& program,
                             std::chrono::steady_clock::time_point end) {
  std::string text;
  std::array<char, 4096> buffer{};
  ::fcntl(to.get(), F_SETFL, O_NONBLOCK); // it may be more than the pipe holds
  while (true) {
    if (input.empty()) to.reset();
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    std::array<pollfd, 2> ready = {pollfd{from, POLLIN, 0}, pollfd{to.get(), POLLOUT, 0}};
    const int count = left > 0 ? ::poll(ready.data(), ready.size(), static_cast<int>(left)) : 0;
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0)
      return fail(ErrorCode::credentials, fmt::format("the credential helper {} did not answer within {} s",
                                                      program, k_patience.count()));
    if (ready[1].revents != 0) {
      const ssize_t gone = ::write(to.get(), input.data(), input.size());
      if (gone >= 0)
        input.remove_prefix(static_cast<std::size_t>(gone));
      else if (errno != EINTR && errno != EAGAIN)
        input = {};
    }
    if (ready[0].revents == 0) continue;
    const ssize_t got = ::read(from, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > k_max_answer_bytes)
      return fail(ErrorCode::credentials,
                  fmt::format("the credential helper {} said more than 1 MiB", program));
  }
}

// The status of the process, which is ended when it lives on after its output has.
int reap(pid_t pid, std::chrono::steady_clock::time_point end) {
  int status = 0;
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  while (process) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    pollfd ended{process.get(), POLLIN, 0};
    const int count = left > 0 ? ::poll(&ended, 1, static_cast<int>(left)) : 0;
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) ::kill(pid, SIGKILL);
    break;
  }
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

struct HelperAnswer {
  bool ok = false; // exit code 0
  std::string output;
};

bool is_plain(const std::string& name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

Result<HelperAnswer> run_helper(const std::string& name, const char* verb, const std::string& input) {
  if (!is_plain(name))
    return fail(ErrorCode::credentials,
                fmt::format("the Docker config names a credential helper `{}`, which is no plain name",
                            printable(name, 60)));
  const std::string program = "docker-credential-" + name;
  MRUN_ASSIGN(Pipe to, make_pipe());
  MRUN_ASSIGN(Pipe from, make_pipe());
  MRUN_ASSIGN(const pid_t pid, start(program, verb, to, from));
  to.read_end.reset();
  from.write_end.reset();
  const auto end = std::chrono::steady_clock::now() + k_patience;
  const Result<std::string> output =
      converse(std::move(to.write_end), input, from.read_end.get(), program, end);
  const int status = reap(pid, output ? end : std::chrono::steady_clock::now());
  if (!output) return tl::unexpected(output.error());
  return HelperAnswer{WIFEXITED(status) && WEXITSTATUS(status) == 0, std::string(trim(*output))};
}

tl::unexpected<Error> helper_failed(const std::string& name, const HelperAnswer& answer) {
  return fail(ErrorCode::credentials,
              fmt::format("the credential helper {} failed: {}", name,
                          answer.output.empty() ? "it gave no reason" : printable(answer.output, 300)));
}

} // namespace

bool has_helper(const std::string& name) {
  if (!is_plain(name)) return true; // run_helper() says what is wrong with it
  const char* path = std::getenv("PATH");
  for (const std::string_view folder : split(path != nullptr ? path : "/bin:/usr/bin", ':')) {
    const std::string program = fmt::format("{}/docker-credential-{}", folder.empty() ? "." : folder, name);
    if (::access(program.c_str(), X_OK) == 0) return true;
  }
  return false;
}

Result<std::optional<Credential>> helper_get(const std::string& name, const std::string& server) {
  MRUN_ASSIGN(const HelperAnswer answer, run_helper(name, "get", server));
  if (!answer.ok && answer.output.find(k_not_found) != std::string::npos) return std::nullopt;
  if (!answer.ok) return helper_failed(name, answer);
  const std::string what = "the answer of the credential helper " + name;
  MRUN_ASSIGN(const Json json,
              parse_json(answer.output, ErrorCode::credentials, what, {k_max_answer_bytes, 8}));
  if (!json.is_object()) return fail(ErrorCode::credentials, what + " is not an object");
  Credential credential;
  MRUN_ASSIGN(credential.username, need_string(json, "Username", ErrorCode::credentials, what));
  MRUN_ASSIGN(credential.secret, need_string(json, "Secret", ErrorCode::credentials, what));
  if (credential.username == k_token_user) credential.kind = Credential::Kind::identity_token;
  MRUN_TRY(check_credential(credential));
  return credential;
}

Result<void> helper_store(const std::string& name, const std::string& server, const Credential& credential) {
  const bool token = credential.kind == Credential::Kind::identity_token;
  const Json input = {{"ServerURL", server},
                      {"Username", token ? std::string(k_token_user) : credential.username},
                      {"Secret", credential.secret}};
  MRUN_ASSIGN(const HelperAnswer answer, run_helper(name, "store", canonical_json(input)));
  if (!answer.ok) return helper_failed(name, answer);
  return {};
}

Result<void> helper_erase(const std::string& name, const std::string& server) {
  MRUN_ASSIGN(const HelperAnswer answer, run_helper(name, "erase", server));
  if (!answer.ok) return helper_failed(name, answer);
  return {};
}

} // namespace mrun
