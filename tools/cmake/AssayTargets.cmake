# One function for each kind of target. A lists file names files and dependencies; everything else is decided here.
#
#   assay_library(NAME common_base SRCS a.cc HDRS a.h DEPS absl::status PRIVATE_DEPS x [PCH rpc])
#   assay_executable(NAME assay-gateway SRCS main.cc DEPS …)      -> build/<preset>/bin, part of target `product`
#   assay_tool(NAME proto_compatibility SRCS … DEPS …)            -> build/<preset>/tests: for developers
#   assay_plugin(NAME rubric SRCS … DEPS …)                       -> build/<preset>/plugins/rubric.so + rubric.json
#   assay_test(NAME log_test SRCS log_test.cc DEPS … [LABELS unit] [TIMEOUT 60] [DATA])
#   assay_fuzz(NAME pack_fuzz SRCS pack_fuzz.cc DEPS … CORPUS dir)
#
# Every library is linked by its alias assay::<name>; an alias that does not exist fails when CMake configures.

include(GNUInstallDirs)

# What tools/run builds; what the sanitizer run builds; what tools/fuzz builds.
add_custom_target(product)
add_custom_target(unit_tests)
add_custom_target(fuzz_targets)

# Heavy headers are precompiled once per kind, not once per target.
function(assay_precompiled_headers kind)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "HEADERS;DEPS")
  file(WRITE ${PROJECT_BINARY_DIR}/precompiled/${kind}.cc "// Holds the precompiled headers of kind '${kind}'.\n")
  add_library(assay_precompiled_${kind} OBJECT ${PROJECT_BINARY_DIR}/precompiled/${kind}.cc)
  target_link_libraries(assay_precompiled_${kind} PRIVATE assay_options ${arg_DEPS})
  target_precompile_headers(assay_precompiled_${kind} PRIVATE ${arg_HEADERS})
endfunction()

function(assay_use_precompiled_headers target kind)
  # Sanitizers and clang keep their own flags; only the everyday GCC build gains from sharing.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT ASSAY_SANITIZERS)
    target_precompile_headers(${target} REUSE_FROM assay_precompiled_${kind})
  endif()
endfunction()

function(assay_library)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;PCH" "SRCS;HDRS;DEPS;PRIVATE_DEPS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "assay_library(${arg_NAME}): unknown ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(arg_SRCS)
    add_library(assay_${arg_NAME} STATIC ${arg_SRCS} ${arg_HDRS})
    set(scope PUBLIC)
    target_link_libraries(assay_${arg_NAME} PRIVATE ${arg_PRIVATE_DEPS} $<BUILD_INTERFACE:assay_options>)
  else()
    add_library(assay_${arg_NAME} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(assay::${arg_NAME} ALIAS assay_${arg_NAME})
  target_include_directories(assay_${arg_NAME} ${scope} ${PROJECT_SOURCE_DIR})
  target_link_libraries(assay_${arg_NAME} ${scope} ${arg_DEPS})
  if(arg_PCH)
    assay_use_precompiled_headers(assay_${arg_NAME} ${arg_PCH})
  endif()
endfunction()

function(assay_executable)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;PCH" "SRCS;DEPS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "assay_executable(${arg_NAME}): unknown ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${arg_NAME} ${arg_SRCS})
  target_include_directories(${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${arg_NAME} PRIVATE ${arg_DEPS} assay_options)
  if(arg_PCH)
    assay_use_precompiled_headers(${arg_NAME} ${arg_PCH})
  endif()
  add_dependencies(product ${arg_NAME})
endfunction()

function(assay_tool)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "SRCS;DEPS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "assay_tool(${arg_NAME}): unknown ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${arg_NAME} ${arg_SRCS})
  target_include_directories(${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${arg_NAME} PRIVATE ${arg_DEPS} assay_options)
  set_target_properties(${arg_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
endfunction()

# A plugin exports one symbol and links nothing of ours but the SDK; its manifest lies beside it.
function(assay_plugin)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;MANIFEST" "SRCS;DEPS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "assay_plugin(${arg_NAME}): unknown ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_library(plugin_${arg_NAME} MODULE ${arg_SRCS})
  target_include_directories(plugin_${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(plugin_${arg_NAME} PRIVATE assay::plugin_sdk ${arg_DEPS} assay_options)
  target_link_options(plugin_${arg_NAME} PRIVATE
    -Wl,-z,now -Wl,-z,relro -Wl,--exclude-libs,ALL
    -Wl,--version-script=${PROJECT_SOURCE_DIR}/plugins/sdk/plugin.map)
  if(NOT ASSAY_SANITIZERS)
    target_link_options(plugin_${arg_NAME} PRIVATE -Wl,-z,defs)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(plugin_${arg_NAME} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-gnu-unique>)
  endif()
  set_target_properties(plugin_${arg_NAME} PROPERTIES
    PREFIX "" OUTPUT_NAME ${arg_NAME}
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/plugins
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  add_custom_command(TARGET plugin_${arg_NAME} POST_BUILD
    COMMAND ${CMAKE_COMMAND} -E copy_if_different
            ${CMAKE_CURRENT_SOURCE_DIR}/${arg_MANIFEST} ${PROJECT_BINARY_DIR}/plugins/${arg_NAME}.json)
  add_dependencies(product plugin_${arg_NAME})
  set_property(TARGET plugin_${arg_NAME} APPEND PROPERTY LINK_DEPENDS
    ${CMAKE_CURRENT_SOURCE_DIR}/${arg_MANIFEST} ${PROJECT_SOURCE_DIR}/plugins/sdk/plugin.map)
endfunction()

function(assay_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;TIMEOUT" "SRCS;DEPS;LABELS;ENVIRONMENT")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "assay_test(${arg_NAME}): unknown ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${arg_NAME} ${arg_SRCS})
  target_include_directories(${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${arg_NAME} PRIVATE ${arg_DEPS} GTest::gmock_main GTest::gmock assay_options)
  set_target_properties(${arg_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  assay_use_precompiled_headers(${arg_NAME} test)
  if("unit" IN_LIST arg_LABELS)
    add_dependencies(unit_tests ${arg_NAME})
  endif()
  add_test(NAME ${arg_NAME} COMMAND ${arg_NAME} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${arg_NAME} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}"
    ENVIRONMENT "ASSAY_BUILD_DIR=${PROJECT_BINARY_DIR};${arg_ENVIRONMENT}")
endfunction()

# Fuzz targets are built with libFuzzer in the preset `fuzz` only; elsewhere they replay their corpus as a plain test.
function(assay_fuzz)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;CORPUS" "SRCS;DEPS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "assay_fuzz(${arg_NAME}): unknown ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(ASSAY_FUZZ)
    add_executable(${arg_NAME} ${arg_SRCS})
    target_link_options(${arg_NAME} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzz_targets ${arg_NAME})
  else()
    add_executable(${arg_NAME} ${arg_SRCS} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
  endif()
  target_include_directories(${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${arg_NAME} PRIVATE ${arg_DEPS} assay_options)
  set_target_properties(${arg_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
  if(NOT ASSAY_FUZZ)
    add_test(NAME ${arg_NAME}_corpus COMMAND ${arg_NAME} ${arg_CORPUS} WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    set_tests_properties(${arg_NAME}_corpus PROPERTIES TIMEOUT 120 LABELS fuzz)
  endif()
endfunction()
