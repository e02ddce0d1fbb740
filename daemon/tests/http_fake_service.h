// An in-memory PredictionService for HTTP-level tests: the test decides when a prediction moves.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "daemon/service/service.h"
#include "daemon/service/token_book.h"

namespace mrun {

class FakeService : public PredictionService {
 public:
  static constexpr const char* k_id = "0123456789abcdefghjkmnpqrs";
  static constexpr std::int64_t k_created_ns = 1'700'000'000'000'000'000;

  struct Item {
    Prediction prediction;
    std::vector<Event> events;
    std::map<int, std::pair<std::uint64_t, std::function<void(const Event&)>>>
        followers; // key → (after, callback)
    struct Waiting {
      Callback<PredictionPtr> done;
      std::function<void(const Prediction&)> prepare;
    };
    std::map<int, Waiting> waiting;
  };

  // What the next create() fails with.
  std::optional<Error> refuse;
  std::vector<CreatePrediction> created;
  std::vector<LedgerPageQuery> pages;
  std::vector<LedgerStatsQuery> stats;
  std::vector<PredictionPageQuery> lists;
  std::vector<PlanQuery> plans;
  TokenBook tokens{{}};
  std::vector<std::string> abandoned, made_durable, cancelled;
  std::map<std::string, Item> items;
  std::string uploaded;
  UploadedFile last_upload;
  std::string file_bytes = "file bytes";
  std::string file_media_type = "image/png";
  std::function<void(std::function<void()>)> later; // delivers what follow() replays
  std::size_t follows = 0;
  std::function<void(const Error&)> broken; // of the latest follow()
  bool is_draining = false, prepared = false;
  bool hold_create = false;
  Callback<Prediction> held;

  Item& add(const std::string& id) {
    Item& item = items[id];
    item.prediction.id = id;
    item.prediction.model = "demo/echo";
    item.prediction.version = std::string(64, 'a');
    item.prediction.input = {{"text", "hi"}};
    item.prediction.created_ns = k_created_ns;
    return item;
  }

  void emit(const std::string& id, EventType type, Json data) {
    Item& item = items.at(id);
    Event event{item.events.size() + 1, k_created_ns + 2'000'000'000, type, std::move(data)};
    item.events.push_back(event);
    auto followers = item.followers; // a callback may end its subscription
    for (auto& [key, follower] : followers)
      follower.second(event);
  }

  // The end is known and not yet committed.
  void know_end(const std::string& id, PredictionStatus status, Json output = nullptr,
                std::optional<Error> error = {}) {
    Item& item = items.at(id);
    item.prediction.status = status;
    item.prediction.output = std::move(output);
    item.prediction.error = std::move(error);
    item.prediction.completed_ns = k_created_ns + 3'000'000'000;
    const auto waiting = item.waiting; // a callback may end its subscription
    for (const auto& [key, one] : waiting)
      if (one.prepare) one.prepare(item.prediction);
  }
  void commit_end(const std::string& id, const Result<void>& written = {}) {
    Item& item = items.at(id);
    if (written) emit(id, EventType::done, {{"id", id}, {"status", status_name(item.prediction.status)}});
    const auto waiting = std::exchange(item.waiting, {});
    for (const auto& [key, one] : waiting)
      one.done(written ? Result<PredictionPtr>(std::make_shared<const Prediction>(item.prediction))
                       : tl::unexpected<Error>(written.error()));
  }
  void end(const std::string& id, PredictionStatus status, Json output = nullptr,
           std::optional<Error> error = {}) {
    know_end(id, status, std::move(output), std::move(error));
    commit_end(id);
  }

  void create(CreatePrediction request, Callback<Prediction> done) override {
    created.push_back(std::move(request));
    if (refuse) return done(tl::unexpected<Error>(*refuse));
    Item& item = add(k_id);
    item.prediction.input = created.back().input;
    if (hold_create) {
      held = std::move(done);
      return;
    }
    done(item.prediction);
  }
  void get(const std::string& id, Callback<Prediction> done) override {
    const auto found = items.find(id);
    if (found == items.end())
      return done(fail(ErrorCode::prediction_not_found, "there is no prediction " + id));
    done(found->second.prediction);
  }
  void list(const std::string& cursor, std::size_t limit, Callback<PredictionPage> done) override {
    PredictionPage page;
    for (auto& [id, item] : items)
      if (page.predictions.size() < limit) page.predictions.push_back(item.prediction);
    if (cursor.empty()) page.next_cursor = "c2";
    done(std::move(page));
  }
  void list_rows(PredictionPageQuery query, Callback<Json> done) override {
    lists.push_back(std::move(query));
    done(Json{{"schema", "mrun.predictions/v1"}, {"predictions", Json::array()}, {"next", nullptr}});
  }
  void plan(const PlanQuery& query, Callback<Json> done) override {
    plans.push_back(query);
    done(Json{{"schema", "mrun.plan/v1"}, {"device", "cpu"}});
  }
  void cancel(const std::string& id, Callback<Prediction> done) override {
    cancelled.push_back(id);
    get(id, std::move(done));
  }
  std::unique_ptr<Subscription> when_done(const std::string& id, Callback<PredictionPtr> done,
                                          std::function<void(const Prediction&)> prepare) override {
    const int key = ++m_keys;
    items.at(id).waiting.emplace(key, Item::Waiting{std::move(done), std::move(prepare)});
    return std::make_unique<Ending>([this, id, key] { items.at(id).waiting.erase(key); });
  }
  void make_durable(const std::string& id, Callback<Prediction> done) override {
    made_durable.push_back(id);
    get(id, std::move(done));
  }
  Result<std::unique_ptr<Subscription>> follow(const std::string& id, std::uint64_t after_seq,
                                               std::function<void(const Event&)> on_event,
                                               std::function<void(const Error&)> on_broken) override {
    ++follows;
    broken = std::move(on_broken);
    const int key = ++m_keys;
    items.at(id).followers.emplace(key, std::make_pair(after_seq, on_event));
    later([this, id, key, after_seq, seen = items.at(id).events.size()] {
      Item& item = items.at(id);
      for (std::size_t i = after_seq; i < seen; ++i) {
        const auto follower = item.followers.find(key);
        if (follower == item.followers.end()) return;
        const auto callback = follower->second.second;
        callback(item.events[i]);
      }
    });
    return std::make_unique<Ending>([this, id, key] { items.at(id).followers.erase(key); });
  }
  void abandon(const std::string& id) override { abandoned.push_back(id); }

  Result<OutputFile> open_bytes() const {
    OutputFile file;
    file.media_type = file_media_type;
    file.name = "out.png";
    file.size_bytes = file_bytes.size();
    MRUN_ASSIGN(file.fd, sealed_memfd("output", file_bytes));
    return file;
  }
  void open_output(const std::string& id, std::size_t index, Callback<OutputFile> done) override {
    if (!items.contains(id) || index > 0)
      return done(fail(ErrorCode::file_not_found, "there is no such output"));
    done(open_bytes());
  }
  Result<UniqueFd> begin_upload() override { return sealed_memfd_writable(); }
  void finish_upload(UniqueFd fd, std::string name, std::string media_type,
                     Callback<UploadedFile> done) override {
    ::lseek(fd.get(), 0, SEEK_SET);
    auto bytes = read_all(fd.get(), k_max_upload_bytes, "upload", ErrorCode::io);
    if (!bytes) return done(tl::unexpected<Error>(bytes.error()));
    uploaded = std::move(*bytes);
    last_upload = UploadedFile{"file1",         std::move(name),      std::move(media_type),
                               uploaded.size(), std::string(64, 'b'), k_created_ns,
                               k_created_ns};
    done(last_upload);
  }
  void get_file(const std::string& id, Callback<UploadedFile> done) override {
    if (id != "file1") return done(fail(ErrorCode::file_not_found, "there is no file " + id));
    done(last_upload);
  }
  Result<FilePage> list_files(const std::string& cursor, std::size_t) const override {
    if (cursor == "bad") return fail(ErrorCode::request_invalid, "no such cursor");
    FilePage page;
    if (!last_upload.id.empty()) page.files.push_back(last_upload);
    if (cursor.empty()) page.next_cursor = "c2";
    return page;
  }
  void open_file(const std::string& id, Callback<OutputFile> done) override {
    if (id != "file1") return done(fail(ErrorCode::file_not_found, "there is no file " + id));
    done(open_bytes());
  }
  void remove_file(const std::string& id, Callback<UploadedFile> done) override {
    get_file(id, std::move(done));
  }

  void create_token(const NewToken& wanted, Callback<MadeToken> done) override {
    MadeToken made{new_token_text(), {}};
    auto token = tokens.make(wanted, made.text, k_created_ns);
    if (!token) return done(tl::unexpected<Error>(token.error()));
    made.token = *token;
    done(made);
  }
  void revoke_token(const std::string& name, Callback<Token> done) override { done(tokens.remove(name)); }
  std::vector<Token> list_tokens() const override { return tokens.list(); }
  Result<TokenScope> show_token(std::string_view text) override {
    MRUN_ASSIGN(const Token token, tokens.show(text, k_created_ns + 1));
    return token.scope;
  }
  Json ps() const override { return {{"schema", "mrun.ps/v1"}, {"models", Json::array()}}; }
  void stop_model(const std::string& reference, bool, Callback<std::size_t> done) override {
    if (reference == "no/model") return done(fail(ErrorCode::model_not_found, "there is no model no/model"));
    done(std::size_t{2});
  }
  void version_stats(const std::string&, Callback<Json> done) override { done(Json(nullptr)); }
  void ledger(LedgerPageQuery query, Callback<Json> done) override {
    pages.push_back(std::move(query));
    done(Json{{"schema", "mrun.ledger/v1"}, {"rows", Json::array()}, {"next", nullptr}});
  }
  void ledger_stats(LedgerStatsQuery query, Callback<Json> done) override {
    stats.push_back(std::move(query));
    done(Json{{"schema", "mrun.stats/v1"}, {"by", "all"}, {"groups", Json::array()}});
  }
  Json status() const override { return {{"schema", "mrun.status/v1"}}; }
  void prepare() override { prepared = true; }
  Result<Json> reload_cost() override { return Json(nullptr); }
  void shut_down() override { is_draining = true; }
  bool draining() const override { return is_draining; }

  void model_json(const std::string& owner, const std::string& name, Callback<Json> done) override {
    if (owner == "no") return done(fail(ErrorCode::model_not_found, "there is no model no/" + name));
    done(Json{{"owner", owner}, {"name", name}, {"latest_version", {{"id", "v1"}}}});
  }
  void version_json(const std::string&, const std::string&, const std::string& id,
                    Callback<Json> done) override {
    done(Json{{"id", id}, {"cog_version", "0.1"}, {"openapi_schema", Json::object()}});
  }
  void list_models_json(Callback<Json> done) override { done(Json::array()); }
  void externalize_output(Prediction prediction, std::string, Callback<Prediction> done) override {
    done(std::move(prediction));
  }

 private:
  class Ending : public Subscription {
   public:
    explicit Ending(std::function<void()> action) : m_action(std::move(action)) {}
    ~Ending() override { m_action(); }

   private:
    std::function<void()> m_action;
  };

  static Result<UniqueFd> sealed_memfd_writable();

  int m_keys = 0;
};

} // namespace mrun
