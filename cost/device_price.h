// Which rows of a price book are of a device.
#pragma once

#include <vector>

#include "cost/devices.h"
#include "cost/price_book.h"
#include "cost/price_rules.h"

namespace mrun {

// Whether the row's product (its name, `gpu` and `memory_gb`) is that device: it has the device's word and
// each of those by which that product is priced (`ambiguous` of the rules: an A100 has 40GB or 80GB, an H100
// is SXM or PCIe), and none that only another device of the table has. A device that the rules do not know
// has to be named with all its words.
bool is_row_of(const PriceRow& row, const Device& device, const std::vector<Device>& devices,
               const PriceRules& rules);

} // namespace mrun
