/* SPDX-License-Identifier: ISC */
/* Editing and encoding a node's fields.  Internal to vault; index lock. */
#ifndef COFFER_VAULT_MERGE_NODE_EDIT_H
#define COFFER_VAULT_MERGE_NODE_EDIT_H

#include "vault/merge/node.h"

/* ---- fields and lists; -ENOMEM ---- */
int node_name_set(struct node_name *n, const void *bytes, size_t len)
	must_check;
void node_name_clear(struct node_name *n);
bool node_name_equal(const struct node_name *n, const void *bytes, size_t len);
int node_add_place(struct node *n, struct node_place **ret) must_check;
void node_remove_place(struct node *n, unsigned i);
int node_add_version(struct node *n, struct node_version **ret) must_check;
void node_remove_version(struct node *n, unsigned i);
int node_add_sibling(struct node *n, struct node_sibling **ret) must_check;
void node_remove_sibling(struct node *n, unsigned i);
int node_add_old_link(struct node *n, struct dot link, hlc_t clock) must_check;
/* NULL if absent. */
struct node_version *node_find_version(struct node *n, struct dot d);
struct node_place *node_find_place(struct node *n, struct dot d);
struct node_sibling *node_find_sibling(struct node *n, struct dot version);

/* Record codec (node_rec.c); the format is local and private. */
void node_encode(const struct node *n, struct buf *b);
int node_decode(const uint8_t *rec, size_t bytes, struct node *n) must_check;
/* The kind in a record; KIND_NONE if it is too short to be one. */
unsigned node_rec_kind(const uint8_t *rec, size_t bytes);
void node_release_fields(struct node *n);

#endif
