/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole evaluator in C: reports how short the longest line of the submission is. Shows negotiation, inputs, evidence,
 * an observation, errors with text, and stopping when asked. */
#include "assay/plugin.h"

#include <stdlib.h>
#include <string.h>

static assay_str text(const char* literal) {
  assay_str out = {literal, strlen(literal)};
  return out;
}

typedef struct lines_evaluator {
  const assay_host_v1* host;
} lines_evaluator;

static uint32_t evaluator_count(void) { return 1; }

static const assay_descriptor* evaluator_at(uint32_t index) {
  static assay_descriptor descriptor;
  descriptor.struct_size = ASSAY_SIZE_THROUGH(assay_descriptor, flags);
  descriptor.id = text("example_lines");
  descriptor.version = text("1.0.0");
  descriptor.kind = text("example");
  descriptor.determinism = ASSAY_DETERMINISM_BITWISE;
  descriptor.flags = ASSAY_FLAG_REUSABLE;
  return index == 0 ? &descriptor : NULL;
}

static assay_status create(const assay_create_args* args, void** out_self) {
  lines_evaluator* self = calloc(1, sizeof *self);
  if (self == NULL) return ASSAY_E_PLUGIN;
  self->host = args->host;
  *out_self = self;
  return ASSAY_OK;
}

static void destroy(void* self) { free(self); }

static assay_status fail(const assay_host_v1* host, assay_handle handle, assay_status code, const char* why) {
  host->set_error(handle, code, why, strlen(why));
  return code;
}

/* Length and number of the longest line. */
static uint64_t longest_line(assay_bytes bytes, uint32_t* line) {
  uint64_t longest = 0, length = 0;
  uint32_t number = 1;
  *line = 1;
  for (uint64_t i = 0; i < bytes.size; ++i) {
    length = bytes.data[i] == '\n' ? 0 : length + 1;
    if (length > longest) {
      longest = length;
      *line = number;
    }
    if (bytes.data[i] == '\n') ++number;
  }
  return longest;
}

static assay_status observe(const assay_host_v1* host, assay_handle evaluation, uint64_t longest, assay_evidence seen) {
  const assay_ext_result_v1* result = host->get_extension(ASSAY_EXT_RESULT);
  assay_observation out;
  if (result == NULL) return fail(host, evaluation, ASSAY_E_UNSUPPORTED, "the host takes no results");
  memset(&out, 0, sizeof out);
  out.struct_size = ASSAY_SIZE_THROUGH(assay_observation, rationale);
  out.criterion = text("style.line_length");
  out.state = seen != 0 ? ASSAY_STATE_OBSERVED : ASSAY_STATE_NOT_OBSERVED_YET;
  out.method = ASSAY_METHOD_CODE;
  out.value = longest <= 120 ? 1.0 : 120.0 / (double)longest;
  out.standard_error = 0.1;
  out.evidence = &seen;
  out.evidence_count = seen != 0 ? 1 : 0;
  out.rationale = text(seen != 0 ? "the longest line of the submission" : "the submission has no file");
  return result->observation(evaluation, &out);
}

static assay_status evaluate(void* raw, const assay_evaluate_args* args) {
  const assay_host_v1* host = ((lines_evaluator*)raw)->host;
  const assay_ext_inputs_v1* inputs = host->get_extension(ASSAY_EXT_INPUTS);
  uint64_t longest = 0;
  assay_evidence seen = 0;
  if (inputs == NULL || !ASSAY_HAS(inputs, assay_ext_inputs_v1, span)) {
    return fail(host, args->evaluation, ASSAY_E_UNSUPPORTED, "the host gives no inputs");
  }
  for (uint64_t i = 0; i < inputs->count(args->evaluation); ++i) {
    assay_input input;
    assay_bytes bytes;
    uint32_t line = 1;
    uint64_t length;
    if (host->should_stop(args->evaluation) != ASSAY_RUN) return ASSAY_E_STOPPED;
    memset(&input, 0, sizeof input);
    input.struct_size = ASSAY_SIZE_THROUGH(assay_input, evidence);
    if (inputs->get(args->evaluation, i, &input) != ASSAY_OK ||
        inputs->bytes(args->evaluation, i, &bytes) != ASSAY_OK) {
      return fail(host, args->evaluation, ASSAY_E_PLUGIN, "an input could not be read");
    }
    if (input.role != ASSAY_INPUT_FILE) continue;
    length = longest_line(bytes, &line);
    if (length <= longest && seen != 0) continue;
    longest = length;
    if (inputs->span(args->evaluation, i, line, line, &seen) != ASSAY_OK) {
      return fail(host, args->evaluation, ASSAY_E_PLUGIN, "a span could not be recorded");
    }
  }
  return observe(host, args->evaluation, longest, seen);
}

static const void* get_extension(const char* id) {
  (void)id;
  return NULL;
}

static const assay_plugin_v1 plugin = {ASSAY_SIZE_THROUGH(assay_plugin_v1, get_extension),
                                       evaluator_count,
                                       evaluator_at,
                                       create,
                                       evaluate,
                                       destroy,
                                       get_extension};

ASSAY_EXPORT assay_status assay_negotiate(const assay_negotiate_in* in, assay_negotiate_out* out) {
  if (in == NULL || out == NULL || in->magic != ASSAY_MAGIC || in->major_min > 1 || in->major_max < 1 ||
      !ASSAY_HAS(out, assay_negotiate_out, plugin)) {
    return ASSAY_E_ABI;
  }
  out->magic = ASSAY_MAGIC;
  out->major = 1;
  out->minor = 0;
  out->plugin = &plugin;
  return ASSAY_OK;
}
