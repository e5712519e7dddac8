/* From the parser's tree to flat records, in C because it reads the runtime's own node layout: going through the public
 * cursor costs as much as a third of the parse, this a tenth of it. The runtime is pinned by digest, so the layout is
 * too. */
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_TREE_READER_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_TREE_READER_H_
#include <stdint.h>
#include <tree_sitter/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What to do with a symbol of a grammar. */
enum {
  ASSAY_SYMBOL_SKIP = 0,    /* leave it out with all below */
  ASSAY_SYMBOL_TOKEN = 1,   /* no node: it sets the owner's operator or attributes */
  ASSAY_SYMBOL_COMMENT = 2, /* goes to the list of comments */
  ASSAY_SYMBOL_LEAF = 3,    /* a node without children */
  ASSAY_SYMBOL_NODE = 4,    /* a node with children */
  ASSAY_SYMBOL_FLATTEN = 5  /* no node: its children belong to the owner */
};

typedef struct assay_symbol {
  uint8_t action, kind, op, reserved0;
  uint16_t attributes, reserved1;
} assay_symbol;

typedef struct assay_grammar_tables {
  const assay_symbol* symbols; /* by symbol of the grammar */
  const uint8_t* fields;       /* by field of the grammar */
  const uint8_t* has_operator; /* by kind */
  uint32_t symbol_count;
  uint8_t error_kind, program_kind, reserved0[2];
} assay_grammar_tables;

typedef struct assay_record {
  uint32_t begin, length, parent, subtree_end;
  uint8_t kind, field;
  uint16_t bits;
} assay_record;

typedef struct assay_comment {
  uint32_t begin, end;
} assay_comment;

typedef struct assay_flat_tree {
  assay_record* records; /* [0] is left to the caller; freed by assay_flat_tree_free */
  uint32_t count, capacity;
  assay_comment* comments;
  uint32_t comment_count, comment_capacity;
  uint32_t has_errors;
} assay_flat_tree;

/* 0 done, 1 nested deeper than max_depth, 2 no memory. */
int assay_flatten_tree(const TSTree* tree, const assay_grammar_tables* tables, uint32_t max_depth,
                       assay_flat_tree* out);
void assay_flat_tree_free(assay_flat_tree* flat);

#ifdef __cplusplus
}
#endif
#endif /* ASSAY_PLUGINS_CODE_ANALYSIS_SYNTAX_TREE_READER_H_ */
