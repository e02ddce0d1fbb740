// A prediction that has not ended, and its followers. Owned by the io thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cost/meters.h"
#include "daemon/api/prediction.h"
#include "daemon/runner/runner.h"
#include "daemon/service/service.h"
#include "daemon/state/records.h"

namespace mrun {

using EventList = std::shared_ptr<const std::vector<Event>>; // shared by those who replay it

// Someone who listens to the events, or waits for the end. Callbacks may be empty.
struct Follower {
  bool active = true;
  std::uint64_t next_seq = 1;
  // Of the events.
  std::function<void(const Event&)> on_event;
  std::function<void(const Error&)> on_broken;
  EventList replayed; // of a prediction that is not live
  // Of the end.
  std::function<void(const Prediction&)> prepare;
  Callback<PredictionPtr> on_done;

  // Nothing more comes to him who listens.
  void break_off(const Error& error) {
    active = false;
    if (on_broken) on_broken(error);
  }
};

struct Live {
  RunKey key = 0;
  Prediction prediction;
  std::shared_ptr<const Bundle> bundle; // shared with the runner's request
  std::vector<Event> events;
  std::vector<StoredOutput> outputs;
  OutputMeter meter; // of the output files
  std::vector<std::string> secrets;
  std::int64_t created_monotonic_ns = 0;
  std::uint64_t input_bytes = 0;
  std::uint64_t file_bytes = 0; // of output files
  std::uint64_t kept_bytes = 0; // of outputs held in memory: JSON and text, about
  std::size_t output_count = 0;
  std::size_t log_events = 0;
  bool logs_cut = false;

  // Its row: asked for, and there for all to see (committed). Events show an id, so they wait for `visible`.
  bool row_asked = false;
  bool visible = false;
  bool durable = false;   // nobody's leaving cancels it
  bool ended = false;     // the runner is done with it
  bool committed = false; // its end is in the database

  // Of the worker that ran it, as it was when the runner was done with it.
  std::string worker;
  std::vector<StretchRow> stretches;
  std::optional<OpenStretch> idle_from;

  std::optional<Error> verdict; // the service's own reason to fail it, whatever the worker says

  // An output file is being stored: what comes after it waits here, so that events keep their order.
  bool storing = false;
  std::deque<std::function<void()>> backlog;

  bool delivering = false, deliver_again = false;
  std::vector<std::shared_ptr<Follower>> followers; // shared with their subscriptions
};

// Appends an event numbered by its place.
inline Event& append_event(Live& live, EventType type, std::int64_t wall_ns, Json data) {
  return live.events.emplace_back(Event{live.events.size() + 1, wall_ns, type, std::move(data)});
}

class FollowerSubscription : public Subscription {
 public:
  explicit FollowerSubscription(std::shared_ptr<Follower> follower) : m_follower(std::move(follower)) {}
  ~FollowerSubscription() override { m_follower->active = false; }

 private:
  std::shared_ptr<Follower> m_follower;
};

} // namespace mrun
