#include "runtime/tests/worker_process.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/messages.h"

namespace mrun::test {
namespace {

constexpr int k_deadline_ms = 60'000;

bool readable(int fd) {
  pollfd wanted{fd, POLLIN, 0};
  return ::poll(&wanted, 1, k_deadline_ms) == 1;
}

} // namespace

TempFolder::TempFolder() {
  char pattern[] = "/tmp/mrun-worker-XXXXXX";
  path = ::mkdtemp(pattern);
}

TempFolder::~TempFolder() {
  std::filesystem::remove_all(path);
}

UniqueFd TempFolder::open() const {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

std::string TempFolder::add_blob(std::string_view bytes) {
  std::string name = fmt::format("{:064x}", ++m_blobs);
  const UniqueFd file(::open((path + "/" + name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(write_all(file.get(), bytes, "a blob"));
  return name;
}

std::string echo_engine() {
  return MRUN_TEST_ENGINES "/echo.so";
}
std::string later_engine() {
  return MRUN_TEST_LATER;
}

std::string Answer::text() const {
  std::string all;
  for (const std::string& value : values)
    all += value;
  return all;
}

WorkerProcess::WorkerProcess(const std::string& engine, const std::string& flag,
                             const std::map<std::string, std::string>& environment) {
  auto pair = frame_socketpair();
  REQUIRE(pair);
  int output[2] = {-1, -1};
  REQUIRE(::pipe2(output, O_CLOEXEC) == 0);
  const std::string worker = MRUN_TEST_WORKER;
  m_pid = ::fork();
  if (m_pid == 0) {
    ::dup2(output[1], 1);
    ::dup2(output[1], 2);
    if (pair->second.get() == 3)
      ::fcntl(3, F_SETFD, 0);
    else
      ::dup2(pair->second.get(), 3);
    for (const auto& [name, value] : environment)
      ::setenv(name.c_str(), value.c_str(), 1);
    ::execl(worker.c_str(), worker.c_str(), flag.c_str(), engine.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(output[1]);
  m_output.reset(output[0]);
  m_control = std::move(pair->first);
}

WorkerProcess::WorkerProcess(UniqueFd control, UniqueFd output, int pid)
    : m_control(std::move(control)),
      m_output(std::move(output)),
      m_pid(pid),
      m_is_child(false) {}

WorkerProcess::~WorkerProcess() {
  if (m_pid > 0) {
    ::kill(m_pid, SIGKILL);
    if (m_is_child) ::waitpid(m_pid, nullptr, 0);
  }
}

void WorkerProcess::send(const Json& header, std::string_view payload, const std::vector<int>& fds) {
  REQUIRE(send_frame(m_control.get(), header, payload, fds));
}

Result<Frame> WorkerProcess::try_receive() {
  REQUIRE(readable(m_control.get()));
  MRUN_ASSIGN(auto frame, receive_frame(m_control.get()));
  REQUIRE(frame);
  return std::move(*frame);
}

Frame WorkerProcess::receive() {
  auto frame = try_receive();
  REQUIRE_MESSAGE(frame, frame.error().message);
  return std::move(*frame);
}

Frame WorkerProcess::expect(std::string_view type) {
  for (;;) {
    Frame frame = receive();
    if (frame.type() == type) return frame;
    const bool skipped = frame.type() == "phase" || frame.type() == "log";
    REQUIRE_MESSAGE(skipped, canonical_json(frame.header) << " instead of " << type);
  }
}

Json model_spec(const Json& manifest, const Json& files) {
  return Json{
      {"schema", "mrun.model_spec/v1"},         {"manifest", manifest}, {"files", files},
      {"device", {{"type", "cpu"}, {"id", 0}}}, {"threads", 1},         {"version", std::string(64, 'a')}};
}

Frame WorkerProcess::load(const Json& manifest, const TempFolder& blobs, const Json& files) {
  expect("hello");
  const UniqueFd folder = blobs.open();
  send(load_message(false), canonical_json(model_spec(manifest, files)), {folder.get()});
  for (;;) {
    Frame frame = receive();
    if (frame.type() == "loaded" || frame.type() == "load_failed") return frame;
  }
}

Frame WorkerProcess::load(const Json& manifest) {
  const TempFolder empty;
  return load(manifest, empty);
}

void WorkerProcess::predict(std::uint64_t id, const Json& input, const std::vector<int>& fds) {
  send(predict_message(id, fds.size()), canonical_json(input), fds);
}

Answer WorkerProcess::answer(std::uint64_t id) {
  Answer answer;
  for (;;) {
    auto frame = try_receive();
    if (!frame) {
      answer.lost = frame.error();
      return answer;
    }
    const Json& header = frame->header;
    if (header.value("id", std::uint64_t{0}) != id) continue;
    if (frame->type() == "output") {
      answer.outputs.push_back(header);
      answer.values.emplace_back(frame->payload());
    } else if (frame->type() == "log") {
      answer.logs.emplace_back(frame->payload());
    } else if (frame->type() == "metric") {
      answer.metrics[header["name"].get<std::string>()] = header["value"].get<double>();
    } else if (frame->type() == "done") {
      answer.done = header;
      answer.details = frame->payload();
      return answer;
    }
  }
}

Answer WorkerProcess::ask(const Json& input, const std::vector<int>& fds) {
  predict(++m_last_id, input, fds);
  return answer(m_last_id);
}

int WorkerProcess::wait() {
  int status = 0;
  if (m_is_child && m_pid > 0) ::waitpid(m_pid, &status, 0);
  m_pid = -1;
  return status;
}

std::string WorkerProcess::output() {
  auto text = read_all(m_output.get(), 64 << 20, "the output", ErrorCode::internal);
  REQUIRE(text);
  return std::move(*text);
}

int open_pidfd(int pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

bool ends(int pidfd) {
  return readable(pidfd);
}

} // namespace mrun::test
