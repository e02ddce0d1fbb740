// mrun prices verify: every row by every rule.
#include <fmt/format.h>

#include "cli/cost/books.h"
#include "cli/cost/dispatch.h"
#include "cli/cost/price_check.h"
#include "cli/render/json_text.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

Result<std::vector<std::string>> device_faults(const Context& context, const std::string& path) {
  MRUN_ASSIGN(const std::vector<Device> known, load_device_table(context));
  MRUN_ASSIGN(const std::vector<Device> table, load_devices(path));
  return check_devices(table, known);
}

Result<PriceCheck> checked(const Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const PriceBook book, load_books(context));
  MRUN_ASSIGN(const PriceRules rules, load_rules(context));
  if (arguments.positionals().size() < 2) return check_book(rules, book, book, "");
  const std::string path = arguments.positional(1);
  MRUN_ASSIGN(const PriceBook file, PriceBook::load(path, PriceOrigin::own));
  return check_book(rules, file, book, path);
}

} // namespace

Result<int> prices_verify(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(PriceCheck check, checked(context, arguments));
  if (const auto path = arguments.value("hardware")) {
    MRUN_ASSIGN(const std::vector<std::string> faults, device_faults(context, *path));
    for (const std::string& fault : faults)
      check.findings.push_back({PriceFinding::Severity::refused, "device", *path, "", printable(fault, 300)});
  }
  if (context.json)
    MRUN_TRY(print_json(context.terminal, check_json(check)));
  else
    MRUN_TRY(context.terminal.out(check_text(check)));
  // Rows of the installed book that have no date are known and serve nobody; a file has to be whole.
  const bool is_file = arguments.positionals().size() >= 2;
  MRUN_TRY(pass_check(check, arguments.has("strict"), is_file));
  return 0;
}

} // namespace mrun::cli
