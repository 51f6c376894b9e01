# What is inside the program, as SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/): the versions are those that this build found.
# (libfmt and libstdc++ are linked statically into the release only.) Written into the build folder and installed beside the documentation.

# canirun_script_version(FILE PATTERN VARIABLE): what a minified JavaScript library says of itself.
function(canirun_script_version file pattern variable)
  file(READ "${file}" text)
  string(REGEX MATCH "${pattern}([0-9]+\\.[0-9]+\\.[0-9]+)" found "${text}")
  set(${variable} "${CMAKE_MATCH_1}" PARENT_SCOPE)
endfunction()

include(GNUInstallDirs)

set(sbom_packages "")
set(sbom_relations "")
# canirun_sbom_package(NAME VERSION LICENSE URL RELATION): RELATION is how the program uses it, as SPDX names it.
function(canirun_sbom_package name version license url relation)
  if(NOT version)
    message(FATAL_ERROR "The bill of materials needs the version of ${name}")
  endif()
  string(REGEX REPLACE "[^A-Za-z0-9.-]" "-" id "SPDXRef-${name}")
  string(APPEND sbom_packages ",
    {
      \"SPDXID\": \"${id}\",
      \"name\": \"${name}\",
      \"versionInfo\": \"${version}\",
      \"downloadLocation\": \"${url}\",
      \"filesAnalyzed\": false,
      \"licenseConcluded\": \"NOASSERTION\",
      \"licenseDeclared\": \"${license}\",
      \"copyrightText\": \"NOASSERTION\"
    }")
  string(APPEND sbom_relations ",
    {\"spdxElementId\": \"SPDXRef-canirun\", \"relationshipType\": \"${relation}\", \"relatedSpdxElement\": \"${id}\"}")
  set(sbom_packages "${sbom_packages}" PARENT_SCOPE)
  set(sbom_relations "${sbom_relations}" PARENT_SCOPE)
endfunction()

canirun_script_version("${JQUERY_JS}" "jQuery v" jquery_version)
canirun_script_version("${DATATABLES_JS}" "\\.version=\"" datatables_version)
canirun_script_version("${CHART_JS}" "Chart\\.js v" chart_version)
if(CANIRUN_HWLOC_STATIC AND CANIRUN_UDEV)
  set(hwloc_relation STATIC_LINK)
else()
  set(hwloc_relation DYNAMIC_LINK)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(fmt_relation STATIC_LINK)
else()
  set(fmt_relation DYNAMIC_LINK)
endif()

canirun_sbom_package(CLI11 "${CLI11_VERSION}" "BSD-3-Clause" "https://github.com/CLIUtils/CLI11" STATIC_LINK)
canirun_sbom_package(fmt "${fmt_VERSION}" "MIT" "https://github.com/fmtlib/fmt" ${fmt_relation})
canirun_sbom_package(nlohmann-json "${nlohmann_json_VERSION}" "MIT" "https://github.com/nlohmann/json" STATIC_LINK)
canirun_sbom_package(tl-expected "${tl-expected_VERSION}" "CC0-1.0" "https://github.com/TartanLlama/expected" STATIC_LINK)
canirun_sbom_package(hwloc "${HWLOC_VERSION}" "BSD-3-Clause" "https://www.open-mpi.org/projects/hwloc/" ${hwloc_relation})
canirun_sbom_package(Vulkan-Headers "${VulkanHeaders_VERSION}" "Apache-2.0" "https://github.com/KhronosGroup/Vulkan-Headers" STATIC_LINK)
canirun_sbom_package(jquery "${jquery_version}" "MIT" "https://jquery.com" CONTAINS)
canirun_sbom_package(DataTables "${datatables_version}" "MIT" "https://datatables.net" CONTAINS)
canirun_sbom_package(Chart.js "${chart_version}" "MIT" "https://www.chartjs.org" CONTAINS)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  canirun_sbom_package(libstdcxx "${CMAKE_CXX_COMPILER_VERSION}" "GPL-3.0-or-later WITH GCC-exception-3.1" "https://gcc.gnu.org" ${fmt_relation})
endif()

string(TIMESTAMP sbom_created "%Y-%m-%dT%H:%M:%SZ" UTC)  # SOURCE_DATE_EPOCH, where it is set
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/canirun.spdx.json" @ONLY CONTENT [[{
  "spdxVersion": "SPDX-2.3",
  "dataLicense": "CC0-1.0",
  "SPDXID": "SPDXRef-DOCUMENT",
  "name": "canirun-@PROJECT_VERSION@",
  "documentNamespace": "https://spdx.org/spdxdocs/canirun-@PROJECT_VERSION@",
  "creationInfo": {"created": "@sbom_created@", "creators": ["Tool: canirun-cmake-@PROJECT_VERSION@"]},
  "packages": [
    {
      "SPDXID": "SPDXRef-canirun",
      "name": "canirun",
      "versionInfo": "@PROJECT_VERSION@",
      "downloadLocation": "NOASSERTION",
      "filesAnalyzed": false,
      "licenseConcluded": "MIT",
      "licenseDeclared": "MIT",
      "copyrightText": "NOASSERTION"
    }@sbom_packages@
  ],
  "relationships": [
    {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-canirun"}@sbom_relations@
  ]
}
]])
install(FILES "${CMAKE_BINARY_DIR}/canirun.spdx.json" DESTINATION ${CMAKE_INSTALL_DOCDIR})
