// What is asked before anything from elsewhere gets a place in the store: room on the disk, and a free name.
#pragma once

#include <cstdint>
#include <string>

#include "packager/store.h"

namespace mrun {

// Error disk_full.
Result<void> check_disk(const Store& store, std::uint64_t needed_bytes);

// A tag that means something else here, of another origin.
tl::unexpected<Error> fail_tag_elsewhere(const Reference& name, const Digest& present,
                                         const std::string& present_origin);

} // namespace mrun
