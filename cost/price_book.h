// The price book: what public providers charge, with source and date (share/mrun/prices.json,
// docs/formats/cost.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/paths.h"
#include "cost/money.h"

namespace mrun {

// Where a row came from: the later ones override the earlier.
enum class PriceOrigin : std::uint8_t { shipped, updated, own };
std::string_view price_origin_name(PriceOrigin origin);

struct PriceRow {
  std::string provider;
  std::string sku;
  std::string kind;
  Money rate;                              // USD, exactly as written in the book
  std::string per;                         // instance_s, gpu_h, image, …
  std::map<std::string, std::string> dims; // scalars as text: product, gpu_count, status, …
  // queue, pull, setup, active, idle, drain, build, failed, canceled, aborted → billed? Unknown ones are
  // absent.
  std::map<std::string, bool> states;
  std::optional<std::int64_t> granularity_ns; // billed time is rounded up to it; unknown = nullopt
  std::string read_on;                        // YYYY-MM-DD
  std::string source;
  std::string confidence; // A, B or C
  std::string evidence;   // what the source says, word for word; may be empty
  std::string place;      // line:column in its file
  PriceOrigin origin = PriceOrigin::shipped;

  // What is priced: provider, sku, kind, unit and dimensions, but not the notes on the figure (status, …).
  // Rows of one key are one price at several dates.
  std::string key() const;
  std::string_view dim(const std::string& key) const;
  // Unknown states count as `otherwise`.
  bool bills(const std::string& state, bool otherwise) const;
};

struct RefusedRow {
  std::size_t index = 0; // from 0, in the file
  std::string place;     // line:column of what is wrong
  std::string reason;
};

struct PriceBook {
  std::vector<PriceRow> rows;
  std::vector<RefusedRow> refused; // each with its reason; the rest of the book still serves

  // Reads the book's text; numbers are taken from the text itself, never through a double. A row without
  // source or date, with an unknown unit, kind or state, a rate that is not a positive decimal, or a key it
  // does not know is refused. Error price_file, beginning with line:column: not a JSON array of objects.
  static Result<PriceBook> parse(std::string_view text, PriceOrigin origin = PriceOrigin::shipped);
  // Errors: io, price_file (the path, line and column first).
  static Result<PriceBook> load(const std::string& path, PriceOrigin origin = PriceOrigin::shipped);

  // Rows of `over` replace the ones of the same key. With `if_newer` a price that this book has read on a
  // later day stays: an old update does not hide what a new version ships.
  void lay_over(PriceBook over, bool if_newer = false);

  // The newest row of that provider, sku and dims["product"], the first of equally new ones; an own one
  // before all others. nullptr when there is none.
  const PriceRow* find(std::string_view provider, std::string_view sku, std::string_view product) const;
};

// What ships, what `mrun prices update` brought and the user's own rows, one over the other. The last two may
// be absent. Errors as of load().
struct PriceFiles {
  std::string shipped, updated, own;
};
PriceFiles price_files_of(const HomePaths& home, const InstallPaths& install);
Result<PriceBook> load_price_books(const PriceFiles& files);

// The row as it stands in a book, without a newline.
std::string price_row_text(const PriceRow& row);

// YYYY-MM-DD of a day that there is.
bool is_price_date(std::string_view text);

// Seconds in the time unit of `per` (instance_s → 1, gpu_h → 3600); nullopt for units that are no time.
std::optional<std::int64_t> seconds_of_unit(std::string_view per);

} // namespace mrun
