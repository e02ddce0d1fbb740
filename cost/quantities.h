// Units as types: a price per image times a number of seconds does not compile.
#pragma once

#include "cost/exact.h"

namespace mrun {

template<class Unit>
struct Quantity {
  Exact value;
};
// USD, or the currency of the user's own rate, for one unit.
template<class Unit>
struct UnitPrice {
  Exact value;
};
template<class Unit>
Exact operator*(const UnitPrice<Unit>& price, const Quantity<Unit>& quantity) {
  return price.value * quantity.value;
}

using Seconds = Quantity<struct SecondsUnit>; // of a worker or machine
using Images = Quantity<struct ImagesUnit>;
using Megapixels = Quantity<struct MegapixelsUnit>; // 10^6 pixels
using VideoSeconds = Quantity<struct VideoSecondsUnit>;
using Requests = Quantity<struct RequestsUnit>;
using InputTokens = Quantity<struct InputTokensUnit>; // read anew
using CachedTokens = Quantity<struct CachedTokensUnit>;
using OutputTokens = Quantity<struct OutputTokensUnit>;

using PricePerSecond = UnitPrice<struct SecondsUnit>;

} // namespace mrun
