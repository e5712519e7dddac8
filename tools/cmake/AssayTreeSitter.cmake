# The tree-sitter runtime and the JavaScript, TypeScript and TSX grammars, from npm's own packages.
#
# The packages are fetched once, when CMake configures, with the machine's npm (whatever registry it is set up for),
# and refused unless their SHA-512 is the one written here. Compiled with -O3, symbols hidden: parsing is most of an
# analysis. Targets: assay::tree_sitter (runtime and grammars, public header <tree_sitter/api.h>).

find_program(NPM_PROGRAM npm REQUIRED)
set(ASSAY_TREE_SITTER_DIR ${PROJECT_BINARY_DIR}/tree_sitter)

# Unpacks package@version into ${ASSAY_TREE_SITTER_DIR}/<directory>. `sha512` is the base64 of the tarball's digest, as npm prints it.
function(assay_npm_source directory package version sha512)
  set(target ${ASSAY_TREE_SITTER_DIR}/${directory})
  set(stamp ${target}/.unpacked-${version})
  if(EXISTS ${stamp})
    return()
  endif()
  set(download ${ASSAY_TREE_SITTER_DIR}/download)
  file(REMOVE_RECURSE ${target})
  file(MAKE_DIRECTORY ${download} ${target})
  message(STATUS "Fetching ${package}@${version}")
  set(tarball ${download}/${package}-${version}.tgz)
  foreach(try RANGE 1 3)
    execute_process(COMMAND ${NPM_PROGRAM} pack --silent --ignore-scripts --pack-destination ${download} ${package}@${version}
      WORKING_DIRECTORY ${download} RESULT_VARIABLE result OUTPUT_QUIET ERROR_VARIABLE errors)
    if(result EQUAL 0)
      break()
    endif()
  endforeach()
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "npm could not fetch ${package}@${version}: ${errors}")
  endif()
  file(SHA512 ${tarball} actual)
  assay_base64_to_hex(${sha512} expected)
  if(NOT actual STREQUAL expected)
    file(REMOVE ${tarball})
    message(FATAL_ERROR "${package}@${version} is not the file this build was written for: SHA-512 ${actual}, expected ${expected}")
  endif()
  file(ARCHIVE_EXTRACT INPUT ${tarball} DESTINATION ${target})
  file(TOUCH ${stamp})
endfunction()

# Registries publish digests in base64, CMake computes them in hexadecimal.
function(assay_base64_to_hex base64 out)
  set(alphabet "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  set(digits "0123456789abcdef")
  set(hex "")
  set(buffer 0)
  set(bits 0)
  string(LENGTH "${base64}" length)
  math(EXPR last "${length} - 1")
  foreach(position RANGE ${last})
    string(SUBSTRING "${base64}" ${position} 1 character)
    if(character STREQUAL "=")
      break()
    endif()
    string(FIND "${alphabet}" "${character}" value)
    math(EXPR buffer "(${buffer} << 6) | ${value}")
    math(EXPR bits "${bits} + 6")
    while(bits GREATER_EQUAL 4)
      math(EXPR bits "${bits} - 4")
      math(EXPR digit "(${buffer} >> ${bits}) & 15")
      math(EXPR buffer "${buffer} & ((1 << ${bits}) - 1)")
      string(SUBSTRING "${digits}" ${digit} 1 digit)
      string(APPEND hex "${digit}")
    endwhile()
  endforeach()
  # The last character carries four bits of padding.
  string(SUBSTRING "${hex}" 0 128 hex)
  set(${out} "${hex}" PARENT_SCOPE)
endfunction()

assay_npm_source(runtime tree-sitter 0.25.0 PGZZzFW63eElZJDe/b/R/LbsjDDYJa5UEjLZJB59RQsMX+fo0j54fqBPn1MGKav/QNa0JR0zBiVaikYDWCj5KQ==)
assay_npm_source(javascript tree-sitter-javascript 0.23.1 /bnhbrTD9frUYHQTiYnPcxyHORIw157ERBa6dqzaKxvR/x3PC4Yzd+D1pZIMS6zNg2v3a8BZ0oK7jHqsQo9fWA==)
assay_npm_source(typescript tree-sitter-typescript 0.23.2 e04JUUKxTT53/x3Uq1zIL45DoYKVfHH4CZqwgZhPg5qYROl5nQjV+85ruFzFGZxu+QeFVbRTPDRnqL9UbU4VeA==)

set(runtime ${ASSAY_TREE_SITTER_DIR}/runtime/package/vendor/tree-sitter/lib)
set(javascript ${ASSAY_TREE_SITTER_DIR}/javascript/package/src)
set(typescript ${ASSAY_TREE_SITTER_DIR}/typescript/package)
add_library(assay_tree_sitter STATIC
  ${runtime}/src/lib.c
  ${javascript}/parser.c ${javascript}/scanner.c
  ${typescript}/typescript/src/parser.c ${typescript}/typescript/src/scanner.c
  ${typescript}/tsx/src/parser.c ${typescript}/tsx/src/scanner.c)
add_library(assay::tree_sitter ALIAS assay_tree_sitter)
target_include_directories(assay_tree_sitter SYSTEM PUBLIC ${runtime}/include PRIVATE ${runtime}/src)
# For the one file that reads the runtime's trees directly.
target_include_directories(assay_tree_sitter SYSTEM INTERFACE $<$<COMPILE_LANGUAGE:C>:${runtime}/src>)
# The scanner that both TypeScript grammars share includes their tree_sitter/parser.h by a path of its own; without this it
# would find the one Debian's libtree-sitter-dev installs, or none.
set_source_files_properties(${typescript}/typescript/src/scanner.c PROPERTIES INCLUDE_DIRECTORIES ${typescript}/typescript/src)
set_source_files_properties(${typescript}/tsx/src/scanner.c PROPERTIES INCLUDE_DIRECTORIES ${typescript}/tsx/src)
target_compile_definitions(assay_tree_sitter PRIVATE _POSIX_C_SOURCE=200112L _DEFAULT_SOURCE)
target_compile_options(assay_tree_sitter PRIVATE -w -O3)
set_target_properties(assay_tree_sitter PROPERTIES C_VISIBILITY_PRESET hidden)
