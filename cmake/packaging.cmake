# cmake --install, a .deb and a relocatable tarball (cpack in the build folder).
include(GNUInstallDirs)
install(TARGETS canirun RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
install(DIRECTORY docs/schema DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES docs/usage.md docs/ci.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES docs/canirun.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

set(CPACK_GENERATOR DEB TXZ)
set(CPACK_PACKAGE_NAME canirun)
set(CPACK_PACKAGE_VENDOR "canirun")
set(CPACK_PACKAGE_CONTACT "The canirun authors <canirun@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_PACKAGE_DESCRIPTION "canirun examines this machine and computes, tensor by tensor as llama.cpp allocates it, which AI models it
can run, at which quantisation, how fast and with which settings. It works offline and answers in milliseconds.")
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# The Vulkan loader is opened at run time, where it is there.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS libvulkan1)
include(CPack)
