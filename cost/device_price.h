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

// Whether a CPU's row is of the size of a machine with so many cores, on which the work took so many bytes of
// memory: as many cores or more, but not twice as many, and room for it where the row tells its memory.
bool is_cpu_like(const PriceRow& row, int core_count, double bytes);

} // namespace mrun
