# Run by cpack before it makes the Debian package: what Debian's policy asks of the files (manual pages and changelog
# compressed, without a time in them).
if(NOT CPACK_TEMPORARY_DIRECTORY MATCHES "/DEB/")
  return()
endif()
file(GLOB_RECURSE pages "${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/man/*" "${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/doc/mrun/changelog")
list(FILTER pages EXCLUDE REGEX "\\.gz$")
foreach(page IN LISTS pages)
  execute_process(COMMAND gzip -9nf "${page}" COMMAND_ERROR_IS_FATAL ANY)
endforeach()
