#include "cost/price_book.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>

#include <fmt/format.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/limits.h"
#include "common/text.h"
#include "cost/price_sax.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_price_book_bytes = 16 * k_mib;
constexpr std::array<std::string_view, 14> k_units = {
    "gpu_s", "gpu_h",     "instance_s", "instance_h", "core_s",  "gib_s",    "gb_s",
    "image", "megapixel", "video_s",    "request",    "mtok_in", "mtok_out", "mtok_cached_in"};
constexpr std::array<std::string_view, 12> k_kinds = {"runtime",  "image",     "megapixel", "video_s",
                                                      "token",    "audio_min", "char",      "request",
                                                      "instance", "storage",   "egress",    "credit"};
constexpr std::array<std::string_view, 10> k_states = {"queue", "pull",  "setup",  "active",   "idle",
                                                       "drain", "build", "failed", "canceled", "aborted"};
constexpr std::array<std::string_view, 12> k_keys = {"provider", "sku",    "kind",       "usd",
                                                     "per",      "dims",   "states",     "granularity_s",
                                                     "read_on",  "source", "confidence", "evidence"};

template<std::size_t Count>
bool one_of(const std::array<std::string_view, Count>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Result<std::string> need_text(const PriceFields& fields, const char* key) {
  const PriceScalar* value = fields.find(key);
  if (value == nullptr || value->kind != PriceScalar::Kind::text || value->text.empty())
    return fail(ErrorCode::price_file, fmt::format("`{}` is missing", key));
  return value->text;
}

Result<void> read_states(const PriceFields& fields, PriceRow& row) {
  for (const auto& [name, value] : fields.states) {
    if (!one_of(k_states, name))
      return fail(ErrorCode::price_file, fmt::format("state `{}` is not known", printable(name, 40)));
    if (value.kind == PriceScalar::Kind::null) continue;
    if (value.text != "0" && value.text != "1")
      return fail(ErrorCode::price_file, fmt::format("state `{}` is neither 0, 1 nor null", name));
    row.states[name] = value.text == "1";
  }
  return {};
}

Result<void> read_rate(const PriceFields& fields, PriceRow& row) {
  const PriceScalar* rate = fields.find("usd");
  if (rate == nullptr || rate->kind != PriceScalar::Kind::number)
    return fail(ErrorCode::price_file, "`usd` is not a number");
  MRUN_ASSIGN(row.rate, Money::parse(rate->text, ErrorCode::price_file));
  if (row.rate == Money())
    return fail(ErrorCode::price_file, "`usd` is 0: an unknown price must not be free");
  const PriceScalar* granularity = fields.find("granularity_s");
  if (granularity == nullptr || granularity->kind == PriceScalar::Kind::null) return {};
  MRUN_ASSIGN(const Money seconds, Money::parse(granularity->text, ErrorCode::price_file));
  if (granularity->kind != PriceScalar::Kind::number || seconds.pico() < 1000 || seconds.pico() % 1000 != 0)
    return fail(ErrorCode::price_file, "`granularity_s` is not a positive number of nanoseconds");
  row.granularity_ns = seconds.pico() / 1000;
  return {};
}

Result<PriceRow> read_row(const PriceFields& fields) {
  if (!fields.problem.empty()) return fail(ErrorCode::price_file, fields.problem);
  for (const auto& [key, value] : fields.scalars)
    if (!one_of(k_keys, key))
      return fail(ErrorCode::price_file, fmt::format("key `{}` is not known", printable(key, 40)));
  PriceRow row;
  MRUN_ASSIGN(row.provider, need_text(fields, "provider"));
  MRUN_ASSIGN(row.sku, need_text(fields, "sku"));
  MRUN_ASSIGN(row.kind, need_text(fields, "kind"));
  if (!one_of(k_kinds, row.kind))
    return fail(ErrorCode::price_file, fmt::format("kind `{}` is not known", printable(row.kind, 40)));
  MRUN_ASSIGN(row.per, need_text(fields, "per"));
  if (!one_of(k_units, row.per))
    return fail(ErrorCode::price_file, fmt::format("unit `{}` is not known", printable(row.per, 40)));
  MRUN_ASSIGN(row.source, need_text(fields, "source"));
  MRUN_ASSIGN(row.read_on, need_text(fields, "read_on"));
  if (!is_price_date(row.read_on))
    return fail(ErrorCode::price_file,
                fmt::format("`read_on` '{}' is not a date", printable(row.read_on, 40)));
  MRUN_ASSIGN(row.confidence, need_text(fields, "confidence"));
  if (const PriceScalar* evidence = fields.find("evidence"); evidence != nullptr)
    row.evidence = evidence->text;
  MRUN_TRY(read_rate(fields, row));
  MRUN_TRY(read_states(fields, row));
  for (const auto& [key, value] : fields.dims)
    row.dims[key] = value.text;
  return row;
}

// The key that the message names, else the row.
std::size_t fault_offset(const PriceFields& fields, std::string_view message) {
  for (const auto& [key, offset] : fields.offsets)
    if (message.find("`" + key + "`") != std::string_view::npos) return offset;
  return fields.offset;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 15 &&
         text.find_first_not_of("0123456789") == std::string_view::npos &&
         (text == "0" || text.front() != '0');
}

} // namespace

std::string_view price_origin_name(PriceOrigin origin) {
  switch (origin) {
  case PriceOrigin::shipped:
    return "shipped";
  case PriceOrigin::updated:
    return "updated";
  case PriceOrigin::own:
    return "own";
  }
  return "";
}

std::string_view PriceRow::dim(const std::string& key) const {
  const auto found = dims.find(key);
  return found == dims.end() ? std::string_view() : std::string_view(found->second);
}

bool PriceRow::bills(const std::string& state, bool otherwise) const {
  const auto found = states.find(state);
  return found == states.end() ? otherwise : found->second;
}

std::string PriceRow::key() const {
  static constexpr std::array<std::string_view, 9> k_notes = {
      "status",    "effective_from", "deprecated_on", "approximate",   "sample_count",
      "statistic", "verified",       "credits",       "usd_per_credit"};
  std::string text = fmt::format("{}\n{}\n{}\n{}", provider, sku, kind, per);
  for (const auto& [name, value] : dims)
    if (!one_of(k_notes, name)) text += fmt::format("\n{}={}", name, value);
  return text;
}

Result<PriceBook> PriceBook::parse(std::string_view text, PriceOrigin origin) {
  MRUN_ASSIGN(const std::vector<PriceFields> all, read_price_fields(text));
  PriceBook book;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Result<PriceRow> row = read_row(all[i]);
    if (!row) {
      book.refused.push_back(
          {i, place_in_text(text, fault_offset(all[i], row.error().message)), row.error().message});
      continue;
    }
    row->place = place_in_text(text, all[i].offset);
    row->origin = origin;
    book.rows.push_back(std::move(*row));
  }
  return book;
}

Result<PriceBook> PriceBook::load(const std::string& path, PriceOrigin origin) {
  MRUN_ASSIGN(const std::string text,
              read_file(path, k_max_price_book_bytes, ErrorCode::io, ErrorCode::price_file));
  Result<PriceBook> book = parse(text, origin);
  if (!book) return fail(book.error().code, fmt::format("{}:{}", printable(path), book.error().message));
  return book;
}

void PriceBook::lay_over(PriceBook over, bool if_newer) {
  std::map<std::string, std::string> newest, replaced; // key → read_on
  const auto note = [](std::map<std::string, std::string>& dates, const PriceRow& row) {
    std::string& date = dates[row.key()];
    date = std::max(date, row.read_on);
  };
  for (const PriceRow& row : rows)
    note(newest, row);
  for (const PriceRow& row : over.rows)
    note(replaced, row);
  if (if_newer)
    std::erase_if(replaced, [&](const auto& entry) {
      const auto here = newest.find(entry.first);
      return here != newest.end() && here->second > entry.second;
    });
  std::erase_if(rows, [&](const PriceRow& row) { return replaced.contains(row.key()); });
  std::erase_if(over.rows, [&](const PriceRow& row) { return !replaced.contains(row.key()); });
  std::move(over.rows.begin(), over.rows.end(), std::back_inserter(rows));
  std::move(over.refused.begin(), over.refused.end(), std::back_inserter(refused));
}

const PriceRow* PriceBook::find(std::string_view provider, std::string_view sku,
                                std::string_view product) const {
  const PriceRow* best = nullptr;
  for (const PriceRow& row : rows) {
    if (row.provider != provider || row.sku != sku || row.dim("product") != product) continue;
    const auto rank = [](const PriceRow& r) { return std::pair(r.origin == PriceOrigin::own, r.read_on); };
    if (best == nullptr || rank(*best) < rank(row)) best = &row;
  }
  return best;
}

PriceFiles price_files_of(const HomePaths& home, const InstallPaths& install) {
  return {.shipped = (install.share() / "prices.json").string(),
          .updated = (home.state / "prices.json").string(),
          .own = (home.config_file.parent_path() / "prices.json").string()};
}

Result<PriceBook> load_price_books(const PriceFiles& files) {
  MRUN_ASSIGN(PriceBook book, PriceBook::load(files.shipped, PriceOrigin::shipped));
  for (const auto& [path, origin] :
       {std::pair(&files.updated, PriceOrigin::updated), std::pair(&files.own, PriceOrigin::own)}) {
    std::error_code ignored;
    if (path->empty() || !std::filesystem::exists(*path, ignored)) continue;
    MRUN_ASSIGN(PriceBook over, PriceBook::load(*path, origin));
    book.lay_over(std::move(over), origin == PriceOrigin::updated);
  }
  return book;
}

std::string price_row_text(const PriceRow& row) {
  const auto quoted = [](std::string_view text) { return canonical_json(Json(text)); };
  std::string dims, states;
  for (const auto& [name, value] : row.dims) {
    const bool is_plain = value == "true" || value == "false" || is_number(value);
    dims += fmt::format("{}{}: {}", dims.empty() ? "" : ", ", quoted(name), is_plain ? value : quoted(value));
  }
  for (const auto& [name, billed] : row.states)
    states += fmt::format("{}{}: {}", states.empty() ? "" : ", ", quoted(name), billed ? 1 : 0);
  std::string text = fmt::format("{{\"provider\": {}, \"sku\": {}, \"kind\": {}, \"usd\": {}, \"per\": {}, "
                                 "\"dims\": {{{}}}, \"states\": ",
                                 quoted(row.provider), quoted(row.sku), quoted(row.kind), row.rate.text(),
                                 quoted(row.per), dims);
  text += states.empty() ? "null" : "{" + states + "}";
  text += fmt::format(", \"granularity_s\": {}, \"read_on\": {}, \"source\": {}, \"confidence\": {}",
                      row.granularity_ns ? Money::from_pico(*row.granularity_ns * 1000).text() : "null",
                      quoted(row.read_on), quoted(row.source), quoted(row.confidence));
  if (!row.evidence.empty()) text += ", \"evidence\": " + quoted(row.evidence);
  return text + "}";
}

bool is_price_date(std::string_view text) {
  return text.size() == 10 && parse_rfc3339(text).has_value();
}

std::optional<std::int64_t> seconds_of_unit(std::string_view per) {
  if (per == "instance_s" || per == "gpu_s") return 1;
  if (per == "instance_h" || per == "gpu_h") return 3600;
  return std::nullopt;
}

} // namespace mrun
