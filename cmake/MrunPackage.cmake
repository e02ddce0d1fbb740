# `cpack` in a release build makes a relocatable tar.gz and a Debian package (scripts/package).
# systemd's files belong to the system, so they are a component that only the Debian package has.
set(service_dir "${CMAKE_BINARY_DIR}/packaging")
set(LIBEXEC "/usr/libexec/mrun")
foreach(kind user system)
  configure_file(packaging/systemd/${kind}/mrun.service.in "${service_dir}/${kind}/mrun.service" @ONLY)
  install(FILES "${service_dir}/${kind}/mrun.service" packaging/systemd/${kind}/mrun.socket
    DESTINATION lib/systemd/${kind} COMPONENT system EXCLUDE_FROM_ALL)
endforeach()
install(FILES packaging/sysusers.conf DESTINATION lib/sysusers.d RENAME mrun.conf COMPONENT system EXCLUDE_FROM_ALL)
install(FILES packaging/tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME mrun.conf COMPONENT system EXCLUDE_FROM_ALL)
install(FILES packaging/config.yaml DESTINATION /etc/mrun COMPONENT system EXCLUDE_FROM_ALL)
install(FILES packaging/debian/copyright packaging/debian/changelog DESTINATION share/doc/mrun COMPONENT system EXCLUDE_FROM_ALL)
install(FILES packaging/debian/lintian-overrides DESTINATION share/lintian/overrides RENAME mrun COMPONENT system EXCLUDE_FROM_ALL)

set(CPACK_PACKAGE_NAME mrun)
set(CPACK_PACKAGE_VENDOR mrun)
set(CPACK_PACKAGE_CONTACT "The mrun developers <mrun@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "packs, runs, measures and shares AI models on this machine")
set(CPACK_PACKAGE_DESCRIPTION "A command-line tool and a daemon that pack a model and its manifest
into a versioned bundle, load it on a CPU or an NVIDIA GPU through
LibTorch, serve predictions on a Unix socket, push and pull bundles to
any OCI registry, measure cold start and latency, and say what each
action costs.
.
LibTorch is not part of the package: mrun doctor says where it is
looked for.")
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_MRUN_MACHINE "${CMAKE_SYSTEM_PROCESSOR}")
set(CPACK_STRIP_FILES ON)
set(CPACK_GENERATOR "TGZ;DEB")
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_CURRENT_LIST_DIR}/MrunPackageDebian.cmake")
set(CPACK_PROJECT_CONFIG_FILE "${CMAKE_CURRENT_LIST_DIR}/MrunPackageKinds.cmake")

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "bash-completion")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  "${CMAKE_SOURCE_DIR}/packaging/debian/postinst" "${CMAKE_SOURCE_DIR}/packaging/debian/prerm"
  "${CMAKE_SOURCE_DIR}/packaging/debian/postrm" "${CMAKE_SOURCE_DIR}/packaging/debian/conffiles")
if(MRUN_TORCH AND LibTorchWheel_DIR)
  # The engine opens LibTorch by absolute path; no Debian package has it.
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS "${LibTorchWheel_DIR}/lib")
endif()
include(CPack)
