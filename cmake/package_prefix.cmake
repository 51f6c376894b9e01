# Read by cpack for each package: a .deb belongs into /usr, a tarball runs from the folder it is unpacked in.
if(CPACK_GENERATOR STREQUAL "DEB")
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
else()
  set(CPACK_PACKAGING_INSTALL_PREFIX "/")
endif()
