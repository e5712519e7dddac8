// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace assay::log {

// How to reach a Kafka cluster, and as whom. A field left empty is not used; TLS is on as soon as `tls_ca_file` is set.
struct KafkaConnection {
  // "host:port", several separated by commas. Any that answers tells of the others.
  std::string bootstrap_servers;
  // Shown in the brokers' logs and metrics.
  std::string client_id = "assay";
  // The id the cluster must have: another one is refused. Empty: any.
  std::string cluster_id;

  // PEM files. The client's certificate must be issued directly by a CA the brokers trust: this librdkafka does not send
  // a chain.
  std::string tls_ca_file;
  std::string tls_certificate_file;
  std::string tls_key_file;
  // SCRAM-SHA-512; only over TLS, unless the test of it says otherwise.
  std::string sasl_username;
  std::string sasl_password;
  bool allow_sasl_without_tls = false;
};

}  // namespace assay::log
