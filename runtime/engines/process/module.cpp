// The process engine: an executable of the bundle that answers JSON lines (docs/formats/process.md).
//
// load unpacks the bundle's files into the cache, starts the program and waits for its `ready`. Each
// prediction is a line to it and a folder for its files; what comes back is given on as it comes. The worker
// ends with its program, in the program's own way, so that a crash is told as what it is.

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include <fmt/format.h>
#include <unistd.h>

#include "common/safe_path.h"
#include "common/text.h"
#include "runtime/engines/process/messages.h"
#include "runtime/engines/process/program.h"
#include "runtime/engines/process/scratch.h"
#include "runtime/mrun_predictor.h"
#include "runtime/unpacked.h"

namespace mrun::process {
namespace {

constexpr const char* k_unpacked = "program";

std::string_view view(mrun_text text) {
  return text.size == 0 ? std::string_view() : std::string_view(text.data, text.size);
}
mrun_text text_of(std::string_view text) {
  return {text.data(), text.size()};
}

mrun_status status_of(const Error& error) {
  switch (error.code) {
  case ErrorCode::input_refused:
    return MRUN_INVALID_INPUT;
  case ErrorCode::engine_unsupported:
    return MRUN_UNSUPPORTED;
  default:
    return MRUN_FAILED;
  }
}

mrun_status tell(const mrun_host* host, std::uint64_t request, const Error& error) {
  const std::string details = error.hint.empty() ? "" : "help: " + error.hint;
  host->fail(host, request, text_of(error.message), text_of(details));
  return status_of(error);
}

// What start waits for.
struct Running {
  std::optional<mrun_status> status;
};

// The line goes to the worker's log, whose last ones are in the report of what failed; then the worker ends
// as the program did.
[[noreturn]] void end_worker(const std::string& words, const ProgramEnd& end) {
  std::fprintf(stderr, "the program %s\n", words.c_str());
  if (end.was_signal) {
    ::signal(end.value, SIG_DFL);
    ::kill(::getpid(), end.value);
  }
  ::_exit(end.was_signal || end.value == 0 ? 1 : end.value);
}

class ProcessModel : public Program::Listener {
 public:
  explicit ProcessModel(const mrun_host* host) : m_host(host) {}

  Result<void> load(const mrun_model& description) {
    m_host->phase(m_host, text_of("map"));
    const int cache = m_host->cache_dir(m_host);
    if (cache < 0)
      return fail(ErrorCode::load_failed, "there is no cache folder to unpack the program into",
                  "look whether the cache folder can be written");
    MRUN_TRY(unpack(description, cache));
    m_host->phase(m_host, text_of("build"));
    MRUN_ASSIGN(Scratch scratch, Scratch::make(cache));
    m_scratch.emplace(std::move(scratch));
    MRUN_ASSIGN(const std::string folder, absolute(m_unpacked->path()));
    MRUN_ASSIGN(m_program, Program::start({folder + "/" + std::string(view(description.main_file)), folder,
                                           environment(description.threads)},
                                          *this));
    std::unique_lock lock(m_mutex);
    m_changed.wait(lock, [this] { return m_is_ready || m_refusal; });
    if (m_refusal) return tl::unexpected(*m_refusal);
    return {};
  }

  ~ProcessModel() override {
    {
      const std::scoped_lock lock(m_mutex);
      m_is_stopping = true;
    }
    m_program.reset();
  }

  mrun_status start(const mrun_request& request) {
    Json input;
    const auto prepared = prepare(request, input);
    const mrun_status status = prepared ? run(request.id, input) : tell(m_host, request.id, prepared.error());
    m_scratch->end(request.id);
    return status;
  }

  void cancel(std::uint64_t id) {
    const std::scoped_lock lock(m_mutex);
    if (m_running.contains(id)) m_program->send(cancel_line(id));
  }

  void on_line(std::string_view text) override {
    const auto line = parse_line(text);
    if (!line) return broken(line.error().message);
    if (!line->id) return about_itself(*line);
    {
      const std::scoped_lock lock(m_mutex);
      const auto running = m_running.find(*line->id);
      if (running == m_running.end() || running->second.status) return; // late: it has ended
    }
    take(*line->id, *line);
  }

  void on_too_long(std::size_t limit_bytes) override {
    broken(fmt::format("the program wrote a line of over {}", format_bytes(limit_bytes)));
  }

  void on_end(ProgramEnd end) override {
    {
      const std::scoped_lock lock(m_mutex);
      if (m_is_stopping || m_refusal) return m_changed.notify_all();
      if (!m_is_ready) {
        m_refusal =
            fail(ErrorCode::load_failed, fmt::format("the program {} before it was ready", end.words()),
                 "its standard error is in the log; it says {\"ready\": true} once it can predict")
                .value();
        return m_changed.notify_all();
      }
    }
    end_worker(end.words(), end);
  }

 private:
  static Result<std::string> absolute(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
    if (!real) return fail_errno(ErrorCode::io, errno, "can't tell where the program is");
    return std::string(real.get());
  }

  Result<void> unpack(const mrun_model& description, int cache) {
    std::vector<UnpackedFile> files;
    for (std::size_t i = 0; i < description.file_count; ++i) {
      const mrun_file& file = description.files[i];
      MRUN_ASSIGN(const SafePath path, SafePath::parse(view(file.name)));
      const void* data = nullptr;
      if (file.size > 0 && file.span(&file, 0, file.size, &data) != MRUN_OK)
        return fail(ErrorCode::load_failed, fmt::format("`{}` can't be read", path.text()));
      files.push_back({path.text(), {static_cast<const char*>(data), static_cast<std::size_t>(file.size)}});
    }
    MRUN_ASSIGN(UnpackedFolder folder, UnpackedFolder::open(cache, k_unpacked, files));
    m_unpacked.emplace(std::move(folder));
    return {};
  }

  // Nothing of the user's but PATH: what a model does must not depend on who runs it.
  std::vector<std::string> environment(int threads) const {
    const char* path = std::getenv("PATH");
    std::vector<std::string> all = {"LANG=C.UTF-8",
                                    fmt::format("MRUN_THREADS={}", threads),
                                    fmt::format("OMP_NUM_THREADS={}", threads),
                                    fmt::format("HOME={}", m_scratch->path()),
                                    fmt::format("TMPDIR={}", m_scratch->path()),
                                    "PYTHONUNBUFFERED=1"};
    all.push_back(fmt::format("PATH={}", path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin"));
    for (const char* name : {"LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"})
      if (const char* value = std::getenv(name); value != nullptr)
        all.push_back(fmt::format("{}={}", name, value));
    return all;
  }

  // ---- a prediction
  Result<void> prepare(const mrun_request& request, Json& input) {
    input = Json::object();
    MRUN_ASSIGN(const std::string folder, m_scratch->begin(request.id));
    for (std::size_t i = 0; i < request.input_count; ++i)
      if (request.inputs[i].kind == MRUN_VALUE_JSON) {
        MRUN_ASSIGN(Json value, parse_json(view(request.inputs[i].text), ErrorCode::internal, "an input"));
        input[std::string(view(request.inputs[i].name))] = std::move(value);
      }
    for (std::size_t i = 0; i < request.input_count; ++i) {
      const mrun_value& value = request.inputs[i];
      if (value.kind == MRUN_VALUE_FILE) MRUN_TRY(place(request.id, value, input));
    }
    return {};
  }

  // `x` is the input's own file, `x.3` the fourth of its list.
  Result<void> place(std::uint64_t id, const mrun_value& value, Json& input) {
    const std::string name(view(value.name));
    const mrun_file& file = *value.file;
    const void* data = nullptr;
    if (file.size > 0 && file.span(&file, 0, file.size, &data) != MRUN_OK)
      return fail(ErrorCode::prediction_failed, fmt::format("the input `{}` can't be read", name));
    MRUN_ASSIGN(std::string path,
                m_scratch->put(id, name, std::string(view(file.name)),
                               {static_cast<const char*>(data), static_cast<std::size_t>(file.size)}));
    const std::size_t dot = name.rfind('.');
    if (dot == std::string::npos)
      input[name] = std::move(path);
    else
      input[name.substr(0, dot)][static_cast<std::size_t>(std::stoul(name.substr(dot + 1)))] =
          std::move(path);
    return {};
  }

  mrun_status run(std::uint64_t id, const Json& input) {
    std::unique_lock lock(m_mutex);
    m_running[id] = {};
    m_program->send(predict_line(id, input, fmt::format("{}/{}", m_scratch->path(), id)));
    if (m_host->cancelled(m_host, id) != 0)
      m_program->send(cancel_line(id)); // asked before it was known here
    m_changed.wait(lock, [&] { return m_running.at(id).status.has_value(); });
    const mrun_status status = *m_running.at(id).status;
    m_running.erase(id);
    return status;
  }

  void finish(std::uint64_t id, mrun_status status) {
    const std::scoped_lock lock(m_mutex);
    const auto running = m_running.find(id);
    if (running == m_running.end() || running->second.status) return;
    running->second.status = status;
    m_changed.notify_all();
  }

  // ---- what the program says, on the reading thread
  void about_itself(const Line& line) {
    if (line.what == Say::log) {
      std::fprintf(stderr, "%s\n", printable(line.text, 8 * k_kib).c_str());
      return;
    }
    const std::scoped_lock lock(m_mutex);
    if (line.what == Say::ready)
      m_is_ready = true;
    else if (!m_is_ready)
      m_refusal = fail(ErrorCode::load_failed, printable(line.text, 4 * k_kib)).value();
    m_changed.notify_all();
  }

  void take(std::uint64_t id, const Line& line) {
    switch (line.what) {
    case Say::done:
      return take_end(id, line);
    case Say::log:
      return m_host->log(m_host, id, level_of(line.level), text_of(line.text));
    case Say::metric:
      return check(id, m_host->metric(m_host, id, text_of(line.text), line.number));
    case Say::output:
      return check(id, emit(id, MRUN_VALUE_JSON, "output", canonical_json(line.value), ""));
    case Say::text:
      return check(id, emit(id, MRUN_VALUE_TEXT, "output", line.text, ""));
    case Say::file:
      return take_file(id, line);
    case Say::ready:
    case Say::refused:
      return;
    }
  }

  void take_end(std::uint64_t id, const Line& line) {
    if (line.end == End::failed)
      m_host->fail(m_host, id, text_of(line.text.empty() ? "the program failed without a reason" : line.text),
                   {});
    finish(id, line.end == End::succeeded  ? MRUN_OK
               : line.end == End::canceled ? MRUN_CANCELLED
                                           : MRUN_FAILED);
  }

  void take_file(std::uint64_t id, const Line& line) {
    std::uint64_t size_bytes = 0;
    const auto file = m_scratch->open(id, line.text, size_bytes);
    if (!file) return finish(id, tell(m_host, id, file.error()));
    const auto mapping = Mapping::map(file->get(), 0, static_cast<std::size_t>(size_bytes));
    if (!mapping) return finish(id, tell(m_host, id, mapping.error()));
    const std::string name = line.text.substr(line.text.rfind('/') + 1);
    check(id, emit(id, MRUN_VALUE_BYTES, name, mapping->text(), line.media_type));
  }

  mrun_status emit(std::uint64_t id, std::int32_t kind, std::string_view name, std::string_view text,
                   std::string_view media_type) {
    mrun_value value{};
    value.struct_size = sizeof value;
    value.kind = kind;
    value.name = text_of(name);
    value.text = text_of(text);
    value.media_type = text_of(media_type);
    return m_host->emit(m_host, id, &value);
  }

  // What the host does not take ends the prediction here, and asks the program to stop.
  void check(std::uint64_t id, mrun_status status) {
    if (status == MRUN_OK) return;
    cancel(id);
    finish(id, status);
  }

  static std::int32_t level_of(std::string_view level) {
    if (level == "error") return MRUN_LOG_ERROR;
    if (level == "warn") return MRUN_LOG_WARN;
    return level == "debug" ? MRUN_LOG_DEBUG : MRUN_LOG_INFO;
  }

  // It can't be understood, so nothing that it says counts any more.
  void broken(const std::string& words) {
    {
      const std::scoped_lock lock(m_mutex);
      if (m_is_stopping) return;
      if (!m_is_ready) {
        if (!m_refusal) m_refusal = fail(ErrorCode::load_failed, words).value();
        return m_changed.notify_all();
      }
    }
    std::fprintf(stderr, "%s\n", words.c_str());
    ::_exit(1);
  }

  const mrun_host* m_host;
  std::optional<UnpackedFolder> m_unpacked;
  std::optional<Scratch> m_scratch;
  std::mutex m_mutex;
  std::condition_variable m_changed;
  bool m_is_ready = false, m_is_stopping = false; // guarded
  std::optional<Error> m_refusal;                 // guarded: why it never got ready
  std::map<std::uint64_t, Running> m_running;     // guarded
  std::unique_ptr<Program> m_program;             // last: its threads use all of the above
};

// ---- the door
// -------------------------------------------------------------------------------------------------------

mrun_status load(const mrun_host* host, const mrun_model* description, void** model) {
  auto made = std::make_unique<ProcessModel>(host);
  if (const auto loaded = made->load(*description); !loaded) return tell(host, 0, loaded.error());
  *model = made.release(); // owned by the host until unload
  return MRUN_OK;
}

mrun_status start(void* model, const mrun_request* requests, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    if (const mrun_status status = static_cast<ProcessModel*>(model)->start(requests[i]); status != MRUN_OK)
      return status;
  return MRUN_OK;
}

void cancel(void* model, std::uint64_t request) {
  static_cast<ProcessModel*>(model)->cancel(request);
}

void unload(void* model) {
  std::unique_ptr<ProcessModel>(static_cast<ProcessModel*>(model)).reset();
}

mrun_predictor make_predictor() {
  mrun_predictor predictor{};
  predictor.struct_size = sizeof predictor;
  predictor.abi_major = MRUN_ABI_MAJOR;
  predictor.abi_minor = MRUN_ABI_MINOR;
  predictor.name = text_of("process");
  predictor.version = text_of("1");
  predictor.load = load;
  predictor.start = start;
  predictor.cancel = cancel;
  predictor.unload = unload;
  return predictor;
}

} // namespace
} // namespace mrun::process

extern "C" MRUN_EXPORT const mrun_predictor* mrun_predictor_v1(const mrun_host* host) {
  static const mrun_predictor predictor = mrun::process::make_predictor();
  return host->abi_major == MRUN_ABI_MAJOR ? &predictor : nullptr;
}
