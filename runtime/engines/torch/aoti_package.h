// An AOTInductor package: native code that torch._inductor compiled of a program, in an archive. What it is
// and whether this machine can run it, without opening the code. No LibTorch in this file.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/engines/torch/archive.h"

namespace mrun::torch_engine {

struct AotiFile {
  std::string name;                  // without folders
  const ZipMember* member = nullptr; // of the archive's directory
};

struct AotiPackage {
  std::string model;              // its name inside of the package: "model"
  std::vector<AotiFile> files;    // what it needs to run: libraries, cubins, weights; no sources
  std::string library;            // the one .so among them
  std::string device;             // AOTI_DEVICE_KEY: "cpu", "cuda"
  std::string platform;           // "linux"
  std::string machine;            // "x86_64"
  std::string cpu_isa;            // "AVX512 AVX512_VNNI AMX_TILE"; "" for none
  std::string compute_capability; // "90"; "" for a CPU
  std::string weights_blob;       // the file with the weights, of `files`; "" when they are in the library
  std::string source;             // the member that the library was compiled of; "" when it was left out
};

// The archive outlives the package. Errors: engine_unsupported (several models, no compiled library: mrun
// runs no compiler because of a model file, or pickled weights), load_failed (damaged).
Result<AotiPackage> read_aoti_package(const Archive& archive);

// Its code comes without weights and none lie beside it: they would have to be given by a program in Python.
// Error engine_unsupported, always.
tl::unexpected<Error> refuse_without_weights();

// Whether the processor has a feature, by gcc's name ("avx512f"): a seam for tests.
using HasFeature = std::function<bool(std::string_view feature)>;
bool cpu_has(std::string_view feature);

// Before dlopen: code for another machine would end the process by SIGILL. Error engine_unsupported names
// what is missing.
Result<void> check_machine(const AotiPackage& package, const HasFeature& has = cpu_has);

} // namespace mrun::torch_engine
