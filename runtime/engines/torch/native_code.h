// Opening what a bundle brings as native code: AOTInductor packages and libraries of operators.
//
// Whether it may be opened is the daemon's word, not the bundle's: the model spec's `native_code`, which the
// daemon sets only after the owner's consent (packager/consent.h).
#pragma once

#include <string_view>

#include "common/error.h"
#include "runtime/engines/torch/allowed.h"
#include "runtime/engines/torch/run_options.h"
#include "runtime/mrun_predictor.h"

namespace mrun::torch_engine {

// LibTorch's wheels name libtorch.so, an empty library that brings libtorch_cuda.so, more than a gigabyte, in
// whatever was linked against them. An empty library of that name from our own folder, opened before, takes
// its place on a CPU. Error engine_missing.
Result<void> open_libtorch_stand_in();

// Opens every library of `options.operators`, and gives the names of the operators that they registered
// ("mylib::magic"). Errors: engine_unsupported without consent, load_failed with the loader's words.
Result<OperatorNames> open_operator_libraries(const mrun_model& description, const RunOptions& options);

// Error engine_unsupported. `what`: "the file is an AOTInductor package".
tl::unexpected<Error> refuse_native(std::string_view what);

} // namespace mrun::torch_engine
