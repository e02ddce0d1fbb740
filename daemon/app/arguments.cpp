#include "daemon/app/arguments.h"

#include <charconv>

#include <fcntl.h>
#include <fmt/format.h>

#include "common/text.h"

namespace mrun {
namespace {

bool take_descriptor(std::string_view number, UniqueFd& fd) {
  int given = -1;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), given);
  if (number.empty() || error != std::errc() || end != number.data() + number.size() ||
      ::fcntl(given, F_GETFD) < 0)
    return false;
  ::fcntl(given, F_SETFD, FD_CLOEXEC);
  fd.reset(given);
  return true;
}

Result<void> take(std::string_view flag, std::string_view value, DaemonArguments& arguments) {
  if (flag == "--listen") {
    MRUN_ASSIGN(const TcpAddress address, parse_tcp_address(value));
    return arguments.listen.add({{address}, {}, false});
  }
  if (flag == "--allow-host") {
    MRUN_ASSIGN(std::string name, parse_host_name(value));
    return arguments.listen.add({{}, {std::move(name)}, false});
  }
  if (flag == "--config" && !value.empty()) {
    arguments.config_file = value;
    return {};
  }
  if (flag == "--ready-fd" && take_descriptor(value, arguments.ready_fd)) return {};
  return fail(ErrorCode::usage, fmt::format("mrund does not take '{}'", printable(flag, 60)),
              "it is started by `mrun daemon start` or `mrun daemon run`; see mrund(8)");
}

Result<void> check(const DaemonArguments& arguments) {
  if (arguments.config_file.empty() || arguments.describe) return {};
  return fail(ErrorCode::usage, "mrund takes `--config` with `--describe` only",
              "its configuration is config.yaml of the home; see mrund(8)");
}

} // namespace

Result<void> read_arguments(int argc, char** argv, DaemonArguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--insecure-plaintext") {
      arguments.listen.insecure_plaintext = true;
      continue;
    }
    if (word == "--describe") {
      arguments.describe = true;
      continue;
    }
    MRUN_TRY(take(word, i + 1 < argc ? argv[++i] : "", arguments));
  }
  return check(arguments);
}

} // namespace mrun
