# cmake -DROOT=… -DVERSION=… -DOUTPUT=… -P build_id.cmake
# Writes the build id (services/common/base/build_id.h) when it is another one than before.
cmake_policy(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/build_id_sources.cmake)
assay_build_id_sources(${ROOT} sources)
set(all "${VERSION}")
foreach(source IN LISTS sources)
  file(SHA256 ${ROOT}/${source} digest)
  string(APPEND all "\n${source} ${digest}")
endforeach()
string(SHA256 id "${all}")
string(SUBSTRING ${id} 0 32 id)
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
namespace assay {
extern const char kBuildIdRecord[];
const char kBuildIdRecord[] = "assay-build-id:@id@;@VERSION@";
}  // namespace assay
]])
