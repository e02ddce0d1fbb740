# The CUDA compiler, where there is one: everything but the kernels for GPUs builds without.
#
# In:  MRUN_CUDA: AUTO (default: if nvcc is found and works), ON (it must be there) or OFF.
# Out: MRUN_CUDA_FOUND; the language CUDA for sm_80, sm_90 and, as PTX, whatever comes later; MRUN_CUDA_FLAGS, the
#      kernels' own options.
set(MRUN_CUDA "AUTO" CACHE STRING "kernels for GPUs: AUTO, ON or OFF")
set(MRUN_CUDA_FOUND FALSE)
if(MRUN_CUDA STREQUAL "OFF")
  return()
endif()

find_program(MRUN_NVCC nvcc HINTS "$ENV{CUDA_HOME}/bin" /usr/local/cuda/bin)
if(MRUN_NVCC)
  set(CMAKE_CUDA_COMPILER "${MRUN_NVCC}")
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 90-virtual)
  endif()
  include(CheckLanguage)
  check_language(CUDA)
endif()
if(MRUN_NVCC AND CMAKE_CUDA_COMPILER)
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  set(MRUN_CUDA_FOUND TRUE)
  # CMake 3.25 does not know how nvcc is asked for C++20.
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  endif()
  # -fmad=false: a fused multiply-add rounds once where the CPU rounds twice.
  set(MRUN_CUDA_FLAGS -fmad=false -Werror=all-warnings)
  if(CCACHE_PROGRAM AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
    set(CMAKE_CUDA_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
  endif()
  message(STATUS "kernels for GPUs: ${CMAKE_CUDA_COMPILER} ${CMAKE_CUDA_COMPILER_VERSION}, ${CMAKE_CUDA_ARCHITECTURES}")
elseif(MRUN_CUDA STREQUAL "ON")
  message(FATAL_ERROR "MRUN_CUDA is ON, but there is no nvcc that works: install a CUDA toolkit, put its bin folder on PATH, or configure with -DMRUN_CUDA=OFF")
else()
  message(STATUS "kernels for GPUs: no nvcc, they are left out")
endif()
