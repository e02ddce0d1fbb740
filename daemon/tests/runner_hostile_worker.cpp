// A program in the place of mrun-worker that breaks the rules of docs/formats/frames.md one at a time, as the
// prediction's input `misbehave` says (in a load: as the manifest's option says).
#include <csignal>
#include <functional>
#include <map>
#include <string>

#include <unistd.h>

#include "common/json.h"
#include "runtime/frames.h"
#include "runtime/messages.h"

using namespace mrun;

namespace {

constexpr int k_control_fd = 3;

void say(const Json& header, std::string_view payload = {}) {
  (void)send_frame(k_control_fd, header, payload);
}

Json done_of(std::uint64_t id, std::string status = "succeeded") {
  DoneMessage done;
  done.id = id;
  done.status = std::move(status);
  return done_message(done);
}

void answer(std::uint64_t id) {
  say(started_message(id, 0));
  say(output_message(id, "text"), "hi");
  say(done_of(id));
}

Json with(Json header, const char* key, Json value) {
  header[key] = std::move(value);
  return header;
}

using Act = std::function<void(std::uint64_t id)>;

std::map<std::string, Act> acts() {
  return {
      {"unknown_type", [](std::uint64_t) { say({{"t", "surprise"}}); }},
      {"unknown_id", [](std::uint64_t id) { say(started_message(id + 1, 0)); }},
      {"no_id", [](std::uint64_t) { say({{"t", "started"}}); }},
      {"negative_id", [](std::uint64_t) { say({{"t", "done"}, {"id", -1}, {"status", "succeeded"}}); }},
      {"started_twice",
       [](std::uint64_t id) {
         say(started_message(id, 0));
         say(started_message(id, 0));
       }},
      {"output_before_started", [](std::uint64_t id) { say(output_message(id, "text"), "x"); }},
      {"bad_kind",
       [](std::uint64_t id) {
         say(started_message(id, 0));
         say(output_message(id, "picture"), "x");
       }},
      {"bad_json",
       [](std::uint64_t id) {
         say(started_message(id, 0));
         say(output_message(id, "json"), "{broken");
       }},
      {"bad_status", [](std::uint64_t id) { say(done_of(id, "processing")); }},
      {"aborted", [](std::uint64_t id) { say(done_of(id, "aborted")); }},
      {"bad_level", [](std::uint64_t id) { say(log_message(id, "shout"), "x"); }},
      {"metric_name", [](std::uint64_t id) { say(metric_message(id, "a b", 1)); }},
      {"metric_value", [](std::uint64_t id) { say(with(metric_message(id, "a", 1), "value", "one")); }},
      {"hello_again", [](std::uint64_t) { say(hello_message({})); }},
      {"loaded_again", [](std::uint64_t) { say(loaded_message({}, 0)); }},
      {"load_failed_late", [](std::uint64_t) { say(load_failed_message("load_failed", "late")); }},
      {"many_metrics",
       [](std::uint64_t id) {
         for (int i = 0; i < 300; ++i)
           say(metric_message(id, "m" + std::to_string(i), i));
       }},
      {"grandchild_floods",
       [](std::uint64_t id) {
         say(started_message(id, 0));
         if (::fork() != 0) ::_exit(3);
         ::setsid(); // out of the worker's group, so that only its closed socket ends it
         ::signal(SIGPIPE, SIG_IGN);
         while (send_frame(k_control_fd, log_message(0, "info"), "flood")) {
         }
         ::_exit(0);
       }},
      {"breaks_and_floods",
       [](std::uint64_t id) {
         say({{"t", "surprise"}});
         while (send_frame(k_control_fd, log_message(id, "info"), "flood")) {
         }
       }},
      {"odd_code",
       [](std::uint64_t id) {
         DoneMessage done;
         done.id = id;
         done.status = "failed";
         done.code = "disk_full"; // not a worker's to say
         done.message = "line\nbreak";
         say(done_message(done), "where it happened");
       }},
  };
}

std::string option_of(const Frame& load) {
  const auto spec = parse_json(load.payload(), ErrorCode::load_failed, "spec");
  return spec ? (*spec)["manifest"]["options"].value("misbehave", "") : "";
}

void start(const std::string& mode) {
  if (mode == "no_hello") return say(loaded_message({}, 0));
  HelloMessage hello;
  hello.engine = "hostile";
  say(mode == "protocol" ? with(hello_message(hello), "protocol", 2) : hello_message(hello));
  say(mode == "bad_phase" ? phase_message("lunch", 1)
                          : phase_message("map", 1)); // long before it was started
  for (int i = 0; mode == "phases" && i < 10'000; ++i)
    if (!send_frame(k_control_fd, phase_message(i % 2 == 0 ? "build" : "map", 1))) return;
  say(loaded_message({}, mode == "liar" ? std::uint64_t{1} << 60 : 0));
}

} // namespace

int main() {
  const std::map<std::string, Act> table = acts();
  for (;;) {
    auto frame = receive_frame(k_control_fd);
    if (!frame || !*frame || (*frame)->type() == "exit") return 0;
    if ((*frame)->type() == "load") start(option_of(**frame));
    if ((*frame)->type() != "predict") continue;
    const auto id = (*frame)->header.value("id", std::uint64_t{0});
    const auto input = parse_json((*frame)->payload(), ErrorCode::load_failed, "input");
    const auto act = table.find(input ? input->value("misbehave", "") : "");
    if (act != table.end())
      act->second(id);
    else if (input && input->value("misbehave", "") == "done_twice") {
      answer(id);
      say(done_of(id));
    } else if (input && input->value("misbehave", "") == "output_after_done") {
      answer(id);
      say(output_message(id, "text"), "late");
    } else
      answer(id);
  }
}
