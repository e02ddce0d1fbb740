// The prediction service: what every API surface is an adapter of. Runs on the io thread. The database,
// output files, bundles and searches of the store are read and written on other threads; what a call does
// itself is bounded: it copies data: URIs of an input to memory files, looks a name up in the store's index
// (read again after a change), and opens files of the state folder.
//
// It resolves and checks, keeps the event list of each live prediction, drives the runner, stores (one writer
// thread), bills, and answers. A prediction acknowledged before it ran is durable first; a synchronous one is
// committed before its end is announced.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "common/error.h"
#include "common/fd.h"
#include "common/json.h"
#include "daemon/api/ledger.h"
#include "daemon/api/prediction.h"
#include "daemon/api/token.h"
#include "daemon/api/uploaded_file.h"
#include "daemon/runner/runner.h"

namespace mrun {

template<class T>
using Callback = std::function<void(Result<T>)>;

struct CreatePrediction {
  std::string version; // owner/name[:tag|:64hex|@sha256:…], or 8..64 hex
  Json input;
  std::optional<std::chrono::nanoseconds> cancel_after; // Cancel-After
  std::string device = "auto";
  Tags tags;                 // Mrun-Tags
  bool durable_first = true; // false: the caller waits for the end (Prefer: wait, event stream)
};

// A stored output file.
struct OutputFile {
  std::string media_type;
  std::string name;
  std::uint64_t size_bytes = 0;
  UniqueFd fd; // read-only, at offset 0
};

// What plan() is asked.
struct PlanQuery {
  std::string version; // as of CreatePrediction
  std::string device = "auto";
  std::int64_t count = 1; // predictions that would run
};

struct PredictionPage {
  std::vector<Prediction> predictions; // newest first
  std::string next_cursor;             // "" at the end
};

struct FilePage {
  std::vector<UploadedFile> files; // newest first
  std::string next_cursor;         // "" at the end
};

// A token and, this once, its text.
struct MadeToken {
  std::string text;
  Token token;
};

// Ends the subscription when destroyed.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

class PredictionService {
 public:
  virtual ~PredictionService() = default;

  // `done` gets the prediction as accepted (status starting). With durable_first, after its row is on disk.
  // Errors: reference_*, model_not_found, input_*, queue_full, draining, database, …
  virtual void create(CreatePrediction request, Callback<Prediction> done) = 0;
  // A live or stored prediction. Error prediction_not_found.
  virtual void get(const std::string& id, Callback<Prediction> done) = 0;
  // At most `limit`, and about 16 MiB: a page may end sooner, and leaves out what predictions under way have
  // given so far, or those that have no row yet, when they would not fit.
  virtual void list(const std::string& cursor, std::size_t limit, Callback<PredictionPage> done) = 0;
  // Rows of predictions by filter, under way and ended, newest first: schema mrun.predictions/v1, without
  // inputs, outputs and logs. Read as the ledger is. Error database.
  virtual void list_rows(PredictionPageQuery query, Callback<Json> done) = 0;
  // What predictions would do, take and cost, if they came now: schema mrun.plan/v1. Starts nothing. The
  // errors of create(), but those of an input.
  virtual void plan(const PlanQuery& query, Callback<Json> done) = 0;
  // Asks it to stop; answers with its state then. A finished one is returned unchanged.
  virtual void cancel(const std::string& id, Callback<Prediction> done) = 0;
  // Calls `done` once: when it has ended and is committed, or at once when it has. Error
  // prediction_not_found. `prepare` may be called before, when the end is known and not yet committed: to
  // write an answer, not to give it.
  virtual std::unique_ptr<Subscription>
  when_done(const std::string& id, Callback<PredictionPtr> done,
            std::function<void(const Prediction&)> prepare = nullptr) = 0;
  // Makes a prediction that was created with durable_first = false durable (its waiting caller gave up
  // waiting).
  virtual void make_durable(const std::string& id, Callback<Prediction> done) = 0;
  // Every event after `after_seq`, then new ones as they come, `done` last (of one that has ended always).
  // The data of `done` is {id, status}: the surface asks get() for the object (at once from memory) and
  // dresses it for its caller. Of a prediction that is not live the list is read in the background; call
  // get() first to know whether the id exists: for an unknown id nothing ever comes. `on_broken` is called at
  // most once, and nothing after it: the database does not take what happens, so that nobody may be told.
  // Never calls back before it has returned. Error prediction_not_found: not an id at all.
  virtual Result<std::unique_ptr<Subscription>>
  follow(const std::string& id, std::uint64_t after_seq, std::function<void(const Event&)> on_event,
         std::function<void(const Error&)> on_broken = nullptr) = 0;
  // The caller of a synchronous prediction went away: cancel it, unless it was made durable.
  virtual void abandon(const std::string& id) = 0;

  virtual void open_output(const std::string& id, std::size_t index, Callback<OutputFile> done) = 0;

  // Uploads: write to the descriptor, then finish; an unfinished upload vanishes.
  virtual Result<UniqueFd> begin_upload() = 0; // an unnamed file in state/files
  virtual void finish_upload(UniqueFd fd, std::string name, std::string media_type,
                             Callback<UploadedFile> done) = 0;
  virtual void get_file(const std::string& id, Callback<UploadedFile> done) = 0; // file_not_found
  // `cursor`: "" or a page's next_cursor. Error request_invalid for another text.
  virtual Result<FilePage> list_files(const std::string& cursor, std::size_t limit) const = 0;
  virtual void open_file(const std::string& id, Callback<OutputFile> done) = 0;
  virtual void remove_file(const std::string& id, Callback<UploadedFile> done) = 0;

  // Tokens of the TCP door. `done` when it is on disk. Errors: token_exists, body_invalid, database.
  virtual void create_token(const NewToken& wanted, Callback<MadeToken> done) = 0;
  // Refused from this moment on. Errors: token_not_found, database.
  virtual void revoke_token(const std::string& name, Callback<Token> done) = 0;
  virtual std::vector<Token> list_tokens() const = 0; // by name
  // What who shows this text may do. Notes the use. Error token_invalid.
  virtual Result<TokenScope> show_token(std::string_view text) = 0;

  // {models: WorkerStatus…, zygote, core tokens, memory} for `mrun ps`; schema mrun.ps/v1.
  virtual Json ps() const = 0;
  virtual void stop_model(const std::string& reference, bool force, Callback<std::size_t> done) = 0;
  // Last measured latency and phases of a version, from finished predictions; null when there is none.
  virtual void version_stats(const std::string& version, Callback<Json> done) = 0;
  // A page of the ledger (schema mrun.ledger/v1) and sums of it (mrun.stats/v1), read on a thread of their
  // own: what they take delays no prediction. Errors ledger_query, database.
  virtual void ledger(LedgerPageQuery query, Callback<Json> done) = 0;
  virtual void ledger_stats(LedgerStatsQuery query, Callback<Json> done) = 0;
  // {build, version, pid, uptime_ns, idle, active, draining, home…}; schema mrun.status/v1.
  virtual Json status() const = 0;
  // A bundle was packed: what its first prediction needs may be started ahead (Runner::prepare_zygote).
  virtual void prepare() = 0;
  // Reads the user's own rate (`cost` of config.yaml) again: what ends from now on is billed by it. Returns
  // it as {rate, per, currency, idle_rate}, or null. Errors: io, config_invalid; then the old one stays.
  virtual Result<Json> reload_cost() = 0;
  virtual void shut_down() = 0; // begins to drain; the process ends after it
  virtual bool draining() const = 0;

  // Models and versions for Replicate's GET /v1/models…: read from the store, in the background.
  virtual void model_json(const std::string& owner, const std::string& name, Callback<Json> done) = 0;
  virtual void version_json(const std::string& owner, const std::string& name, const std::string& id,
                            Callback<Json> done) = 0;
  virtual void list_models_json(Callback<Json> done) = 0; // an array

  // The output of a prediction with its file markers replaced: small files by data URIs, larger ones by URLs.
  virtual void externalize_output(Prediction prediction, std::string base_url, Callback<Prediction> done) = 0;
};

} // namespace mrun
