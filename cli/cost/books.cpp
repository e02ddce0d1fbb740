#include "cli/cost/books.h"

#include <charconv>

#include <fmt/format.h>

#include "common/clock.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::int64_t k_day_ns = 24 * 3600 * 1'000'000'000LL;

} // namespace

Result<PriceFiles> price_files(const Context& context) {
  MRUN_ASSIGN(const HomePaths home, context.home());
  MRUN_ASSIGN(const InstallPaths install, context.install());
  return price_files_of(home, install);
}

Result<PriceBook> load_books(const Context& context) {
  MRUN_ASSIGN(const PriceFiles files, price_files(context));
  MRUN_ASSIGN(PriceBook book, load_price_books(files));
  for (const PriceRow& row : book.rows)
    if (!age_days(row.read_on))
      book.refused.push_back(
          {0, row.place, fmt::format("it was read on {}, today is {}", row.read_on, today())});
  std::erase_if(book.rows, [](const PriceRow& row) { return !age_days(row.read_on); });
  return book;
}

Result<PriceRules> load_rules(const Context& context) {
  MRUN_ASSIGN(const InstallPaths install, context.install());
  return PriceRules::load((install.share() / "price_rules.json").string());
}

Result<std::vector<Device>> load_device_table(const Context& context) {
  MRUN_ASSIGN(const InstallPaths install, context.install());
  return load_devices((install.share() / "hardware.json").string());
}

std::string today() {
  return rfc3339_utc(system_clock().wall_ns()).substr(0, 10);
}

std::optional<std::int64_t> age_days(std::string_view date) {
  const std::optional<std::int64_t> read_ns = parse_rfc3339(date);
  if (!read_ns) return std::nullopt;
  const std::int64_t age_ns = system_clock().wall_ns() - *read_ns;
  if (age_ns < -k_day_ns) return std::nullopt;
  return std::max<std::int64_t>(0, age_ns / k_day_ns);
}

bool is_older(std::string_view date, std::int64_t days) {
  const std::optional<std::int64_t> age = age_days(date);
  return !age || *age > days;
}

Json age_json(std::string_view date) {
  const std::optional<std::int64_t> age = age_days(date);
  return age ? Json(*age) : Json();
}

std::string age_words(std::string_view date) {
  const std::optional<std::int64_t> age = age_days(date);
  if (!age) return "a day that is not known or to come";
  return *age == 1 ? "1 day ago" : fmt::format("{} days ago", *age);
}

Result<std::int64_t> parse_days(std::string_view flag, std::string_view text) {
  std::string_view digits = text;
  if (digits.ends_with('d')) digits.remove_suffix(1);
  std::int64_t days = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), days);
  if (error != std::errc() || end != digits.data() + digits.size() || days < 0 || days > 100'000)
    return fail(ErrorCode::flag_value, fmt::format("`--{}` has the value `{}`", flag, printable(text, 40)),
                "write days, as 30d");
  return days;
}

bool is_withdrawn(const PriceRow& row) {
  return !row.dim("status").empty();
}

std::string dims_words(const PriceRow& row) {
  std::string text;
  for (const auto& [name, value] : row.dims)
    if (name != "product")
      text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, printable(value, 60));
  return text;
}

Json price_json(const PriceRow& row) {
  Json states = Json::object();
  for (const auto& [name, billed] : row.states)
    states[name] = billed;
  return {{"provider", row.provider},
          {"sku", row.sku},
          {"kind", row.kind},
          {"usd", row.rate.text()},
          {"per", row.per},
          {"dims", row.dims},
          {"states", row.states.empty() ? Json() : states},
          {"granularity_ns", row.granularity_ns ? Json(*row.granularity_ns) : Json()},
          {"read_on", row.read_on},
          {"age_days", age_json(row.read_on)},
          {"source", row.source},
          {"evidence", row.evidence.empty() ? Json() : Json(row.evidence)},
          {"confidence", row.confidence},
          {"origin", price_origin_name(row.origin)}};
}

std::vector<const PriceRow*> matching_rows(const PriceBook& book, const std::vector<std::string>& words,
                                           const std::string& per) {
  std::vector<const PriceRow*> found;
  for (const PriceRow& row : book.rows) {
    std::string all = row.provider + " " + row.sku;
    for (const auto& [name, value] : row.dims)
      all += " " + value;
    all = lower_ascii(all);
    const bool has_all = std::all_of(words.begin(), words.end(), [&](const std::string& word) {
      return all.find(lower_ascii(word)) != std::string::npos;
    });
    if (has_all && (per.empty() || row.per == per)) found.push_back(&row);
  }
  return found;
}

} // namespace mrun::cli
