#include "runtime/worker/entry.h"

#include <string>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/standard_files.h"
#include "runtime/messages.h"
#include "runtime/worker/host.h"
#include "runtime/worker/process.h"
#include "runtime/worker/worker.h"
#include "runtime/worker/zygote.h"

namespace mrun {
namespace {

constexpr int k_exit_usage = 2;
constexpr std::string_view k_native = "native";

struct Arguments {
  bool zygote = false;
  std::string engine; // a path, or `native`
};

Result<Arguments> parse_arguments(int argc, char** argv) {
  const std::string_view flag = argc == 3 ? argv[1] : "";
  if (flag != "--engine" && flag != "--zygote")
    return fail(ErrorCode::usage,
                "usage: mrun-worker --engine PATH.so|native, or mrun-worker --zygote PATH.so");
  Arguments arguments{flag == "--zygote", argv[2]};
  if (arguments.zygote && arguments.engine == k_native)
    return fail(ErrorCode::usage, "a zygote opens an installed engine, not a bundle's own module");
  return arguments;
}

// A blocking end: a slow daemon slows the worker down instead of losing frames.
void make_blocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0) ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

HelloMessage hello_of(const std::optional<Module>& module, std::int64_t import_start_ns) {
  HelloMessage hello;
  hello.pid = ::getpid();
  hello.engine = module ? module->name() : std::string(k_native);
  hello.version = module ? module->version() : "";
  hello.import_start_ns = import_start_ns;
  hello.import_end_ns = system_clock().monotonic_ns();
  return hello;
}

Result<void> warm(const Module& module, Host& host) {
  if (module.predictor().warm == nullptr) return {};
  const mrun_status status = module.predictor().warm(host.table());
  if (status == MRUN_OK) return {};
  return tl::unexpected(error_of_status(status, host.load_failure(), ErrorCode::load_failed));
}

Result<int> serve(const Arguments& arguments) {
  MRUN_TRY(harden_process());
  const int threads_at_start = thread_count();
  std::int64_t import_start_ns = system_clock().monotonic_ns();
  make_blocking(k_control_fd);
  FrameSink sink(k_control_fd);
  Host host(sink);
  std::optional<Module> module;
  // A failed start is told in place of `hello`, by the same frame as a failed load.
  const auto tell = [&](const Error& error) {
    (void)sink.send(load_failed_message(error.row().name, error.message.substr(0, k_max_failure_bytes)), {});
    return 1;
  };
  if (arguments.engine != k_native) {
    auto opened = Module::open(arguments.engine, host.table());
    if (!opened) return tell(opened.error());
    module = *opened;
  }
  if (arguments.zygote) {
    if (auto warmed = warm(*module, host); !warmed) return tell(warmed.error());
    MRUN_TRY(sink.send(hello_message(hello_of(module, import_start_ns)), {}));
    Zygote zygote(k_control_fd, threads_at_start);
    MRUN_ASSIGN(const Zygote::End end, zygote.serve());
    if (end == Zygote::End::stopped) return 0;
    import_start_ns = system_clock().monotonic_ns(); // of the child, which has nothing left to import
    make_blocking(k_control_fd);
  }
  MRUN_TRY(sink.send(hello_message(hello_of(module, import_start_ns)), {}));
  return Worker(k_control_fd, sink, host, module).run();
}

} // namespace

int worker_entry(int argc, char** argv) {
  open_standard_files();
  const auto arguments = parse_arguments(argc, argv);
  if (!arguments) {
    log_error("{}", arguments.error().message);
    return k_exit_usage;
  }
  const auto exit_code = serve(*arguments);
  if (!exit_code) log_error("the worker can't go on: {}", exit_code.error().message);
  return exit_code.value_or(1);
}

} // namespace mrun
