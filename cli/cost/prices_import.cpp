// mrun prices import FILE, mrun prices update --from FILE|URL: checked whole, taken whole or not at all.
#include <filesystem>

#include <fmt/format.h>

#include "cli/client/interrupt.h"
#include "cli/cost/books.h"
#include "cli/cost/dispatch.h"
#include "cli/cost/fetch_text.h"
#include "cli/cost/price_check.h"
#include "cli/predict/file_saver.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

struct Changes {
  std::size_t added = 0, same = 0;
  std::vector<std::string> moved; // "NAME: 3.49 → 3.99 (+14.3 %)"
};

std::string percent_words(Money from, Money to) {
  const double ratio = static_cast<double>(to.pico()) / static_cast<double>(from.pico());
  return fmt::format("{:+.1f} %", (ratio - 1) * 100); // of two prices, for people
}

Changes changes_of(const std::vector<PriceRow>& rows, const PriceBook& known) {
  std::map<std::string, const PriceRow*> before;
  for (const PriceRow& row : known.rows) {
    const PriceRow*& kept = before[row.key()];
    if (kept == nullptr || kept->read_on < row.read_on) kept = &row;
  }
  Changes changes;
  for (const PriceRow& row : rows) {
    const auto found = before.find(row.key());
    if (found == before.end())
      ++changes.added;
    else if (found->second->rate == row.rate)
      ++changes.same;
    else
      changes.moved.push_back(fmt::format("{}: {} → {} ({})", price_name(row), found->second->rate.text(),
                                          row.rate.text(), percent_words(found->second->rate, row.rate)));
  }
  return changes;
}

std::string book_text(const std::vector<PriceRow>& rows) {
  std::string text = "[\n";
  for (std::size_t i = 0; i < rows.size(); ++i)
    text += "  " + price_row_text(rows[i]) + (i + 1 < rows.size() ? ",\n" : "\n");
  return text + "]\n";
}

Result<void> write_book(const std::string& path, const std::vector<PriceRow>& rows) {
  std::error_code failed;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failed);
  MRUN_ASSIGN(AtomicFile file, AtomicFile::create(path));
  MRUN_TRY(file.write(book_text(rows)));
  return file.commit(true);
}

Result<int> tell(const Context& context, const Changes& changes, const PriceCheck& check,
                 const std::string& path, bool dry_run) {
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, {{"schema", "mrun.prices_change/v1"},
                                           {"added_count", changes.added},
                                           {"same_count", changes.same},
                                           {"moved", changes.moved},
                                           {"warning_count", check.findings.size()},
                                           {"path", path},
                                           {"written", !dry_run}}));
    return 0;
  }
  std::string text;
  for (const std::string& moved : changes.moved)
    text += moved + "\n";
  text += fmt::format("{} new, {} changed, {} as before; {} {}\n", changes.added, changes.moved.size(),
                      changes.same, dry_run ? "would be written to" : "written to", printable(path));
  MRUN_TRY(context.terminal.out(text));
  if (!check.findings.empty())
    context.say(
        fmt::format("{}: `mrun prices verify` has them", count_words(check.findings.size(), "warning")));
  if (!dry_run) context.say("a running daemon reads them at its next start: `mrun daemon stop`");
  return 0;
}

// The same rows as before, but for those of a key that came.
std::vector<PriceRow> merged(const std::vector<PriceRow>& before, const std::vector<PriceRow>& came) {
  PriceBook book;
  book.rows = before;
  PriceBook over;
  over.rows = came;
  book.lay_over(std::move(over));
  return book.rows;
}

Result<PriceBook> own_book(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return PriceBook();
  MRUN_ASSIGN(PriceBook book, PriceBook::load(path, PriceOrigin::own));
  if (!book.refused.empty())
    return fail(
        ErrorCode::price_file,
        fmt::format("{}:{}: {}", printable(path), book.refused.front().place, book.refused.front().reason),
        "put it right first: it would be lost");
  return book;
}

} // namespace

Result<int> prices_import(Context& context, const Arguments& arguments) {
  if (arguments.positionals().size() != 2)
    return fail(ErrorCode::usage, "`mrun prices import` needs one file",
                "as `mrun prices import contract.json`");
  const std::string path = arguments.positional(1);
  MRUN_ASSIGN(const PriceFiles files, price_files(context));
  MRUN_ASSIGN(const PriceBook known, load_price_books(files));
  MRUN_ASSIGN(const PriceRules rules, load_rules(context));
  MRUN_ASSIGN(const PriceBook came, PriceBook::load(path, PriceOrigin::own));
  const PriceCheck check = check_book(rules, came, known, path);
  MRUN_TRY(pass_check(check, arguments.has("strict"), true));
  MRUN_ASSIGN(const PriceBook own, own_book(files.own));
  if (!arguments.has("dry-run")) MRUN_TRY(write_book(files.own, merged(own.rows, came.rows)));
  return tell(context, changes_of(came.rows, known), check, files.own, arguments.has("dry-run"));
}

Result<int> prices_update(Context& context, const Arguments& arguments) {
  const std::optional<std::string> from = arguments.value("from");
  if (!from)
    return fail(ErrorCode::usage, "`mrun prices update` needs --from",
                "nothing is fetched unasked: `mrun prices update --from FILE|URL`");
  MRUN_ASSIGN(const InterruptGuard interrupt, InterruptGuard::install());
  MRUN_ASSIGN(const std::string text, text_of_file_or_url(*from, interrupt.fd()));
  MRUN_ASSIGN(const PriceFiles files, price_files(context));
  MRUN_ASSIGN(const PriceBook known, load_price_books(files));
  MRUN_ASSIGN(const PriceRules rules, load_rules(context));
  Result<PriceBook> came = PriceBook::parse(text, PriceOrigin::updated);
  if (!came) return fail(came.error().code, fmt::format("{}:{}", printable(*from), came.error().message));
  const PriceCheck check = check_book(rules, *came, known, *from);
  MRUN_TRY(pass_check(check, arguments.has("strict"), true));
  if (!arguments.has("dry-run")) {
    MRUN_ASSIGN(const HomePaths home, context.home());
    MRUN_TRY(home.create()); // the state folder at its mode, also where no daemon has been yet
    MRUN_TRY(write_book(files.updated, came->rows));
  }
  return tell(context, changes_of(came->rows, known), check, files.updated, arguments.has("dry-run"));
}

} // namespace mrun::cli
