// A model of another tool becomes a bundle: its files come into the store, its mrun.yaml is derived from
// them. Internal to packager/registry.
#pragma once

#include "packager/registry/pull.h"
#include "packager/store_writer.h"

namespace mrun {

// Layers and config of `plan.foreign` that are not here; every name is checked before anything moves. Gives
// the version that was made. Errors: those of fetch_blob, bundle_invalid, path_refused, model_unsupported,
// manifest_* (of an mrun.yaml among the files).
Result<Digest> pull_foreign(Registry& registry, const PullRequest& request, const PullPlan& plan,
                            Store& store, Store::Writer& writer);

} // namespace mrun
