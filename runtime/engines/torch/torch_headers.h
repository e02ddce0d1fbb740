// The LibTorch headers of the engine, precompiled once: one translation unit costs seconds less.
// Only sources of engine_torch_impl include this. LibTorch's headers are system headers, so their warnings
// stay theirs.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/stack.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
