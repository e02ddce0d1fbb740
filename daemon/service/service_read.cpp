// Asking for predictions: one, many, the end, the events.
#include <algorithm>
#include <limits>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "common/text.h"
#include "daemon/service/outputs.h"
#include "daemon/service/service_impl.h"

namespace mrun {
namespace {

constexpr std::uint64_t k_last_seq = std::numeric_limits<std::int64_t>::max(); // far above any event's number

tl::unexpected<Error> not_found(const std::string& id) {
  return fail(ErrorCode::prediction_not_found, fmt::format("there is no prediction '{}'", printable(id, 60)));
}

// What may be told of it now. Until its end is committed nobody may see it: a crash could still give it
// another one.
Prediction snapshot(const Live& live) {
  Prediction prediction = live.prediction;
  if (is_terminal(prediction.status) && !live.committed) {
    prediction.status = PredictionStatus::processing;
    prediction.completed_ns.reset();
    prediction.error.reset();
    prediction.metrics = Json::object();
  }
  return prediction;
}

} // namespace

LivePtr Service::find(const std::string& id) const {
  if (const auto found = m_live.find(id); found != m_live.end()) return found->second;
  const auto recent = std::find_if(m_recent.rbegin(), m_recent.rend(),
                                   [&id](const LivePtr& live) { return live->prediction.id == id; });
  return recent == m_recent.rend() ? nullptr : *recent;
}

void Service::get(const std::string& id, Callback<Prediction> done) {
  if (!is_prediction_id(id)) return done(not_found(id));
  if (const LivePtr live = find(id)) {
    return done(snapshot(*live));
  }
  m_background.call<Prediction>([id](ReaderDatabase& reader) { return reader.get(id); }, std::move(done));
}

void Service::list(const std::string& cursor, std::size_t limit, Callback<PredictionPage> done) {
  m_background.call<StoredPage>(
      [cursor, limit](ReaderDatabase& reader) { return reader.list(cursor, limit); },
      [this, first = cursor.empty(), done = std::move(done)](Result<StoredPage> stored) {
        if (!stored) return done(tl::unexpected(std::move(stored).error()));
        PredictionPage page{std::move(stored->predictions), std::move(stored->next_cursor)};
        show_live(page, first, k_page_bytes - std::min(k_page_bytes, stored->size_bytes));
        done(std::move(page));
      });
}

void Service::show_live(PredictionPage& page, bool first, std::size_t room_bytes) const {
  const auto fits = [&room_bytes](std::size_t size_bytes) {
    if (size_bytes > room_bytes) return false;
    room_bytes -= size_bytes;
    return true;
  };
  // The row of one that is under way knows only its beginning; what it has given so far is shown while the
  // page has room for it.
  for (Prediction& prediction : page.predictions) {
    const LivePtr live = find(prediction.id);
    if (live == nullptr) continue;
    if (live->committed || fits(live->kept_bytes + live->prediction.logs.size())) {
      prediction = snapshot(*live);
    } else {
      prediction.started_ns = live->prediction.started_ns;
      if (!is_terminal(live->prediction.status)) prediction.status = live->prediction.status;
    }
  }
  if (!first) return;
  // A synchronous one has no row before its end; whoever wants to see or cancel it finds it on the first
  // page.
  const auto listed = [&page](const std::string& id) {
    return std::ranges::any_of(page.predictions, [&id](const Prediction& one) { return one.id == id; });
  };
  for (const auto& [id, live] : m_live)
    if (!live->ended && !listed(id) && !live->visible &&
        fits(held_bytes(live->prediction.input) + live->kept_bytes + live->prediction.logs.size()))
      page.predictions.push_back(snapshot(*live));
  std::ranges::stable_sort(page.predictions, std::ranges::greater{}, &Prediction::id);
}

void Service::cancel(const std::string& id, Callback<Prediction> done) {
  if (const auto found = m_live.find(id); found != m_live.end() && !found->second->ended)
    m_runner->cancel(found->second->key);
  get(id, std::move(done));
}

std::unique_ptr<Subscription> Service::when_done(const std::string& id, Callback<PredictionPtr> done,
                                                 std::function<void(const Prediction&)> prepare) {
  auto follower = std::make_shared<Follower>();
  follower->on_done = std::move(done);
  follower->prepare = std::move(prepare);
  const LivePtr live = find(id);
  if (live != nullptr && live->committed) {
    follower->active = false;
    follower->on_done(PredictionPtr(live, &live->prediction));
  } else if (live != nullptr) {
    live->followers.push_back(follower);
  } else {
    get(id, [follower](Result<Prediction> prediction) {
      if (!follower->active) return;
      if (!prediction) return follower->on_done(tl::unexpected(std::move(prediction).error()));
      follower->on_done(std::make_shared<const Prediction>(std::move(*prediction)));
    });
  }
  return std::make_unique<FollowerSubscription>(std::move(follower));
}

void Service::make_durable(const std::string& id, Callback<Prediction> done) {
  const auto found = m_live.find(id);
  if (found == m_live.end()) return get(id, std::move(done));
  const LivePtr live = found->second;
  live->durable = true;
  const auto answer = [this, id, done = std::move(done)](const Result<void>& written) {
    if (!written) return done(tl::unexpected(written.error()));
    get(id, done);
  };
  // One that has ended is being committed in the order of the queue; marking its row syncs that as well.
  if (!live->row_asked && !live->ended) return ask_for_row(live, true, answer);
  m_writer.submit({[id](WriterDatabase& database) { return database.mark_durable(id); },
                   [this, live, answer](const Result<void>& written) {
                     // The row was asked for before, and that failed: it is asked for once more.
                     if (!written && !live->row_asked && !live->ended) return ask_for_row(live, true, answer);
                     note_database(written);
                     answer(written);
                   },
                   true});
}

Result<std::unique_ptr<Subscription>> Service::follow(const std::string& id, std::uint64_t after_seq,
                                                      std::function<void(const Event&)> on_event,
                                                      std::function<void(const Error&)> on_broken) {
  if (!is_prediction_id(id)) return not_found(id);
  auto follower = std::make_shared<Follower>();
  follower->on_broken = std::move(on_broken);
  follower->next_seq = std::min<std::uint64_t>(after_seq, k_last_seq) + 1;
  follower->on_event = std::move(on_event);
  if (const LivePtr live = find(id)) {
    // Whoever says that he has seen more than there is gets what comes; of one that has ended, its end.
    follower->next_seq =
        std::min<std::uint64_t>(follower->next_seq, live->events.size() + (live->committed ? 0 : 1));
    live->followers.push_back(follower);
    if (live->visible)
      boost::asio::post(m_io, [this, live] { deliver(live); });
    else if (!live->row_asked && !live->ended)
      ask_for_row(live, false, nullptr); // an event shows the id, so the row comes first
  } else {
    replay(id, follower);
  }
  return std::make_unique<FollowerSubscription>(std::move(follower));
}

namespace {

// The events from next_seq on; they are numbered by their place.
void give_events(const EventList& events, Follower& follower) {
  const std::uint64_t first =
      std::min<std::uint64_t>(follower.next_seq, std::max<std::size_t>(events->size(), 1));
  for (std::uint64_t i = first - 1; i < events->size() && follower.active; ++i)
    follower.on_event((*events)[i]);
  const bool has_end = !events->empty() && events->back().type == EventType::done;
  if (has_end || !follower.active) return;
  follower.break_off(fail(ErrorCode::database, "the prediction's record has no end").value());
}

} // namespace

// A slow reader follows again and again: as long as one of its subscriptions lives, the list is read once.
void Service::replay(const std::string& id, std::shared_ptr<Follower> follower) {
  std::erase_if(m_replays, [](const auto& entry) { return entry.second.expired(); });
  if (const auto known = m_replays.find(id); known != m_replays.end()) {
    follower->replayed = known->second.lock();
    return boost::asio::post(m_io, [follower = std::move(follower)] {
      if (follower->active) give_events(follower->replayed, *follower);
    });
  }
  m_background.call<std::vector<Event>>(
      [id](ReaderDatabase& reader) { return reader.events(id); },
      [this, id, follower = std::move(follower)](Result<std::vector<Event>> events) {
        if (!follower->active) return;
        if (events) {
          follower->replayed = std::make_shared<const std::vector<Event>>(std::move(*events));
          m_replays[id] = follower->replayed;
          return give_events(follower->replayed, *follower);
        }
        follower->break_off(events.error());
      });
}

void Service::abandon(const std::string& id) {
  if (const auto found = m_live.find(id);
      found != m_live.end() && !found->second->durable && !found->second->ended)
    m_runner->cancel(found->second->key);
}

void Service::version_stats(const std::string& version, Callback<Json> done) {
  m_background.call<Json>([version](ReaderDatabase& reader) { return reader.version_stats(version); },
                          std::move(done));
}

} // namespace mrun
