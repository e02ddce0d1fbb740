// Paths of the leaves of a pytree: how the inputs and outputs of an exported program get their names.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/json.h"

namespace mrun::torch_engine {

using NamedTuples =
    std::map<std::string, std::vector<std::string>, std::less<>>; // serialized type → field names

// Leaves of a spec as torch.utils._pytree writes it (`[1, {"type", "context", "children_spec"}]`), depth
// first. A path is keys of dicts, fields of namedtuples and dataclasses, and positions elsewhere, joined by
// dots; a single leaf is "0". Error load_failed: not such a spec.
Result<std::vector<std::string>> leaf_paths(std::string_view spec, const NamedTuples& named_tuples);

// The spec as a tree for people and programs: dicts, namedtuples and dataclasses are objects, tuples and
// lists arrays, leaves the words of `leaf_names`, in the order of leaf_paths.
Result<Json> leaf_tree(std::string_view spec, const NamedTuples& named_tuples,
                       const std::vector<std::string>& leaf_names);

// leaf_paths for in_spec, the pair (args, kwargs): positions of args become the names in `argument_names`, as
// far as there are; kwargs their keys.
Result<std::vector<std::string>> input_paths(std::string_view spec, const NamedTuples& named_tuples,
                                             const std::vector<std::string>& argument_names);

} // namespace mrun::torch_engine
