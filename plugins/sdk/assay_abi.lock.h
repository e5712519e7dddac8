/* SPDX-License-Identifier: Apache-2.0
 *
 * The released layout of assay/plugin.h on 64-bit machines: every offset, every end, every value. A line here never
 * changes; new members and values add lines. Compiled as C by abi_lock.c and as C++ by sdk_test.cc. */
#ifndef ASSAY_ABI_LOCK_H
#define ASSAY_ABI_LOCK_H
#include "assay/plugin.h"

#ifdef __cplusplus
#define ASSAY_LOCK_ASSERT(condition, text) static_assert(condition, text)
#else
#define ASSAY_LOCK_ASSERT(condition, text) _Static_assert(condition, text)
#endif
#define ASSAY_LOCK(type, member, offset) ASSAY_LOCK_ASSERT(offsetof(type, member) == (offset), #type "." #member " moved")
#define ASSAY_LOCK_END(type, last, end) ASSAY_LOCK_ASSERT(ASSAY_SIZE_THROUGH(type, last) == (end), #type " changed its size")
#define ASSAY_LOCK_VALUE(name, value) ASSAY_LOCK_ASSERT((long long)(name) == (value), #name " changed its value")

ASSAY_LOCK(assay_negotiate_in, struct_size, 0);
ASSAY_LOCK(assay_negotiate_in, magic, 8);
ASSAY_LOCK(assay_negotiate_in, major_min, 12);
ASSAY_LOCK(assay_negotiate_in, major_max, 16);
ASSAY_LOCK(assay_negotiate_in, minor, 20);
ASSAY_LOCK(assay_negotiate_in, host_name, 24);
ASSAY_LOCK(assay_negotiate_in, host_version, 40);
ASSAY_LOCK_END(assay_negotiate_in, host_version, 56);

ASSAY_LOCK(assay_negotiate_out, struct_size, 0);
ASSAY_LOCK(assay_negotiate_out, magic, 8);
ASSAY_LOCK(assay_negotiate_out, major, 12);
ASSAY_LOCK(assay_negotiate_out, minor, 16);
ASSAY_LOCK(assay_negotiate_out, reserved0, 20);
ASSAY_LOCK(assay_negotiate_out, plugin, 24);
ASSAY_LOCK_END(assay_negotiate_out, plugin, 32);

ASSAY_LOCK(assay_descriptor, struct_size, 0);
ASSAY_LOCK(assay_descriptor, id, 8);
ASSAY_LOCK(assay_descriptor, version, 24);
ASSAY_LOCK(assay_descriptor, kind, 40);
ASSAY_LOCK(assay_descriptor, determinism, 56);
ASSAY_LOCK(assay_descriptor, flags, 60);
ASSAY_LOCK_END(assay_descriptor, flags, 64);

ASSAY_LOCK(assay_create_args, struct_size, 0);
ASSAY_LOCK(assay_create_args, host, 8);
ASSAY_LOCK(assay_create_args, instance, 16);
ASSAY_LOCK(assay_create_args, evaluator_id, 24);
ASSAY_LOCK(assay_create_args, config_json, 40);
ASSAY_LOCK_END(assay_create_args, config_json, 56);

ASSAY_LOCK(assay_evaluate_args, struct_size, 0);
ASSAY_LOCK(assay_evaluate_args, evaluation, 8);
ASSAY_LOCK(assay_evaluate_args, evaluation_id, 16);
ASSAY_LOCK(assay_evaluate_args, attempt, 32);
ASSAY_LOCK(assay_evaluate_args, reserved0, 36);
ASSAY_LOCK(assay_evaluate_args, deadline_ns, 40);
ASSAY_LOCK(assay_evaluate_args, seed, 48);
ASSAY_LOCK(assay_evaluate_args, parameters_json, 56);
ASSAY_LOCK_END(assay_evaluate_args, parameters_json, 72);

ASSAY_LOCK(assay_plugin_v1, struct_size, 0);
ASSAY_LOCK(assay_plugin_v1, evaluator_count, 8);
ASSAY_LOCK(assay_plugin_v1, evaluator_at, 16);
ASSAY_LOCK(assay_plugin_v1, create, 24);
ASSAY_LOCK(assay_plugin_v1, evaluate, 32);
ASSAY_LOCK(assay_plugin_v1, destroy, 40);
ASSAY_LOCK(assay_plugin_v1, get_extension, 48);
ASSAY_LOCK_END(assay_plugin_v1, get_extension, 56);

ASSAY_LOCK(assay_host_v1, struct_size, 0);
ASSAY_LOCK(assay_host_v1, get_extension, 8);
ASSAY_LOCK(assay_host_v1, should_stop, 16);
ASSAY_LOCK(assay_host_v1, now_ns, 24);
ASSAY_LOCK(assay_host_v1, log, 32);
ASSAY_LOCK(assay_host_v1, set_error, 40);
ASSAY_LOCK_END(assay_host_v1, set_error, 48);

ASSAY_LOCK(assay_observation, struct_size, 0);
ASSAY_LOCK(assay_observation, criterion, 8);
ASSAY_LOCK(assay_observation, state, 24);
ASSAY_LOCK(assay_observation, method, 28);
ASSAY_LOCK(assay_observation, authorship, 32);
ASSAY_LOCK(assay_observation, unscored, 36);
ASSAY_LOCK(assay_observation, value, 40);
ASSAY_LOCK(assay_observation, standard_error, 48);
ASSAY_LOCK(assay_observation, evidence, 56);
ASSAY_LOCK(assay_observation, evidence_count, 64);
ASSAY_LOCK(assay_observation, rationale, 72);
ASSAY_LOCK_END(assay_observation, rationale, 88);

ASSAY_LOCK(assay_claim, struct_size, 0);
ASSAY_LOCK(assay_claim, id, 8);
ASSAY_LOCK(assay_claim, criterion, 24);
ASSAY_LOCK(assay_claim, statement, 40);
ASSAY_LOCK(assay_claim, path, 56);
ASSAY_LOCK(assay_claim, line, 72);
ASSAY_LOCK(assay_claim, reserved0, 76);
ASSAY_LOCK(assay_claim, evidence, 80);
ASSAY_LOCK_END(assay_claim, evidence, 88);

ASSAY_LOCK(assay_experiment, struct_size, 0);
ASSAY_LOCK(assay_experiment, claim, 8);
ASSAY_LOCK(assay_experiment, verdict, 24);
ASSAY_LOCK(assay_experiment, reserved0, 28);
ASSAY_LOCK(assay_experiment, evidence, 32);
ASSAY_LOCK(assay_experiment, evidence_count, 40);
ASSAY_LOCK(assay_experiment, reason, 48);
ASSAY_LOCK_END(assay_experiment, reason, 64);

ASSAY_LOCK(assay_finding, struct_size, 0);
ASSAY_LOCK(assay_finding, check, 8);
ASSAY_LOCK(assay_finding, criterion, 24);
ASSAY_LOCK(assay_finding, message, 40);
ASSAY_LOCK(assay_finding, path, 56);
ASSAY_LOCK(assay_finding, help, 72);
ASSAY_LOCK(assay_finding, question, 88);
ASSAY_LOCK(assay_finding, good_answer, 104);
ASSAY_LOCK(assay_finding, severity, 120);
ASSAY_LOCK(assay_finding, line, 124);
ASSAY_LOCK(assay_finding, column, 128);
ASSAY_LOCK(assay_finding, end_line, 132);
ASSAY_LOCK(assay_finding, end_column, 136);
ASSAY_LOCK(assay_finding, authorship, 140);
ASSAY_LOCK(assay_finding, evidence, 144);
ASSAY_LOCK_END(assay_finding, evidence, 152);

ASSAY_LOCK(assay_ext_result_v1, struct_size, 0);
ASSAY_LOCK(assay_ext_result_v1, observation, 8);
ASSAY_LOCK(assay_ext_result_v1, claim, 16);
ASSAY_LOCK(assay_ext_result_v1, experiment, 24);
ASSAY_LOCK(assay_ext_result_v1, finding, 32);
ASSAY_LOCK_END(assay_ext_result_v1, finding, 40);

ASSAY_LOCK(assay_input, struct_size, 0);
ASSAY_LOCK(assay_input, path, 8);
ASSAY_LOCK(assay_input, media_type, 24);
ASSAY_LOCK(assay_input, size, 40);
ASSAY_LOCK(assay_input, sha256, 48);
ASSAY_LOCK(assay_input, role, 80);
ASSAY_LOCK(assay_input, authorship, 84);
ASSAY_LOCK(assay_input, mode, 88);
ASSAY_LOCK(assay_input, reserved0, 92);
ASSAY_LOCK(assay_input, evidence, 96);
ASSAY_LOCK_END(assay_input, evidence, 104);

ASSAY_LOCK(assay_ext_inputs_v1, struct_size, 0);
ASSAY_LOCK(assay_ext_inputs_v1, count, 8);
ASSAY_LOCK(assay_ext_inputs_v1, get, 16);
ASSAY_LOCK(assay_ext_inputs_v1, bytes, 24);
ASSAY_LOCK(assay_ext_inputs_v1, span, 32);
ASSAY_LOCK_END(assay_ext_inputs_v1, span, 40);

ASSAY_LOCK(assay_ext_artifacts_v1, struct_size, 0);
ASSAY_LOCK(assay_ext_artifacts_v1, put, 8);
ASSAY_LOCK_END(assay_ext_artifacts_v1, put, 16);

ASSAY_LOCK(assay_prior_claim, struct_size, 0);
ASSAY_LOCK(assay_prior_claim, evaluator, 8);
ASSAY_LOCK(assay_prior_claim, id, 24);
ASSAY_LOCK(assay_prior_claim, criterion, 40);
ASSAY_LOCK(assay_prior_claim, statement, 56);
ASSAY_LOCK(assay_prior_claim, path, 72);
ASSAY_LOCK(assay_prior_claim, line, 88);
ASSAY_LOCK(assay_prior_claim, verdict, 92);
ASSAY_LOCK_END(assay_prior_claim, verdict, 96);

ASSAY_LOCK(assay_ext_prior_v1, struct_size, 0);
ASSAY_LOCK(assay_ext_prior_v1, claim_count, 8);
ASSAY_LOCK(assay_ext_prior_v1, claim_at, 16);
ASSAY_LOCK(assay_ext_prior_v1, artifact, 24);
ASSAY_LOCK_END(assay_ext_prior_v1, artifact, 32);

ASSAY_LOCK(assay_ext_progress_v1, struct_size, 0);
ASSAY_LOCK(assay_ext_progress_v1, report, 8);
ASSAY_LOCK_END(assay_ext_progress_v1, report, 16);

ASSAY_LOCK(assay_workspace, struct_size, 0);
ASSAY_LOCK(assay_workspace, workspace, 8);
ASSAY_LOCK(assay_workspace, directory, 16);
ASSAY_LOCK(assay_workspace, node, 32);
ASSAY_LOCK(assay_workspace, node_version, 48);
ASSAY_LOCK(assay_workspace, lockfile_present, 64);
ASSAY_LOCK(assay_workspace, packages, 68);
ASSAY_LOCK(assay_workspace, fault, 72);
ASSAY_LOCK(assay_workspace, reserved0, 76);
ASSAY_LOCK(assay_workspace, failure, 80);
ASSAY_LOCK(assay_workspace, wall_ns, 96);
ASSAY_LOCK(assay_workspace, evidence, 104);
ASSAY_LOCK_END(assay_workspace, evidence, 112);

ASSAY_LOCK(assay_exec_spec, struct_size, 0);
ASSAY_LOCK(assay_exec_spec, workspace, 8);
ASSAY_LOCK(assay_exec_spec, argv, 16);
ASSAY_LOCK(assay_exec_spec, argc, 24);
ASSAY_LOCK(assay_exec_spec, environment, 32);
ASSAY_LOCK(assay_exec_spec, environment_count, 40);
ASSAY_LOCK(assay_exec_spec, directory, 48);
ASSAY_LOCK(assay_exec_spec, wall_ns, 64);
ASSAY_LOCK(assay_exec_spec, memory_bytes, 72);
ASSAY_LOCK(assay_exec_spec, output_bytes, 80);
ASSAY_LOCK(assay_exec_spec, max_processes, 88);
ASSAY_LOCK(assay_exec_spec, reserved0, 92);
ASSAY_LOCK_END(assay_exec_spec, reserved0, 96);

ASSAY_LOCK(assay_exec_result, struct_size, 0);
ASSAY_LOCK(assay_exec_result, ended, 8);
ASSAY_LOCK(assay_exec_result, limit_hit, 12);
ASSAY_LOCK(assay_exec_result, exit_code, 16);
ASSAY_LOCK(assay_exec_result, term_signal, 20);
ASSAY_LOCK(assay_exec_result, wall_ns, 24);
ASSAY_LOCK(assay_exec_result, cpu_ns, 32);
ASSAY_LOCK(assay_exec_result, peak_bytes, 40);
ASSAY_LOCK(assay_exec_result, port, 48);
ASSAY_LOCK(assay_exec_result, listener, 52);
ASSAY_LOCK(assay_exec_result, evidence, 56);
ASSAY_LOCK_END(assay_exec_result, evidence, 64);

ASSAY_LOCK(assay_ext_exec_v1, struct_size, 0);
ASSAY_LOCK(assay_ext_exec_v1, available, 8);
ASSAY_LOCK(assay_ext_exec_v1, prepare, 16);
ASSAY_LOCK(assay_ext_exec_v1, start, 24);
ASSAY_LOCK(assay_ext_exec_v1, read, 32);
ASSAY_LOCK(assay_ext_exec_v1, wait, 40);
ASSAY_LOCK(assay_ext_exec_v1, signal, 48);
ASSAY_LOCK_END(assay_ext_exec_v1, signal, 56);

ASSAY_LOCK(assay_ext_loadgen_v1, struct_size, 0);
ASSAY_LOCK(assay_ext_loadgen_v1, run, 8);
ASSAY_LOCK_END(assay_ext_loadgen_v1, run, 16);

ASSAY_LOCK(assay_str, data, 0);
ASSAY_LOCK(assay_str, size, 8);
ASSAY_LOCK_END(assay_str, size, 16);

ASSAY_LOCK(assay_bytes, data, 0);
ASSAY_LOCK(assay_bytes, size, 8);
ASSAY_LOCK_END(assay_bytes, size, 16);

ASSAY_LOCK_VALUE(ASSAY_ABI_MAJOR, 1);
ASSAY_LOCK_VALUE(ASSAY_ABI_MINOR, 0);
ASSAY_LOCK_VALUE(ASSAY_MAGIC, 827937601);
ASSAY_LOCK_VALUE(ASSAY_OK, 0);
ASSAY_LOCK_VALUE(ASSAY_E_ABI, -1);
ASSAY_LOCK_VALUE(ASSAY_E_CONFIG, -2);
ASSAY_LOCK_VALUE(ASSAY_E_SUBMISSION, -3);
ASSAY_LOCK_VALUE(ASSAY_E_TRANSIENT, -4);
ASSAY_LOCK_VALUE(ASSAY_E_STOPPED, -5);
ASSAY_LOCK_VALUE(ASSAY_E_PLUGIN, -6);
ASSAY_LOCK_VALUE(ASSAY_E_STALE, -7);
ASSAY_LOCK_VALUE(ASSAY_E_LIMIT, -8);
ASSAY_LOCK_VALUE(ASSAY_E_UNSUPPORTED, -9);
ASSAY_LOCK_VALUE(ASSAY_E_ARGUMENT, -10);
ASSAY_LOCK_VALUE(ASSAY_RUN, 0);
ASSAY_LOCK_VALUE(ASSAY_CANCELLED, 1);
ASSAY_LOCK_VALUE(ASSAY_DEADLINE, 2);
ASSAY_LOCK_VALUE(ASSAY_GONE, 3);
ASSAY_LOCK_VALUE(ASSAY_DETERMINISM_BITWISE, 1);
ASSAY_LOCK_VALUE(ASSAY_DETERMINISM_TOLERANT, 2);
ASSAY_LOCK_VALUE(ASSAY_DETERMINISM_SAMPLED, 3);
ASSAY_LOCK_VALUE(ASSAY_FLAG_REUSABLE, 1);
ASSAY_LOCK_VALUE(ASSAY_LOG_DEBUG, 0);
ASSAY_LOCK_VALUE(ASSAY_LOG_INFO, 1);
ASSAY_LOCK_VALUE(ASSAY_LOG_WARNING, 2);
ASSAY_LOCK_VALUE(ASSAY_LOG_ERROR, 3);
ASSAY_LOCK_VALUE(ASSAY_STATE_OBSERVED, 1);
ASSAY_LOCK_VALUE(ASSAY_STATE_NOT_OBSERVABLE, 2);
ASSAY_LOCK_VALUE(ASSAY_STATE_NOT_OBSERVED_YET, 3);
ASSAY_LOCK_VALUE(ASSAY_METHOD_EXPERIMENT, 1);
ASSAY_LOCK_VALUE(ASSAY_METHOD_CODE, 2);
ASSAY_LOCK_VALUE(ASSAY_METHOD_CONFIG, 3);
ASSAY_LOCK_VALUE(ASSAY_METHOD_HISTORY, 4);
ASSAY_LOCK_VALUE(ASSAY_METHOD_DOCUMENT, 5);
ASSAY_LOCK_VALUE(ASSAY_METHOD_HUMAN, 6);
ASSAY_LOCK_VALUE(ASSAY_AUTHORSHIP_CANDIDATE, 1);
ASSAY_LOCK_VALUE(ASSAY_AUTHORSHIP_GIVEN, 2);
ASSAY_LOCK_VALUE(ASSAY_AUTHORSHIP_SHARED, 3);
ASSAY_LOCK_VALUE(ASSAY_AUTHORSHIP_UNKNOWN, 4);
ASSAY_LOCK_VALUE(ASSAY_VERDICT_CONFIRMED, 1);
ASSAY_LOCK_VALUE(ASSAY_VERDICT_REFUTED, 2);
ASSAY_LOCK_VALUE(ASSAY_VERDICT_INCONCLUSIVE, 3);
ASSAY_LOCK_VALUE(ASSAY_VERDICT_UNTESTED, 4);
ASSAY_LOCK_VALUE(ASSAY_SEVERITY_NOTE, 1);
ASSAY_LOCK_VALUE(ASSAY_SEVERITY_WARNING, 2);
ASSAY_LOCK_VALUE(ASSAY_SEVERITY_ERROR, 3);
ASSAY_LOCK_VALUE(ASSAY_INPUT_FILE, 1);
ASSAY_LOCK_VALUE(ASSAY_INPUT_DOCUMENT, 2);
ASSAY_LOCK_VALUE(ASSAY_INPUT_LINK, 3);
ASSAY_LOCK_VALUE(ASSAY_FAULT_SUBMISSION, 1);
ASSAY_LOCK_VALUE(ASSAY_FAULT_PLUGIN, 2);
ASSAY_LOCK_VALUE(ASSAY_FAULT_PLATFORM, 3);
ASSAY_LOCK_VALUE(ASSAY_LIMIT_NONE, 0);
ASSAY_LOCK_VALUE(ASSAY_LIMIT_WALL, 1);
ASSAY_LOCK_VALUE(ASSAY_LIMIT_CPU, 2);
ASSAY_LOCK_VALUE(ASSAY_LIMIT_MEMORY, 3);
ASSAY_LOCK_VALUE(ASSAY_LIMIT_OUTPUT, 4);
ASSAY_LOCK_VALUE(ASSAY_LIMIT_PROCESSES, 5);
ASSAY_LOCK_VALUE(ASSAY_LIMIT_DISK, 6);

#endif
