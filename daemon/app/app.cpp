#include "daemon/app/app.h"

#include <cerrno>
#include <csignal>
#include <optional>

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/build_info.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/machine.h"
#include "common/standard_files.h"
#include "common/text.h"
#include "daemon/app/arguments.h"
#include "daemon/app/config.h"
#include "daemon/app/describe.h"
#include "daemon/app/instance.h"
#include "daemon/app/machine.h"
#include "daemon/app/service_manager.h"
#include "daemon/http/server.h"
#include "daemon/runner/devices.h"
#include "daemon/service/make_service.h"

namespace mrun {
namespace {

constexpr std::chrono::minutes k_log_check{1};
constexpr off_t k_max_log_file_bytes = 16 * k_mib;
constexpr int k_max_arenas =
    2; // three threads share them: an arena of its own for each costs more than it brings

// Tells whoever starts the daemon and waits for one line, once. A starter that went away is no concern of the
// daemon.
void tell(UniqueFd& starter, std::string_view text) {
  if (starter && !write_all(starter.get(), text, "to the starter"))
    log_warn("the process that started the daemon is gone");
  starter.reset();
}

// Only when standard error is that file: started by hand it is a terminal, or whatever its owner chose.
void rotate_log(const std::string& path) {
  struct stat log {};
  struct stat own {};
  const bool is_ours = ::fstat(STDERR_FILENO, &own) == 0 && ::stat(path.c_str(), &log) == 0 &&
                       S_ISREG(own.st_mode) && own.st_ino == log.st_ino && own.st_dev == log.st_dev;
  if (!is_ours || own.st_size < k_max_log_file_bytes) return;
  if (::rename(path.c_str(), (path + ".1").c_str()) < 0) return;
  const UniqueFd fresh(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fresh || ::dup2(fresh.get(), STDERR_FILENO) < 0 || ::dup2(fresh.get(), STDOUT_FILENO) < 0)
    log_warn("the log {} can't be started anew", path);
}

// The text that `mrun` shows and takes apart again (docs/formats/config.md, "Start").
std::string error_text(const Error& error) {
  std::string text = fmt::format("error[{}]: {}\n", error_code_text(error.code), error.message);
  for (const std::string& note : error.notes)
    text += fmt::format("note: {}\n", note);
  if (!error.help().empty()) text += fmt::format("help: {}\n", error.help());
  return text;
}

std::optional<PriceRow> reference_row(const PriceBook& book, std::string_view sku) {
  const PriceRow* row = book.find("replicate", sku, "public"); // DECISIONS "Money": the default reference
  return row == nullptr ? std::nullopt : std::optional(*row);
}

// The row that the user named, for every device. Error config_invalid, with the nearest name of that
// provider.
Result<PriceRow> named_row(const PriceBook& book, const PriceName& name) {
  const PriceRow* row = book.find(name.provider, name.sku, name.product);
  if (row != nullptr && seconds_of_unit(row->per)) return *row;
  std::vector<std::string> names;
  for (const PriceRow& other : book.rows)
    if (other.provider == name.provider && seconds_of_unit(other.per))
      names.push_back(fmt::format("{{sku: {}, product: {}}}", other.sku, other.dim("product")));
  const std::string wanted = fmt::format("{{sku: {}, product: {}}}", name.sku, name.product);
  const std::string near = nearest(wanted, names);
  return fail(
      ErrorCode::config_invalid,
      fmt::format("`cost_reference`: the price book has no row of provider '{}' with {} that is billed by "
                  "time",
                  printable(name.provider, 60), printable(wanted, 120)),
      !near.empty()   ? fmt::format("the nearest is {}", near)
      : names.empty() ? "look for the provider's name in prices.json"
                      : fmt::format("it has {}", names.front()));
}

// A price book that can't be read costs the reference, not the service; a row that the user names must be
// there.
Result<void> set_reference(ServiceConfig& config, const HomePaths& home, const InstallPaths& install,
                           const DaemonConfig& user) {
  const Result<PriceBook> book = load_price_books(price_files_of(home, install));
  if (!book) {
    log_warn("no price reference: {}", book.error().message);
    return {};
  }
  log_debug("{} price rows, {} refused for lack of source, date or unit", book->rows.size(),
            book->refused.size());
  if (user.cost_reference) {
    MRUN_ASSIGN(config.cpu_reference, named_row(*book, *user.cost_reference));
    config.cuda_reference = config.cpu_reference;
    return {};
  }
  config.cpu_reference = reference_row(*book, "CPU 4x 8GB");
  config.cuda_reference = reference_row(*book, "T4 16GB");
  return {};
}

Result<ServiceConfig> service_config(const HomePaths& home, const InstallPaths& install,
                                     const DaemonConfig& user) {
  ServiceConfig config;
  config.home = home;
  config.own_rate = user.cost;
  config.drain_limit = user.drain_timeout;
  config.build = build_id();
  RunnerConfig& runner = config.runner;
  runner.install = install;
  runner.log_folder = home.logs();
  runner.cache_folder = home.cache;
  runner.torch_dir = find_torch(install, user.torch_dir);
  runner.memory_budget_bytes = user.memory_budget_bytes.value_or(default_memory_budget_bytes());
  runner.core_tokens = usable_cores();
  runner.gpu_count = count_gpus("/dev");
  runner.max_queue = user.max_queue;
  runner.use_zygote = user.zygote;
  runner.idle_unload = user.idle_unload;
  runner.models = user.models;
  MRUN_TRY(set_reference(config, home, install, user));
  return config;
}

// Everything that lives as long as the daemon; members go in reverse, so the threads and workers end before
// the loop that their handlers need, and the lock last.
class App {
 public:
  // Errors: whatever keeps a daemon from starting.
  Result<void> start(const ListenSettings& listen) {
    MRUN_ASSIGN(std::optional<UniqueFd> activated, take_activated_socket());
    m_notifier = Notifier::from_environment();
    m_owns_socket = !activated;
    MRUN_ASSIGN(m_home, HomePaths::from_environment());
    MRUN_ASSIGN(const InstallPaths install, InstallPaths::of_this_process());
    MRUN_TRY(m_home.create());
    MRUN_ASSIGN(DaemonConfig user, load_config(m_home.config_file.string()));
    MRUN_TRY(user.listen.add(listen));
    MRUN_ASSIGN(m_lock, take_instance_lock(m_home));
    MRUN_ASSIGN(WriterDatabase database, WriterDatabase::open(m_home.database().string(), build_id()));
    MRUN_ASSIGN(const std::size_t interrupted, database.fail_interrupted(system_clock().wall_ns()));
    if (interrupted > 0)
      log_warn("{} predictions did not end before the last stop; they are failed as M1414 (interrupted)",
               interrupted);
    MRUN_TRY(open_store());
    MRUN_ASSIGN(ServiceConfig config, service_config(m_home, install, user));
    config.on_drained = [this] { leave(); };
    MRUN_ASSIGN(std::vector<OpenedDoor> doors, open_tcp_doors(user.listen));
    for (const OpenedDoor& door : doors)
      config.listening.push_back(door.address);
    config.allow_hosts = user.listen.host_names;
    MRUN_ASSIGN(m_service, make_prediction_service(m_io, std::move(config), *m_store, std::move(database)));
    MRUN_ASSIGN(UniqueFd socket, activated ? adopt_socket(m_home, m_lock.get(), std::move(*activated))
                                           : listen_on_socket(m_home, m_lock.get()));
    HttpConfig http;
    http.build_id = build_id();
    http.owner_uid = ::geteuid();
    m_server.emplace(m_io, *m_service, std::move(socket), std::move(http));
    for (OpenedDoor& door : doors) {
      log_info("listening at {}", door.address);
      m_server->add(std::move(door.door));
    }
    m_server->start();
    wait_for_signal();
    (void)!::chdir(
        "/"); // a disk that the caller's folder is on can be unmounted; every path here is absolute
    return {};
  }

  void run() {
    log_info("mrund {} is ready: process {}, home {}", build_id(), ::getpid(), m_home.state.string());
    m_notifier.tell("READY=1");
    m_service->prepare();
    watch_log();
    feed_watchdog();
    m_io.run();
    // Under the lock still, so it can't be another daemon's.
    if (m_owns_socket && ::unlink(m_home.socket.c_str()) < 0 && errno != ENOENT)
      log_warn("the socket {} stays: {}", m_home.socket.string(), std::generic_category().message(errno));
    log_info("mrund stopped");
  }

 private:
  // A store on a read-only disk still serves.
  Result<void> open_store() {
    Result<Store> store = Store::open(m_home.data);
    if (!store && store.error().code == ErrorCode::store_read_only) store = Store::open(m_home.data, true);
    if (!store) return tl::unexpected(std::move(store).error());
    m_store.emplace(std::move(*store));
    return {};
  }

  // A daemon lives for months: its log, which is its standard error, starts anew when it has grown large.
  void watch_log() {
    m_log_timer.expires_after(k_log_check);
    m_log_timer.async_wait([this](const boost::system::error_code& stopped) {
      if (stopped) return;
      rotate_log((m_home.logs() / "mrund.log").string());
      watch_log();
    });
  }

  // From the loop that everything waits for: when that hangs, the service manager ends this process.
  void feed_watchdog() {
    if (!m_notifier.watchdog()) return;
    m_watchdog_timer.expires_after(*m_notifier.watchdog());
    m_watchdog_timer.async_wait([this](const boost::system::error_code& stopped) {
      if (stopped) return;
      m_notifier.tell("WATCHDOG=1");
      feed_watchdog();
    });
  }

  // While it drains the socket still answers, with M1505 for what is new. Then connections get a moment to
  // end.
  void leave() {
    m_notifier.tell("STOPPING=1");
    m_server->stop_accepting();
    m_server->drained([this] { m_io.stop(); });
  }

  // The first signal drains, the second stops at once.
  void wait_for_signal() {
    m_signals.async_wait([this](const boost::system::error_code& stopped, int number) {
      if (stopped) return;
      if (m_service->draining()) {
        log_warn("signal {} while stopping: stopping at once", number);
        return m_io.stop();
      }
      m_service->shut_down();
      wait_for_signal();
    });
  }

  HomePaths m_home;
  UniqueFd m_lock;
  std::optional<Store> m_store;
  boost::asio::io_context m_io{1};
  boost::asio::signal_set m_signals{m_io, SIGTERM, SIGINT};
  boost::asio::steady_timer m_log_timer{m_io};
  boost::asio::steady_timer m_watchdog_timer{m_io};
  Notifier m_notifier;
  bool m_owns_socket = true; // else it is the service manager's, which goes on listening
  std::unique_ptr<PredictionService> m_service;
  std::optional<HttpServer> m_server;
};

Result<void> tell_description(const std::string& config_file) {
  MRUN_ASSIGN(const HomePaths home, HomePaths::from_environment());
  MRUN_ASSIGN(const InstallPaths install, InstallPaths::of_this_process());
  return write_all(STDOUT_FILENO, canonical_json(describe(home, install, config_file)) + "\n",
                   "the description");
}

Result<void> run_app(DaemonArguments& arguments) {
  if (arguments.describe) return tell_description(arguments.config_file);
  App app;
  MRUN_TRY(app.start(arguments.listen));
  tell(arguments.ready_fd, "ready\n");
  app.run();
  return {};
}

} // namespace

int run_daemon(int argc, char** argv) {
  open_standard_files();
  ::mallopt(M_ARENA_MAX, k_max_arenas);
  ::signal(SIGPIPE, SIG_IGN);
  set_log_level(LogLevel::info);
  if (const char* level = std::getenv("MRUN_LOG");
      level != nullptr && !set_log_level(std::string_view(level)))
    log_warn("MRUN_LOG is none of error, warn, info, debug");
  DaemonArguments arguments;
  Result<void> done = read_arguments(argc, argv, arguments);
  if (done) done = run_app(arguments);
  if (done) return 0;
  const std::string text = error_text(done.error());
  // Standard error is the log, or the terminal of who runs mrund by hand; nothing is left to do if it is
  // closed.
  if (!write_all(STDERR_FILENO, text, "the error")) return done.error().row().exit_code;
  tell(arguments.ready_fd, text);
  return done.error().row().exit_code;
}

} // namespace mrun
