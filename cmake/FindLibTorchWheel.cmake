# LibTorch of a pip wheel (or of the libtorch zip, which has the same folders), without find_package(Torch):
# that one asks for a CUDA toolkit and edits global flags (a CUDA wheel runs on a CPU as it is).
#
# In:  MRUN_TORCH_DIR, the folder torch/ with lib/ and include/. Empty: the development environment's.
# Out: LibTorchWheel_FOUND, LibTorchWheel_VERSION ("2.14.1"), LibTorchWheel_DIR; targets mrun::c10, mrun::torch_cpu.
# Nothing gets a RUNPATH from here: the engine's loader opens LibTorch by absolute path when it runs.
if(NOT MRUN_TORCH_DIR)
  if(DEFINED ENV{XDG_CACHE_HOME} AND IS_ABSOLUTE "$ENV{XDG_CACHE_HOME}")
    set(_mrun_torch_cache "$ENV{XDG_CACHE_HOME}")
  else()
    set(_mrun_torch_cache "$ENV{HOME}/.cache")
  endif()
  file(GLOB _mrun_torch_dirs "${_mrun_torch_cache}/mrun-dev/python/lib/python3.*/site-packages/torch")
  list(SORT _mrun_torch_dirs COMPARE NATURAL ORDER DESCENDING)
  if(_mrun_torch_dirs)
    list(GET _mrun_torch_dirs 0 LibTorchWheel_DIR)
  endif()
else()
  set(LibTorchWheel_DIR "${MRUN_TORCH_DIR}")
endif()

foreach(_mrun_torch_part lib/libtorch_cpu.so lib/libc10.so include/ATen/core/dispatch/Dispatcher.h)
  if(NOT EXISTS "${LibTorchWheel_DIR}/${_mrun_torch_part}")
    message(FATAL_ERROR
      "no LibTorch: '${LibTorchWheel_DIR}' has no ${_mrun_torch_part}.\n"
      "Set MRUN_TORCH_DIR to a wheel's torch/ folder (pip install --no-deps torch==2.14.1 nvidia-cuda-runtime "
      "nvidia-cuda-cupti), run scripts/quickstart, or build without it: -DMRUN_TORCH=OFF")
  endif()
endforeach()

if(EXISTS "${LibTorchWheel_DIR}/version.py")
  file(STRINGS "${LibTorchWheel_DIR}/version.py" _mrun_torch_version REGEX "^__version__")
else()
  file(STRINGS "${LibTorchWheel_DIR}/build-version" _mrun_torch_version LIMIT_COUNT 1)
endif()
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" LibTorchWheel_VERSION "${_mrun_torch_version}")
if(NOT LibTorchWheel_VERSION OR LibTorchWheel_VERSION VERSION_LESS 2.11)
  message(FATAL_ERROR "LibTorch in '${LibTorchWheel_DIR}' is '${LibTorchWheel_VERSION}'; mrun needs 2.11 or newer")
endif()

foreach(_mrun_torch_library c10 torch_cpu)
  if(NOT TARGET mrun::${_mrun_torch_library})
    add_library(mrun::${_mrun_torch_library} SHARED IMPORTED)
    set_target_properties(mrun::${_mrun_torch_library} PROPERTIES
      IMPORTED_LOCATION "${LibTorchWheel_DIR}/lib/lib${_mrun_torch_library}.so"
      IMPORTED_NO_SONAME FALSE
      IMPORTED_SONAME "lib${_mrun_torch_library}.so"
      INTERFACE_INCLUDE_DIRECTORIES
        "${LibTorchWheel_DIR}/include;${LibTorchWheel_DIR}/include/torch/csrc/api/include")
  endif()
endforeach()
set_property(TARGET mrun::torch_cpu PROPERTY INTERFACE_LINK_LIBRARIES mrun::c10)
set(LibTorchWheel_FOUND TRUE)
