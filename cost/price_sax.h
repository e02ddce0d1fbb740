// Reads the text of a price book without turning its numbers into doubles. For price_book.cpp only.
#pragma once

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
  std::string problem; // what did not fit this shape: a key twice, a nested value

  const PriceScalar* find(const std::string& key) const {
    const auto found = scalars.find(key);
    return found == scalars.end() ? nullptr : &found->second;
  }
};

// Error config_invalid: not a JSON array of objects.
Result<std::vector<PriceFields>> read_price_fields(std::string_view text);

} // namespace mrun
