#include <doctest/doctest.h>

#include <set>

#include "daemon/api/prediction.h"

using namespace mrun;

namespace {

Prediction sample() {
  Prediction prediction;
  prediction.id = "01jdfkx9c00000000000000000";
  prediction.model = "demo/echo";
  prediction.version = std::string(64, 'a');
  prediction.input = {{"text", "hi"}};
  prediction.output = "hi";
  prediction.status = PredictionStatus::succeeded;
  prediction.logs = "one line\n";
  prediction.metrics = {{"predict_time", 0.5}};
  prediction.created_ns = 1'700'000'000'123'456'789;
  prediction.started_ns = 1'700'000'000'200'000'000;
  prediction.completed_ns = 1'700'000'000'700'000'000;
  return prediction;
}

} // namespace

TEST_CASE("the prediction object has Replicate's shape, byte for byte") {
  CHECK(
      canonical_json(prediction_json(sample(), "http://localhost")) ==
      R"({"completed_at":"2023-11-14T22:13:20.700000Z","created_at":"2023-11-14T22:13:20.123456Z",)"
      R"("data_removed":false,"error":null,"id":"01jdfkx9c00000000000000000","input":{"text":"hi"},)"
      R"("logs":"one line\n","metrics":{"predict_time":0.5},"model":"demo/echo","output":"hi","source":"api",)"
      R"("started_at":"2023-11-14T22:13:20.200000Z","status":"succeeded",)"
      R"("urls":{"cancel":"http://localhost/v1/predictions/01jdfkx9c00000000000000000/cancel",)"
      R"("get":"http://localhost/v1/predictions/01jdfkx9c00000000000000000",)"
      R"("stream":"http://localhost/v1/predictions/01jdfkx9c00000000000000000/stream",)"
      R"("web":"http://localhost/predictions/01jdfkx9c00000000000000000"},)"
      R"("version":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})");
}

TEST_CASE("a failed prediction carries the code in its error, and ours beside it") {
  Prediction prediction = sample();
  prediction.status = PredictionStatus::failed;
  prediction.error = fail(ErrorCode::prediction_failed, "the model said no").value();
  prediction.deadline_ns = 1'700'000'005'000'000'000;
  prediction.log_path = "/logs/w.log";
  prediction.last_log_lines = {"boom"};
  const Json json = prediction_json(prediction, "");
  CHECK(json["error"] == "M1401: the model said no");
  CHECK(json["deadline"] == "2023-11-14T22:13:25.000000Z");
  const Json ours = own_prediction_json(prediction, "")["mrun"];
  CHECK(ours["code"] == "M1401");
  CHECK(ours["class"] == "prediction_failed");
  CHECK(ours["log_path"] == "/logs/w.log");
  CHECK(ours["last_log_lines"] == Json({"boom"}));
  CHECK(own_prediction_json(sample(), "") == prediction_json(sample(), ""));
}

TEST_CASE("a canceled prediction has no error; one past its deadline says so") {
  Prediction prediction = sample();
  prediction.status = PredictionStatus::canceled;
  prediction.error = fail(ErrorCode::cancelled, "canceled").value();
  CHECK(prediction_json(prediction, "")["error"].is_null());
  prediction.error = fail(ErrorCode::deadline_exceeded, "the deadline passed").value();
  CHECK(prediction_json(prediction, "")["error"] == "M1405: the deadline passed");
}

TEST_CASE("ids are 26 characters, in the order of time, and never the same") {
  std::set<std::string> seen;
  std::string last;
  for (std::int64_t us = 0; us < 2000; ++us) {
    const std::string id = new_prediction_id((1'700'000'000'000'000 + us) * 1000);
    CHECK(is_prediction_id(id));
    CHECK(id > last);
    CHECK(seen.insert(id).second);
    last = id;
  }
  CHECK_FALSE(is_prediction_id(""));
  CHECK_FALSE(is_prediction_id(std::string(25, 'a')));
  CHECK_FALSE(is_prediction_id(std::string(26, 'u')));
  CHECK_FALSE(is_prediction_id("../../../../../etc/passwd0"));
}

TEST_CASE("names of states and events go there and back") {
  for (int i = 0; i < 6; ++i) {
    PredictionStatus status = PredictionStatus::starting;
    CHECK(find_status(status_name(static_cast<PredictionStatus>(i)), status));
    CHECK(static_cast<int>(status) == i);
  }
  for (int i = 0; i < 7; ++i) {
    EventType type = EventType::queued;
    CHECK(find_event(event_name(static_cast<EventType>(i)), type));
    CHECK(static_cast<int>(type) == i);
  }
  PredictionStatus status = PredictionStatus::starting;
  CHECK_FALSE(find_status("done", status));
}

TEST_CASE("a problem object goes to a client and back") {
  const Error error =
      Error{ErrorCode::input_unknown, "the model has no input `txet`", "did you mean `text`?", {"in a test"}};
  const Json problem = problem_json(error);
  CHECK(problem["status"] == 422);
  CHECK(problem["code"] == "M1301");
  CHECK(problem["retryable"] == false);
  const std::optional<Error> back = error_of_problem(problem);
  REQUIRE(back);
  CHECK(back->code == error.code);
  CHECK(back->message == error.message);
  CHECK(back->hint == error.hint);
  CHECK(back->notes == error.notes);
  CHECK_FALSE(error_of_problem(Json::array()));
  CHECK_FALSE(error_of_problem({{"code", "M9999"}}));
  CHECK_FALSE(error_of_problem({{"detail", 5}}));
}

TEST_CASE("the first id of a moment bounds those of before and after") {
  constexpr std::int64_t k_now_ns = 1'700'000'000'123'456'789;
  const std::string bound = first_prediction_id(k_now_ns);
  CHECK(is_prediction_id(bound));
  for (int i = 0; i < 100; ++i) {
    CHECK(new_prediction_id(k_now_ns) >= bound);
    CHECK(new_prediction_id(k_now_ns + 1'000'000) > bound);
    CHECK(new_prediction_id(k_now_ns - 1'000) < bound);
  }
}
