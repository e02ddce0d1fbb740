// What the runner tells becomes the event list.
#include <fmt/format.h>

#include "common/media_type.h"
#include "daemon/service/outputs.h"
#include "daemon/service/service_impl.h"

namespace mrun {
namespace {

constexpr std::size_t k_sniffed_bytes = 64; // of an output that nobody told the type of

constexpr std::size_t k_max_log_events = 20'000;

std::string phase_text(Phase phase) {
  return std::string(k_phase_names[static_cast<std::size_t>(phase)]);
}

} // namespace

LivePtr Service::by_key(RunKey key) const {
  const auto found = m_by_key.find(key);
  return found == m_by_key.end() ? nullptr : found->second;
}

void Service::in_order(const LivePtr& live, std::function<void()> step) {
  if (live->storing)
    live->backlog.push_back(std::move(step));
  else
    step();
}

void Service::add_event(const LivePtr& live, EventType type, Json data) {
  append_event(*live, type, m_clock.wall_ns(), std::move(data));
  deliver(live);
}

void Service::deliver(const LivePtr& live) {
  if (!live->visible) return;
  if (live->delivering) { // a callback made another event: the loop below goes round once more
    live->deliver_again = true;
    return;
  }
  live->delivering = true;
  do {
    live->deliver_again = false;
    // By index and by own reference: a callback may follow and unfollow.
    for (std::size_t i = 0; i < live->followers.size(); ++i) {
      const std::shared_ptr<Follower> follower = live->followers[i];
      while (follower->active && follower->on_event && follower->next_seq <= live->events.size()) {
        const Event event = live->events[follower->next_seq - 1];
        ++follower->next_seq;
        follower->on_event(event);
      }
    }
  } while (live->deliver_again);
  live->delivering = false;
  std::erase_if(live->followers, [&live](const std::shared_ptr<Follower>& follower) {
    return !follower->active || (live->committed && follower->next_seq > live->events.size());
  });
}

void Service::on_phase(RunKey key, Phase phase) {
  if (const LivePtr live = by_key(key))
    in_order(live,
             [this, live, phase] { add_event(live, EventType::phase, {{"phase", phase_text(phase)}}); });
}

void Service::on_started(RunKey key) {
  const LivePtr live = by_key(key);
  if (live == nullptr) return;
  in_order(live, [this, live] {
    live->prediction.status = PredictionStatus::processing;
    live->prediction.started_ns = m_clock.wall_ns();
    add_event(live, EventType::started, {{"at", rfc3339_utc(*live->prediction.started_ns)}});
    // After a kill the ledger has to know what ran, so that it does not call it free.
    if (live->row_asked)
      write_line([id = live->prediction.id, at = *live->prediction.started_ns](WriterDatabase& database) {
        return database.mark_started(id, at);
      });
  });
}

void Service::on_output(RunKey key, RunOutput output) {
  const LivePtr live = by_key(key);
  if (live == nullptr || live->verdict) return;
  if (output.kind == RunOutput::Kind::file)
    // Shared: a std::function must be copyable, a file's content is not.
    return in_order(live, [this, live, file = std::make_shared<RunOutput>(std::move(output))] {
      store_file(live, file);
    });
  const bool is_text = output.kind == RunOutput::Kind::text;
  if (!live->storing) return take_value(live, std::move(output.value), std::move(output.text), is_text);
  in_order(live, [this, live, value = std::move(output.value), text = std::move(output.text), is_text] {
    take_value(live, value, text, is_text);
  });
}

void Service::over_limit(const LivePtr& live, std::string message) {
  if (live->verdict) return;
  live->verdict = fail(ErrorCode::output_limit, std::move(message)).value();
  m_runner->cancel(live->key);
}

void Service::take_value(const LivePtr& live, Json value, std::string text, bool is_text) {
  if (live->verdict) return;
  live->kept_bytes += is_text ? text.size() : held_bytes(value);
  if (live->kept_bytes > k_max_output_bytes)
    return over_limit(live, fmt::format("the output has over {} bytes", k_max_output_bytes));
  if (live->output_count >= k_max_output_items)
    return over_limit(live, fmt::format("there are over {} output values", k_max_output_items));
  if (has_file_mark(value)) {
    live->verdict = fail(ErrorCode::prediction_failed,
                         "the model's JSON looks like one of mrun's own marks of an output file")
                        .value();
    return m_runner->cancel(live->key);
  }
  const TypeSpec& type = live->bundle->manifest.output;
  Json event_value = is_text ? Json(text) : value;
  if (is_text)
    add_output_text(type, live->prediction.output, text);
  else
    add_output_value(type, live->output_count, live->prediction.output, std::move(value));
  ++live->output_count;
  add_event(live, EventType::output, {{"value", std::move(event_value)}});
}

void Service::store_file(const LivePtr& live, std::shared_ptr<RunOutput> file) {
  if (live->verdict) return;
  if (live->output_count >= k_max_output_items)
    return over_limit(live, fmt::format("there are over {} output values", k_max_output_items));
  live->storing = true;
  StoredOutput output;
  output.media_type = effective_media_type(file->media_type, file->bytes().substr(0, k_sniffed_bytes));
  output.name = file->name;
  output.size_bytes = file->bytes().size();
  live->file_bytes += output.size_bytes;
  m_background.call<StoredFile>(
      [this, file = std::move(file), durable = live->durable](ReaderDatabase&) -> Result<StoredFile> {
        MRUN_ASSIGN(const Digest digest, m_outputs.put(file->bytes(), durable));
        return StoredFile{digest, measure_file(file->bytes())};
      },
      [this, live, output = std::move(output)](const Result<StoredFile>& stored) {
        on_file_stored(live, stored, output);
      });
}

void Service::on_file_stored(const LivePtr& live, const Result<StoredFile>& stored, StoredOutput output) {
  live->storing = false;
  if (!stored) {
    live->verdict = stored.error();
    m_runner->cancel(live->key);
  } else {
    output.digest = stored->digest;
    live->meter.add_file(stored->measure);
    Json marker = file_mark_json({.index = live->outputs.size(),
                                  .media_type = output.media_type,
                                  .name = output.name,
                                  .size_bytes = output.size_bytes,
                                  .digest = output.digest.text()});
    live->outputs.push_back(std::move(output));
    add_output_value(live->bundle->manifest.output, live->output_count, live->prediction.output, marker);
    ++live->output_count;
    add_event(live, EventType::output, {{"value", std::move(marker)}});
  }
  while (!live->storing && !live->backlog.empty()) {
    const std::function<void()> step = std::move(live->backlog.front());
    live->backlog.pop_front();
    step();
  }
}

void Service::on_log(RunKey key, std::string_view level, std::string_view text) {
  const LivePtr live = by_key(key);
  if (live == nullptr) return;
  in_order(live, [this, live, level = std::string(level), text = std::string(text)] {
    take_log(live, level, text);
  });
}

void Service::take_log(const LivePtr& live, const std::string& level, std::string text) {
  if (live->logs_cut) return;
  redact(text, live->secrets);
  if (live->prediction.logs.size() + text.size() > k_max_log_bytes || live->log_events >= k_max_log_events) {
    live->logs_cut = true;
    text = "[mrun keeps no more of this log; the worker's own log goes on]";
  }
  ++live->log_events;
  live->prediction.logs += text;
  if (!text.ends_with('\n')) live->prediction.logs += '\n';
  add_event(live, EventType::log, {{"level", level}, {"text", std::move(text)}});
}

void Service::on_metric(RunKey key, const std::string& name, double value) {
  const LivePtr live = by_key(key);
  if (live == nullptr || is_metered(name)) return; // units are measured, never said
  in_order(live, [this, live, name, value] {
    Json& metrics = live->prediction.metrics;
    if (!metrics.contains(name) && metrics.size() >= k_max_metrics) return;
    metrics[name] = value;
    add_event(live, EventType::metric, {{"name", name}, {"value", value}});
  });
}

void Service::on_done(RunKey key, RunOutcome outcome) {
  const LivePtr live = by_key(key);
  if (live == nullptr) return;
  m_by_key.erase(key);
  note_worker(*live, outcome);
  if (!live->storing) return end(live, std::move(outcome));
  in_order(live, [this, live, outcome = std::move(outcome)] { end(live, outcome); });
}

} // namespace mrun
