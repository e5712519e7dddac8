#include "plugins/code_analysis/syntax/tree_reader.h"

#include <stdlib.h>
#include <string.h>

#include "language.h"
#include "tree.h"

typedef struct frame {
  const Subtree* children;
  const TSSymbol* aliases;
  const TSFieldMapEntry* fields;
  const TSFieldMapEntry* fields_end;
  uint32_t child_index, child_count, structural_index, offset;
  uint32_t owner;  /* record that children belong to */
  uint32_t record; /* record this frame closes; 0: none, it is flattened */
  uint8_t inherited_field;
} frame;

typedef struct frame_stack {
  frame* frames;
  uint32_t size, capacity;
} frame_stack;

static int grow(void** data, uint32_t* capacity, uint32_t needed, size_t element) {
  if (needed <= *capacity) return 0;
  uint32_t next = *capacity ? *capacity * 2 : 64;
  if (next < needed) next = needed;
  void* grown = realloc(*data, (size_t)next * element);
  if (!grown) return 2;
  *data = grown;
  *capacity = next;
  return 0;
}

static int push(frame_stack* stack, const TSLanguage* language, Subtree subtree, uint32_t offset, uint32_t owner, uint32_t record,
                uint8_t inherited_field) {
  if (grow((void**)&stack->frames, &stack->capacity, stack->size + 1, sizeof(frame))) return 2;
  frame* f = &stack->frames[stack->size++];
  f->children = ts_subtree_children(subtree);
  f->child_count = ts_subtree_child_count(subtree);
  f->child_index = 0;
  f->structural_index = 0;
  f->offset = offset;
  f->owner = owner;
  f->record = record;
  f->inherited_field = inherited_field;
  f->aliases = NULL;
  f->fields = f->fields_end = NULL;
  if (f->child_count > 0) {
    f->aliases = ts_language_alias_sequence(language, subtree.ptr->production_id);
    ts_language_field_map(language, subtree.ptr->production_id, &f->fields, &f->fields_end);
  }
  return 0;
}

static int emit(assay_flat_tree* out, uint32_t begin, uint32_t length, uint32_t owner, uint8_t kind, uint8_t field) {
  if (grow((void**)&out->records, &out->capacity, out->count + 1, sizeof(assay_record))) return 2;
  assay_record* r = &out->records[out->count++];
  r->begin = begin;
  r->length = length;
  r->parent = owner;
  r->subtree_end = out->count;
  r->kind = kind;
  r->field = field;
  r->bits = 0;
  return 0;
}

static int note_comment(assay_flat_tree* out, uint32_t begin, uint32_t length) {
  if (grow((void**)&out->comments, &out->comment_capacity, out->comment_count + 1, sizeof(assay_comment))) return 2;
  out->comments[out->comment_count].begin = begin;
  out->comments[out->comment_count++].end = begin + length;
  return 0;
}

static void apply_token(assay_record* owner, const assay_symbol* symbol, const assay_grammar_tables* tables) {
  if (tables->has_operator[owner->kind]) {
    if (symbol->op) owner->bits = symbol->op;
  } else {
    owner->bits |= symbol->attributes;
  }
}

/* Handles the next child of the innermost frame. */
static int visit(frame_stack* stack, const TSLanguage* language, const assay_grammar_tables* tables, uint32_t max_depth,
                 assay_flat_tree* out) {
  frame* f = &stack->frames[stack->size - 1];
  const Subtree child = f->children[f->child_index++];
  /* A node starts where its first child starts: that child's padding is its own. */
  const uint32_t begin = f->child_index == 1 ? f->offset : f->offset + ts_subtree_padding(child).bytes;
  const uint32_t length = ts_subtree_size(child).bytes;
  const uint32_t owner = f->owner;
  f->offset = begin + length;

  TSSymbol symbol = ts_subtree_symbol(child);
  int visible = ts_subtree_visible(child);
  uint8_t field = 0;
  if (!ts_subtree_extra(child)) {
    if (f->aliases && f->aliases[f->structural_index]) {
      symbol = f->aliases[f->structural_index];
      visible = 1;
    }
    for (const TSFieldMapEntry* e = f->fields; e < f->fields_end; e++) {
      if (!e->inherited && e->child_index == f->structural_index) {
        field = tables->fields[e->field_id];
        break;
      }
    }
    f->structural_index++;
    if (!field) field = f->inherited_field;
  }

  const uint32_t below = ts_subtree_child_count(child);
  if (symbol == ts_builtin_sym_error || symbol == ts_builtin_sym_error_repeat) {
    out->has_errors = 1;
    if (emit(out, begin, length, owner, tables->error_kind, field)) return 2;
    if (below == 0) return 0;
    return stack->size >= max_depth ? 1 : push(stack, language, child, begin, out->count - 1, out->count - 1, 0);
  }
  if (ts_subtree_missing(child)) out->has_errors = 1;
  if (!visible) {
    if (below == 0) return 0;
    return stack->size >= max_depth ? 1 : push(stack, language, child, begin, owner, 0, field);
  }
  const assay_symbol* action = &tables->symbols[symbol];
  switch (action->action) {
    case ASSAY_SYMBOL_TOKEN:
      apply_token(&out->records[owner], action, tables);
      return 0;
    case ASSAY_SYMBOL_COMMENT:
      return note_comment(out, begin, length);
    case ASSAY_SYMBOL_LEAF:
      return emit(out, begin, length, owner, action->kind, field);
    case ASSAY_SYMBOL_FLATTEN:
      if (below == 0) return 0;
      return stack->size >= max_depth ? 1 : push(stack, language, child, begin, owner, 0, 0);
    case ASSAY_SYMBOL_NODE:
      if (emit(out, begin, length, owner, action->kind, field)) return 2;
      if (below == 0) return 0;
      return stack->size >= max_depth ? 1 : push(stack, language, child, begin, out->count - 1, out->count - 1, 0);
    default:
      return 0;
  }
}

int assay_flatten_tree(const TSTree* tree, const assay_grammar_tables* tables, uint32_t max_depth, assay_flat_tree* out) {
  frame_stack stack = {NULL, 0, 0};
  const Subtree root = tree->root;
  const uint32_t begin = ts_subtree_padding(root).bytes;
  int status = emit(out, 0, 0, 0, 0, 0); /* the node that is not there */
  if (!status) status = emit(out, 0, begin + ts_subtree_size(root).bytes, 0, tables->program_kind, 0);
  if (!status) status = push(&stack, tree->language, root, begin, 1, 1, 0);
  while (!status && stack.size > 0) {
    const frame* f = &stack.frames[stack.size - 1];
    if (f->child_index < f->child_count) {
      status = visit(&stack, tree->language, tables, max_depth, out);
      continue;
    }
    if (f->record) out->records[f->record].subtree_end = out->count;
    stack.size--;
  }
  if (ts_subtree_symbol(root) == ts_builtin_sym_error) out->has_errors = 1;
  free(stack.frames);
  return status;
}

void assay_flat_tree_free(assay_flat_tree* flat) {
  free(flat->records);
  free(flat->comments);
  memset(flat, 0, sizeof *flat);
}
