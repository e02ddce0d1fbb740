#include "cli/cost/price_check.h"

#include <fmt/format.h>

#include "cli/cost/books.h"
#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

bool is_refused(const PriceFinding& finding) {
  return finding.severity == PriceFinding::Severity::refused;
}

std::string place_words(const PriceCheck& check, const std::string& place) {
  return check.path.empty() ? place : fmt::format("{}:{}", printable(check.path), place);
}

} // namespace

PriceCheck check_book(const PriceRules& rules, const PriceBook& book, const PriceBook& known,
                      const std::string& path) {
  return {.row_count = book.rows.size(),
          .path = path,
          .unreadable = book.refused,
          .findings = check_prices(rules, book.rows, known.rows, today())};
}

Json check_json(const PriceCheck& check) {
  Json findings = Json::array();
  for (const RefusedRow& row : check.unreadable)
    findings.push_back(
        {{"severity", "refused"}, {"rule", "row"}, {"place", row.place}, {"message", row.reason}});
  for (const PriceFinding& finding : check.findings)
    findings.push_back({{"severity", is_refused(finding) ? "refused" : "warning"},
                        {"rule", finding.rule},
                        {"place", finding.place},
                        {"name", finding.name},
                        {"message", finding.message}});
  return {{"schema", "mrun.prices_verify/v1"}, {"row_count", check.row_count}, {"findings", findings}};
}

std::string check_text(const PriceCheck& check) {
  std::string text;
  for (const RefusedRow& row : check.unreadable)
    text += fmt::format("refused  {}  row: {}\n", place_words(check, row.place), printable(row.reason, 200));
  for (const PriceFinding& finding : check.findings)
    text += fmt::format("{}  {}  {}: {}: {}\n", is_refused(finding) ? "refused" : "warning",
                        place_words(check, finding.place), finding.rule, finding.name, finding.message);
  const auto refused =
      static_cast<std::size_t>(std::count_if(check.findings.begin(), check.findings.end(), is_refused));
  text += fmt::format("{}: {} refused by a rule, {} without date, source or unit, {}\n",
                      count_words(check.row_count + check.unreadable.size(), "row"), refused,
                      check.unreadable.size(), count_words(check.findings.size() - refused, "warning"));
  return text;
}

Result<void> pass_check(const PriceCheck& check, bool strict, bool whole) {
  std::string first;
  std::size_t faults = 0;
  const auto note = [&](const std::string& place, const std::string& words) {
    if (faults++ == 0) first = fmt::format("{}: {}", place_words(check, place), words);
  };
  if (whole || strict)
    for (const RefusedRow& row : check.unreadable)
      note(row.place, printable(row.reason, 200));
  for (const PriceFinding& finding : check.findings)
    if (strict || is_refused(finding)) note(finding.place, finding.name + ": " + finding.message);
  if (faults == 0) return {};
  return fail(ErrorCode::price_file,
              faults == 1 ? first : fmt::format("{} (and {} more)", first, count_words(faults - 1, "fault")));
}

} // namespace mrun::cli
