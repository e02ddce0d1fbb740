// Reads the text of a price book without turning its numbers into doubles. For price_book.cpp only.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace mrun {

struct PriceScalar {
  enum class Kind { null, text, number, boolean };
  Kind kind = Kind::null;
  std::string text; // of a number: as written
};

// One object of the book's array, unchecked.
struct PriceFields {
  std::map<std::string, PriceScalar> scalars, dims, states;
  std::string problem;                        // what did not fit this shape: a key twice, a nested value
  std::size_t offset = 0;                     // of its `{` in the text
  std::map<std::string, std::size_t> offsets; // of its keys

  const PriceScalar* find(const std::string& key) const {
    const auto found = scalars.find(key);
    return found == scalars.end() ? nullptr : &found->second;
  }
};

// Error price_file, with line and column: not a JSON array of objects, or too many of them.
Result<std::vector<PriceFields>> read_price_fields(std::string_view text);

// "12:3", from 1; columns are bytes.
std::string place_in_text(std::string_view text, std::size_t offset);

} // namespace mrun
