// From a request to an accepted prediction.
#include <fmt/format.h>

#include "common/log.h"
#include "daemon/service/service_impl.h"
#include "packager/consent.h"
#include "packager/schema.h"

namespace mrun {

void Service::create(CreatePrediction request, Callback<Prediction> done) {
  if (m_draining)
    return done(fail(ErrorCode::draining, "the daemon is stopping and takes no new predictions"));
  if (!m_database_error) return admit(std::move(request), std::move(done));
  // The last write failed. One more is tried before anything runs, so that nothing runs unbilled.
  check_database(
      [this, request = std::move(request), done = std::move(done)](const Result<void>& works) mutable {
        if (!works) return done(tl::unexpected(works.error()));
        admit(std::move(request), std::move(done));
      });
}

void Service::check_database(std::function<void(Result<void>)> done) {
  m_writer.submit({[](WriterDatabase& database) { return database.touch(); },
                   [this, done = std::move(done)](Result<void> written) {
                     note_database(written);
                     done(std::move(written));
                   },
                   true});
}

void Service::admit(CreatePrediction request, Callback<Prediction> done) {
  const std::string version = request.version;
  m_resolver.resolve(version, [this, request = std::move(request),
                               done = std::move(done)](Result<BundlePtr> bundle) mutable {
    if (!bundle) return done(tl::unexpected(std::move(bundle).error()));
    if (Result<void> allowed = check_consent(m_store, **bundle); !allowed)
      return done(tl::unexpected(std::move(allowed).error()));
    start(std::move(request), *bundle, std::move(done));
  });
}

void Service::start(CreatePrediction request, const BundlePtr& bundle, Callback<Prediction> done) {
  if (m_draining)
    return done(fail(ErrorCode::draining, "the daemon is stopping and takes no new predictions"));
  Result<Json> checked = check_input(bundle->manifest, request.input);
  if (!checked) return done(tl::unexpected(std::move(checked).error()));
  Result<PreparedInput> input = prepare_input(bundle->manifest, std::move(*checked),
                                              [this](const std::string& id) { return open_upload(id); });
  if (!input) return done(tl::unexpected(std::move(input).error()));

  const LivePtr live = make_live(request, bundle, *input);
  RunRequest run;
  run.key = live->key;
  run.bundle = bundle;
  run.input = std::move(input->for_worker);
  run.files = std::move(input->files);
  run.device = request.device;
  if (request.cancel_after)
    run.deadline_monotonic_ns = live->created_monotonic_ns + request.cancel_after->count();
  m_live[live->prediction.id] = live;
  m_by_key[live->key] = live;
  if (Result<void> accepted = m_runner->submit(std::move(run)); !accepted) {
    m_live.erase(live->prediction.id);
    m_by_key.erase(live->key);
    return done(tl::unexpected(std::move(accepted).error()));
  }
  live->durable = request.durable_first;
  if (request.durable_first) return acknowledge(live, std::move(done));
  done(live->prediction);
}

LivePtr Service::make_live(const CreatePrediction& request, const BundlePtr& bundle,
                           const PreparedInput& input) {
  auto live = std::make_shared<Live>();
  live->key = m_next_key++;
  live->bundle = bundle;
  live->secrets = input.secrets;
  live->created_monotonic_ns = m_clock.monotonic_ns();
  Prediction& prediction = live->prediction;
  prediction.created_ns = m_clock.wall_ns();
  prediction.id = new_prediction_id(prediction.created_ns);
  prediction.model = bundle->manifest.name;
  prediction.version = bundle->digest.hex();
  prediction.input = input.for_record;
  prediction.tags = request.tags;
  if (request.cancel_after) prediction.deadline_ns = prediction.created_ns + request.cancel_after->count();
  live->input_bytes = input.size_bytes;
  append_event(*live, EventType::queued, prediction.created_ns,
               {{"id", prediction.id},
                {"model", prediction.model},
                {"version", prediction.version},
                {"created_at", rfc3339_utc(prediction.created_ns)}});
  return live;
}

// The row is on disk before anybody is told the id; the model may already be at work meanwhile.
void Service::acknowledge(const LivePtr& live, Callback<Prediction> done) {
  Prediction accepted = live->prediction;
  ask_for_row(
      live, true,
      [this, live, accepted = std::move(accepted), done = std::move(done)](const Result<void>& written) {
        if (written) return done(accepted);
        live->verdict = written.error();
        m_runner->cancel(live->key);
        done(tl::unexpected(written.error()));
      });
}

void Service::ask_for_row(const LivePtr& live, bool durable, std::function<void(Result<void>)> done) {
  live->row_asked = true;
  // A copy without what the end will write anyway: the row of a prediction under way holds no output or logs.
  auto row = std::make_shared<Prediction>();
  const Prediction& now = live->prediction;
  row->id = now.id;
  row->model = now.model;
  row->version = now.version;
  row->input = now.input;
  row->tags = now.tags;
  row->status = is_terminal(now.status) ? PredictionStatus::processing : now.status;
  row->created_ns = now.created_ns;
  row->started_ns = now.started_ns;
  row->deadline_ns = now.deadline_ns;
  m_writer.submit({[row, durable](WriterDatabase& database) { return database.insert(*row, durable); },
                   [this, live, done = std::move(done)](Result<void> written) {
                     on_row(live, written);
                     if (done) done(std::move(written));
                   },
                   durable});
}

void Service::on_row(const LivePtr& live, const Result<void>& written) {
  note_database(written);
  if (!written) {
    live->row_asked = false;
    return tell_broken(live, written.error());
  }
  live->visible = true;
  deliver(live);
}

} // namespace mrun
