// What `mrun predict` and `mrun show` are pointed at: a version in the store, or a directory packed on the
// fly.
#pragma once

#include <string>

#include "cli/arguments.h"
#include "cli/context.h"
#include "common/error.h"
#include "packager/store.h"

namespace mrun::cli {

struct PredictTarget {
  std::string shown_name; // for messages: the model's name
  Bundle bundle;
};

// Opens the store to read. An absent store is an empty one: model_not_found, saying how to begin.
Result<Store> open_store_to_read(const Context& context);
Result<Store> open_store_to_write(const Context& context);

// A directory is packed without a tag, under a lease. Errors: reference_invalid, model_not_found, lock_*,
// manifest_*, pack_*.
// A reference with a host means what was pulled from there. `arguments`: --locked counts.
Result<PredictTarget> find_target(const Context& context, const Arguments& arguments);
// Whether the first positional names something of a registry that is not here.
bool target_needs_pull(const Context& context, const Arguments& arguments);

// A bundle may be made for another machine: that this one has no engine for it is worth a word.
void warn_of_engine(const Context& context, const Store& store, const Digest& version);

// "~" and "~/…" by HOME, as a shell would where it didn't.
std::string expand_home(const std::string& path);

} // namespace mrun::cli
