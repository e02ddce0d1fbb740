# Options, the compiler's manner and the layout of the build tree.
# The build tree mirrors an installation (bin, libexec/mrun, lib/mrun/engines, share/mrun), because every
# program finds its companions relative to its own path.
include(GNUInstallDirs)

option(MRUN_TORCH "build the torch engine (needs LibTorch: MRUN_TORCH_DIR)" ON)
option(MRUN_TESTS "build the tests" ON)
option(MRUN_TEST_HOOKS "record produced error codes where MRUN_CODE_TRACE names a folder" ${MRUN_TESTS})
option(MRUN_FUZZ "make libFuzzer programs of tests/fuzz (clang); else ctest replays their seeds" OFF)
set(MRUN_SANITIZE "" CACHE STRING "address,undefined or thread: compile and link with -fsanitize=…")
set(MRUN_TORCH_DIR "$ENV{MRUN_TORCH_DIR}" CACHE PATH "a LibTorch: the wheel's torch/ folder")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness is what ccache asks for before it keeps files that use a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${CCACHE_PROGRAM}")
  set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()

set(MRUN_BIN_DIR "${CMAKE_BINARY_DIR}/bin")
set(MRUN_LIBEXEC_DIR "${CMAKE_BINARY_DIR}/libexec/mrun")
set(MRUN_ENGINES_DIR "${CMAKE_BINARY_DIR}/lib/mrun/engines")
set(MRUN_SHARE_DIR "${CMAKE_BINARY_DIR}/share/mrun")
file(MAKE_DIRECTORY "${MRUN_BIN_DIR}" "${MRUN_LIBEXEC_DIR}" "${MRUN_ENGINES_DIR}" "${MRUN_SHARE_DIR}")

add_library(mrun_build_flags INTERFACE)
target_include_directories(mrun_build_flags INTERFACE "${CMAKE_SOURCE_DIR}" "${CMAKE_BINARY_DIR}/generated")
target_compile_options(mrun_build_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Werror
  $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2> -fstack-protector-strong -D_GLIBCXX_ASSERTIONS)
# GCC 12 at -O3 sees overlapping copies in std::string's `literal + text` that are none (GCC bug 105651).
target_compile_options(mrun_build_flags INTERFACE $<$<CONFIG:Release>:-Wno-restrict>)
target_link_options(mrun_build_flags INTERFACE -Wl,-z,relro,-z,now -Wl,--as-needed)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 takes the unused half of an expected<T, E> for an uninitialised T (GCC bugs 105562, 80635).
  target_compile_options(mrun_build_flags INTERFACE -Wno-maybe-uninitialized)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # libstdc++ 12's stable_sort calls what it declares deprecated; g++ doesn't look into system headers.
  target_compile_options(mrun_build_flags INTERFACE -Wno-deprecated-declarations)
endif()
if(MRUN_TEST_HOOKS)
  target_compile_definitions(mrun_build_flags INTERFACE MRUN_TEST_HOOKS=1)
endif()
if(MRUN_SANITIZE)
  target_compile_options(mrun_build_flags INTERFACE
    -fsanitize=${MRUN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -U_FORTIFY_SOURCE)
  target_link_options(mrun_build_flags INTERFACE -fsanitize=${MRUN_SANITIZE})
  if(MRUN_SANITIZE STREQUAL "thread")
    # g++ 12 says that it does not model the fences that Asio uses; Asio's own locks around them are modelled.
    target_compile_options(mrun_build_flags INTERFACE -Wno-error=tsan)
  endif()
endif()

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
