# Third-party libraries: Debian packages only, found once, here. tools/setup installs them.

find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(RocksDB REQUIRED)
find_package(GTest REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(LibArchive REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
# Headers alone: Beast and Asio.
find_package(Boost 1.74 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka)
find_program(PROTOC_GRPC_PLUGIN grpc_cpp_plugin REQUIRED)

assay_precompiled_headers(test
  HEADERS <gmock/gmock.h> <gtest/gtest.h> <absl/status/statusor.h> <absl/strings/str_cat.h> <map> <string> <vector>
  DEPS GTest::gmock absl::statusor absl::strings OPTIONS -O0)
assay_precompiled_headers(rpc
  HEADERS <grpcpp/grpcpp.h> <absl/status/statusor.h> <absl/strings/str_cat.h> <absl/synchronization/mutex.h> <map> <memory> <string> <vector>
  DEPS gRPC::grpc++ absl::statusor absl::strings absl::synchronization)
