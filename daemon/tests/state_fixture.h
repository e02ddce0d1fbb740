// A folder that goes with the test, and predictions to put into a database.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "daemon/api/prediction.h"
#include "daemon/state/records.h"

namespace mrun::testing {

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mrun-test-XXXXXX").string();
    MRUN_CHECK(::mkdtemp(pattern.data()) != nullptr);
    m_path = pattern;
  }
  ~TempFolder() {
    std::error_code error;
    std::filesystem::remove_all(m_path, error);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return m_path; }
  std::string database() const { return (m_path / "mrun.db").string(); }

 private:
  std::filesystem::path m_path;
};

inline Prediction new_prediction(std::int64_t created_ns) {
  Prediction prediction;
  prediction.id = new_prediction_id(created_ns);
  prediction.model = "test/echo";
  prediction.version = std::string(64, 'b');
  prediction.input = {{"text", "hi"}};
  prediction.created_ns = created_ns;
  return prediction;
}

inline WorkerLife worker_life(const std::string& id) {
  return {id, "test/echo", std::string(64, 'b'), "cpu"};
}

// A line of 1,000 ns at 1 USD a second.
inline StretchRow stretch(LedgerKind kind, const std::string& worker, std::int64_t began_ns) {
  StretchRow line;
  line.id = kind == LedgerKind::setup ? worker : new_prediction_id(began_ns);
  line.kind = kind;
  line.status = kind == LedgerKind::setup ? "succeeded" : "used";
  line.worker = worker_life(worker);
  line.began_ns = began_ns;
  line.at_ns = began_ns + 1000;
  line.duration_ns = 1000;
  line.own.amount = Money::from_pico(1'000'000);
  line.own.currency = "USD";
  line.own.rate = Money::from_pico(1'000'000'000'000);
  line.own.per = "instance_s";
  line.own.billed_ns = 1000;
  line.reference.reason = "no row";
  return line;
}

inline FinishedPrediction finished(Prediction prediction,
                                   PredictionStatus status = PredictionStatus::succeeded) {
  FinishedPrediction end;
  prediction.status = status;
  prediction.started_ns = prediction.created_ns + 10;
  prediction.completed_ns = prediction.created_ns + 20;
  prediction.output = "hi";
  prediction.logs = "a line\n";
  prediction.metrics = {{"total_time", 0.5}, {"phases_ns", {{"predict", 10}}}};
  if (status != PredictionStatus::succeeded)
    prediction.error = Error{ErrorCode::prediction_failed, "no", "a hint", {"a note"}};
  end.output = canonical_json(prediction.output);
  end.events = encode_events({{1, 5, EventType::queued, {{"id", prediction.id}}},
                              {2, 6, EventType::output, {{"value", "hi"}}},
                              {3, 7, EventType::log, {{"text", "a line"}, {"level", "info"}}}},
                             prediction.output);
  end.ledger.device = "cpu";
  end.ledger.predict_ns = 10;
  end.ledger.total_ns = 20;
  end.ledger.own.reason = "no rate is set";
  end.ledger.reference.amount = Money::from_pico(100'000'000);
  end.ledger.reference.currency = "USD";
  end.ledger.reference.provider = "replicate";
  end.prediction = std::make_shared<const Prediction>(std::move(prediction));
  return end;
}

} // namespace mrun::testing
