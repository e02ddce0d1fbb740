# MRUN_BUILD_ID: version and commit, so that a CLI can tell a daemon of another build.
set(MRUN_BUILD_ID "${PROJECT_VERSION}")
find_package(Git QUIET)
if(GIT_FOUND AND EXISTS "${CMAKE_SOURCE_DIR}/.git")
  execute_process(COMMAND "${GIT_EXECUTABLE}" -C "${CMAKE_SOURCE_DIR}" describe --always --dirty=.dirty --abbrev=12
    --exclude=* OUTPUT_VARIABLE mrun_commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE mrun_git_status)
  if(mrun_git_status EQUAL 0)
    string(APPEND MRUN_BUILD_ID "+${mrun_commit}")
  endif()
endif()
