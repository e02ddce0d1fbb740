// The list of predictions by filter: those under way from memory, those that have ended from the database.
#include <algorithm>

#include "daemon/api/prediction_row.h"
#include "daemon/service/service_impl.h"
#include "daemon/state/prediction_page.h"

namespace mrun {
namespace {

using Rows = std::vector<PredictionRow>;

bool matches(const PredictionPageQuery& query, const PredictionRow& row) {
  const LedgerFilter& filter = query.filter;
  if (!query.cursor.empty() && row.id >= query.cursor) return false;
  if (!filter.model.empty() && row.model != filter.model) return false;
  if (!row.version.starts_with(filter.version_prefix)) return false;
  if (!filter.status.empty() && status_name(row.status) != filter.status) return false;
  if (filter.since_ns && row.created_ns < *filter.since_ns) return false;
  if (filter.until_ns && row.created_ns >= *filter.until_ns) return false;
  return std::ranges::all_of(filter.tags, [&row](const auto& tag) {
    const auto found = row.tags.find(tag.first);
    return found != row.tags.end() && found->second == tag.second;
  });
}

// Until its end is committed it is under way for everybody.
PredictionRow row_of(const Live& live) {
  const Prediction& prediction = live.prediction;
  PredictionRow row;
  row.id = prediction.id;
  row.model = prediction.model;
  row.version = prediction.version;
  row.status = is_terminal(prediction.status) ? PredictionStatus::processing : prediction.status;
  row.created_ns = prediction.created_ns;
  row.started_ns = prediction.started_ns;
  row.deadline_ns = prediction.deadline_ns;
  row.tags = prediction.tags;
  row.cost_reason = "it has not ended";
  return row;
}

Json page_of(Rows ended, Rows live, std::size_t limit) {
  // One that ended while the database was read is in both: its end counts.
  std::erase_if(live, [&ended](const PredictionRow& row) {
    return std::ranges::any_of(ended, [&row](const PredictionRow& other) { return other.id == row.id; });
  });
  std::ranges::move(live, std::back_inserter(ended));
  std::ranges::sort(ended, std::ranges::greater(), &PredictionRow::id);
  Json next;
  if (ended.size() > limit) {
    ended.resize(limit);
    next = ended.back().id;
  }
  Json predictions = Json::array();
  for (const PredictionRow& row : ended)
    predictions.push_back(prediction_row_json(row));
  return {{"schema", "mrun.predictions/v1"}, {"predictions", std::move(predictions)}, {"next", next}};
}

} // namespace

// Memory is looked at first: what ends meanwhile is in the database by then, and nothing is missed.
void Service::list_rows(PredictionPageQuery query, Callback<Json> done) {
  Rows live;
  for (const auto& [id, one] : m_live)
    if (PredictionRow row = row_of(*one); !one->committed && matches(query, row))
      live.push_back(std::move(row));
  const std::size_t limit = query.limit;
  m_ledger_reader.call<Rows>(
      [query = std::move(query)](ReaderDatabase& reader) {
        return ended_predictions(reader.connection(), query);
      },
      [live = std::move(live), limit, done = std::move(done)](Result<Rows> ended) {
        if (!ended) return done(tl::unexpected(std::move(ended).error()));
        done(page_of(std::move(*ended), live, limit));
      });
}

} // namespace mrun
