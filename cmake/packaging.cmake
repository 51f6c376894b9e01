# cmake --install, a .deb and a relocatable tarball (cpack in the build folder).
include(GNUInstallDirs)
install(TARGETS canirun RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md" PATTERN "*.json" PATTERN "*.yml"
  PATTERN man EXCLUDE PATTERN images EXCLUDE)

# What the program prints about itself: manual pages from their Markdown, completions.
set(generated ${CMAKE_BINARY_DIR}/share)
find_program(GO_MD2MAN go-md2man REQUIRED)
foreach(page canirun.1 canirun-json.5)
  add_custom_command(OUTPUT ${generated}/${page}
    COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:canirun> -DVERSION=${PROJECT_VERSION} -DIN=${PROJECT_SOURCE_DIR}/docs/man/${page}.md
      -DOUT=${generated}/${page} -DGO_MD2MAN=${GO_MD2MAN} -P ${PROJECT_SOURCE_DIR}/cmake/man.cmake
    DEPENDS canirun docs/man/${page}.md cmake/man.cmake VERBATIM)
  list(APPEND share ${generated}/${page})
  string(REGEX MATCH "[0-9]$" section ${page})
  install(FILES ${generated}/${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
foreach(shell bash zsh fish)
  add_custom_command(OUTPUT ${generated}/canirun.${shell} COMMAND canirun completion ${shell} -o ${generated}/canirun.${shell} DEPENDS canirun VERBATIM)
  list(APPEND share ${generated}/canirun.${shell})
endforeach()
install(FILES ${generated}/canirun.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME canirun)
install(FILES ${generated}/canirun.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions RENAME _canirun)
install(FILES ${generated}/canirun.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
file(MAKE_DIRECTORY ${generated})
add_custom_target(canirun_share ALL DEPENDS ${share})

set(CPACK_GENERATOR DEB TXZ)
set(CPACK_PACKAGE_NAME canirun)
set(CPACK_PACKAGE_VENDOR "canirun")
set(CPACK_PACKAGE_CONTACT "The canirun authors <canirun@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_PACKAGE_DESCRIPTION "canirun examines this machine and computes, tensor by tensor as llama.cpp allocates it, which AI models it
can run, at which quantisation, how fast and with which settings. It works offline and answers in milliseconds.")
set(CPACK_STRIP_FILES ON)
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/package_prefix.cmake)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# The Vulkan loader is opened at run time, where it is there.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS libvulkan1)
include(CPack)
