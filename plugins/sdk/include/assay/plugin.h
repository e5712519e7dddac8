/* SPDX-License-Identifier: Apache-2.0
 *
 * assay/plugin.h - what an evaluator plugin and its host agree on: ABI major 1. C11 and C++17, no other dependency.
 *
 * A plugin is a shared object with one exported function, assay_negotiate. The host calls it once, makes one instance
 * per evaluator, and calls evaluate() for each submission. Whatever the plugin finds it reports through functions of the
 * host; nothing that either side allocated is ever freed by the other.
 *
 * Rules
 *  - Views (assay_str, assay_bytes, every pointer in an argument) are valid until the call they were passed to returns,
 *    unless a comment says otherwise. Receivers copy.
 *  - Growable structs start with struct_size, set by whoever allocates them to ASSAY_SIZE_THROUGH(type, last member it
 *    knows). Nobody writes or reads beyond the other side's size. They travel by pointer, never in arrays.
 *  - Threads: [control] and [eval] are one and the same thread for an instance, never at the same time. [any] may be
 *    called from any thread while the handle it takes is alive.
 *  - A handle dies when the call it was made for returns; used later it gives ASSAY_E_STALE, never a crash.
 *  - Text is UTF-8 and not terminated; what is not UTF-8 is repaired by the host.
 *  - What is released is frozen. New things come as new extensions "assay.<name>/<revision>" or at the end of a
 *    growable struct.
 */
#ifndef ASSAY_PLUGIN_H
#define ASSAY_PLUGIN_H
#include <stddef.h>
#include <stdint.h>

#define ASSAY_EXPORT __attribute__((visibility("default")))

#define ASSAY_ABI_MAJOR 1u
#define ASSAY_ABI_MINOR 0u
#define ASSAY_MAGIC 0x31595341u /* "ASY1" */

/* Offset of the end of a member, never sizeof: a member added inside tail padding leaves sizeof unchanged. */
#define ASSAY_SIZE_THROUGH(type, last) ((uint64_t)(offsetof(type, last) + sizeof(((type*)0)->last)))
#define ASSAY_HAS(pointer, type, member) ((pointer)->struct_size >= ASSAY_SIZE_THROUGH(type, member))

#ifdef __cplusplus
extern "C" {
#endif

/* ---- value types: frozen ---- */
typedef int32_t assay_status;    /* 0 or a negative ASSAY_E_*; an unknown code counts as ASSAY_E_PLUGIN */
typedef uint64_t assay_handle;   /* object of the host: slot and generation; 0 is none */
typedef uint64_t assay_evidence; /* something the platform recorded in this evaluation; 0 is none */
typedef struct assay_str { const char* data; uint64_t size; } assay_str;
typedef struct assay_bytes { const uint8_t* data; uint64_t size; } assay_bytes;

#define ASSAY_OK 0
#define ASSAY_E_ABI -1         /* no version both sides know */
#define ASSAY_E_CONFIG -2      /* configuration refused */
#define ASSAY_E_SUBMISSION -3  /* the submission itself is unfit; final */
#define ASSAY_E_TRANSIENT -4   /* trying again may help */
#define ASSAY_E_STOPPED -5     /* cancelled, or past the deadline */
#define ASSAY_E_PLUGIN -6      /* the plugin is at fault */
#define ASSAY_E_STALE -7       /* a handle was used after its life */
#define ASSAY_E_LIMIT -8       /* a bound was reached; the message names it */
#define ASSAY_E_UNSUPPORTED -9 /* this platform does not offer it; the message says what */
#define ASSAY_E_ARGUMENT -10   /* malformed argument; the message names it */

/* should_stop() */
#define ASSAY_RUN 0
#define ASSAY_CANCELLED 1
#define ASSAY_DEADLINE 2
#define ASSAY_GONE 3 /* the handle is stale: return at once */

/* descriptor.determinism */
#define ASSAY_DETERMINISM_BITWISE 1u  /* same inputs and seed: the same bytes */
#define ASSAY_DETERMINISM_TOLERANT 2u /* the same within the tolerance of the manifest */
#define ASSAY_DETERMINISM_SAMPLED 3u  /* measured */

/* descriptor.flags */
#define ASSAY_FLAG_REUSABLE 1u /* keeps nothing between evaluations: the host may evaluate again in this process */

/* ---- negotiation: the only exported symbol ---- */
typedef struct assay_negotiate_in {
  uint64_t struct_size;
  uint32_t magic, major_min, major_max, minor; /* minor: the newest the host knows */
  assay_str host_name, host_version;
} assay_negotiate_in;

struct assay_plugin_v1;
typedef struct assay_negotiate_out {
  uint64_t struct_size; /* set by the host: the room there is */
  uint32_t magic, major, minor, reserved0;
  const struct assay_plugin_v1* plugin; /* static storage, for the life of the process */
} assay_negotiate_out;

/* ---- host to plugin ---- */
typedef struct assay_descriptor { /* static; must equal the manifest */
  uint64_t struct_size;
  assay_str id, version, kind; /* "code_analysis", "1.0.0", "code-analysis" */
  uint32_t determinism, flags;
} assay_descriptor;

struct assay_host_v1;
typedef struct assay_create_args {
  uint64_t struct_size;
  const struct assay_host_v1* host; /* valid until destroy() returns */
  assay_handle instance;            /* for log and set_error outside evaluate() */
  assay_str evaluator_id;
  assay_bytes config_json; /* validated, defaults filled in; "{}" when there is none */
} assay_create_args;

typedef struct assay_evaluate_args {
  uint64_t struct_size;
  assay_handle evaluation;     /* dies when evaluate() returns */
  assay_str evaluation_id;     /* the same for every attempt */
  uint32_t attempt, reserved0; /* from 1 */
  uint64_t deadline_ns;        /* on the clock of host->now_ns() */
  uint64_t seed;               /* the only randomness a plugin may use */
  assay_bytes parameters_json; /* {"quick": bool, …} */
} assay_evaluate_args;

typedef struct assay_plugin_v1 {
  uint64_t struct_size;
  uint32_t (*evaluator_count)(void);                                      /* [control] */
  const assay_descriptor* (*evaluator_at)(uint32_t index);                /* [control] null beyond the last */
  assay_status (*create)(const assay_create_args* args, void** out_self); /* [control] */
  assay_status (*evaluate)(void* self, const assay_evaluate_args* args);  /* [eval] */
  void (*destroy)(void* self);                                            /* [control] */
  const void* (*get_extension)(const char* id);                           /* [any] null: not offered */
} assay_plugin_v1;

/* ---- plugin to host: always there ---- */
#define ASSAY_LOG_DEBUG 0u
#define ASSAY_LOG_INFO 1u
#define ASSAY_LOG_WARNING 2u
#define ASSAY_LOG_ERROR 3u

typedef struct assay_host_v1 {
  uint64_t struct_size;
  const void* (*get_extension)(const char* id);                                      /* [any] null: not offered */
  int32_t (*should_stop)(assay_handle evaluation);                                   /* [any] ASSAY_RUN … ASSAY_GONE */
  uint64_t (*now_ns)(void);                                                          /* [any] monotonic */
  void (*log)(assay_handle handle, uint32_t level, const char* text, uint64_t size); /* [any] for the operator */
  /* [any] The text that explains the negative status about to be returned. The last one counts. */
  void (*set_error)(assay_handle handle, assay_status code, const char* text, uint64_t size);
} assay_host_v1;

/* ---- host extension: results. Kept only if evaluate() returns ASSAY_OK. All calls [any], copying. ---- */
#define ASSAY_EXT_RESULT "assay.result/1"

/* assay_observation.state */
#define ASSAY_STATE_OBSERVED 1u         /* value, standard_error and at least one evidence are needed */
#define ASSAY_STATE_NOT_OBSERVABLE 2u   /* this platform or this kind of submission cannot show it */
#define ASSAY_STATE_NOT_OBSERVED_YET 3u /* it could be seen, but is not in what was submitted */

/* assay_observation.method, strongest first */
#define ASSAY_METHOD_EXPERIMENT 1u
#define ASSAY_METHOD_CODE 2u
#define ASSAY_METHOD_CONFIG 3u
#define ASSAY_METHOD_HISTORY 4u
#define ASSAY_METHOD_DOCUMENT 5u
#define ASSAY_METHOD_HUMAN 6u

/* authorship: 0 lets the platform derive it from the evidence's files */
#define ASSAY_AUTHORSHIP_CANDIDATE 1u
#define ASSAY_AUTHORSHIP_GIVEN 2u
#define ASSAY_AUTHORSHIP_SHARED 3u
#define ASSAY_AUTHORSHIP_UNKNOWN 4u

typedef struct assay_observation {
  uint64_t struct_size;
  assay_str criterion;                                     /* declared in the manifest */
  uint32_t state, method, authorship, unscored;            /* unscored: 1 = shown, never counted */
  double value;                                            /* in [0, 1]; 1 is the best the criterion can show */
  double standard_error;                                   /* in [0, 0.5] */
  const assay_evidence* evidence; uint64_t evidence_count; /* at most 16; the first 4 enter the journal */
  assay_str rationale;                                     /* at most 2,000 bytes */
} assay_observation;

typedef struct assay_claim {
  uint64_t struct_size;
  assay_str id, criterion, statement, path; /* path relative to the submission's root */
  uint32_t line, reserved0;
  assay_evidence evidence;
} assay_claim;

/* assay_experiment.verdict */
#define ASSAY_VERDICT_CONFIRMED 1u
#define ASSAY_VERDICT_REFUTED 2u
#define ASSAY_VERDICT_INCONCLUSIVE 3u
#define ASSAY_VERDICT_UNTESTED 4u

typedef struct assay_experiment { /* a probe of a claim of this evaluator or of one it depends on */
  uint64_t struct_size;
  assay_str claim;
  uint32_t verdict, reserved0;
  const assay_evidence* evidence; uint64_t evidence_count;
  assay_str reason; /* numbers, in one or two sentences for a reader */
} assay_experiment;

#define ASSAY_SEVERITY_NOTE 1u
#define ASSAY_SEVERITY_WARNING 2u
#define ASSAY_SEVERITY_ERROR 3u

typedef struct assay_finding {
  uint64_t struct_size;
  assay_str check, criterion, message, path, help, question, good_answer;
  uint32_t severity, line, column, end_line, end_column, authorship; /* lines and columns from 1 */
  assay_evidence evidence;
} assay_finding;

typedef struct assay_ext_result_v1 {
  uint64_t struct_size;
  assay_status (*observation)(assay_handle evaluation, const assay_observation* observation); /* at most 512 */
  assay_status (*claim)(assay_handle evaluation, const assay_claim* claim);                   /* at most 128 */
  assay_status (*experiment)(assay_handle evaluation, const assay_experiment* experiment);    /* at most 128 */
  assay_status (*finding)(assay_handle evaluation, const assay_finding* finding);             /* at most 5,000 */
} assay_ext_result_v1;

/* ---- host extension: inputs ---- */
#define ASSAY_EXT_INPUTS "assay.inputs/1"

/* assay_input.role */
#define ASSAY_INPUT_FILE 1u     /* a file of the submission */
#define ASSAY_INPUT_DOCUMENT 2u /* of the platform: "submission.json", "framework.json", "task.json" */
#define ASSAY_INPUT_LINK 3u     /* a link in the archive: recorded, never followed; bytes are its target */

typedef struct assay_input {
  uint64_t struct_size;
  assay_str path, media_type; /* valid until evaluate() returns */
  uint64_t size;
  uint8_t sha256[32];
  uint32_t role, authorship, mode, reserved0; /* authorship from the task's base; CANDIDATE without one */
  assay_evidence evidence;                    /* the whole file */
} assay_input;

typedef struct assay_ext_inputs_v1 {
  uint64_t struct_size;
  uint64_t (*count)(assay_handle evaluation);                                            /* files sorted by path */
  assay_status (*get)(assay_handle evaluation, uint64_t index, assay_input* out);        /* caller sets struct_size */
  assay_status (*bytes)(assay_handle evaluation, uint64_t index, assay_bytes* out);      /* until evaluate() returns */
  /* Records the lines [line, end_line] of an input as evidence; at most 64 KiB of text is kept. */
  assay_status (*span)(assay_handle evaluation, uint64_t index, uint32_t line, uint32_t end_line, assay_evidence* out);
} assay_ext_inputs_v1;

/* ---- host extension: documents and tables a plugin makes ---- */
#define ASSAY_EXT_ARTIFACTS "assay.artifacts/1"
typedef struct assay_ext_artifacts_v1 {
  uint64_t struct_size;
  /* At most 16 of at most 3 MiB. The name "routes.json" holds the route table (see plugins/sdk/README.md). */
  assay_status (*put)(assay_handle evaluation, assay_str name, assay_str media_type, assay_bytes content, assay_evidence* out);
} assay_ext_artifacts_v1;

/* ---- host extension: what evaluators this one depends on found ---- */
#define ASSAY_EXT_PRIOR "assay.prior/1"
typedef struct assay_prior_claim {
  uint64_t struct_size;
  assay_str evaluator, id, criterion, statement, path; /* valid until evaluate() returns */
  uint32_t line, verdict;
} assay_prior_claim;
typedef struct assay_ext_prior_v1 {
  uint64_t struct_size;
  uint64_t (*claim_count)(assay_handle evaluation);
  assay_status (*claim_at)(assay_handle evaluation, uint64_t index, assay_prior_claim* out);
  /* ASSAY_E_UNSUPPORTED: that evaluator left no such artifact. */
  assay_status (*artifact)(assay_handle evaluation, assay_str evaluator, assay_str name, assay_bytes* out);
} assay_ext_prior_v1;

/* ---- host extension: progress ---- */
#define ASSAY_EXT_PROGRESS "assay.progress/1"
typedef struct assay_ext_progress_v1 {
  uint64_t struct_size;
  void (*report)(assay_handle evaluation, assay_str phase, uint64_t done, uint64_t total); /* total 0: unknown */
} assay_ext_progress_v1;

/* ---- host extension: processes in the sandbox, run and measured by the platform. All calls block; [eval]. ---- */
#define ASSAY_EXT_EXEC "assay.exec/1"

#define ASSAY_FAULT_SUBMISSION 1u
#define ASSAY_FAULT_PLUGIN 2u
#define ASSAY_FAULT_PLATFORM 3u

typedef struct assay_workspace { /* the submission as a folder, with its dependencies */
  uint64_t struct_size;
  assay_handle workspace;                               /* 0 when not prepared */
  assay_str directory, node, node_version;              /* inside the sandbox; until evaluate() returns */
  uint32_t lockfile_present, packages, fault, reserved0; /* fault: ASSAY_FAULT_* when not prepared */
  assay_str failure;                                    /* package and step */
  uint64_t wall_ns;
  assay_evidence evidence;
} assay_workspace;

typedef struct assay_exec_spec {
  uint64_t struct_size;
  assay_handle workspace;
  const assay_str* argv; uint64_t argc;
  const assay_str* environment; uint64_t environment_count; /* "NAME=value"; nothing is inherited */
  assay_str directory;                                      /* inside the sandbox; empty: the workspace */
  uint64_t wall_ns, memory_bytes, output_bytes;             /* 0: the platform's default */
  uint32_t max_processes, reserved0;
} assay_exec_spec;

/* assay_exec_result.limit_hit */
#define ASSAY_LIMIT_NONE 0u
#define ASSAY_LIMIT_WALL 1u
#define ASSAY_LIMIT_CPU 2u
#define ASSAY_LIMIT_MEMORY 3u
#define ASSAY_LIMIT_OUTPUT 4u
#define ASSAY_LIMIT_PROCESSES 5u
#define ASSAY_LIMIT_DISK 6u

typedef struct assay_exec_result {
  uint64_t struct_size;
  uint32_t ended, limit_hit;      /* ended: 0 while it still runs */
  int32_t exit_code, term_signal; /* term_signal 0: it exited by itself */
  uint64_t wall_ns, cpu_ns, peak_bytes;
  uint32_t port, listener; /* a port that listens (PORT's own, else the lowest; 0: none) and its process inside
                              the sandbox; a process without a port: it listens on a Unix socket alone */
  assay_evidence evidence; /* once ended */
} assay_exec_result;

typedef struct assay_ext_exec_v1 {
  uint64_t struct_size;
  /* Whether this platform can run submissions; if not, ASSAY_E_UNSUPPORTED and the reason in `reason`. */
  assay_status (*available)(assay_handle evaluation, assay_str* reason);
  /* node_major 0: the platform's default. A failure of the submission is ASSAY_OK with out->workspace 0. */
  assay_status (*prepare)(assay_handle evaluation, uint32_t node_major, assay_workspace* out);
  assay_status (*start)(assay_handle evaluation, const assay_exec_spec* spec, assay_handle* out);
  /* stream 1 output, 2 errors. *got 0 with *end 1: nothing more will come. */
  assay_status (*read)(assay_handle process, uint32_t stream, void* buffer, uint64_t capacity, uint64_t timeout_ns, uint64_t* got, uint32_t* end);
  /* Returns when it ended, when (for_listening 1) any process of its sandbox listens, or when the time is up. */
  assay_status (*wait)(assay_handle process, uint64_t timeout_ns, uint32_t for_listening, assay_exec_result* out);
  /* to_listener 1: the process that listens, not the one that was started. */
  assay_status (*signal)(assay_handle process, int32_t number, uint32_t to_listener);
} assay_ext_exec_v1;

/* ---- host extension: load, driven and timed by the platform; [eval], blocking ---- */
#define ASSAY_EXT_LOADGEN "assay.loadgen/1"
typedef struct assay_ext_loadgen_v1 {
  uint64_t struct_size;
  /* Runs a plan against a process of this evaluation. Plan and result are the JSON documents of
     services/loadgen/README.md; the result is valid until the next call or until evaluate() returns. */
  assay_status (*run)(assay_handle evaluation, assay_handle process, assay_bytes plan_json, assay_bytes* result_json, assay_evidence* out);
} assay_ext_loadgen_v1;

ASSAY_EXPORT assay_status assay_negotiate(const assay_negotiate_in* in, assay_negotiate_out* out);

#ifdef __cplusplus
}
#endif
#endif
