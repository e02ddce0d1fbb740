// A real mrun-worker (or zygote) at the other end of a real socketpair, for tests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/json.h"
#include "runtime/frames.h"

namespace mrun::test {

// A folder that goes away.
struct TempFolder {
  TempFolder();
  ~TempFolder();
  UniqueFd open() const;
  // Writes a blob under its digest-like name and gives the name.
  std::string add_blob(std::string_view bytes);
  std::string path;

 private:
  int m_blobs = 0;
};

std::string echo_engine();
std::string later_engine(); // a test module that finishes later

// What one prediction came to.
struct Answer {
  std::vector<Json> outputs;       // headers of `output` frames, in order
  std::vector<std::string> values; // and their payloads
  std::vector<std::string> logs;
  std::map<std::string, double> metrics;
  Json done; // null: the worker went away
  std::string details;
  Error lost; // why there is no `done`

  std::string text() const; // all values joined
  std::string status() const { return done.is_null() ? "" : done["status"].get<std::string>(); }
  std::string code() const { return done.is_null() ? "" : done.value("code", ""); }
};

class WorkerProcess {
 public:
  // Starts `mrun-worker FLAG ENGINE` with descriptor 3 as its control socket.
  explicit WorkerProcess(const std::string& engine = echo_engine(), const std::string& flag = "--engine",
                         const std::map<std::string, std::string>& environment = {});
  // A worker that exists already (forked by a zygote).
  WorkerProcess(UniqueFd control, UniqueFd output, int pid);
  ~WorkerProcess(); // SIGKILL and reap

  void send(const Json& header, std::string_view payload = {}, const std::vector<int>& fds = {});
  // The next frame; REQUIREs that one comes in time.
  Frame receive();
  Result<Frame> try_receive();
  Frame expect(std::string_view type); // skips `phase` and log frames

  // hello and load with a manifest; the `loaded` or `load_failed` frame.
  Frame load(const Json& manifest, const TempFolder& blobs, const Json& files = Json::array());
  Frame load(const Json& manifest);
  void predict(std::uint64_t id, const Json& input, const std::vector<int>& fds = {});
  Answer answer(std::uint64_t id); // collects until `done` of that id; frames of other ids are dropped
  Answer ask(const Json& input, const std::vector<int>& fds = {});

  int pid() const { return m_pid; }
  int control() const { return m_control.get(); }
  int wait();           // the wait status (0 when it is no child of this process)
  std::string output(); // what it printed, after its end

 private:
  UniqueFd m_control, m_output;
  int m_pid = -1;
  bool m_is_child = true;
  std::uint64_t m_last_id = 0;
};

// The spec around a manifest.
Json model_spec(const Json& manifest, const Json& files);
// True when the process is gone within the deadline.
bool ends(int pidfd);
int open_pidfd(int pid);

} // namespace mrun::test
