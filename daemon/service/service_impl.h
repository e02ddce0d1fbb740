// The prediction service, as one class over several files: create, events (what the runner tells), finish,
// read, files, models, status. Everything runs on the io thread but what is given to Background and Writer.
#pragma once

#include <deque>
#include <map>
#include <unordered_map>

#include <boost/asio/steady_timer.hpp>

#include "cost/money_sum.h"
#include "daemon/service/background.h"
#include "daemon/service/blob_folder.h"
#include "daemon/service/input_files.h"
#include "daemon/service/live.h"
#include "daemon/service/make_service.h"
#include "daemon/service/resolver.h"
#include "daemon/service/token_book.h"
#include "daemon/state/writer.h"

namespace mrun {

using LivePtr = std::shared_ptr<Live>; // shared with handlers that are under way

// A worker and what it has cost so far, for `mrun ps`.
struct WorkerAccount {
  WorkerLife life;
  std::string cause; // the prediction that made it load
  std::int64_t began_ns = 0;
  Charge setup;
  MoneySum active, idle;                    // of what has ended
  bool began_otherwise = false;             // before the rate was in this currency: its sums are not whole
  std::optional<std::int64_t> idle_from_ns; // of the stretch that is open in the database, or will be
};

class Service : public PredictionService, private RunListener {
 public:
  Service(boost::asio::io_context& io, ServiceConfig config, Store& store, WriterDatabase writer,
          ReaderDatabase reader, ReaderDatabase ledger_reader, BlobFolder outputs, BlobFolder files,
          std::vector<UploadedFile> uploads, std::vector<Token> tokens, Json run_counts, const Clock& clock);

  void create(CreatePrediction request, Callback<Prediction> done) override;
  void get(const std::string& id, Callback<Prediction> done) override;
  void list(const std::string& cursor, std::size_t limit, Callback<PredictionPage> done) override;
  void list_rows(PredictionPageQuery query, Callback<Json> done) override;
  void plan(const PlanQuery& query, Callback<Json> done) override;
  void cancel(const std::string& id, Callback<Prediction> done) override;
  std::unique_ptr<Subscription> when_done(const std::string& id, Callback<PredictionPtr> done,
                                          std::function<void(const Prediction&)> prepare) override;
  void make_durable(const std::string& id, Callback<Prediction> done) override;
  Result<std::unique_ptr<Subscription>> follow(const std::string& id, std::uint64_t after_seq,
                                               std::function<void(const Event&)> on_event,
                                               std::function<void(const Error&)> on_broken) override;
  void abandon(const std::string& id) override;
  void open_output(const std::string& id, std::size_t index, Callback<OutputFile> done) override;
  Result<UniqueFd> begin_upload() override;
  void finish_upload(UniqueFd fd, std::string name, std::string media_type,
                     Callback<UploadedFile> done) override;
  void get_file(const std::string& id, Callback<UploadedFile> done) override;
  Result<FilePage> list_files(const std::string& cursor, std::size_t limit) const override;
  void open_file(const std::string& id, Callback<OutputFile> done) override;
  void remove_file(const std::string& id, Callback<UploadedFile> done) override;
  void create_token(const NewToken& wanted, Callback<MadeToken> done) override;
  void revoke_token(const std::string& name, Callback<Token> done) override;
  std::vector<Token> list_tokens() const override;
  Result<TokenScope> show_token(std::string_view text) override;
  Json ps() const override;
  void stop_model(const std::string& reference, bool force, Callback<std::size_t> done) override;
  void version_stats(const std::string& version, Callback<Json> done) override;
  void ledger(LedgerPageQuery query, Callback<Json> done) override;
  void ledger_stats(LedgerStatsQuery query, Callback<Json> done) override;
  Json status() const override;
  void prepare() override;
  Result<Json> reload_cost() override;
  void shut_down() override;
  bool draining() const override { return m_draining; }
  void model_json(const std::string& owner, const std::string& name, Callback<Json> done) override;
  void version_json(const std::string& owner, const std::string& name, const std::string& id,
                    Callback<Json> done) override;
  void list_models_json(Callback<Json> done) override;
  void externalize_output(Prediction prediction, std::string base_url, Callback<Prediction> done) override;

 private:
  // What the runner tells.
  void on_phase(RunKey key, Phase phase) override;
  void on_started(RunKey key) override;
  void on_output(RunKey key, RunOutput output) override;
  void on_log(RunKey key, std::string_view level, std::string_view text) override;
  void on_metric(RunKey key, const std::string& name, double value) override;
  void on_done(RunKey key, RunOutcome outcome) override;
  void on_load_began(const LoadBegan& began) override;
  void on_load_ended(const LoadEnded& ended) override;
  void on_idle_began(WorkerKey key, std::int64_t wall_ns) override;
  void on_worker_gone(WorkerKey key, const std::optional<IdleStretch>& idle) override;

  // create (service_create.cpp)
  void admit(CreatePrediction request, Callback<Prediction> done);
  void check_database(std::function<void(Result<void>)> done);
  void start(CreatePrediction request, const BundlePtr& bundle, Callback<Prediction> done);
  LivePtr make_live(const CreatePrediction& request, const BundlePtr& bundle, const PreparedInput& input);
  void acknowledge(const LivePtr& live, Callback<Prediction> done);
  void ask_for_row(const LivePtr& live, bool durable, std::function<void(Result<void>)> done);
  void on_row(const LivePtr& live, const Result<void>& written);

  // events (service_events.cpp)
  LivePtr by_key(RunKey key) const;
  void in_order(const LivePtr& live, std::function<void()> step);
  void take_value(const LivePtr& live, Json value, std::string text, bool is_text);
  void store_file(const LivePtr& live, std::shared_ptr<RunOutput> output);
  struct StoredFile {
    Digest digest;
    FileMeasure measure;
  };
  void on_file_stored(const LivePtr& live, const Result<StoredFile>& stored, StoredOutput output);
  void take_log(const LivePtr& live, const std::string& level, std::string text);
  void add_event(const LivePtr& live, EventType type, Json data);
  void deliver(const LivePtr& live);
  void over_limit(const LivePtr& live, std::string message);

  // finish (service_finish.cpp)
  void end(const LivePtr& live, RunOutcome outcome);
  void set_metrics(Live& live, const RunOutcome& outcome, Phases& phases, LedgerRow& ledger) const;
  void retry_later(std::function<void()> retry);
  void commit_end(const LivePtr& live, std::shared_ptr<FinishedPrediction> finished);
  void prepare_answers(const LivePtr& live);
  void on_committed(const LivePtr& live);
  void tell_waiting(const LivePtr& live, const Result<PredictionPtr>& ended);
  void tell_broken(const LivePtr& live, const Error& error);
  void note_database(const Result<void>& written);
  void leave_if_drained();

  // ledger (service_ledger.cpp)
  const PriceRow* reference_of(std::string_view device) const;
  void set_charges(const RunOutcome& outcome, const Usage& usage, LedgerRow& ledger) const;
  void note_worker(Live& live, const RunOutcome& outcome);
  void take_stretches(Live& live, WorkerKey worker, FinishedPrediction& finished);
  StretchRow idle_line(WorkerAccount& account, const IdleStretch& idle, std::string status,
                       std::string cause);
  void write_line(std::function<Result<void>(WriterDatabase&)> write);
  Json worker_cost(const WorkerStatus& worker) const;

  // read (service_read.cpp)
  LivePtr find(const std::string& id) const; // live, or lately ended
  void replay(const std::string& id, std::shared_ptr<Follower> follower);
  void show_live(PredictionPage& page, bool first, std::size_t room_bytes) const;

  // plan (service_plan.cpp)
  Json plan_json(const Bundle& bundle, const RunPlan& plan, const Json& stats, std::int64_t count) const;

  // status (service_status.cpp)
  Result<Digest> loaded_as(const Reference& reference, const Error& unknown) const;

  // files (service_files.cpp)
  const UploadedFile* upload(const std::string& id) const;
  Result<InputFile> open_upload(const std::string& id) const;
  void remove_expired();

  boost::asio::io_context& m_io;
  ServiceConfig m_config;
  Store& m_store;
  const Clock& m_clock;
  const std::int64_t m_started_ns;
  BlobFolder m_outputs; // used by the background thread and, to open files, by the io thread
  BlobFolder m_files;
  std::map<std::string, UploadedFile> m_uploads; // by id
  TokenBook m_tokens;
  std::map<std::string, std::int64_t> m_noted_uses; // of tokens: the last use that the database has
  std::map<std::string, std::int64_t> m_runs;       // finished predictions by model
  std::unordered_map<std::string, LivePtr> m_live;
  std::unordered_map<RunKey, LivePtr> m_by_key;
  std::deque<LivePtr> m_recent; // lately ended and small, newest last
  std::map<std::string, std::weak_ptr<const std::vector<Event>>> m_replays; // event lists that somebody reads
  std::map<WorkerKey, WorkerAccount> m_workers;
  RunKey m_next_key = 1;
  std::optional<Error> m_database_error; // of the last write; nothing is admitted while it stands
  bool m_draining = false;
  bool m_runner_drained = false;
  boost::asio::steady_timer m_expiry;
  boost::asio::steady_timer m_retry;
  std::vector<std::function<void()>> m_retries; // ends that could not be committed
  // The threads and the runner go first: their handlers use what is above.
  Writer m_writer;
  Background m_background;
  Background m_ledger_reader;
  Resolver m_resolver;
  std::unique_ptr<Runner> m_runner;
};

} // namespace mrun
